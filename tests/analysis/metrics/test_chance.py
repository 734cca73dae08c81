"""The error of chance against all hits that there can be, closed forms and plain draws."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.chance import ChanceError, _hits_distribution, chance_calibration_error

confidences = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=1)


def every_outcome(confidence, bins):
    """ECE and probability of each of the 2^n sets of hits."""
    errors, chances = [], []
    for hits in product([0, 1], repeat=len(confidence)):
        errors.append(expected_calibration_error(confidence, hits, bins))
        chances.append(np.prod(np.where(hits, confidence, 1 - confidence)))
    order = np.argsort(errors)
    return np.array(errors)[order], np.array(chances)[order]


@pytest.mark.parametrize("bins", [1, 3, 10])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_all_hits_that_there_can_be(seed, bins):
    generator = np.random.default_rng(seed)
    confidence = generator.beta(3, 1, size=generator.integers(1, 11))
    errors, chances = every_outcome(confidence, bins)
    found = chance_calibration_error(confidence, bins, draws=40_000, seed=seed)
    assert found.mean == pytest.approx(float(errors @ chances), abs=1e-13)
    # about 5 % of the probability lies above the percentile, whichever side its own mass falls
    above = chances[errors > found.percentile_95 + 1e-9].sum()
    reached = chances[errors > found.percentile_95 - 1e-9].sum()
    assert above <= 0.05 + 0.006
    assert reached >= 0.05 - 0.006


@pytest.mark.parametrize(("n", "mean"), [(200, 0.0688), (1000, 0.0314), (10_000, 0.00997)])
def test_of_evenly_spread_confidences_it_falls_as_the_root_of_their_number(n, mean):
    confidence = (np.arange(n) + 0.5) / n
    found = chance_calibration_error(confidence)
    assert found.mean == pytest.approx(mean, rel=1e-3)
    # each bin's miss is about normal: E|x| = √(2/π) σ
    spread = [np.sqrt((part * (1 - part)).sum()) for part in np.split(confidence, 10)]
    assert found.mean == pytest.approx(np.sqrt(2 / np.pi) * sum(spread) / n, rel=0.03)
    assert found.mean < found.percentile_95 < 2 * found.mean


def test_agrees_with_plain_draws():
    confidence = np.random.default_rng(0).beta(5, 2, 1000)
    generator = np.random.default_rng(1)
    errors = [
        expected_calibration_error(confidence, generator.random(1000) < confidence)
        for _ in range(2000)
    ]
    found = chance_calibration_error(confidence)
    assert found.mean == pytest.approx(np.mean(errors), abs=4 * np.std(errors) / 2000**0.5)
    assert found.percentile_95 == pytest.approx(np.quantile(errors, 0.95), rel=0.03)


@pytest.mark.parametrize("p", [0.3, 0.9999])  # nearly all hits: what a transform would wrap
@pytest.mark.parametrize("n", [1, 2, 3, 64, 65, 128, 1000, 5000])
def test_equal_confidences_have_binomial_hits(n, p):
    np.testing.assert_allclose(
        _hits_distribution(np.full(n, p)), binom.pmf(np.arange(n + 1), n, p), atol=1e-12
    )


@settings(deadline=None)
@given(confidences)
def test_the_distribution_of_hits_has_their_mean_and_variance(confidence):
    chance, count = _hits_distribution(np.array(confidence)), np.arange(len(confidence) + 1)
    mean = sum(confidence)
    assert chance.sum() == pytest.approx(1)
    assert chance @ count == pytest.approx(mean, abs=1e-9)
    variance = sum(c * (1 - c) for c in confidence)
    assert chance @ (count - mean) ** 2 == pytest.approx(variance, abs=1e-9)


def test_certain_predictions_leave_nothing_to_chance():
    assert chance_calibration_error([1.0, 1.0, 0.0]) == ChanceError(0.0, 0.0)


def test_the_order_of_the_examples_does_not_matter_and_the_seed_alone_draws():
    confidence = np.random.default_rng(0).random(300)
    first = chance_calibration_error(confidence, seed=1)
    assert first == chance_calibration_error(confidence, seed=1)
    other = chance_calibration_error(confidence[::-1], seed=1)
    assert other.mean == pytest.approx(first.mean, abs=1e-12)
    assert other.percentile_95 == pytest.approx(first.percentile_95, abs=1e-12)
    assert chance_calibration_error(confidence, seed=2).mean == first.mean
