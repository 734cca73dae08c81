"""Does the best found hold? It and the base on fresh seeds, on test images, against the control.

The best of many proposals is chosen for its numbers, and so these are too good: by how much is the
difference between its change in the search and on seeds that the search has not seen.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from analysis.exhibits.common.cells import EXACT, INTERVAL, csv_row, difference, spread
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, made_of
from analysis.exhibits.common.text import number, p_text, plural
from analysis.exhibits.search.confirmed_plots import changes
from analysis.results.objectives import Objective
from analysis.results.search import BASE, BEST, Search, search_of
from analysis.results.study_results import StudyResults, TrialResult, pairs
from analysis.statistics.comparison import (
    ACCURACY,
    AUROC,
    ECE,
    NLL,
    Comparison,
    Measure,
    Numbers,
    compare,
)
from analysis.statistics.paired import mean_interval, paired_test

_MEASURES = (ECE, NLL, ACCURACY, AUROC)


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
        return Exhibit("search_confirmed", title, f"This study {why}. {made_of(results)}")
    tables = [_stage_table(told, stages)]
    if BEST in results.plan.conditions():
        tables.append(_against_base(results))
    figures: list[Drawing] = []
    if any(stage.row.n for stage in stages):
        figures.append(changes(told.objective, [(s.setting, s.words, s.row) for s in stages]))
    caption = " ".join((*sentences(results), _HOW, made_of(results)))
    return Exhibit("search_confirmed", title, caption, tuple(tables), tuple(figures))


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
        both = _both(results, objective, "test")
        if len(both):
            sentences.append(
                f"Against the base setting, {objective.label} on test examples differs by "
                f"{_difference(both)} over {_seeds(len(both))}."
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
            row = compare(results, condition, *_measured(told.objective, split))
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
            "Δ [95 % interval]": difference(stage.row),
            "Exact P": p_text(stage.row.p_exact),
        }
        for stage in stages
    ]
    numbers = [{"setting": s.setting, "measured_on": s.words} | csv_row(s.row) for s in stages]
    title = f"{label} against the control, in the search and on fresh seeds"
    return Table("search-confirmed", title, pd.DataFrame(shown), pd.DataFrame(numbers))


def _against_base(results: StudyResults) -> Table:
    shown, numbers = [], []
    for measure in _MEASURES:
        both = _of_both(results, partial(_number_of, measure.key))
        if not len(both):
            continue
        change = both[:, 0] - both[:, 1]
        test = paired_test(both[:, 1], both[:, 0])
        shown.append(
            {
                "Measure": measure.label,
                "Seeds": str(len(both)),
                BEST: spread(both[:, 0]),
                BASE: spread(both[:, 1]),
                "Best − base [95 % interval]": _difference(both),
                "Exact P": p_text(test.p_exact),
            }
        )
        interval = mean_interval(change) if len(change) > 1 else (None, None)
        numbers.append(
            {"metric": measure.key, "seeds": len(both), "best_mean": float(both[:, 0].mean())}
            | {"base_mean": float(both[:, 1].mean()), "difference": float(change.mean())}
            | {"interval_low": interval[0], "interval_high": interval[1]}
            | {"p": test.p_value, "p_exact": test.p_exact}
        )
    title = "The best found against the base setting, fresh seeds, test examples"
    return Table("search-best-base", title, pd.DataFrame(shown), pd.DataFrame(numbers))


def _number_of(key: str, trial: TrialResult) -> float | None:
    return trial.numbers.get(key)


def _both(results: StudyResults, objective: Objective, split: str) -> np.ndarray:
    measure, numbers = _measured(objective, split)
    return _of_both(results, lambda trial: numbers(trial).get(measure.key))


def _of_both(results: StudyResults, of: Callable[[TrialResult], float | None]) -> np.ndarray:
    """(seeds, 2): best and base, of the seeds that both have finished with their controls."""
    best, base = (
        {with_.replicate: of(with_) for _, with_ in pairs(results, condition)}
        for condition in (BEST, BASE)
    )
    rows = [
        (best[seed], base[seed])
        for seed in sorted(best.keys() & base.keys())
        if best[seed] is not None and base[seed] is not None
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def _difference(both: np.ndarray) -> str:
    change = both[:, 0] - both[:, 1]
    text = ("+" if change.mean() > 0 else "") + number(float(change.mean()))
    if len(change) > 1:
        text += f" [{', '.join(number(end) for end in mean_interval(change))}]"
    return text
