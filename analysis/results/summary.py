"""A trial's final numbers, each defined once: the sweep logs them and the report shows them.

Everything follows from the record's logits, so a new number needs no training. Per split: accuracy,
mean confidence, gap = confidence − accuracy, ece (10 equal bins), ece_smooth, squared_debiased (the
square of the debiased L2 error, which may be averaged), and nll (nats per prediction; of a text its
exponential too, the perplexity). Of classes, ece_chance is the mean ECE that a perfectly calibrated
network with the same confidences would show, ece_chance_95 its
95th percentile, and kuiper_p is that of Kuiper's test of calibration. Where an example has many
targets, pixels or tokens, each of those that were measured is one prediction. Out of distribution:
mean confidence, and the AUROC of the maximum softmax probability against the test set (higher =
more in-distribution; the test set is the positive class). A number that the record cannot give is
absent, never made up: a diverged trial has none, a study without an OOD set no `ood_*`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from analysis.late import late
from analysis.metrics.calibration_tests import kuiper_test
from analysis.metrics.chance import chance_calibration_error
from analysis.metrics.classification import confidence_and_correct, softmax
from analysis.metrics.ood import auroc
from analysis.results.records import Record

SPLITS = ("validation", "test")
Measures = Mapping[str, Callable[[Any, Any], float]]

OF_LOGITS: Measures = {  # and labels
    "accuracy": late("analysis.metrics.classification:accuracy"),
    "nll": late("analysis.metrics.classification:negative_log_likelihood"),
}
OF_CONFIDENCE: Measures = {  # and correctness
    "ece": late("analysis.metrics.calibration:expected_calibration_error"),
    "confidence": lambda confidence, correct: float(confidence.mean()),
    "gap": late("analysis.metrics.calibration:calibration_gap"),
    "ece_smooth": late("analysis.metrics.smooth:smooth_ece"),
    "squared_debiased": late("analysis.metrics.debiased:debiased_squared_error"),
}


def summarise(record: Record) -> dict[str, float]:
    """Final metrics by name: {test,validation}_{accuracy,ece,nll,…}, and ood_*."""
    numbers: dict[str, float] = {}
    for split in SPLITS:
        if split not in record.logits:
            continue
        logits, labels = record.logits[split], record.labels[split]
        confidence, correct = confidence_and_correct(logits, labels)
        numbers |= {f"{split}_{name}": of(logits, labels) for name, of in OF_LOGITS.items()}
        numbers |= {f"{split}_{n}": of(confidence, correct) for n, of in OF_CONFIDENCE.items()}
        if _kind(record) == "classification":  # else predictions are not drawn one by one
            chance = chance_calibration_error(confidence)
            numbers[f"{split}_ece_chance"] = chance.mean
            numbers[f"{split}_ece_chance_95"] = chance.percentile_95
            if ((confidence > 0) & (confidence < 1)).any():  # else a test can say nothing
                numbers[f"{split}_kuiper_p"] = kuiper_test(confidence, correct).p
        if _kind(record) == "language":
            numbers[f"{split}_perplexity"] = math.exp(numbers[f"{split}_nll"])
    if {"test", "ood"} <= record.logits.keys():
        known = softmax(record.logits["test"]).max(axis=1)
        unknown = softmax(record.logits["ood"]).max(axis=1)
        numbers |= {"ood_confidence": float(unknown.mean()), "ood_auroc": auroc(known, unknown)}
    return numbers


def _kind(record: Record) -> str:
    """What the network was for: classification, segmentation or language."""
    facts = (record.trial.get("data") or {}).get("facts") or {}
    return str(facts.get("kind", "classification"))
