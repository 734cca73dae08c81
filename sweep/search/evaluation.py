"""What a proposal is worth: its objectives' means over seeds, and how it meets constraints."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.results.objectives import ACCURACY, OBJECTIVES
from analysis.results.records import Record
from sweep.search.settings import Search


@dataclass(frozen=True)
class Verdict:
    """Over the seeds that have been run."""

    seeds: int
    diverged: bool
    means: tuple[float, ...]  # of every objective; empty where a network diverged
    lost_accuracy: float  # mean of the controls' − the proposal's, less what may be lost


def judge(search: Search, members: Sequence[Record], controls: Sequence[Record]) -> Verdict:
    """Of the records by seed, and of the base's controls of the same seeds.

    A diverged control has no accuracy: its seed is left out of the constraint.
    """
    if any(record.status == "diverged" for record in members):
        return Verdict(len(members), True, (), 0.0)
    means = tuple(
        _mean([OBJECTIVES[name].of(record, "validation") for record in members])
        for name in search.objectives
    )
    lost = [
        ACCURACY.of(control, "validation") - ACCURACY.of(member, "validation")
        for member, control in zip(members, controls, strict=True)
        if control.status == "finished"
    ]
    allowed = search.accuracy_drop
    over = 0.0 if allowed is None or not lost else _mean(lost) - allowed
    return Verdict(len(members), False, means, over)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
