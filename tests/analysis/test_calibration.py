"""Calibration error against torchmetrics, a plain loop, and what happens at the edges."""

import doctest

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.classification import MulticlassCalibrationError

from analysis.metrics import calibration, ood
from analysis.metrics.calibration import (
    calibration_gap,
    expected_calibration_error,
    reliability_diagram,
)
from analysis.metrics.classification import confidence_and_correct

EDGES = np.linspace(0.0, 1.0, 11)

# confidences anywhere, and often on an edge
predictions = st.lists(
    st.tuples(st.floats(0, 1) | st.sampled_from(EDGES.tolist()), st.booleans()), min_size=1
)


def ece_by_loop(confidence, correct, bins):
    """The definition, one example and one bin at a time."""
    edges, total = np.linspace(0.0, 1.0, bins + 1), 0.0
    for i in range(bins):
        members = [
            j
            for j, c in enumerate(confidence)
            if edges[i] <= c < edges[i + 1] or (i == bins - 1 and c == 1.0)
        ]
        if members:
            hit = sum(bool(correct[j]) for j in members) / len(members)
            said = sum(confidence[j] for j in members) / len(members)
            total += len(members) / len(confidence) * abs(hit - said)
    return total


@pytest.mark.parametrize("bins", [10, 15])
@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_agrees_with_torchmetrics_away_from_one(sharpness, bins):
    generator = np.random.default_rng(0)
    logits = sharpness * generator.normal(size=(3000, 10))
    labels = np.where(
        generator.random(3000) < 0.5, logits.argmax(axis=1), generator.integers(10, size=3000)
    )
    reference = MulticlassCalibrationError(num_classes=10, n_bins=bins, norm="l1")
    expected = reference(torch.from_numpy(logits).softmax(-1), torch.from_numpy(labels))
    measured = expected_calibration_error(*confidence_and_correct(logits, labels), bins)
    assert measured > 0.01
    assert measured == pytest.approx(expected.item(), abs=1e-6)


@given(predictions, st.integers(1, 20))
def test_agrees_with_a_plain_loop(pairs, bins):
    confidence, correct = zip(*pairs, strict=True)
    assert expected_calibration_error(confidence, correct, bins) == pytest.approx(
        ece_by_loop(confidence, correct, bins), abs=1e-12
    )


@given(predictions, st.randoms(use_true_random=False))
def test_order_of_the_examples_does_not_matter(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    first, second = (
        expected_calibration_error(*zip(*examples, strict=True)) for examples in (pairs, shuffled)
    )
    assert first == pytest.approx(second, abs=1e-12)


@given(predictions)
def test_every_example_counts_once_and_the_gap_bounds_the_error_from_below(pairs):
    confidence, correct = zip(*pairs, strict=True)
    assert reliability_diagram(confidence, correct).count.sum() == len(pairs)
    ece = expected_calibration_error(confidence, correct)
    assert abs(calibration_gap(confidence, correct)) - 1e-12 <= ece <= 1


def test_confidence_of_one_counts_in_the_last_bin():
    # torchmetrics 1.9 gives 1.0 a bin of its own, and so .525
    assert expected_calibration_error([0.95, 1.0], [True, False]) == pytest.approx(0.475)
    assert reliability_diagram([1.0], [True]).count.tolist() == [0] * 9 + [1]


def test_confidence_of_zero_counts_in_the_first_bin():
    assert reliability_diagram([0.0], [False]).count.tolist() == [1] + [0] * 9
    assert expected_calibration_error([0.0, 0.05], [True, False]) == pytest.approx(0.475)


@pytest.mark.parametrize("i", range(1, 10))
def test_an_inner_edge_belongs_to_the_bin_above_it(i):
    below, on = np.nextafter(EDGES[i], 0.0), EDGES[i]
    count = reliability_diagram([below, on], [True, True]).count
    assert (count[i - 1], count[i]) == (1, 1)


def test_a_float32_confidence_is_placed_by_its_exact_value():
    seven_tenths = np.float32(0.7)  # 0.699999988
    assert reliability_diagram([seven_tenths], [True]).count[6] == 1
    confidence = np.random.default_rng(1).random(1000, dtype=np.float32)
    correct = confidence > 0.5
    assert expected_calibration_error(confidence, correct) == expected_calibration_error(
        confidence.astype(np.float64), correct
    )


def test_perfectly_calibrated_bins_have_no_error():
    # in each bin, 20 predictions at its mid-point, of which just that fraction is right
    hits = np.arange(1, 20, 2)
    confidence = np.repeat(hits / 20, 20)
    correct = np.concatenate([np.arange(20) < h for h in hits])
    assert expected_calibration_error(confidence, correct) == pytest.approx(0, abs=1e-12)
    assert expected_calibration_error(confidence, ~correct) == pytest.approx(0.5)


def test_a_bin_is_represented_by_its_mean_confidence_not_its_middle():
    diagram = reliability_diagram([0.91, 0.93, 0.31], [True, False, False])
    np.testing.assert_allclose(diagram.edges, EDGES)
    assert diagram.count.tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 2]
    assert diagram.confidence[[3, 9]] == pytest.approx([0.31, 0.92])
    assert diagram.accuracy[[3, 9]] == pytest.approx([0.0, 0.5])
    empty = diagram.count == 0
    assert np.isnan(diagram.confidence[empty]).all()
    assert np.isnan(diagram.accuracy[empty]).all()


def test_gap_is_positive_where_the_network_is_overconfident():
    assert calibration_gap([0.9, 0.7], [True, False]) == pytest.approx(0.3)
    assert calibration_gap([0.2, 0.4], [True, False]) == pytest.approx(-0.2)


@pytest.mark.parametrize(
    "metric", [reliability_diagram, expected_calibration_error, calibration_gap]
)
@pytest.mark.parametrize(
    ("confidence", "correct", "problem"),
    [
        ([0.5, 0.5], [True], r"one length, not \(2,\) and \(1,\)"),
        ([[0.5]], [[True]], "vectors"),
        ([], [], "empty"),
        ([0.5, np.nan], [True, True], "NaN"),
        ([0.5, 1.0000001], [True, True], r"lie in \[0, 1\]"),
        ([-0.1, 0.5], [True, True], r"lie in \[0, 1\]"),
        ([0.5, np.inf], [True, True], r"lie in \[0, 1\]"),
        ([0.5, 0.5], [0, 2], "boolean or 0/1"),
        ([0.5, 0.5], [0.0, np.nan], "boolean or 0/1"),
    ],
)
def test_input_without_a_truthful_answer_is_refused(metric, confidence, correct, problem):
    with pytest.raises(ValueError, match=problem):
        metric(confidence, correct)


def test_there_is_at_least_one_bin():
    with pytest.raises(ValueError, match="bins must be at least 1, not 0"):
        expected_calibration_error([0.5], [True], bins=0)


@pytest.mark.parametrize("module", [calibration, ood])
def test_the_examples_in_the_docstrings_are_true(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0
    assert outcome.failed == 0
