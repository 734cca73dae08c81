"""Boundaries of looks against published tables, the normal recursion, and brute force."""

import numpy as np
import pytest
from scipy import integrate, stats

from analysis.statistics.student_boundaries import MOST, critical_values

ALPHA = 0.05


def pocock_like(share):
    return ALPHA * np.log(1 + (np.e - 1) * share)


def obrien_fleming_like(share):
    return 2 * stats.norm.sf(stats.norm.ppf(1 - ALPHA / 2) / np.sqrt(share))


def of_many(looks, spending):
    """The boundaries of so many equally spaced looks, as for a spread that is known: the nominal
    level of each is what little depends on the pairs, where there are hundreds."""
    pairs = tuple(MOST * k // looks for k in range(1, looks + 1))
    spent = tuple(float(spending(n / MOST)) for n in pairs)
    t = np.array(critical_values(pairs, spent))
    return stats.norm.isf(stats.t.sf(t, np.array(pairs) - 1))


# Two-sided, α = .05, equally spaced looks: what programs for group-sequential designs print, such
# as Reboussin, DeMets, Kim & Lan, Control. Clin. Trials 21, 190–207 (2000)
@pytest.mark.parametrize(
    ("spending", "table"),
    [
        (obrien_fleming_like, [2.963, 1.969]),
        (obrien_fleming_like, [3.710, 2.511, 1.993]),
        (obrien_fleming_like, [4.333, 2.963, 2.359, 2.014]),
        (obrien_fleming_like, [4.877, 3.357, 2.680, 2.290, 2.031]),
        (pocock_like, [2.157, 2.201]),
        (pocock_like, [2.279, 2.295, 2.296]),
        (pocock_like, [2.368, 2.368, 2.358, 2.350]),
        (pocock_like, [2.438, 2.427, 2.410, 2.397, 2.386]),
    ],
)
def test_of_many_pairs_they_are_those_of_lan_and_demets_tables(spending, table):
    if spending is obrien_fleming_like:  # the tables' one-sided function, twice
        found = of_many(len(table), lambda share: 4 * stats.norm.sf(2.2414 / np.sqrt(share)))
    else:
        found = of_many(len(table), spending)
    assert found == pytest.approx(table, abs=0.004)


# Pocock, Biometrika 64, 191–199 (1977): the constant at which equal boundaries err in 5 %
@pytest.mark.parametrize(("looks", "constant"), [(2, 2.178), (3, 2.289), (4, 2.361), (5, 2.413)])
def test_what_pococks_constant_spends_gives_pococks_constant(looks, constant):
    pairs = tuple(MOST * k // looks for k in range(1, looks + 1))
    spent = normal_spending(pairs, [constant] * looks)
    assert spent[-1] == pytest.approx(ALPHA, abs=2e-4)
    t = np.array(critical_values(pairs, tuple(spent)))
    nominal = stats.norm.isf(stats.t.sf(t, np.array(pairs) - 1))
    assert nominal == pytest.approx(constant, abs=0.003)


# O'Brien & Fleming, Biometrics 35, 549–556 (1979): c·√(K/k), c of 5 %
@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040)])
def test_what_obrien_and_flemings_constant_spends_gives_theirs(looks, constant):
    pairs = tuple(MOST * k // looks for k in range(1, looks + 1))
    bounds = constant * np.sqrt(looks / np.arange(1, looks + 1))
    spent = normal_spending(pairs, bounds)
    assert spent[-1] == pytest.approx(ALPHA, abs=2e-4)
    t = np.array(critical_values(pairs, tuple(spent)))
    assert stats.norm.isf(stats.t.sf(t, np.array(pairs) - 1)) == pytest.approx(bounds, abs=0.004)


def normal_spending(pairs, bounds):
    """Cumulative error of boundaries of |z|, by the recursion for a known spread on a fine grid."""
    spent, before, grid, density = [], 0, None, None
    for n, bound in zip(pairs, bounds, strict=True):
        end = bound * np.sqrt(n)
        new = np.linspace(-end, end, 801)
        if grid is None:
            going = stats.norm.pdf(new, scale=np.sqrt(n))
        else:
            step = stats.norm.pdf(new[:, None] - grid, scale=np.sqrt(n - before))
            going = integrate.simpson(step * density, x=grid, axis=1)
        grid, density, before = new, going, n
        spent.append(1 - float(integrate.simpson(density, x=grid)))
    return spent


@pytest.mark.parametrize(
    ("pairs", "spent"),
    [
        ((6, 10, 16, 30), (0.008, 0.0133, 0.0213, 0.04)),
        ((2, 4, 6, 8), (0.01, 0.02, 0.03, 0.05)),  # as few and as close as can be
        ((6, 8, 11, 13), (0.03, 0.04, 0.045, 0.05)),
        ((3, 30), (0.025, 0.05)),
    ],
)
def test_of_few_pairs_studies_stop_as_often_as_is_spent(pairs, spent):
    values, studies = critical_values(pairs, spent), 200_000
    samples = np.random.default_rng(5).normal(size=(studies, pairs[-1]))
    going = np.ones(studies, bool)
    for n, value, error, before in zip(pairs, values, spent, (0.0, *spent), strict=False):
        t = stats.ttest_1samp(samples[:, :n], 0, axis=1).statistic
        stop = going & (np.abs(t) >= value)
        share = error - before
        assert stop.mean() == pytest.approx(share, abs=4.5 * (share / studies) ** 0.5)
        going &= ~stop


def test_one_look_is_students_quantile():
    assert critical_values((10,), (0.05,)) == (pytest.approx(stats.t.ppf(0.975, 9)),)


def test_two_looks_against_a_direct_integral():
    """Of 2 pairs and then 2 more: θ′ from θ by integrating over B and U, with another method."""
    first, second = critical_values((2, 4), (0.02, 0.05))
    one, two = np.arctan(first), np.arctan(second / 3**0.5)

    def stays(share, theta):  # U is uniform in ψ
        centre = np.sin(theta) * np.sqrt(share / 2)
        scale = np.sqrt((1 - share) / 2)
        low, high = (
            np.arcsin(np.clip((side * np.sin(two) - centre) / scale, -1, 1)) for side in (-1, 1)
        )
        return (high - low) / np.pi

    shares, angles = (np.arange(2000) + 0.5) / 2000, np.linspace(-one, one, 2001)
    inside = stays(shares, angles[:, None]).mean(axis=1)
    assert 1 - integrate.simpson(inside, x=angles) / np.pi == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(
    ("pairs", "spent", "says"),
    [
        ((6, 7), (0.01, 0.05), "must rise by 2"),
        ((1, 6), (0.01, 0.05), "must rise by 2"),
        ((6, 10), (0.05, 0.05), "spent must rise"),
        ((6, 10), (0.05,), "must be of one length"),
        ((6, MOST + 1), (0.01, 0.05), "in 1..2000"),
    ],
)
def test_what_cannot_be_is_refused(pairs, spent, says):
    with pytest.raises(ValueError, match=says):
        critical_values(pairs, spent)
