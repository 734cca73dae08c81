"""How much warm-up is enough? The levels of one number of the warm-up, each against the largest.

Levels are compared pair by pair. Enough is the smallest level from which on none differs from the
largest in ECE; that a test finds no difference does not show that there is none, so the intervals
stand beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from analysis.exhibits.common.passing import ALPHA
from analysis.results.plan import Plan
from analysis.results.study_results import StudyResults, pairs
from analysis.statistics.comparison import ACCURACY, ECE, Measure
from analysis.statistics.paired import RankTest, mean_interval, paired_test

EXAMPLES = "warmup.examples"

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WarmupLevels:
    """A grid whose conditions are levels of one number of the warm-up, over its complete pairs."""

    grid: str
    field: str  # dotted
    along: tuple[str, ...]  # fields that vary with it
    levels: Values  # (levels,), ascending: those with a complete pair
    measured: Mapping[Measure, Values]  # (controls, 1 + levels), a control first; NaN: no pair

    @property
    def name(self) -> str:
        """The field in words."""
        return "warm-up " + self.field.removeprefix("warmup.").replace(".", " ").replace("_", " ")

    @property
    def ends(self) -> tuple[str, str]:
        """What the least and the greatest level are called."""
        return ("shortest", "longest") if self.field == EXAMPLES else ("smallest", "largest")

    def text(self, level: float) -> str:
        return f"{level:,.0f}" if self.field == EXAMPLES else f"{level:g}".replace("-", "−")

    def at(self, level: float) -> str:
        """A level with its field."""
        text = self.text(level)
        return f"{text} {self.name}" if self.field == EXAMPLES else f"{self.name} {text}"


def dose_of(results: StudyResults, grid: str) -> WarmupLevels | None:
    """The grid's pairs by level; None where it does not vary a number of the warm-up, varies what
    is no part of the warm-up beside it, or has no complete pair."""
    varied = _varied(results.plan, grid)
    if varied is None:
        return None
    field, along, numbers = varied
    found = {condition: pairs(results, condition) for condition in numbers}
    conditions = sorted((c for c in found if found[c]), key=lambda c: numbers[c])
    controls = list(dict.fromkeys(a.trial_id for c in conditions for a, _ in found[c]))
    measured = {
        measure: np.full((len(controls), 1 + len(conditions)), np.nan)
        for measure in (ECE, ACCURACY)
    }
    for column, condition in enumerate(conditions, start=1):
        for without, with_ in found[condition]:
            row = controls.index(without.trial_id)
            for measure, table in measured.items():
                table[row, 0] = without.numbers[measure.key]
                table[row, column] = with_.numbers[measure.key]
    levels = np.array([numbers[c] for c in conditions], dtype=np.float64)
    return WarmupLevels(grid, field, along, levels, measured) if conditions else None


def _varied(plan: Plan, grid: str) -> tuple[str, tuple[str, ...], dict[str, float]] | None:
    """The one number of the warm-up that a grid varies, what varies with it, and its levels by
    condition. The number of examples may vary with others, for it says how much warm-up there is.
    """
    cells = {trial.condition: trial.cell for trial in plan.trials if trial.arm != "control"}
    chosen = {condition: cells.get(condition, {}) for condition in plan.grids[grid]}
    fields = dict.fromkeys(field for cell in chosen.values() for field in cell)
    varied = [f for f in fields if len({repr(cell.get(f)) for cell in chosen.values()}) > 1]
    field = EXAMPLES if EXAMPLES in varied else varied[0] if len(varied) == 1 else ""
    if not all(f.startswith("warmup.") for f in (field, *varied)):
        return None
    levels = [cell.get(field) for cell in chosen.values()]
    numbers = [float(n) for n in levels if isinstance(n, int | float) and not isinstance(n, bool)]
    if len(set(numbers)) < len(chosen):
        return None
    return field, tuple(f for f in varied if f != field), dict(zip(chosen, numbers, strict=True))


@dataclass(frozen=True)
class Step:
    """ECE at one level against that at the largest, over the pairs complete at both."""

    level: float
    pairs: int
    ece: float  # mean over all of the level's own pairs
    more: float  # mean of ECE at this level − at the largest
    interval: tuple[float, float] | None  # 95 %, of `more`; None for fewer than two pairs
    test: RankTest | None
    share: float | None  # of the largest's effect; None where that has not lowered ECE

    @property
    def p_exact(self) -> float | None:
        return self.test.p_exact if self.test else None

    @property
    def differs(self) -> bool | None:
        """None: too few pairs differ for P to be small."""
        if self.test is None or self.test.p_value is None or self.test.p_exact is None:
            return None
        return self.test.p_exact < ALPHA


def against_largest(dose: WarmupLevels) -> list[Step]:
    """Every level but the largest, ascending."""
    table = dose.measured[ECE]
    steps = []
    for level, column in zip(dose.levels[:-1], table.T[1:-1], strict=True):
        both = ~np.isnan(column) & ~np.isnan(table[:, -1])
        control, here, largest = table[both, 0], column[both], table[both, -1]
        more = here - largest
        steps.append(
            Step(
                level=float(level),
                pairs=more.size,
                ece=float(np.nanmean(column)),
                more=float(more.mean()) if more.size else float("nan"),
                interval=mean_interval(more) if more.size > 1 else None,
                test=paired_test(largest, here) if more.size else None,
                share=_share(control, here, largest) if more.size else None,
            )
        )
    return steps


def _share(control: Values, here: Values, largest: Values) -> float | None:
    """Of the largest's effect, over the same pairs; None where that has not lowered ECE."""
    effect = paired_test(control, largest)
    if effect.p_exact is None or effect.p_exact >= ALPHA or effect.z > 0:
        return None
    return float((here - control).mean() / (largest - control).mean())


def from_level(steps: Sequence[Step]) -> float | None:
    """The smallest level from which on ECE does not differ from that at the largest; None where
    already the next to it differs or cannot be tested."""
    alike = list(takewhile(lambda step: step.differs is False, reversed(steps)))
    return alike[-1].level if alike else None
