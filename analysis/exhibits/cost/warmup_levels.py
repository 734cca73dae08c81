"""How much warm-up is enough? The levels of one number of the warm-up, each against the largest.

Levels are compared pair by pair. Enough is the smallest level from which on none differs from the
largest in ECE; that a test finds no difference does not show that there is none, so the intervals
stand beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.exhibits.common.passing import ALPHA
from analysis.results.plan import Plan, is_number
from analysis.results.study_results import StudyResults, pairs
from analysis.statistics.comparison import ACCURACY, ECE, Comparison, Measure, compare_values
from analysis.statistics.paired import paired_test

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
    measured = {}
    for key, measure in ((m.key, m) for m in (ECE, ACCURACY)):
        control = {a.trial_id: a.numbers[key] for c in conditions for a, _ in found[c]}
        warm = [{a.trial_id: b.numbers[key] for a, b in found[c]} for c in conditions]
        measured[measure] = pd.DataFrame([control, *warm]).to_numpy(float).T
    levels = np.array([numbers[c] for c in conditions], dtype=np.float64)
    return WarmupLevels(grid, field, along, levels, measured) if conditions else None


def _varied(plan: Plan, grid: str) -> tuple[str, tuple[str, ...], dict[str, float]] | None:
    """The one number of the warm-up that a grid varies, what varies with it, and its levels by
    condition. The number of examples may vary with others, for it says how much warm-up there is.
    """
    chosen = plan.cells(grid)
    fields = dict.fromkeys(field for cell in chosen.values() for field in cell)
    varied = [f for f in fields if len({repr(cell.get(f)) for cell in chosen.values()}) > 1]
    field = EXAMPLES if EXAMPLES in varied else varied[0] if len(varied) == 1 else ""
    if not all(f.startswith("warmup.") for f in (field, *varied)):
        return None
    numbers = {c: float(cell[field]) for c, cell in chosen.items() if is_number(cell.get(field))}
    if len(set(numbers.values())) < len(chosen):
        return None
    return field, tuple(f for f in varied if f != field), numbers


@dataclass(frozen=True)
class Step:
    """ECE at one level against that at the largest, over the pairs complete at both."""

    level: float
    ece: float  # mean over all of the level's own pairs
    row: Comparison  # at the largest, and at this level
    share: float | None  # of the largest's effect; None where that has not lowered ECE

    @property
    def differs(self) -> bool | None:
        """None: too few pairs differ for P to be small."""
        if self.row.p_value is None or self.row.p_exact is None:
            return None
        return self.row.p_exact < ALPHA


def against_largest(dose: WarmupLevels) -> list[Step]:
    """Every level but the largest, ascending."""
    table = dose.measured[ECE]
    steps = []
    for level, column in zip(dose.levels[:-1], table.T[1:-1], strict=True):
        both = ~np.isnan(column) & ~np.isnan(table[:, -1])
        control, here, largest = table[both, 0], column[both], table[both, -1]
        values = list(zip(largest, here, strict=True))
        row = compare_values(dose.text(level), ECE, values, planned=len(values))
        share = _share(control, here, largest) if row.n else None
        steps.append(Step(float(level), float(np.nanmean(column)), row, share))
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
