"""Which warm-up: the best of a few on the validation sets of some pairs, confirmed on the others.

The lowest of several means is too low by what chance adds to it. So the first half of the
replicates chooses, by the validation set, and the other half, which has taken no part in it, says
on the test set what the choice is worth (as `sweep.search` does with fresh seeds).
"""

from dataclasses import dataclass

from analysis.exhibits.common.cells import mean
from analysis.exhibits.common.text import label, number, plural
from analysis.exhibits.verdict.judgement import Change, change
from analysis.exhibits.verdict.remedies import GRID as REMEDIES
from analysis.exhibits.verdict.remedies import WARM_UP, Remedy, remedy_of
from analysis.results.study_results import StudyResults, TrialResult, planned_pairs
from analysis.statistics.comparison import ACCURACY, ECE

GRID = "recipe"

_FEWEST = 6  # replicates, of which three choose and three confirm
_BEST = Remedy("the chosen recipe", "")
_ECE, _ACCURACY = "validation_ece", "validation_accuracy"


@dataclass(frozen=True, eq=False)
class Choice:
    """Of the recipes tried, the best, and what it is worth on other networks."""

    condition: str
    trial: TrialResult  # one of its networks
    recipes: int
    chosen_on: int  # pairs
    worth: Change  # of ECE, the chosen recipe less the one that the verdict is about

    @property
    def confirmed(self) -> bool:
        return self.worth.lower

    def __str__(self) -> str:
        found = f"Of {self.recipes} recipes “{label(self.condition)}” has the lowest ECE"
        on = f"on the validation sets of {plural(self.chosen_on, 'pair')}"
        first, second = number(mean(self.worth.first)), number(mean(self.worth.second))
        rest = f"{plural(self.worth.pairs, 'other pair')} its test ECE is {second}"
        shown = "better" if self.confirmed else "not shown to be better"
        return f"{found} {on}; on {rest}, and {first} as above (Δ {self.worth}): {shown}."


def choose(results: StudyResults) -> Choice | None:
    """The choice; None where the study tries no recipes, fewer than six replicates have them all,
    or the one that the verdict is about is the best."""
    tried = {c: _finished(results, c) for c in results.plan.grids.get(GRID, ())}
    of = results.plan.cells(REMEDIES) if tried else {}
    base = next((c for c, cell in of.items() if remedy_of(cell) is WARM_UP), "")
    if base not in tried:
        return None
    common = sorted(set.intersection(*(set(trials) for trials in tried.values())))
    if len(common) < _FEWEST:
        return None
    first, rest = common[: len(common) // 2], common[len(common) // 2 :]

    def on_validation(condition: str, key: str) -> float:
        return mean([tried[condition][replicate].numbers[key] for replicate in first])

    least = on_validation(base, _ACCURACY) - (ACCURACY.margin or 0)
    able = [c for c in tried if c == base or on_validation(c, _ACCURACY) >= least]
    best = min(able, key=lambda c: on_validation(c, _ECE))
    if best == base:
        return None
    numbers = {
        kind: {replicate: tried[condition][replicate].numbers for replicate in rest}
        for kind, condition in ((WARM_UP, base), (_BEST, best))
    }
    worth = change(numbers, ECE, WARM_UP, _BEST)
    return Choice(best, tried[best][rest[0]], len(tried), len(first), worth)


def _finished(results: StudyResults, condition: str) -> dict[int, TrialResult]:
    """Those with a validation set, by replicate."""
    warmed = (with_ for _, with_ in planned_pairs(results, condition))
    return {trial.replicate: trial for trial in warmed if _ECE in trial.numbers}
