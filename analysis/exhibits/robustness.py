"""Does the effect hold for every noise? Tables and box plots of pairs, a grid at a time.

After Supplementary Figs 10 and 11 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x. The tables add what the paper leaves out: bootstrap intervals, and
Holm's correction over the conditions of a grid.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.comparison import MEASURES, Comparison, compare_grid
from analysis.exhibits.exhibit import Drawing, Exhibit, Table, label, made_of, number
from analysis.exhibits.pair_plots import Grid, box_plots, level_curves, no_p
from analysis.plan import levels
from analysis.results import StudyResults
from analysis.stats import MIN_PAIRS

TEST = "Wilcoxon's signed-rank test of the pairs, two-sided, normal approximation"


def robustness(results: StudyResults) -> Exhibit:
    """Every grid's tables and box plots, and a curve where a grid is one of numbers."""
    tables: list[Table] = []
    figures: list[Drawing] = []
    for grid in results.plan.grids:
        compared = {measure: compare_grid(results, grid, measure) for measure in MEASURES}
        tables += grid_tables(grid, compared)
        figures.append(box_plots(grid, compared[MEASURES[0]]))
        numbers = levels(results.plan, grid)
        if len(numbers) > 2 and all(value > 0 for value in numbers.values()):
            figures.append(level_curves(grid, numbers, compared))
    caption = (
        "On the test set, mean ± s.d. over the complete pairs, without → with warm-up. Δ is the "
        "mean of with − without, with its 95 % bootstrap interval. “As the paper” counts the pairs "
        "that moved the paper's way: ECE and NLL down, accuracy and OOD AUROC (maximum softmax "
        f"probability) up. W, P and r = |Z|/√pairs: {TEST}; no P is given where fewer "
        f"than {MIN_PAIRS} pairs differ. Holm P is corrected over the grid's conditions; over the "
        f"boxes ★ is P < 0.001 and NS P > 0.05, uncorrected. {made_of(results)}"
    )
    return Exhibit("robustness", "Robustness", caption, tuple(tables), tuple(figures))


def grid_tables(grid: str, compared: Grid) -> list[Table]:
    """A table for each measure: a row for each of the grid's conditions."""
    return [
        Table(
            f"robustness-{grid}-{measure.key.removeprefix('test_')}",
            f"{measure.label} by {grid}",
            pd.DataFrame([_tested(row) for row in rows]),
            pd.DataFrame([_values(grid, row) for row in rows]),
        )
        for measure, rows in compared.items()
    ]


def _tested(row: Comparison) -> dict[str, str]:
    """One condition's row as it is shown."""
    name = row.measure.label
    return {
        "Condition": label(row.condition),
        "Pairs": _pair_count(row),
        f"{name} without": _spread(row.without),
        f"{name} with": _spread(row.with_),
        "Δ [95 % interval]": _difference(row),
        "As the paper": f"{row.moved}/{row.n}" if row.n else "—",
        "W": f"{row.test.statistic:g}" if row.test else "—",
        "P": no_p(row) if row.p_value is None else _p(row.p_value),
        "Holm P": _p(row.p_holm),
        "r": number(row.test.effect_size, 2) if row.test and row.p_value is not None else "—",
    }


def _values(grid: str, row: Comparison) -> dict[str, object]:
    """Every number of one comparison, for CSV; None where there is none."""
    test, (low, high) = row.test, row.interval or (None, None)
    return {
        "grid": grid,
        "condition": row.condition,
        "metric": row.measure.key,
        "pairs": row.n,
        "pairs_planned": row.planned,
        "lost": row.lost,
        "without_mean": _mean(row.without),
        "without_sd": _sd(row.without),
        "with_mean": _mean(row.with_),
        "with_sd": _sd(row.with_),
        "difference": row.difference,
        "interval_low": low,
        "interval_high": high,
        "moved_as_the_paper": row.moved if row.n else None,
        "w": test.statistic if test else None,
        "z": test.z if test else None,
        "p": row.p_value,
        "p_holm": row.p_holm,
        "r": test.effect_size if test else None,
        "rank_biserial": test.rank_biserial if test else None,
        "note": test.note if test else "no complete pair",
    }


def _p(value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}".replace("e-0", "e-")


def _pair_count(row: Comparison) -> str:
    if row.n == row.planned:
        return str(row.n)
    return f"{row.n} of {row.planned}" + (f" ({row.lost})" if row.lost else "")


def _difference(row: Comparison) -> str:
    if not row.n:
        return "—"
    interval = f" [{', '.join(number(v) for v in row.interval)}]" if row.interval else ""
    return ("+" if row.difference > 0 else "") + number(row.difference) + interval


def _mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _sd(values: Sequence[float] | np.ndarray) -> float:
    """Sample standard deviation (n − 1); NaN for fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _spread(values: np.ndarray) -> str:
    if not len(values):
        return "—"
    return number(_mean(values)) + (f" ± {number(_sd(values))}" if len(values) > 1 else "")
