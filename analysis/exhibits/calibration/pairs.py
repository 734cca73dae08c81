"""Every pair without and with warm-up: tables and box plots, a grid at a time.

After Supplementary Figs 10 and 11 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x. The tables add what the paper leaves out: intervals by Student's
t, exact P, and Holm's correction over the conditions of a grid.
"""

from analysis.exhibits.calibration.beyond_chance import CHANCE, HOW, chance_table
from analysis.exhibits.calibration.confidence_gap import HOW as SIDES
from analysis.exhibits.calibration.confidence_gap import gap_table
from analysis.exhibits.common.box_plots import Grid, box_plots, level_curves
from analysis.exhibits.common.cells import BOTH, INTERVAL, comparison_row, csv_row
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.text import label, p_text
from analysis.results.plan import levels
from analysis.results.study_results import StudyResults
from analysis.results.study_results import pairs as complete
from analysis.statistics.comparison import MEASURES, compare_grid
from analysis.statistics.paired import MIN_PAIRS, smallest_exact_p, smallest_p


def pairs(results: StudyResults) -> Exhibit:
    """Every grid's tables and box plots, and a curve where a grid is one of numbers."""
    tables: list[Table] = []
    figures: list[Drawing] = []
    for grid in results.plan.grids:
        compared = {measure: compare_grid(results, grid, measure) for measure in MEASURES}
        tables += [*grid_tables(grid, compared), *chance_table(results, grid)]
        tables += gap_table(results, grid)
        chance = compare_grid(results, grid, CHANCE)
        figures.append(box_plots(grid, compared[MEASURES[0]], chance))
        numbers = levels(results.plan, grid)
        if len(numbers) > 2 and all(value > 0 for value in numbers.values()):
            figures.append(level_curves(grid, numbers, compared))
    how = (
        "On the test set, mean ± s.d. over the complete pairs, without → with warm-up. Δ is the "
        f"mean of with − without, with its {INTERVAL}. “As the paper” counts the pairs "
        "that moved the paper's way: ECE and NLL down, accuracy and OOD AUROC (maximum softmax "
        f"probability) up. W, P, exact P and r = |Z|/√pairs: {BOTH} over the grid's conditions. "
        f"{_least(results)}{HOW} {SIDES} Over the boxes ★ is P < 0.001 and NS P > 0.05, "
        "uncorrected."
    )
    return exhibit(results, "pairs", "Without and with warm-up", (how,), tables, figures)


def _least(results: StudyResults) -> str:
    """What P can be at the least: where pairs are few the approximation promises too much."""
    n = max((len(complete(results, c)) for c in results.plan.conditions()), default=0)
    if n < MIN_PAIRS:
        return ""
    return (
        f"Of {n} pairs the least that P can be is {p_text(smallest_p(n))}, and exact P "
        f"{p_text(smallest_exact_p(n))}. "
    )


def grid_tables(grid: str, compared: Grid) -> list[Table]:
    """A table for each measure: a row for each of the grid's conditions."""
    return [
        table(
            f"pairs-{grid}-{measure.key.removeprefix('test_')}",
            f"{measure.label} by {grid}",
            [{"Condition": label(row.condition)} | comparison_row(row) for row in rows],
            [{"grid": grid} | csv_row(row) for row in rows],
        )
        for measure, rows in compared.items()
    ]
