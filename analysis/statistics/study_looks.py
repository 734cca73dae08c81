"""The looks of a study: its conditions decided one by one, on the same replicates.

Each condition is decided by a design of its own, all together by one error: see
`analysis.statistics.sequential`. A look takes a condition's first replicates, in order, as many as
it plans, and counts those whose pair is complete; a condition that is decided is looked at no more.
Which looks were taken, and what they found, is kept as tags of the study's run in MLflow: they are
not taken again, whatever becomes of a lost pair later.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.results import tags as tag
from analysis.results.study_results import StudyResults, pairs
from analysis.statistics.comparison import Measure, main_measure
from analysis.statistics.sequential import Design, Look, take_look

#: A tag of MLflow's holds no more of them.
MOST_CONDITIONS = 60


@dataclass(frozen=True)
class StudyLooks:
    """A design, and what its looks have found so far."""

    design: Design
    conditions: Mapping[str, str]  # condition → the id of its first replicate's trial
    measure: Measure
    taken: tuple[Mapping[str, Look], ...] = ()  # of each look: condition that was open → Look

    def looks(self, condition: str) -> list[Look]:
        """Those of a condition so far."""
        return [look[condition] for look in self.taken if condition in look]

    @property
    def undecided(self) -> tuple[str, ...]:
        return tuple(c for c in self.conditions if not any(x.decided for x in self.looks(c)))

    @property
    def over(self) -> bool:
        """All is decided, or no look is left."""
        return not self.undecided or len(self.taken) == len(self.design.looks)

    def pairs(self, with_next: bool = False) -> dict[str, int]:
        """Condition → the pairs that its looks have planned so far; with the next look's, too. Of a
        study that was not looked at yet, those of the first."""
        used = {c: x[-1].planned for c in self.conditions if (x := self.looks(c))}
        if with_next or not self.taken:
            used |= dict.fromkeys(self.undecided, self.design.looks[len(self.taken)])
        return used

    def take(self, results: StudyResults) -> "StudyLooks":
        """With the next look, at results that have all its replicates."""
        planned = self.design.looks[len(self.taken)]
        found = {
            condition: take_look(
                self.design,
                self.looks(condition),
                differences(results, condition, self.measure, planned),
            )
            for condition in self.undecided
        }
        return replace(self, taken=(*self.taken, found))

    def tags(self) -> dict[str, str]:
        """As tags of the study's run: the design, and each look."""
        design = {
            "looks": self.design.looks,
            "precision": self.design.precision,
            "measure": self.measure.key,
            "trials": list(self.conditions.values()),
        }
        return {tag.LOOKS: json.dumps(design)} | {
            f"{tag.LOOK}{number}": json.dumps(
                {self.conditions[c]: _as_json(look) for c, look in found.items()}
            )
            for number, found in enumerate(self.taken, start=1)
        }


def differences(
    results: StudyResults, condition: str, measure: Measure, replicates: int
) -> NDArray[np.float64]:
    """(complete pairs,): with − without, of a condition's first replicates."""
    both = [
        (without.numbers, with_.numbers)
        for without, with_ in pairs(results, condition)
        if with_.replicate < replicates
    ]
    key = measure.key
    return np.array([b[key] - a[key] for a, b in both if key in a and key in b], dtype=np.float64)


def looks_of(results: StudyResults) -> StudyLooks | None:
    """Those that the study's run tells of; None of a study without, or where it was launched with
    other conditions since."""
    names = {trial.trial_id: trial.condition for trial in results.plan.trials}
    if not names.keys() >= set(looked_at(results.tags)):
        return None
    return study_looks(results.tags, names, main_measure(results.plan.trains))


def looked_at(tags: Mapping[str, str]) -> list[str]:
    """The first replicates' trials, one of each condition, of a study whose run has these tags;
    none of a study without looks."""
    return list(json.loads(tags[tag.LOOKS])["trials"]) if tag.LOOKS in tags else []


def study_looks(
    tags: Mapping[str, str], names: Mapping[str, str], measure: Measure
) -> StudyLooks | None:
    """As tags of the study's run say; None where there are none.

    names: trial id → condition, of those in `looked_at`.
    """
    if tag.LOOKS not in tags:
        return None
    told = json.loads(tags[tag.LOOKS])
    conditions = {names[trial_id]: trial_id for trial_id in told["trials"]}
    design = Design(tuple(told["looks"]), told["precision"], len(conditions))
    taken = [
        {names[trial_id]: _look(found) for trial_id, found in json.loads(tags[name]).items()}
        for number in range(1, len(design.looks) + 1)
        if (name := f"{tag.LOOK}{number}") in tags
    ]
    return StudyLooks(design, conditions, measure, tuple(taken))


def _as_json(look: Look) -> list[Any]:
    return [look.planned, look.pairs, look.mean, look.spread, *look.interval, look.outcome]


def _look(told: list[Any]) -> Look:
    planned, complete, mean, spread, low, high, outcome = told
    return Look(planned, complete, mean, spread, (low, high), outcome)
