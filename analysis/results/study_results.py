"""What a report is made of: a study's plan, and what became of each planned trial.

In memory are each trial's numbers, not its arrays: of thousands there is not the room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from analysis.results.plan import Plan
from analysis.results.records import Record
from analysis.results.summary import summarise

OUTCOMES = ("finished", "diverged", "failed", "missing")


class ResultsError(Exception):
    """MLflow does not hold what was asked for."""


@dataclass(frozen=True)
class TrialResult:
    """What became of one planned trial."""

    trial_id: str
    arm: str
    condition: str
    replicate: int
    pair: str  # the control's trial id
    outcome: str  # finished, diverged, failed or missing
    record: Record | None = None
    run_id: str | None = None
    note: str = ""  # why there is no record, where that needs saying
    summary: Mapping[str, float] | None = None  # the record's numbers, where they are known already

    @cached_property
    def numbers(self) -> Mapping[str, float]:
        """Final metrics, see `analysis.results.summary`; empty unless the trial finished."""
        if self.record is None or self.outcome != "finished":
            return {}
        return summarise(self.record) if self.summary is None else self.summary


@dataclass(frozen=True)
class StudyResults:
    """A study's plan and the results of its planned trials, in the plan's order."""

    plan: Plan
    trials: tuple[TrialResult, ...]
    parent_run_id: str
    launched_at: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)  # of the study's run

    @cached_property
    def by_id(self) -> Mapping[str, TrialResult]:
        return {trial.trial_id: trial for trial in self.trials}

    @cached_property
    def members(self) -> Mapping[str, Sequence[TrialResult]]:
        """The trials that are no controls, by condition, in the order of replicates."""
        found: dict[str, list[TrialResult]] = {}
        for trial in sorted(self.trials, key=lambda trial: trial.replicate):
            if trial.arm != "control":
                found.setdefault(trial.condition, []).append(trial)
        return found

    @cached_property
    def commits(self) -> tuple[str, ...]:
        """Of the code that ran the trials; of the launch where none has."""
        ran = {trial.record.commit for trial in self.trials if trial.record}
        return tuple(sorted(ran)) or (self.plan.commit,)

    @property
    def records(self) -> list[Record]:
        """Of the trials that finished."""
        return [t.record for t in self.trials if t.record and t.outcome == "finished"]

    def count(self, outcome: str) -> int:
        return sum(trial.outcome == outcome for trial in self.trials)


Pair = tuple[TrialResult, TrialResult]


def planned_pairs(results: StudyResults, condition: str) -> list[Pair]:
    """(without, with) of every planned pair of a condition by replicate, finished or not."""
    members = results.members.get(condition, ())
    return [(results.by_id[t.pair], t) for t in members if t.pair in results.by_id]


def pairs(results: StudyResults, condition: str) -> list[Pair]:
    """(without, with) of a condition's complete pairs, those both of whose trials finished."""
    return [p for p in planned_pairs(results, condition) if all(t.outcome == "finished" for t in p)]
