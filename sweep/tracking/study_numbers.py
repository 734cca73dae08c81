"""What a study has found so far, for its own run: by condition both arms' means and the difference.

Over a condition's complete pairs alone, as the report's: both of whose networks have finished.
"""

import re
from collections.abc import Mapping
from statistics import fmean

from sweep.plan.plan import PlannedTrial, StudyPlan
from sweep.tracking.names import shortened

MEASURES = {"test_ece": "ECE", "test_accuracy": "accuracy", "test_nll": "NLL", "ood_auroc": "AUROC"}

PROGRESS = "progress/trials done"
SHARE = "progress/share of examples"  # of the launch's, that are trained on

_LONGEST = 200  # characters of a condition; MLflow takes names of 250


class StudyNumbers:
    def __init__(self, plan: StudyPlan, known: Mapping[str, Mapping[str, float]]) -> None:
        """known: trial id → its numbers, of those that have finished."""
        self._known = {trial_id: _measured(numbers) for trial_id, numbers in known.items()}
        self._done = len(known)
        self._pairs = _by_condition(plan)
        self._names = _names(list(self._pairs))

    def add(self, trial_id: str, numbers: Mapping[str, float]) -> None:
        """A trial has finished; numbers: its summary, empty where it has diverged."""
        self._known[trial_id] = _measured(numbers)
        self._done += 1

    @property
    def done(self) -> int:
        """Trials that are published."""
        return self._done

    def metrics(self) -> dict[str, float]:
        """Such as `ECE difference/gaussian`, and `pairs/gaussian`."""
        return {
            f"{what}/{self._names[condition]}": value
            for condition in self._pairs
            for what, value in self._of(condition).items()
        }

    def _of(self, condition: str) -> dict[str, float]:
        known = self._known
        pairs = [
            (known[planned.pair], known[planned.trial_id])
            for planned in self._pairs[condition]
            if known.get(planned.pair) and known.get(planned.trial_id)
        ]
        found: dict[str, float] = {"pairs": float(len(pairs))} if pairs else {}
        for key, label in MEASURES.items():
            both = [(a[key], b[key]) for a, b in pairs if key in a and key in b]
            if both:
                without, with_ = (fmean(arm) for arm in zip(*both, strict=True))
                found |= {f"{label} without": without, f"{label} with": with_}
                found[f"{label} difference"] = with_ - without
        return found


def columns_of(plan: StudyPlan) -> list[str]:
    """Each condition's difference in ECE, by its metric's name."""
    names = _names(list(_by_condition(plan)))
    return [f"{MEASURES['test_ece']} difference/{name}" for name in names.values()]


def _by_condition(plan: StudyPlan) -> dict[str, list[PlannedTrial]]:
    """Condition → its trials with a warm-up. None of a search: it has hundreds of proposals, of
    which its own report speaks."""
    found: dict[str, list[PlannedTrial]] = {}
    for planned in plan.trials if plan.search is None else ():
        if planned.trial.arm != "control":
            found.setdefault(planned.condition, []).append(planned)
    return found


def _measured(numbers: Mapping[str, float]) -> dict[str, float]:
    return {key: numbers[key] for key in MEASURES if key in numbers}


def _names(conditions: list[str]) -> dict[str, str]:
    """Each condition's in a metric's name, no two alike; MLflow takes letters, digits and a few
    signs."""
    names: dict[str, str] = {}
    for condition in conditions:
        plain = re.sub(r"[^\w\-. ]", "_", shortened(condition, _LONGEST)).strip(" .") or "_"
        name, number = plain, 1
        while name in names.values():
            number += 1
            name = f"{plain} {number}"
        names[condition] = name
    return names
