"""The percentile bootstrap against all resamples, SciPy, and how often it covers the truth."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from analysis.metrics.bootstrap import bootstrap_metric_interval
from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import negative_log_likelihood


def mean(values):
    return float(np.mean(values))


def calibrated(n, seed=0):
    """Confidences and outcomes, each right with just the probability it says."""
    generator = np.random.default_rng(seed)
    confidence = generator.uniform(0.1, 1, size=n)
    return confidence, generator.random(n) < confidence


def test_agrees_with_the_quantiles_over_all_resamples():
    confidence, correct = np.array([0.15, 0.45, 0.72, 0.96]), np.array([True, False, True, True])
    every = [
        expected_calibration_error(confidence[list(rows)], correct[list(rows)])
        for rows in product(range(4), repeat=4)
    ]
    low, high = bootstrap_metric_interval(
        expected_calibration_error, confidence, correct, level=0.8, resamples=20_000
    )
    assert (low, high) == pytest.approx(np.quantile(every, [0.1, 0.9]), abs=0.02)


def test_of_a_mean_agrees_with_scipys_percentile_interval():
    values = np.random.default_rng(0).exponential(size=100)
    reference = stats.bootstrap(
        (values,), np.mean, method="percentile", random_state=np.random.default_rng(1)
    ).confidence_interval
    interval = bootstrap_metric_interval(mean, values, resamples=10_000)
    assert interval == pytest.approx((reference.low, reference.high), abs=0.02)


def test_covers_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        low, high = bootstrap_metric_interval(mean, generator.normal(size=50), resamples=200)
        covered += low <= 0 <= high
    assert 0.90 <= covered / 300 <= 0.98


def test_the_arrays_of_one_example_stay_together():
    logits = np.random.default_rng(0).normal(size=(200, 3))
    labels = logits.argmax(axis=1)

    def agreement(rows, classes):
        return float((rows.argmax(axis=1) == classes).mean())

    assert bootstrap_metric_interval(agreement, logits, labels, resamples=50) == (1.0, 1.0)
    low, high = bootstrap_metric_interval(negative_log_likelihood, logits, labels, resamples=200)
    assert low < negative_log_likelihood(logits, labels) < high


def test_the_same_seed_gives_the_same_interval():
    examples = calibrated(200)
    first = bootstrap_metric_interval(expected_calibration_error, *examples, resamples=100)
    again = bootstrap_metric_interval(expected_calibration_error, *examples, resamples=100, seed=0)
    other = bootstrap_metric_interval(expected_calibration_error, *examples, resamples=100, seed=1)
    assert first == again != other


def test_more_confidence_is_wider_and_more_examples_are_narrower():
    def width(n, level):
        low, high = bootstrap_metric_interval(mean, calibrated(n)[0], level=level, resamples=500)
        return high - low

    assert width(100, 0.8) < width(100, 0.95)
    assert width(10_000, 0.95) == pytest.approx(width(100, 0.95) / 10, rel=0.25)


def test_of_a_calibrated_network_the_interval_lies_too_high():
    # the docstring's warning: resampling adds noise to every bin, and |noise| only adds
    examples = calibrated(2000)
    error = expected_calibration_error(*examples)
    low, high = bootstrap_metric_interval(expected_calibration_error, *examples)
    assert (low + high) / 2 > error + 0.2 * (high - low)


@pytest.mark.parametrize(
    ("arrays", "said"), [(([0.1, 0.2], [1]), r", not \[\(2,\), \(1,\)\]"), ((), "")]
)
def test_there_is_something_to_measure_and_of_one_length(arrays, said):
    with pytest.raises(ValueError, match=f"one number of examples{said}"):
        bootstrap_metric_interval(mean, *arrays)
