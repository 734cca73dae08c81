"""Class-wise ECE and the Brier score against torchmetrics, scikit-learn and plain loops."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import binary_calibration_error

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import softmax
from analysis.metrics.probabilistic import (
    brier_decomposition,
    brier_score,
    classwise_calibration_error,
)

near = partial(pytest.approx, abs=1e-12)


@st.composite
def forecasts(draw):
    """Probabilities (n, classes), zeros and ones among them, and labels (n,)."""
    shape = draw(st.tuples(st.integers(1, 30), st.integers(2, 5)))
    weights = draw(arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0])))
    weights[weights.sum(axis=1) == 0] = 1
    labels = draw(arrays(np.int64, shape[:1], elements=st.integers(0, shape[1] - 1)))
    return weights / weights.sum(axis=1, keepdims=True), labels


def sample(classes=10, n=3000):
    generator = np.random.default_rng(classes)
    logits = generator.normal(size=(n, classes))
    return softmax(logits), generator.integers(classes, size=n)


def members_of(forecast, bins):
    """The indices of each bin's examples, one example at a time."""
    edges, found = [i / bins for i in range(bins + 1)], [[] for _ in range(bins)]
    for i, p in enumerate(forecast):
        found[sum(edge <= p for edge in edges[1:-1])].append(i)
    return [members for members in found if members]


def decomposition_by_loop(probabilities, labels, bins):
    """Murphy's three parts, and Stephenson's within-bin variance less twice the covariance."""
    n, parts = len(labels), np.zeros(4)
    for k in range(probabilities.shape[1]):
        forecast, outcome = probabilities[:, k], [float(label == k) for label in labels]
        base = sum(outcome) / n
        parts[2] += base * (1 - base)
        for members in members_of(forecast, bins):
            said = sum(forecast[i] for i in members) / len(members)
            seen = sum(outcome[i] for i in members) / len(members)
            parts[0] += len(members) / n * (said - seen) ** 2
            parts[1] += len(members) / n * (seen - base) ** 2
            variance = sum((forecast[i] - said) ** 2 for i in members)
            covariance = sum((forecast[i] - said) * (outcome[i] - seen) for i in members)
            parts[3] += (variance - 2 * covariance) / n
    return parts


class TestClasswise:
    @pytest.mark.parametrize("bins", [10, 15])
    @pytest.mark.parametrize("classes", [2, 10])
    def test_is_the_mean_of_torchmetrics_binary_errors_away_from_one(self, classes, bins):
        probabilities, labels = sample(classes)
        reference = [
            binary_calibration_error(
                torch.tensor(probabilities[:, k]), torch.tensor(labels == k), n_bins=bins, norm="l1"
            ).item()
            for k in range(classes)
        ]
        error = classwise_calibration_error(probabilities, labels, bins)
        assert error == pytest.approx(np.mean(reference), abs=1e-6)

    def test_certainty_counts_in_the_first_and_the_last_bin(self):
        # class 0: says 1.0 and .95, one is right; class 1: says 0.0 and .05, one is right
        error = classwise_calibration_error([[1.0, 0.0], [0.95, 0.05]], [1, 0])
        assert error == pytest.approx((0.475 + 0.475) / 2)

    def test_sees_what_the_confidence_in_the_prediction_does_not(self):
        # class 0 comes as often as it is said to, classes 1 and 2 the other way round
        probabilities, labels = np.tile([0.6, 0.3, 0.1], (10, 1)), np.repeat([0, 1, 2], [6, 1, 3])
        confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
        assert expected_calibration_error(confidence, correct) == near(0)
        assert classwise_calibration_error(probabilities, labels) == pytest.approx(0.4 / 3)

    def test_is_invariant_to_the_order_of_classes_and_examples(self):
        probabilities, labels = sample(5, 400)
        classes = np.array([3, 0, 4, 1, 2])
        rows = np.random.default_rng(0).permutation(400)
        shuffled = probabilities[rows][:, np.argsort(classes)], classes[labels[rows]]
        error = classwise_calibration_error(probabilities, labels)
        assert classwise_calibration_error(*shuffled) == near(error)


class TestBrier:
    @given(forecasts())
    def test_is_the_sum_of_scikit_learns_scores_of_each_class(self, forecast):
        probabilities, labels = forecast
        reference = [
            brier_score_loss((labels == k).astype(int), probabilities[:, k], pos_label=1)
            for k in range(probabilities.shape[1])
        ]
        assert brier_score(probabilities, labels) == near(sum(reference))

    def test_of_two_classes_is_twice_the_binary_score(self):
        probabilities, labels = sample(2)
        binary = brier_score_loss(labels, probabilities[:, 1])
        assert brier_score(probabilities, labels) == pytest.approx(2 * binary)

    def test_is_zero_for_the_truth_and_two_for_certain_error(self):
        assert brier_score(np.eye(3), [0, 1, 2]) == 0
        assert brier_score(np.eye(3), [1, 2, 0]) == 2


class TestDecomposition:
    @given(forecasts(), st.integers(1, 15))
    def test_agrees_with_a_plain_loop_and_sums_to_the_score(self, forecast, bins):
        parts = brier_decomposition(*forecast, bins)
        found = [parts.reliability, parts.resolution, parts.uncertainty, parts.within_bin]
        np.testing.assert_allclose(found, decomposition_by_loop(*forecast, bins), atol=1e-12)
        assert parts.score == near(brier_score(*forecast))
        assert -1e-12 <= parts.resolution <= parts.uncertainty + 1e-12

    def test_of_forecasts_that_are_equal_in_each_bin_is_murphys_three_parts(self):
        generator = np.random.default_rng(0)
        first = generator.choice([0.05, 0.25, 0.55, 1.0], size=500)
        probabilities = np.stack([first, 1 - first], axis=1)
        labels = generator.integers(2, size=500)
        parts = brier_decomposition(probabilities, labels)
        assert parts.within_bin == near(0)
        score = pytest.approx(brier_score(probabilities, labels))
        assert parts.reliability - parts.resolution + parts.uncertainty == score

    def test_of_the_truth_is_all_resolution(self):
        parts = brier_decomposition(np.eye(4), [0, 1, 2, 3])
        assert (parts.reliability, parts.within_bin) == (0, near(0))
        assert parts.resolution == pytest.approx(parts.uncertainty) == pytest.approx(0.75)

    def test_of_the_labels_frequencies_is_all_uncertainty(self):
        labels = np.repeat([0, 1, 2], [5, 3, 2])
        parts = brier_decomposition(np.tile([0.5, 0.3, 0.2], (10, 1)), labels)
        assert (parts.reliability, parts.resolution) == near((0, 0))
        assert parts.uncertainty == pytest.approx(1 - 0.25 - 0.09 - 0.04) == parts.score


def test_a_float32_softmax_over_a_thousand_classes_is_accepted():
    logits = np.random.default_rng(0).normal(size=(50, 1000)).astype(np.float32)
    probabilities = torch.from_numpy(logits).softmax(-1).numpy()
    assert 0.9 < brier_score(probabilities, np.arange(50)) < 1.1
