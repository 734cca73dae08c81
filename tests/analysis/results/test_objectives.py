"""What a search may optimise, against torchmetrics and closed forms; the test set is never read."""

import numpy as np
import pytest
import torch
from studies import make_record
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError

from analysis.results.objectives import OBJECTIVES
from analysis.results.records import read_record


@pytest.fixture
def record():
    return read_record(make_record("one", warm=True))


def test_accuracy_and_ece_are_those_of_torchmetrics(record):
    logits = torch.from_numpy(record.logits["validation"])
    labels = torch.from_numpy(record.labels["validation"])
    accuracy = MulticlassAccuracy(10, average="micro")(logits, labels)
    ece = MulticlassCalibrationError(10, n_bins=10)(logits.softmax(1), labels)
    assert OBJECTIVES["accuracy"].of(record, "validation") == pytest.approx(float(accuracy))
    assert OBJECTIVES["ece"].of(record, "validation") == pytest.approx(float(ece), abs=1e-6)


def test_nll_and_brier_are_those_of_pytorch(record):
    logits = torch.from_numpy(record.logits["validation"]).double()
    labels = torch.from_numpy(record.labels["validation"])
    nll = torch.nn.functional.cross_entropy(logits, labels)
    truth = torch.nn.functional.one_hot(labels, 10)
    brier = ((logits.softmax(1) - truth) ** 2).sum(1).mean()
    assert OBJECTIVES["nll"].of(record, "validation") == pytest.approx(float(nll))
    assert OBJECTIVES["brier"].of(record, "validation") == pytest.approx(float(brier))


def test_the_gap_has_no_sign_and_the_cost_is_that_of_the_warm_up(record):
    probabilities = torch.from_numpy(record.logits["validation"]).double().softmax(1).numpy()
    right = probabilities.argmax(1) == record.labels["validation"]
    gap = abs(probabilities.max(1).mean() - right.mean())
    assert OBJECTIVES["gap"].of(record, "validation") == pytest.approx(gap)
    assert OBJECTIVES["warmup_examples"].of(record, "validation") == 1000


def test_validation_does_not_look_at_the_test_set(record):
    before = {name: o.of(record, "validation") for name, o in OBJECTIVES.items()}
    record.logits["test"][:] = np.nan
    record.labels["test"][:] = 0
    assert {name: o.of(record, "validation") for name, o in OBJECTIVES.items()} == before


def test_only_accuracy_is_to_be_large():
    large = {name for name, o in OBJECTIVES.items() if o.direction == "maximize"}
    assert large == {"accuracy"}
