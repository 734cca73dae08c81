"""What a search may optimise: numbers of one record, on validation examples alone.

The test set is for the report: nothing here reads it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from analysis.metrics.calibration import calibration_gap, expected_calibration_error
from analysis.metrics.classification import (
    accuracy,
    confidence_and_correct,
    negative_log_likelihood,
    softmax,
)
from analysis.metrics.probabilistic import brier_score
from analysis.results.records import Record


@dataclass(frozen=True)
class Objective:
    """A number to be made small or large."""

    name: str
    label: str
    direction: Literal["minimize", "maximize"]
    of: Callable[[Record, str], float]  # of a record's split


def _ece(record: Record, split: str) -> float:
    return expected_calibration_error(*_confidence(record, split))


def _gap(record: Record, split: str) -> float:
    return abs(calibration_gap(*_confidence(record, split)))


def _nll(record: Record, split: str) -> float:
    return negative_log_likelihood(record.logits[split], record.labels[split])


def _brier(record: Record, split: str) -> float:
    return brier_score(softmax(record.logits[split]), record.labels[split])


def _accuracy(record: Record, split: str) -> float:
    return accuracy(record.logits[split], record.labels[split])


def _warmup_examples(record: Record, split: str) -> float:
    return float(record.examples["warmup"])


def _confidence(record: Record, split: str) -> tuple[Any, Any]:
    return confidence_and_correct(record.logits[split], record.labels[split])


OBJECTIVES: Mapping[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("ece", "ECE", "minimize", _ece),
        Objective("nll", "NLL", "minimize", _nll),
        Objective("brier", "Brier score", "minimize", _brier),
        Objective("gap", "|confidence − accuracy|", "minimize", _gap),
        Objective("accuracy", "accuracy", "maximize", _accuracy),
        Objective("warmup_examples", "warm-up examples", "minimize", _warmup_examples),
    )
}
ACCURACY = OBJECTIVES["accuracy"]
