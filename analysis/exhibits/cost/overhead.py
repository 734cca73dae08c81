"""What does warm-up cost, and how much of it is enough? Examples, seconds and ECE by condition.

After Supplementary Fig. 12 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x. Overhead is warm-up over task, in examples and in seconds of training.

A record's seconds are those of one network's whole life. Networks with the same warm-up share one
that is lived once, and each of them carries its seconds: they are what a network warmed up by
itself takes, and their sum over a study is more than the study took.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.exhibits.common import cells
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.text import label, number, p_text, percent
from analysis.exhibits.cost import warmup_levels
from analysis.exhibits.cost.overhead_plots import Bar, dose_curves, stacked_bars
from analysis.exhibits.cost.warmup_levels import Step, WarmupLevels
from analysis.results.study_results import StudyResults, TrialResult, pairs, planned_pairs
from analysis.statistics.comparison import ECE, Comparison, compare_grid
from analysis.statistics.paired import MIN_PAIRS

ACTIVITIES = ("warmup", "task", "evaluation", "probes")  # as a record names them

_HOW = (
    "Means over the complete pairs, of the networks with warm-up. Seconds, measured on {devices}: "
    "of warm-up, of training on the task, and of evaluation, which is measuring the untrained "
    "network and after every epoch of both phases; what the study's probes take is left out. "
    "Networks with the same warm-up share one that is lived once, and each carries its seconds: "
    "they are what a network warmed up by itself takes, not what the study took. "
    "Overhead is warm-up over task. ECE on the test set, mean ± s.d., without → with warm-up; Δ is "
    f"the mean of with − without, with its {cells.INTERVAL}; “As the paper” counts the pairs "
    f"whose ECE fell; exact P: {cells.EXACT}, uncorrected."
)


def overhead(results: StudyResults) -> Exhibit:
    """For each grid its costs and ECE; where it varies a number of the warm-up, curves too."""
    said: list[str] = []
    tables: list[Table] = []
    figures: list[Drawing] = []
    for grid in results.plan.grids:
        rows = compare_grid(results, grid, ECE)
        costs = [_cost(with_ for _, with_ in pairs(results, row.condition)) for row in rows]
        tables.append(_table(results, grid, rows, costs))
        if any(costs):
            said.append(_spent(grid, [cost for cost in costs if cost]))
            figures.append(stacked_bars(grid, _bars(results, grid)))
        dose = warmup_levels.dose_of(results, grid)
        if dose:
            steps = warmup_levels.against_largest(dose)
            said.append(_enough(dose, steps))
            tables += [_steps_table(dose, steps)] if steps else []
            figures.append(dose_curves(dose, warmup_levels.from_level(steps)))
    devices = sorted({trial.record.device for trial in results.trials if trial.record})
    how = _HOW.format(devices=" and ".join(devices) or "no device yet")
    return exhibit(results, "overhead", "What warm-up costs", (*said, how), tables, figures)


@dataclass(frozen=True)
class Cost:
    """Of one network, mean over several."""

    warmup_examples: float
    task_examples: float
    warmup: float  # seconds, as are the others
    task: float
    evaluation: float
    probes: float

    @property
    def in_examples(self) -> float:
        """Warm-up over task."""
        return self.warmup_examples / self.task_examples if self.task_examples else float("nan")

    @property
    def in_seconds(self) -> float:
        """Warm-up over task, in seconds of training."""
        return self.warmup / self.task if self.task else float("nan")


def _cost(trials: Iterable[TrialResult]) -> Cost | None:
    """Without a record there is none."""
    records = [trial.record for trial in trials if trial.record]
    if not records:
        return None
    examples = (cells.mean([r.examples.get(phase, 0) for r in records]) for phase in ACTIVITIES[:2])
    seconds = (cells.mean([r.seconds.get(name, 0.0) for r in records]) for name in ACTIVITIES)
    return Cost(*examples, *seconds)


def _table(
    results: StudyResults, grid: str, rows: Sequence[Comparison], costs: Sequence[Cost | None]
) -> Table:
    """A row for each condition: what it costs, and what it does to ECE."""
    shown, numbers = [], []
    for row, cost in zip(rows, costs, strict=True):
        texts, known = cells.comparison_row(row), cost or Cost(*[float("nan")] * 6)
        kept = ("ECE without", "ECE with", cells.DELTA, "As the paper", "Exact P")
        control = _cost(without for without, _ in pairs(results, row.condition))
        shown.append(
            {
                "Condition": label(row.condition),
                "Pairs": texts["Pairs"],
                "Warm-up examples": _count(known.warmup_examples),
                "Task examples": _count(known.task_examples),
                "Warm-up, s": _seconds(known.warmup),
                "Task, s": _seconds(known.task),
                "Evaluation, s": _seconds(known.evaluation),
                "Overhead in examples": percent(known.in_examples),
                "Overhead in seconds": percent(known.in_seconds),
            }
            | {name: texts[name] for name in kept}
        )
        numbers.append(
            {"grid": grid}
            | cells.csv_row(row)
            | {"warmup_examples": known.warmup_examples, "task_examples": known.task_examples}
            | {f"{name}_seconds": getattr(known, name) for name in ACTIVITIES}
            | {
                f"control_{name}_seconds": getattr(control, name) if control else None
                for name in ACTIVITIES[1:]
            }
            | {"overhead_examples": known.in_examples, "overhead_seconds": known.in_seconds}
        )
    return table(f"overhead-{grid}", f"Costs and ECE by {grid}", shown, numbers)


def _bars(results: StudyResults, grid: str) -> list[Bar]:
    """The conditions in order, each set of controls once, before the first that is held against
    it."""
    conditions = results.plan.grids[grid]
    used = {a.trial_id: a for condition in conditions for a, _ in pairs(results, condition)}
    bars: list[Bar] = []
    before: list[str] = []
    for condition in conditions:
        planned = [without for without, _ in planned_pairs(results, condition)]
        controls = [without.trial_id for without in planned]
        if controls and controls != before:
            name = ", ".join(filter(None, ("without warm-up", planned[0].condition)))
            bars.append(_bar(name, _cost(used[c] for c in controls if c in used)))
            before = controls
        cost = _cost(with_ for _, with_ in pairs(results, condition))
        bars.append(_bar(label(condition), cost, f"+{percent(cost.in_seconds)}" if cost else ""))
    return bars


def _bar(name: str, cost: Cost | None, remark: str = "") -> Bar:
    return Bar(name, (cost.warmup, cost.task, cost.evaluation) if cost else None, remark)


def _spent(grid: str, costs: Sequence[Cost]) -> str:
    examples, seconds = (
        _span([getattr(cost, name) for cost in costs]) for name in ("in_examples", "in_seconds")
    )
    return (
        f"By {grid}, warm-up takes {examples} of the task's examples and {seconds} of its seconds "
        "of training."
    )


def _span(shares: Sequence[float]) -> str:
    low, high = percent(min(shares)), percent(max(shares))
    return low if low == high else f"{low.removesuffix(' %')} to {high}"


def _enough(dose: WarmupLevels, steps: Sequence[Step]) -> str:
    least, most = dose.ends
    if not steps:
        return f"Of {dose.name} only one level has complete pairs: there is nothing to compare."
    top = f"that of the {most} ({dose.text(dose.levels[-1])})"
    along = f" (and {', '.join(dose.along)})" if dose.along else ""
    start, last = warmup_levels.from_level(steps), steps[-1]
    if start is not None:
        found = [s.row.p_exact for s in steps if s.level >= start and s.row.p_exact is not None]
        text = (
            f"From {dose.at(start)}{along} on, ECE no longer differs from {top}: "
            f"exact P ≥ {p_text(min(found))}, which does not show that they are equal."
        )
    elif last.differs:
        how = "higher" if last.row.difference > 0 else "lower"
        text = (
            f"At {dose.at(last.level)}{along} ECE is still {how} than {top}: "
            f"{cells.exact_p(last.row.p_exact)}."
        )
    else:
        text = (
            f"Whether ECE at {dose.at(last.level)}{along} differs from {top} cannot be tested: "
            f"fewer than {MIN_PAIRS} pairs differ."
        )
    first = steps[0]
    if first.share is None:
        return (
            f"{text} What share of its effect the {least} ({dose.text(first.level)}) has is not "
            f"said: over their common pairs the {most} has not lowered ECE at exact P < 0.05."
        )
    return (
        f"{text} The {least} ({dose.text(first.level)}) has {percent(first.share)} of the {most}'s "
        "effect."
    )


def _steps_table(dose: WarmupLevels, steps: Sequence[Step]) -> Table:
    top = dose.text(dose.levels[-1])
    shown, numbers = [], []
    for step in steps:
        row, known = step.row, cells.csv_row(step.row)
        more = number(row.difference) + cells.in_brackets(row.interval)
        shown.append(
            {
                dose.name.capitalize(): dose.text(step.level),
                "Pairs": str(row.n),
                "ECE": number(step.ece),
                f"ECE − ECE at {top} [95 % interval]": more,
                "Exact P": p_text(row.p_exact),
                f"Share of the effect at {top}": "—" if step.share is None else percent(step.share),
            }
        )
        numbers.append(
            {
                "grid": dose.grid,
                "field": dose.field,
                "level": step.level,
                "largest": dose.levels[-1],
                "pairs": row.n,
                "ece": step.ece,
                "more_than_at_largest": row.difference,
            }
            | {name: known[name] for name in ("interval_low", "interval_high", "p", "p_exact")}
            | {"share_of_effect": step.share}
        )
    title = f"ECE by {dose.name}, against that at {top}"
    return table(f"overhead-{dose.grid}-enough", title, shown, numbers)


def _count(value: float) -> str:
    return "—" if value != value else f"{value:,.0f}"


def _seconds(value: float) -> str:
    """To three figures."""
    if value != value:
        return "—"
    return f"{value:,.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"
