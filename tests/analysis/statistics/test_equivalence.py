"""Equivalence against SciPy's one-sided tests, its interval, and its errors by simulation."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats

from analysis.statistics.equivalence import mean_equivalence
from analysis.statistics.paired import mean_interval, paired_test

samples = st.lists(st.integers(-20, 20), min_size=2, max_size=12)


def exact_power(pairs, margin, mean=0.0, alpha=0.05):
    """Of normal differences with a deviation of 1, integrated over the sample's deviation."""
    t = stats.t.ppf(1 - alpha, pairs - 1)

    def density(deviation):
        scaled = (pairs - 1) ** 0.5
        reach = (margin - t * deviation / pairs**0.5) * pairs**0.5
        centre = mean * pairs**0.5
        inside = stats.norm.cdf(reach - centre) - stats.norm.cdf(-reach - centre)
        return inside * stats.chi.pdf(deviation * scaled, pairs - 1) * scaled

    return integrate.quad(density, 0, margin * pairs**0.5 / t)[0]


def found(pairs, margin, mean, repeats=3000):
    """Share of samples that are called equivalent."""
    drawn = np.random.default_rng(pairs).normal(mean, 1, size=(repeats, pairs))
    return np.mean([mean_equivalence(sample, margin).equivalent for sample in drawn])


@given(samples, st.floats(0.1, 30), st.floats(0.01, 0.4))
def test_p_is_the_larger_of_scipys_one_sided_tests(sample, margin, alpha):
    assume(len(set(sample)) > 1)
    above = stats.ttest_1samp(sample, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(sample, margin, alternative="less").pvalue
    result = mean_equivalence(sample, margin, alpha)
    assert result.p_value == pytest.approx(max(above, below), rel=1e-9, abs=1e-300)
    assert (result.mean, result.n) == (pytest.approx(np.mean(sample)), len(sample))


@given(samples, st.floats(0.1, 30), st.floats(0.01, 0.4))
def test_equivalent_is_what_has_its_interval_inside_the_margins(sample, margin, alpha):
    assume(len(set(sample)) > 1)
    result = mean_equivalence(sample, margin, alpha)
    assert result.interval == mean_interval(sample, 1 - 2 * alpha)
    low, high = result.interval
    assume(min(abs(low + margin), abs(high - margin)) > 1e-9)  # at the margin, rounding decides
    assert result.equivalent == (-margin < low and high < margin)


@given(samples, st.floats(0.1, 30))
def test_neither_sign_nor_unit_counts_and_a_wider_margin_is_easier(sample, margin):
    assume(len(set(sample)) > 1)
    p = mean_equivalence(sample, margin).p_value
    assert mean_equivalence(np.negative(sample), margin).p_value == pytest.approx(p)
    in_points = mean_equivalence(100 * np.array(sample), 100 * margin)
    assert in_points.p_value == pytest.approx(p, rel=1e-6, abs=1e-300)
    assert mean_equivalence(sample, 1.5 * margin).p_value <= p


def test_known_by_hand():
    # of -1, 0, 1: mean 0, s/√n = 1/√3; with 2 degrees of freedom P(T ≤ t) = (1 + t/√(2 + t²))/2
    result = mean_equivalence([-1.0, 0.0, 1.0], margin=2.0)
    t = -2 * 3**0.5
    assert result.p_value == pytest.approx((1 + t / (2 + t * t) ** 0.5) / 2)
    assert (round(result.p_value, 4), result.equivalent) == (0.0371, True)
    assert not mean_equivalence([-1.0, 0.0, 1.0], margin=1.5).equivalent


@pytest.mark.parametrize("pairs", [3, 6, 10, 30])
@pytest.mark.parametrize("margin", [0.5, 1.0, 3.0])
def test_a_mean_at_the_margin_passes_no_oftener_than_it_says(pairs, margin):
    size = exact_power(pairs, margin, mean=margin)
    assert size <= 0.05 + 1e-9
    for mean in (margin, -margin):
        assert found(pairs, margin, mean) == pytest.approx(size, abs=0.012)
    if margin == 3.0 and pairs > 3:
        assert size == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(
    ("margin", "by_pairs"),
    [
        (1.0, {6: 0.41, 10: 0.80, 15: 0.96, 20: 0.99}),
        (0.5, {6: 0.02, 10: 0.06, 15: 0.20, 20: 0.39}),
    ],
)
def test_power_is_as_told(margin, by_pairs):
    for pairs, told in by_pairs.items():
        power = exact_power(pairs, margin)
        assert power == pytest.approx(told, abs=0.006)
        assert found(pairs, margin, mean=0.0) == pytest.approx(power, abs=0.025)


def test_a_difference_that_was_not_shown_is_not_shown_to_be_none():
    differences = [-1.0, 1.8, -0.5, 0.9, 0.3, -1.2]
    assert paired_test(np.zeros(6), differences).p_value > 0.05
    assert not mean_equivalence(differences, margin=0.5).equivalent
    # and one that was shown may be small enough
    shown = np.random.default_rng(0).normal(0.02, 0.01, size=30)
    assert paired_test(np.zeros(30), shown).p_value < 0.001
    assert mean_equivalence(shown, margin=0.05).equivalent


@pytest.mark.filterwarnings("error")
def test_without_a_spread_nothing_is_shown():
    one = mean_equivalence([0.01], margin=1.0)
    assert (one.p_value, one.equivalent, one.note) == (None, False, "one pair has no spread")
    assert np.isnan(one.interval).all()
    equal = mean_equivalence([0.1] * 3, margin=1.0)
    assert (equal.mean, equal.interval, equal.p_value) == (0.1, (0.1, 0.1), None)
    assert (equal.equivalent, equal.note) == (False, "no pair differs from another")


def test_an_underflowing_p_is_the_smallest_number():
    result = mean_equivalence(1e-9 * np.arange(400.0), margin=1e6)
    assert result.p_value == np.nextafter(0, 1) > 0
    assert result.equivalent


@pytest.mark.parametrize("alpha", [0.5, 0.95])
def test_a_level_of_a_half_or_more_is_none(alpha):
    with pytest.raises(ValueError, match=r"alpha must lie in \(0, 0.5\)"):
        mean_equivalence([0.0, 1.0], 1.0, alpha)
