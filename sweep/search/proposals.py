"""The proposals of a search as Optuna's database holds them, and the best of them.

A proposal is given up when its launcher dies and comes again under another number, and one that
repeats another is not run: neither is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from analysis.results.objectives import OBJECTIVES
from sweep.search.settings import Search

ENDED, ERROR, FIRST = "ended", "error", "first"  # user attributes of an Optuna trial
SEEDS, MEANS, AGAIN = "seeds", "means", "again"
REPEAT = "repeat"


@dataclass(frozen=True)
class Proposal:
    """Levels that were proposed, and what became of them."""

    number: int
    state: str  # running, finished, stopped, diverged or failed
    params: dict[str, Any]
    seeds: int  # run to the end
    means: tuple[float, ...]  # of every objective over these seeds; empty without any
    violation: float  # how far the constraints are missed; 0: met
    error: str = ""

    @property
    def eligible(self) -> bool:
        """Whether it may be the best: run on all seeds, and no constraint missed."""
        return self.state == "finished" and self.violation <= 0


def proposals(study: optuna.Study) -> list[Proposal]:
    """All that count, by number."""
    trials = study.get_trials(deepcopy=False)
    tried_again = {trial.user_attrs.get(AGAIN) for trial in trials}
    return [p for t in trials if t.number not in tried_again and (p := _proposal(t))]


def count(study: optuna.Study, before: int | None = None) -> int:
    """How many count; of those with a smaller number only, where one is given."""
    return sum(before is None or p.number < before for p in proposals(study))


def best(found: Sequence[Proposal], search: Search) -> Proposal | None:
    """The best in the first objective; the earliest of equals."""
    eligible = [p for p in found if p.eligible]
    sign = 1 if OBJECTIVES[search.objectives[0]].direction == "minimize" else -1
    return min(eligible, key=lambda p: (sign * p.means[0], p.number), default=None)


def pareto_front(found: Sequence[Proposal], search: Search) -> list[Proposal]:
    """Those that no other is better than in one objective and as good as in all."""
    signs = [1 if OBJECTIVES[name].direction == "minimize" else -1 for name in search.objectives]
    costs = {
        p.number: tuple(s * m for s, m in zip(signs, p.means, strict=True))
        for p in found
        if p.eligible
    }

    def dominated(number: int) -> bool:
        own = costs[number]
        return any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True))
            for other in costs.values()
        )

    return [p for p in found if p.eligible and not dominated(p.number)]


def importances(study: optuna.Study, search: Search) -> dict[str, float]:
    """Share of the first objective's variance that each field explains, by fANOVA (Hutter et al.,
    ICML 2014); empty where there are too few proposals. Fields that are not always active are left
    out."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < 4:
        return {}
    target = None if len(search.objectives) == 1 else lambda trial: trial.values[0]
    try:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=search.seed)
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
    except (RuntimeError, ValueError):  # all values are equal, or no field is in all of them
        return {}
    return {field: float(share) for field, share in found.items()}


def _proposal(trial: FrozenTrial) -> Proposal | None:
    attributes = trial.user_attrs
    ended = attributes.get(ENDED)
    if ended == REPEAT or trial.state == TrialState.WAITING:
        return None
    if trial.state == TrialState.FAIL and ended is None:  # given up
        return None
    return Proposal(
        number=trial.number,
        state=ended or "running",
        params=dict(trial.params),
        seeds=int(attributes.get(SEEDS, 0)),
        means=tuple(attributes.get(MEANS, ())),
        violation=sum(max(0.0, value) for value in trial.constraints.values()),
        error=str(attributes.get(ERROR, "")),
    )
