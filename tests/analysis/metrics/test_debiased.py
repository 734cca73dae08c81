"""The debiased error against Kumar et al.'s own library, a plain loop, and its mean over draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.metrics.calibration import calibration_gap
from analysis.metrics.debiased import debiased_l2_error, debiased_squared_error

predictions = st.lists(
    st.tuples(st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1
)

# uncertainty-calibration 0.1.4: lower_bound_scaling_ce(c, y, p=2, debias=True, num_bins=15,
# binning_scheme=get_equal_bins) of drawn(seed, n, power), as drawn and rounded to one decimal
PEER = [
    ((0, 100, 1.0), 0.04714306189579302, 0.0),
    ((1, 1000, 1.0), 0.03850832489282619, 0.04562583801721985),
    ((2, 1000, 1.5), 0.09029346376317883, 0.09366462638790261),
    ((3, 5000, 0.7), 0.06443661247653645, 0.06817708319680561),
    ((4, 301, 3.0), 0.2717997922935862, 0.2735810669669944),
]


def drawn(seed, n, power):
    generator = np.random.default_rng(seed)
    confidence = generator.beta(5, 2, n)
    return confidence, generator.random(n) < confidence**power


def by_loop(confidence, correct, bins):
    """Filled one example at a time: a bin is closed where it is full and the next one is above."""
    examples = sorted(zip(confidence, correct, strict=True))
    n, runs = len(examples), min(bins, len(examples))
    ends = np.cumsum([n // runs + (i < n % runs) for i in range(runs)])
    total, members = 0.0, []
    for i, (c, hit) in enumerate(examples):
        members.append((c, hit))
        last = i + 1 == n
        cut_here = any(e <= i + 1 and examples[e - 1][0] == c for e in ends)
        if last or (cut_here and examples[i + 1][0] > c):
            if len(members) > 1:
                said, hits = np.mean(members, axis=0)
                variance = hits * (1 - hits) / (len(members) - 1)
                total += len(members) / n * ((said - hits) ** 2 - variance)
            members = []
    return total


@pytest.mark.parametrize(("sample", "as_drawn", "rounded"), PEER)
def test_agrees_with_the_authors_library(sample, as_drawn, rounded):
    confidence, correct = drawn(*sample)
    assert debiased_l2_error(confidence, correct) == pytest.approx(as_drawn, abs=1e-12)
    assert debiased_l2_error(confidence.round(1), correct) == pytest.approx(rounded, abs=1e-12)


@given(predictions, st.integers(1, 20))
def test_agrees_with_a_plain_loop(pairs, bins):
    examples = tuple(zip(*pairs, strict=True))
    squared = debiased_squared_error(*examples, bins)
    assert squared == pytest.approx(by_loop(*examples, bins), abs=1e-12)
    assert debiased_l2_error(*examples, bins) == pytest.approx(max(squared, 0) ** 0.5)
    assert squared <= 1


@given(predictions)
def test_one_bin_has_the_squared_gap_less_its_variance(pairs):
    confidence, correct = zip(*pairs, strict=True)
    n, accuracy = len(correct), np.mean(correct)
    gap = calibration_gap(confidence, correct)
    expected = gap**2 - accuracy * (1 - accuracy) / (n - 1) if n > 1 else 0.0
    assert debiased_squared_error(confidence, correct, bins=1) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("gap", [0.0, 0.1])
@pytest.mark.parametrize("n", [45, 300])
def test_the_mean_over_many_draws_is_the_true_error_whatever_the_number(n, gap):
    levels = np.repeat([0.5, 0.7, 0.9], n // 3)
    generator = np.random.default_rng(0)
    found = [
        debiased_squared_error(levels, generator.random(n) < levels - gap) for _ in range(3000)
    ]
    assert np.mean(found) == pytest.approx(gap**2, abs=4 * np.std(found) / 3000**0.5)
    if gap == 0:
        assert min(found) < 0  # kept, so that the mean is right


def test_order_of_the_examples_does_not_matter():
    confidence, correct = drawn(0, 200, 2.0)
    confidence = confidence.round(1)
    rows = np.random.default_rng(1).permutation(200)
    assert debiased_squared_error(confidence, correct) == pytest.approx(
        debiased_squared_error(confidence[rows], correct[rows]), abs=1e-15
    )
