"""Does the best found hold? It and the base on fresh seeds, on test images, against the control.

The best of many proposals is chosen for its numbers, and so these are too good: by how much is the
difference between its change in the search and on seeds that the search has not seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.lines import Line2D

from analysis.exhibits.common.cells import DELTA, EXACT, INTERVAL, csv_row, difference, spread
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import GAP, WITH, WITHOUT, draw_change, name_rows, panels
from analysis.exhibits.common.text import number, p_text, plural
from analysis.results.objectives import Objective
from analysis.results.search import BASE, BEST, Search, search_of
from analysis.results.study_results import StudyResults, TrialResult, pairs
from analysis.statistics import comparison
from analysis.statistics.comparison import Comparison, Measure, Numbers

_MEASURES = (comparison.ECE, comparison.NLL, comparison.ACCURACY, comparison.AUROC)


@dataclass(frozen=True)
class Stage:
    """A setting's change against its control, at one stage of the search."""

    setting: str  # best found or base setting
    words: str  # which seeds and examples
    row: Comparison


def search_confirmed(results: StudyResults) -> Exhibit:
    """A table of both settings from the search to fresh seeds, one of best against base, a figure.

    The best of a search that found nothing better than its base is the base.
    """
    title = "The best found, on fresh seeds"
    told = search_of(results.plan)
    stages = [] if told is None else _stages(results, told)
    if told is None or not stages:
        why = "has no search" if told is None else "has chosen no best yet"
        return exhibit(results, "search_confirmed", title, [f"This study {why}."])
    tables = [_stage_table(told, stages)]
    if BEST in results.plan.conditions():
        tables.append(_against_base(results))
    figures: list[Drawing] = []
    if any(stage.row.n for stage in stages):
        figures.append(_changes(told.objective, stages))
    said = (*sentences(results), _HOW)
    return exhibit(results, "search_confirmed", title, said, tables, figures)


_HOW = (
    f"Mean ± s.d. over pairs; Δ is the mean of setting − control with its {INTERVAL}. "
    "In the search a setting is held against the base's control, afterwards against the control of "
    "its own task and network. Best − base: pairs of the same fresh seed, test examples. "
    f"Exact P: {EXACT}."
)


def sentences(results: StudyResults) -> list[str]:
    """Whether the best held, in sentences computed from the numbers; none without a best."""
    told = search_of(results.plan)
    stages = [] if told is None else _stages(results, told)
    if told is None or not stages:
        return []
    objective = told.objective
    best = [stage.row for stage in stages if stage.setting == stages[0].setting]
    searched, validated, tested = best
    name = f"Proposal {told.best}, the best of {len(told.proposals)},"
    if stages[0].setting == BASE:
        name = f"Nothing was better than the base, the best of {len(told.proposals)} proposals: it"
    sentences = [
        f"{name} changed {objective.label} against the control by {difference(searched)} on the "
        f"{searched.n} seeds of the search, by {difference(validated)} on {_seeds(validated.n)} "
        f"and the same validation examples, and by {difference(tested)} on test examples."
    ]
    if searched.n and validated.n:
        bias = searched.difference - validated.difference
        sign = 1 if objective.direction == "minimize" else -1
        turn = "overstated" if sign * bias < 0 else "understated"
        sentences.append(f"The search {turn} the change by {number(abs(bias))}.")
    if BEST in results.plan.conditions():
        row = _best_and_base(results, *_measured(objective, "test"))
        if row.n:
            sentences.append(
                f"Against the base setting, {objective.label} on test examples differs by "
                f"{difference(row)} over {_seeds(row.n)}."
            )
    return sentences


def _seeds(count: int) -> str:
    return plural(count, "fresh seed")


def _stages(results: StudyResults, told: Search) -> list[Stage]:
    """Of the best and of the base: in the search, on fresh seeds, on the test set."""
    found: list[Stage] = []
    if told.best is None:
        return found
    chosen = {BEST: told.by_number(told.best), BASE: told.base_proposal}
    for setting, proposal in chosen.items():
        if setting not in results.plan.conditions() or proposal is None:
            continue
        for condition, split, words in (
            (proposal.condition, "validation", "search seeds, validation"),
            (setting, "validation", "fresh seeds, validation"),
            (setting, "test", "fresh seeds, test"),
        ):
            row = comparison.compare(results, condition, *_measured(told.objective, split))
            found.append(Stage(setting, words, row))
    return found


