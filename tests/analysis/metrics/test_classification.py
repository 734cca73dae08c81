"""Softmax, accuracy and likelihood against PyTorch and against numbers known by hand."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from analysis.metrics.classification import (
    accuracy,
    confidence_and_correct,
    log_softmax,
    negative_log_likelihood,
    softmax,
)


@pytest.fixture(params=[1.0, 30.0, 1e4], ids=lambda scale: f"scale {scale:g}")
def predictions(request):
    """Logits (200, 10) of rising size, and labels (200,)."""
    generator = np.random.default_rng(0)
    return request.param * generator.normal(size=(200, 10)), generator.integers(10, size=200)


def test_agrees_with_pytorch(predictions):
    logits, labels = predictions
    tensor, classes = torch.from_numpy(logits), torch.from_numpy(labels)
    np.testing.assert_allclose(log_softmax(logits), F.log_softmax(tensor, -1), 1e-12, 1e-15)
    np.testing.assert_allclose(softmax(logits), F.softmax(tensor, -1), rtol=1e-12)
    expected = F.cross_entropy(tensor, classes).item()
    assert negative_log_likelihood(logits, labels) == pytest.approx(expected, rel=1e-12)
    confidence, correct = confidence_and_correct(logits, labels)
    largest, predicted = F.softmax(tensor, -1).max(-1)
    np.testing.assert_allclose(confidence, largest, rtol=1e-12)
    np.testing.assert_array_equal(correct, predicted == classes)
    assert accuracy(logits, labels) == (predicted == classes).double().mean().item()


def test_softmax_works_along_the_last_axis():
    logits = np.random.default_rng(1).normal(size=(2, 3, 4, 5))
    np.testing.assert_allclose(softmax(logits).sum(axis=-1), 1.0)
    np.testing.assert_allclose(softmax(logits)[1, 2], softmax(logits[1, 2]))
    np.testing.assert_allclose(np.exp(log_softmax(logits)), softmax(logits))


def test_huge_logits_neither_overflow_nor_lose_the_loss():
    logits = np.array([[1e4, 0.0], [-1e4, 0.0]], dtype=np.float32)
    assert negative_log_likelihood(logits, [0, 1]) == 0.0
    assert negative_log_likelihood(logits, [1, 0]) == 1e4
    np.testing.assert_array_equal(softmax(logits), [[1.0, 0.0], [0.0, 1.0]])


@pytest.mark.parametrize("classes", [2, 3, 10, 100, 1000])
def test_equal_logits_have_a_confidence_of_exactly_chance(classes):
    confidence, _ = confidence_and_correct(np.full((1, classes), 7.0), [0])
    assert confidence[0] == 1 / classes
    assert negative_log_likelihood(np.zeros((1, classes)), [0]) == pytest.approx(np.log(classes))


def test_float32_logits_are_computed_in_float64():
    logits = np.random.default_rng(2).normal(size=(50, 10)).astype(np.float32)
    confidence, _ = confidence_and_correct(logits, np.zeros(50, dtype=int))
    assert confidence.dtype == np.float64
    np.testing.assert_array_equal(confidence, softmax(logits.astype(np.float64)).max(axis=1))


def test_accuracy_is_the_fraction_of_hits():
    logits = np.eye(4)
    assert accuracy(logits, [0, 1, 2, 0]) == 0.75
    _, correct = confidence_and_correct(logits, [0, 1, 2, 0])
    assert correct.tolist() == [True, True, True, False]
