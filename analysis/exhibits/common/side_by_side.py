"""Tables of conditions × a few measures: each measure without and with warm-up, and its change."""

from collections.abc import Sequence

from analysis.exhibits.common.cells import csv_row, difference, mean, pair_count
from analysis.exhibits.common.exhibit import Table, table
from analysis.exhibits.common.text import Bold, label, number
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import (
    Comparison,
    Measure,
    Numbers,
    clear_of_zero,
    compare,
    corrected,
)

HOW = (
    "Means over the complete pairs; Δ is the mean of with − without, with its 95 % interval "
    "(Student's t), bold where that leaves out zero. The CSV has every s.d. and P, corrected over "
    "the conditions."
)


def side_by_side(
    results: StudyResults, name: str, title: str, measures: Sequence[Measure], numbers: Numbers
) -> Table:
    """A row for each condition of the study. A pair counts where both have the measure's number."""
    conditions = results.plan.conditions()
    columns = [corrected([compare(results, c, m, numbers) for c in conditions]) for m in measures]
    rows = [dict(zip(measures, row, strict=True)) for row in zip(*columns, strict=True)]
    shown = [_shown(row) for row in rows]
    return table(name, title, shown, [csv_row(one) for column in columns for one in column])


def _shown(row: dict[Measure, Comparison]) -> dict[tuple[str, str], str]:
    most = max(row.values(), key=lambda one: one.n)
    cells = {("Condition", ""): label(most.condition), ("Pairs", ""): pair_count(most)}
    for measure, one in row.items():
        change = difference(one)
        cells[measure.label, "without"] = number(mean(one.without))
        cells[measure.label, "with"] = number(mean(one.with_))
        cells[measure.label, "Δ"] = Bold(change) if clear_of_zero(one) else change
    return cells
