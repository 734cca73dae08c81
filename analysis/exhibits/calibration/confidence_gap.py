"""Too sure, or not sure enough: how far confidence is above accuracy, without and with warm-up.

An ECE has no sign. A warm-up lowers confidence, which mends a network that is overconfident; one
that hardly is ends up underconfident, and its ECE rises.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.exhibits.common.cells import csv_row, difference, mean, pair_count, spread
from analysis.exhibits.common.exhibit import Table, table
from analysis.exhibits.common.text import label, number
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Measure, compare_grid
from analysis.statistics.paired import mean_interval

GAP = Measure("test_gap", "Confidence − accuracy", 0)

Side = Literal["overconfident", "underconfident", "neither"]
Values = NDArray[np.float64]  # (networks,), mean confidence − accuracy of each

HOW = (
    "“Overconfident” are networks whose mean confidence − accuracy is above zero, “underconfident” "
    "those where it is below, by the 95 % interval (Student's t) of its mean over the networks."
)


def side(gaps: Values) -> Side:
    """On which side of zero the networks' mean is; neither where its interval has zero in it."""
    low, high = mean_interval(gaps)
    return "overconfident" if low > 0 else "underconfident" if high < 0 else "neither"


def gap_table(results: StudyResults, grid: str) -> list[Table]:
    """A row for each condition; no table without a complete pair."""
    rows = [row for row in compare_grid(results, grid, GAP) if row.n]
    if not rows:
        return []
    shown = [
        {
            "Condition": label(row.condition),
            "Pairs": pair_count(row),
            "without": spread(row.without),
            "with": spread(row.with_),
            "Δ": difference(row),
            "Without it": side(row.without),
            "With it": side(row.with_),
        }
        for row in rows
    ]
    numbers = [
        {"grid": grid, "side_without": side(row.without), "side_with": side(row.with_)}
        | csv_row(row)
        for row in rows
    ]
    return [table(f"pairs-{grid}-gap", f"{GAP.label} by {grid}", shown, numbers)]


def gap_sentence(results: StudyResults, grid: str) -> str:
    """Which networks of a grid are too sure, and which not sure enough."""
    rows = [row for row in compare_grid(results, grid, GAP) if row.n]
    if not rows:
        return ""
    if len(rows) == 1:
        return of_one(rows[0].without, rows[0].with_)
    return (
        f"Mean confidence − accuracy is {_in_all([row.without for row in rows])} without warm-up "
        f"and {_in_all([row.with_ for row in rows])} with it."
    )


def of_one(without: Values, with_: Values) -> str:
    """The same of one condition."""
    return f"Mean confidence is {_from(without)} without warm-up and {_from(with_)} with it."


def _from(gaps: Values) -> str:
    gap, found = mean(gaps), side(gaps)
    if abs(gap) < 0.0005:  # as it is shown
        return "equal to accuracy"
    said = f"{number(abs(gap))} {'above' if gap > 0 else 'below'} accuracy"
    return said if found == "neither" else f"{said} ({found})"


def _in_all(arms: list[Values]) -> str:
    """Of all conditions; a control that serves them all is told of once."""
    if all(np.array_equal(gaps, arms[0]) for gaps in arms):
        return f"{number(mean(arms[0]))} ({side(arms[0])})"
    means, sides = [mean(gaps) for gaps in arms], [side(gaps) for gaps in arms]
    counts = " and ".join(
        f"{name} in {sides.count(name)}" for name in ("overconfident", "underconfident")
    )
    low, high = number(min(means)), number(max(means))
    return f"{low} to {high} ({counts} of {len(arms)} conditions)"
