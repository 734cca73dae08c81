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


def _of_logits(metric: Callable[[Any, Any], float]) -> Callable[[Record, str], float]:
    """A metric of logits and labels."""
    return lambda record, split: metric(record.logits[split], record.labels[split])


def _brier(logits: Any, labels: Any) -> float:
    return brier_score(softmax(logits), labels)


def _ece(logits: Any, labels: Any) -> float:
    return expected_calibration_error(*confidence_and_correct(logits, labels))


def _gap(logits: Any, labels: Any) -> float:
    return abs(calibration_gap(*confidence_and_correct(logits, labels)))


def _warmup_examples(record: Record, split: str) -> float:
    return float(record.examples["warmup"])


OBJECTIVES: Mapping[str, Objective] = {
    objective.name: objective
    for objective in (
        Objective("ece", "ECE", "minimize", _of_logits(_ece)),
        Objective("nll", "NLL", "minimize", _of_logits(negative_log_likelihood)),
        Objective("brier", "Brier score", "minimize", _of_logits(_brier)),
        Objective("gap", "|confidence − accuracy|", "minimize", _of_logits(_gap)),
        Objective("accuracy", "accuracy", "maximize", _of_logits(accuracy)),
        Objective("warmup_examples", "warm-up examples", "minimize", _warmup_examples),
    )
}
ACCURACY = OBJECTIVES["accuracy"]
