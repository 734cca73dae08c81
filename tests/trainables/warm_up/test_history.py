"""The metrics of a warm-up's history are those of the analysis, without NumPy."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import (
    accuracy,
    confidence_and_correct,
    negative_log_likelihood,
)
from trainables.warm_up.history import EpochMetrics

# of two classes: equal ones have a confidence of .5, which is an edge between bins
values = st.sampled_from([0.0, math.log(0.55 / 0.45), 1.0, 2.5, 90.0])
steps = st.lists(
    st.lists(st.tuples(values, values, st.integers(0, 1)), min_size=1, max_size=5),
    min_size=1,
    max_size=4,
)


@given(steps)
def test_an_epoch_has_the_metrics_of_all_its_steps(steps):
    metrics = EpochMetrics()
    for step in steps:
        logits = torch.tensor([one[:2] for one in step])
        metrics.add(logits, torch.tensor([one[2] for one in step]))
    every = [one for step in steps for one in step]
    logits = torch.tensor([one[:2] for one in every]).numpy()
    labels = torch.tensor([one[2] for one in every]).numpy()
    found = metrics.values()
    confidence, correct = confidence_and_correct(logits, labels)
    assert found["accuracy"] == accuracy(logits, labels)
    assert found["loss"] == pytest.approx(negative_log_likelihood(logits, labels), abs=1e-5)
    assert found["confidence"] == pytest.approx(confidence.mean(), abs=1e-6)
    assert found["ece"] == pytest.approx(expected_calibration_error(confidence, correct), abs=1e-6)


def test_of_several_targets_the_middle_one_counts():
    logits, labels = torch.zeros(2, 3, 4, 6), torch.zeros(2, 4, 6, dtype=torch.int64)
    logits[:, 1, 2, 3], labels[:, 2, 3] = 50.0, 1  # right there, wrong and unsure elsewhere
    labels[:, :2] = 2
    metrics = EpochMetrics()
    metrics.add(logits, labels)
    assert metrics.values() == pytest.approx(
        {"loss": 0, "accuracy": 1, "confidence": 1, "ece": 0}, abs=1e-6
    )
