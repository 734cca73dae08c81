"""Whether the two members of every pair were the same network before anything was trained.

Both measure it then, on the same examples: losses that differ by more than rounding are those of
two networks, and what is said of the pair is not the warm-up's doing alone. Compared are losses, of
validation and test examples, for they follow from every output. Trials that diverged have measured
it, too. Where the records of a pair have no such row, or are of different kinds of device, nothing
can be said.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from analysis.results.cached import cached, find_all
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult

LOSSES = ("validation_loss", "test_loss")

# relative; of CPUs of several makes, and of GPUs, which round to 10 bits or to 8
ROUNDING = 1e-4
ROUNDING_ON_GPUS = 1e-2


@dataclass(frozen=True)
class Unequal:
    """A pair whose members did not start alike."""

    without: TrialResult
    with_: TrialResult
    loss: str  # which
    values: tuple[float, float]  # of the two, without first


def unequal_starts(results: StudyResults) -> list[Unequal]:
    """Every pair that can be seen to have started from two networks."""
    find_all(_untrained, [(trial.record,) for trial in results.trials if trial.record])
    found = []
    for trial in results.trials:
        partner = results.by_id.get(trial.pair)
        if partner is None or partner is trial or not (trial.record and partner.record):
            continue
        if partner.record.device != trial.record.device:
            continue
        here, there = untrained(partner.record), untrained(trial.record)
        rounding = _rounding(trial.record)
        for loss in here.keys() & there.keys():
            values = here[loss], there[loss]
            if not math.isclose(*values, rel_tol=rounding, abs_tol=rounding):
                found.append(Unequal(partner, trial, loss, values))
                break
    return found


def untrained(record: Record) -> Mapping[str, float]:
    """The losses that a record has of the network before it was trained; NaN is none. They are
    read once: a control has many partners."""
    return cached(_untrained, record)


def _untrained(record: Record) -> Mapping[str, float]:
    columns = record.columns
    if "phase" not in columns:
        return {}
    rows = np.flatnonzero(columns["phase"] == "untrained")
    if not len(rows):
        return {}
    first = {loss: float(columns[loss][rows[0]]) for loss in LOSSES if loss in columns}
    return {loss: value for loss, value in first.items() if not math.isnan(value)}


def warning(results: StudyResults) -> list[str]:
    """A sentence for the head of the report where pairs are none; else nothing."""
    found = unequal_starts(results)
    if not found:
        return []
    first = found[0]
    planned = sum(t.pair in results.by_id and t.arm != "control" for t in results.trials)
    name = f"{first.with_.condition or first.with_.arm} #{first.with_.replicate}"
    (without, with_), loss = first.values, first.loss.replace("_", " ")
    return [
        f"Do not read this as the effect of the warm-up: in {len(found)} of {planned} pairs the "
        f"two networks were not the same before it (of {name} the untrained {loss} "
        f"is {without:.6g} without and {with_:.6g} with). Their code draws what no seed fixes, or "
        "was another when one of them ran."
    ]


def _rounding(record: Record) -> float:
    compute = record.trial.get("compute", {})
    exact = record.device == "cpu" and not compute.get("bfloat16", False)
    return ROUNDING if exact else ROUNDING_ON_GPUS
