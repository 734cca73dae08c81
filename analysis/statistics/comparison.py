"""Without against with warm-up, condition by condition: the numbers every table and sentence uses.

A comparison is made over a condition's complete pairs only; how many were planned, and what became
of the others, stays with it. The difference is with − without. The tests and intervals are those of
`analysis.statistics.paired`. Holm's correction runs over the conditions of one grid and one
measure, and corrects the exact P: it promises that of differences which are none at most 5 % pass,
and a P that is only near what it should be would break the promise. Beside it stands q, that of
Benjamini and Hochberg: of those that pass, a share of at most 5 % is none.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from analysis.results.study_results import StudyResults, TrialResult, pairs, planned_pairs
from analysis.statistics.equivalence import mean_equivalence
from analysis.statistics.paired import (
    RankTest,
    benjamini_hochberg,
    holm,
    mean_interval,
    paired_test,
)

Numbers = Callable[[TrialResult], Mapping[str, float]]
Key = TypeVar("Key")


@dataclass(frozen=True)
class Measure:
    """A number of a trial, its name in a table, and which way warm-up moves it in the paper."""

    key: str
    label: str
    expected: int  # −1: lower with warm-up, which is better; +1: higher; 0: not stated
    margin: float | None = None  # a mean difference of less counts as none; None: not stated


# The margins are ours, fixed before any of the numbers here: the second digit that the paper's
# tables print, and a fiftieth of a nat.
ECE = Measure("test_ece", "ECE", -1, margin=0.01)
ACCURACY = Measure("test_accuracy", "Accuracy", +1, margin=0.01)
NLL = Measure("test_nll", "NLL", -1, margin=0.02)
AUROC = Measure("ood_auroc", "OOD AUROC", +1, margin=0.01)
CONFIDENCE = Measure("test_confidence", "Confidence", -1)
MEASURES = (ECE, ACCURACY, NLL, AUROC)


def main_measure(trains: bool) -> Measure:
    """What a study is about: of networks that are not trained on the task, how sure they are."""
    return ECE if trains else CONFIDENCE


def summary_of(trial: TrialResult) -> Mapping[str, float]:
    """The numbers that are in MLflow too."""
    return trial.numbers


@dataclass(frozen=True, eq=False)
class Comparison:
    """One measure of one condition over its complete pairs; without any, nothing is a number."""

    condition: str
    measure: Measure
    planned: int  # pairs
    lost: str  # what became of the pairs that are not complete, such as "1 diverged"
    without: NDArray[np.float64]  # (pairs,)
    with_: NDArray[np.float64]  # (pairs,)
    test: RankTest | None
    interval: tuple[float, float] | None  # 95 %, of the mean difference; None for fewer than 2
    p_holm: float | None = None  # of the exact P
    q: float | None = None  # the same, for the false discovery rate

    @property
    def n(self) -> int:
        return int(self.without.size)

    @property
    def difference(self) -> float:
        """Mean of with − without; NaN without a pair."""
        return float((self.with_ - self.without).mean()) if self.n else float("nan")

    @property
    def moved(self) -> int:
        """Pairs that moved the way the paper's do."""
        return int((np.sign(self.with_ - self.without) == self.measure.expected).sum())

    @property
    def lower(self) -> int:
        """Pairs whose number is lower with warm-up."""
        return int((self.with_ < self.without).sum())

    @property
    def p_value(self) -> float | None:
        """The paper's approximation; None where fewer than six pairs differ."""
        return self.test.p_value if self.test else None

    @property
    def p_equivalence(self) -> float | None:
        """That the mean difference lies within the measure's margin; None where it states none, or
        the pairs show no spread."""
        if self.measure.margin is None or not self.n:
            return None
        return mean_equivalence(self.with_ - self.without, self.measure.margin).p_value

    @property
    def p_exact(self) -> float | None:
        """None without a pair."""
        return self.test.p_exact if self.test else None


def compare(
    results: StudyResults, condition: str, measure: Measure, numbers: Numbers = summary_of
) -> Comparison:
    """One condition against its controls, without Holm's correction.

    Args:
        numbers: a trial's numbers, among them the measure's.
    """
    both = [(numbers(without), numbers(with_)) for without, with_ in pairs(results, condition)]
    key = measure.key
    complete = [(a[key], b[key]) for a, b in both if key in a and key in b]
    planned = len(planned_pairs(results, condition))
    return compare_values(condition, measure, complete, planned, _lost(results, condition))


def compare_values(
    condition: str,
    measure: Measure,
    both: Sequence[tuple[float, float]],
    planned: int,
    lost: str = "",
) -> Comparison:
    """Of (without, with) of each complete pair, without Holm's correction."""
    before, after = np.array(both, dtype=np.float64).reshape(-1, 2).T
    return Comparison(
        condition=condition,
        measure=measure,
        planned=planned,
        lost=lost,
        without=before,
        with_=after,
        test=paired_test(before, after) if both else None,
        interval=mean_interval(after - before) if len(both) > 1 else None,
    )


def compare_grid(results: StudyResults, grid: str, measure: Measure) -> list[Comparison]:
    """Every condition of a grid, with Holm's correction across them."""
    if grid not in results.plan.grids:
        raise ValueError(f"grid must be one of the study's, not {grid!r}")
    return corrected([compare(results, c, measure) for c in results.plan.grids[grid]])


def corrected(rows: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of one table, with Holm's correction and the false discovery rate's."""
    p_values = [row.p_exact for row in rows]
    return [
        row if row.p_exact is None else replace(row, p_holm=float(p), q=float(q))
        for row, p, q in zip(rows, holm(p_values), benjamini_hochberg(p_values), strict=True)
    ]


def corrected_by(rows: Mapping[Key, Comparison]) -> dict[Key, Comparison]:
    """The same of comparisons by some key."""
    return dict(zip(rows, corrected(list(rows.values())), strict=True))


def _lost(results: StudyResults, condition: str) -> str:
    """Why pairs are not complete, the warmed-up member's fate before its control's."""
    fates: Counter[str] = Counter()
    for without, with_ in planned_pairs(results, condition):
        if with_.outcome != "finished":
            fates[with_.outcome] += 1
        elif without.outcome != "finished":
            fates[f"control {without.outcome}"] += 1
    return ", ".join(f"{count} {fate}" for fate, count in fates.items())


def clear_of_zero(row: Comparison) -> bool:
    """Whether the 95 % interval of the mean difference leaves out zero."""
    return row.interval is not None and (row.interval[0] > 0 or row.interval[1] < 0)
