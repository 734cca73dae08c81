"""The worst slab against all slabs one by one, and what it says where coverage is known."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.metrics.worst_slice import _worst_slab, worst_slice_coverage


def sets_that_hold(holds):
    """One class, which is in the set where it is covered."""
    return np.asarray(holds, dtype=bool)[:, None]


def measured(holds, features, seed=0, **settings):
    return worst_slice_coverage(
        sets_that_hold(holds), np.zeros(len(holds), int), features, seed, **settings
    )


def least_of_all_slabs(holds, points, directions, mass):
    """Every pair of values that occur along every direction, in exact arithmetic."""
    found = set()
    for v in directions:
        along = points @ v
        for low in along:
            inside = (along >= low) & (along <= along[along >= low][:, None])  # a slab a row
            found |= {*zip((inside & holds).sum(1).tolist(), inside.sum(1).tolist(), strict=True)}
    return min(Fraction(hits, length) for hits, length in found if length >= mass * len(holds))


@pytest.mark.parametrize("mass", [0.05, 0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(4))
def test_no_slab_covers_less(seed, mass):
    generator = np.random.default_rng(seed)
    points, directions = generator.normal(size=(40, 3)), generator.normal(size=(70, 3))
    holds = generator.random(40) < 0.7
    _, within = _worst_slab(holds, points, directions, mass)
    assert within.size >= mass * 40
    expected = least_of_all_slabs(holds, points, directions, mass)
    assert Fraction(int(holds[within].sum()), within.size) == expected


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 99),
)
def test_examples_that_tie_are_in_a_slab_together(examples, percent):
    values, holds = (np.array(column) for column in zip(*examples, strict=True))
    points, directions = values[:, None] * 1.0, np.array([[1.0], [-2.0]])
    _, within = _worst_slab(holds, points, directions, percent / 100)
    expected = least_of_all_slabs(holds, points, directions, Fraction(percent, 100))
    assert Fraction(int(holds[within].sum()), within.size) == expected
    assert not np.isin(np.delete(values, within), values[within]).any()


def test_a_band_that_is_never_covered_is_found_and_measured():
    features = np.random.default_rng(0).normal(size=(8000, 2))
    along = features @ [0.6, 0.8]
    holds = ~((along > 0.2) & (along < 0.6))  # 15 % of the inputs
    assert holds.mean() > 0.8
    assert measured(holds, features) < 0.05
    assert measured(holds, features, mass=0.5) == pytest.approx(1 - 0.147 / 0.5, abs=0.06)


def test_of_coverage_that_is_the_same_everywhere_it_is_that_in_the_mean():
    generator, found = np.random.default_rng(1), []
    for seed in range(200):
        features = generator.normal(size=(400, 3))
        holds = generator.random(400) < 0.9
        found.append(measured(holds, features, seed, directions=50))
    # of some 30 measured examples each: a standard error of .004
    assert np.mean(found) == pytest.approx(0.9, abs=0.012)


def test_the_slab_is_measured_by_other_examples_than_those_that_sought_it():
    generator = np.random.default_rng(4)
    features, holds = generator.normal(size=(300, 2)), generator.random(300) < 0.8
    # told independently: the parts first, then the directions, then every slab
    split = np.random.default_rng(7)
    seeking, measuring = np.split(split.permutation(300), [120])
    directions = split.normal(size=(30, 2))
    v, within = _worst_slab(holds[seeking], features[seeking], directions, 0.2)
    along = features @ v
    low, high = along[seeking][within].min(), along[seeking][within].max()
    inside = [i for i in measuring if low <= along[i] <= high]
    settings = {"mass": 0.2, "directions": 30, "searched": 0.4}
    assert measured(holds, features, 7, **settings) == np.mean(holds[inside])
    # what chance made of the slab is not in the measurement
    assert holds[seeking][within].mean() < np.mean(holds[inside])


@pytest.mark.parametrize(("covered", "expected"), [(True, 1.0), (False, 0.0)])
def test_all_or_nothing_is_so_in_every_slab(covered, expected):
    features = np.random.default_rng(0).normal(size=(200, 3))
    assert measured([covered] * 200, features) == expected


def test_scale_shift_and_order_of_the_features_change_little():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(4000, 2))
    holds = generator.random(4000) < 1 / (1 + np.exp(-2 - 2 * features[:, 0]))
    expected = measured(holds, features)
    assert measured(holds, 8 * features) == expected
    assert measured(holds, features + 5) == pytest.approx(expected, abs=0.02)
    turned = features @ np.array([[0.6, -0.8], [0.8, 0.6]])
    assert measured(holds, turned) == pytest.approx(expected, abs=0.05)


def test_the_slab_is_the_seeds():
    generator = np.random.default_rng(0)
    features, holds = generator.normal(size=(500, 2)), generator.random(500) < 0.8
    assert measured(holds, features, 1) == measured(holds, features, 1)
    assert measured(holds, features, 1) != measured(holds, features, 2)


@pytest.mark.parametrize(
    ("n", "settings", "problem"),
    [
        (1, {}, "sets are 1: too few to seek a slab and to measure it"),
        (10, {"searched": 0.99}, "too few to seek"),
        (2, {"searched": 0.5}, "no measured example is in the slab"),
    ],
)
def test_too_few_examples_are_refused(n, settings, problem):
    features = np.arange(n)[:, None]
    with pytest.raises(ValueError, match=problem):
        measured([True] * n, features, **settings)
