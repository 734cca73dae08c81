"""The arms of a grid against their two references: the common control, and the full warm-up.

An arm is a condition that keeps one part of the warm-up. The full warm-up is the one whose trials
have `warmup.keep` null and `warmup.train` all, whatever its name. An arm's share of the full
warm-up's effect is mean(arm − control) / mean(full warm-up − control), over the networks that
finished in all three.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.exhibits.common.passing import ALPHA
from analysis.exhibits.common.text import label, number
from analysis.results.study_results import StudyResults, planned_pairs
from analysis.statistics.comparison import (
    Comparison,
    Measure,
    compare_grid,
    compare_values,
    corrected,
)
from analysis.statistics.paired import mean_interval, paired_test, ratio_interval

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """Of the full warm-up's effect."""

    value: float
    interval: tuple[float, float]  # 95 %
    networks: int


@dataclass(frozen=True, eq=False)
class Arm:
    """One measure of one arm."""

    part: str  # what it keeps, or else trains, of the warm-up; empty for all of it
    control: Comparison  # arm − control
    full: Comparison | None  # arm − full warm-up; None: this is the full warm-up
    share: Share | None  # None where the full warm-up has no effect to have a share of

    @property
    def name(self) -> str:
        return f"“{label(self.control.condition)}”"

    @property
    def share_text(self) -> str:
        if self.share is None:
            return "—"
        if self.full is None:
            return "100 %"
        low, high = (number(100 * end, 0) for end in self.share.interval)
        return f"{number(100 * self.share.value, 0)} % [{low}, {high}]"


def full_warmup(results: StudyResults, grid: str) -> str | None:
    """The condition that is the full warm-up; None where the grid has none or several, nothing
    beside it, or conditions that do not share their controls."""
    conditions = results.plan.grids[grid]
    full = [condition for condition in conditions if not part_of(results, condition)]
    controls = {frozenset(a.trial_id for a, _ in planned_pairs(results, c)) for c in conditions}
    return full[0] if len(full) == len(controls) == 1 < len(conditions) else None


def part_of(results: StudyResults, condition: str) -> str:
    """What an arm keeps, or else trains, of the warm-up; empty for all of it.

    As a record says, and where there is none the plan, whose cells hold the fields that vary.
    """
    trials = {with_.trial_id: with_ for _, with_ in planned_pairs(results, condition)}
    cell = next((trial.cell for trial in results.plan.trials if trial.trial_id in trials), {})
    planned = dict(results.plan.base.get("warmup") or {})
    planned |= {field.removeprefix("warmup."): level for field, level in cell.items()}
    recorded = [t.record.trial.get("warmup") for t in trials.values() if t.record]
    fields = next(filter(None, recorded), planned)
    trained = str(fields.get("train") or "all")
    return str(fields.get("keep") or ("" if trained == "all" else trained))


def arms_of(results: StudyResults, grid: str, full: str, measure: Measure) -> list[Arm]:
    """A grid's arms in order, with Holm's correction over them, for each reference by itself.

    Args:
        full: the condition that is the full warm-up.
    """
    others = [condition for condition in results.plan.grids[grid] if condition != full]
    compared = corrected([_against_full(results, arm, full, measure) for arm in others])
    against_full = {row.condition: row for row in compared}
    return [
        Arm(
            part=part_of(results, row.condition),
            control=row,
            full=against_full.get(row.condition),
            share=_share(results, row.condition, full, measure),
        )
        for row in compare_grid(results, grid, measure)
    ]


def control_values(results: StudyResults, condition: str, measure: Measure) -> dict[str, float]:
    """Numbers of a condition's finished controls, by trial id."""
    controls = [control for control, _ in planned_pairs(results, condition)]
    return {t.trial_id: t.numbers[measure.key] for t in controls if measure.key in t.numbers}


def _arm_values(results: StudyResults, condition: str, measure: Measure) -> dict[str, float]:
    """Numbers of a condition's finished trials, by their control's id: the same for all arms of a
    seed."""
    trials = [with_ for _, with_ in planned_pairs(results, condition)]
    return {t.pair: t.numbers[measure.key] for t in trials if measure.key in t.numbers}


def _against_full(results: StudyResults, arm: str, full: str, measure: Measure) -> Comparison:
    """The arm is the second of the two; whether the control finished does not matter."""
    whole, part = (_arm_values(results, condition, measure) for condition in (full, arm))
    both = [(whole[seed], part[seed]) for seed in whole if seed in part]
    return compare_values(arm, measure, both, len(planned_pairs(results, arm)))


def _share(results: StudyResults, arm: str, full: str, measure: Measure) -> Share | None:
    control = control_values(results, arm, measure)
    part, whole = (_arm_values(results, condition, measure) for condition in (arm, full))
    changes = [
        (part[seed] - control[seed], whole[seed] - control[seed])
        for seed in control
        if seed in part and seed in whole
    ]
    return share_of(*np.array(changes, dtype=np.float64).T) if changes else None


def share_of(part: Values, whole: Values) -> Share | None:
    """The share that a part has of the effect of the whole; None where that is no effect: a share
    of what may be nothing may be anything.

    part, whole: (networks,), what each changes in the same network. The whole has an effect where
    exact P < 0.05 and the interval of its mean leaves out zero. The share's interval is Fieller's.
    """
    p_exact = paired_test(np.zeros_like(whole), whole).p_exact
    if p_exact is None or p_exact >= ALPHA:
        return None
    low, high = mean_interval(whole)
    if low <= 0 <= high:
        return None
    return Share(float(part.mean() / whole.mean()), ratio_interval(part, whole), whole.size)