def _measured(objective: Objective, split: str) -> tuple[Measure, Numbers]:
    """An objective as a measure of a comparison, and what takes it from a trial."""
    key = f"{split}_{objective.name}"
    expected = -1 if objective.direction == "minimize" else 1

    def numbers(trial: TrialResult) -> Mapping[str, float]:
        done = trial.record and trial.outcome == "finished"
        return {key: objective.of(trial.record, split)} if done and trial.record else {}

    return Measure(key, objective.label, expected), numbers


def _stage_table(told: Search, stages: list[Stage]) -> Table:
    label = told.objective.label
    shown = [
        {
            "Setting": stage.setting,
            "Measured on": stage.words,
            "Seeds": str(stage.row.n),
            f"{label} of the control": spread(stage.row.without),
            f"{label} of the setting": spread(stage.row.with_),
            DELTA: difference(stage.row),
            "Exact P": p_text(stage.row.p_exact),
        }
        for stage in stages
    ]
    numbers = [{"setting": s.setting, "measured_on": s.words} | csv_row(s.row) for s in stages]
    title = f"{label} against the control, in the search and on fresh seeds"
    return table("search-confirmed", title, shown, numbers)


def _against_base(results: StudyResults) -> Table:
    shown, numbers = [], []
    for row in (_best_and_base(results, measure, comparison.summary_of) for measure in _MEASURES):
        if not row.n:
            continue
        shown.append(
            {
                "Measure": row.measure.label,
                "Seeds": str(row.n),
                BEST: spread(row.with_),
                BASE: spread(row.without),
                "Best − base [95 % interval]": difference(row),
                "Exact P": p_text(row.p_exact),
            }
        )
        known = csv_row(row)
        numbers.append(
            {"metric": known["metric"], "seeds": row.n}
            | {"best_mean": known["with_mean"], "base_mean": known["without_mean"]}
            | {name: known[name] for name in ("difference", "interval_low", "interval_high")}
            | {"p": row.p_value, "p_exact": row.p_exact}
        )
    title = "The best found against the base setting, fresh seeds, test examples"
    return table("search-best-base", title, shown, numbers)


def _best_and_base(results: StudyResults, measure: Measure, numbers: Numbers) -> Comparison:
    """Base and best, of the seeds that both have finished with their controls."""
    base, best = (
        {
            with_.replicate: found[measure.key]
            for _, with_ in pairs(results, condition)
            if measure.key in (found := numbers(with_))
        }
        for condition in (BASE, BEST)
    )
    seeds = sorted(best.keys() & base.keys())
    both = [(base[seed], best[seed]) for seed in seeds]
    return comparison.compare_values(BEST, measure, both, planned=len(seeds))


def _changes(objective: Objective, stages: Sequence[Stage]) -> Drawing:
    """A stage a row: mean change with its interval, and every pair."""
    with panels(6.4, 1.0 + 0.36 * len(stages)) as (figure, [axes]):
        axes.axvline(0, color="#555555", linewidth=0.8)
        for place, stage in enumerate(stages):
            if stage.row.n:
                draw_change(axes, place, stage.row, GAP if stage.setting == BEST else WITH)
        name_rows(axes, [f"{stage.setting}: {stage.words}" for stage in stages])
        axes.set_xlabel(f"Δ {objective.label}, setting − control")
        key = [
            Line2D([], [], color=GAP, marker="o", label="best found"),
            Line2D([], [], color=WITH, marker="o", label="base setting"),
            Line2D([], [], color=WITHOUT, marker="|", linestyle="", label="one pair"),
        ]
        figure.legend(handles=key, loc="outside upper left", ncols=3)
    described = "; ".join(f"{s.setting}, {s.words} {difference(s.row)}" for s in stages)
    return Drawing(
        "search-confirmed-changes",
        f"Change of {objective.label} against the control, in the search and on fresh seeds",
        figure,
        f"Mean change, 95 % interval and every pair: {described}.",
    )
