"""Tables of conditions × a few measures: each measure without and with warm-up, and its change."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from analysis.exhibits.common.cells import csv_row, difference, mean, pair_count
from analysis.exhibits.common.exhibit import Table, table
from analysis.exhibits.common.text import Bold, label, number
from analysis.results.cached import cached, find_all
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult
from analysis.statistics.comparison import (
    Comparison,
    Measure,
    Numbers,
    clear_of_zero,
    compare,
    corrected,
    summary_of,
)

Row = Mapping[Measure, Comparison]  # of one condition
Find = Callable[[Record], Mapping[str, float]]

HOW = (
    "Means over the complete pairs; Δ is the mean of with − without, with its 95 % interval "
    "(Student's t), bold where that leaves out zero. The CSV has every s.d. and P, corrected over "
    "the conditions."
)
_UNBROKEN = str.maketrans(" ", "\N{NO-BREAK SPACE}")


def side_by_side(
    results: StudyResults, name: str, title: str, measures: Sequence[Measure], find: Find
) -> Table:
    """A row for each condition of the study. A pair counts where both have the measure's number.

    find: what a record gives, by the measures' keys.
    """
    find_all(find, [(record,) for record in results.records])

    def numbers(trial: TrialResult) -> Mapping[str, float]:
        return cached(find, trial.record) if trial.record else {}

    return _table(name, title, _compared(results, measures, numbers), _three_columns)


def in_one_column_each(
    results: StudyResults, name: str, title: str, measures: Sequence[Measure]
) -> Table:
    """The same of numbers that are in MLflow too, in cells such as “0.135 → 0.101 Δ −0.033 [−0.053,
    −0.013]”, which a narrow page breaks before the Δ alone. Of what no pair has there is no column,
    and without any pair there is no row."""
    rows = _compared(results, measures, summary_of)
    there = [measure for measure in measures if any(row[measure].n for row in rows)]
    kept = [{measure: row[measure] for measure in there} for row in rows] if there else []
    return _table(name, title, kept, _one_column)


def _compared(
    results: StudyResults, measures: Sequence[Measure], numbers: Numbers
) -> list[dict[Measure, Comparison]]:
    conditions = results.plan.conditions()
    columns = [corrected([compare(results, c, m, numbers) for c in conditions]) for m in measures]
    return [dict(zip(measures, row, strict=True)) for row in zip(*columns, strict=True)]


def _table(
    name: str, title: str, rows: Sequence[Row], cells: Callable[[Row], Mapping[Any, str]]
) -> Table:
    """Of CSV a row for each measure and condition."""
    measures = list(rows[0]) if rows else []
    numbers = [csv_row(row[measure]) for measure in measures for row in rows]
    return table(name, title, map(cells, rows), numbers)


def _named(row: Row) -> dict[str, str]:
    most = max(row.values(), key=lambda one: one.n)
    return {"Condition": label(most.condition), "Pairs": pair_count(most)}


def _three_columns(row: Row) -> dict[tuple[str, str], str]:
    cells = {(name, ""): text for name, text in _named(row).items()}
    for measure, one in row.items():
        cells[measure.label, "without"] = number(mean(one.without))
        cells[measure.label, "with"] = number(mean(one.with_))
        cells[measure.label, "Δ"] = _clear(one, difference(one))
    return cells


def _one_column(row: Row) -> dict[str, str]:
    return _named(row) | {m.label: _clear(one, _arrow(one)) for m, one in row.items()}


def _arrow(one: Comparison) -> str:
    if not one.n:
        return "—"
    means = f"{number(mean(one.without))} → {number(mean(one.with_))}"
    return f"{means.translate(_UNBROKEN)} {f'Δ {difference(one)}'.translate(_UNBROKEN)}"


def _clear(one: Comparison, text: str) -> str:
    return Bold(text) if clear_of_zero(one) else text
