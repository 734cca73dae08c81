"""Where does warm-up help most? Two fields crossed, such as depth × number of training examples.

After Figs 1c,d and 2f of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x. For each grid that crosses two numeric fields: the mean of ECE, and of
test accuracy, over the complete pairs of every cell, without and with warm-up, and the difference
with − without with Wilcoxon's test of the cell's pairs. Trends are rank correlations (Spearman's)
of a field's levels with the cells' means, one for each level of the other field, then their mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from scipy.stats import rankdata

from analysis.exhibits.common.cells import BOTH, INTERVAL, comparison_row, csv_row, difference, mean
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import panels
from analysis.exhibits.common.text import number, plural
from analysis.results.plan import Plan, is_number
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import ACCURACY, ECE, Comparison, Measure, compare_grid

MEASURES = (ECE, ACCURACY)
SEQUENTIAL = "viridis"
DIVERGING = {-1: "RdBu_r", +1: "RdBu"}  # blue where a measure moved the way the paper's does

_EMPTY: Mapping[str, Any] = {
    "facecolor": "#f1f1f1", "edgecolor": "#bbbbbb", "hatch": "////", "linewidth": 0
}  # fmt: skip
_NAMES = {"data.examples": "training examples", "warmup.examples": "warm-up examples"}

_HOW = (
    "A cell holds the mean over its complete pairs, hatched where there is none; in the tables "
    f"± s.d. Δ is the mean of with − without, with its {INTERVAL}, and blue where it is the "
    "paper's way, ECE down and accuracy up, whose pairs “As the paper” counts. W, P, exact P and "
    f"r = |Z|/√pairs: {BOTH} over the grid's cells. In the figures ★ is P < 0.001 and n.s. "
    "P > 0.05, uncorrected."
)

Values = NDArray[np.float64]  # (rows, columns) of a plane; NaN: no complete pair


@dataclass(frozen=True)
class Plane:
    """A grid that crosses two numeric fields: one's levels are rows, the other's columns."""

    grid: str
    fields: tuple[str, str]  # dotted
    places: Mapping[str, tuple[float, float]]  # condition → its two levels

    @property
    def names(self) -> tuple[str, str]:
        """The fields' short names; dotted where both end alike."""
        first, second = (_NAMES.get(f) or f.split(".")[-1].replace("_", " ") for f in self.fields)
        return self.fields if first == second else (first, second)

    @property
    def levels(self) -> tuple[list[float], list[float]]:
        """Of rows and columns, ascending."""
        rows, columns = (sorted(set(found)) for found in zip(*self.places.values(), strict=True))
        return rows, columns

    def laid_out(self, found: Mapping[str, Any]) -> NDArray[Any]:
        """What is known by condition, each in its cell, (rows, columns); NaN where nothing is."""
        at = {self.places[condition]: known for condition, known in found.items()}
        return pd.Series(at).unstack().to_numpy()


def heatmap(results: StudyResults) -> Exhibit:
    """For each grid of two numeric fields a figure and a table of each measure."""
    said: list[str] = []
    tables: list[Table] = []
    figures: list[Drawing] = []
    for plane in planes(results.plan):
        compared = {measure: _compared(results, plane, measure) for measure in MEASURES}
        said.append(_found(plane, compared[ECE], compared[ACCURACY]))
        for measure, rows in compared.items():
            tables.append(_table(plane, measure, rows))
            if any(row.n for row in rows):
                figures.append(_drawing(plane, measure, rows))
    none = "No grid of this study crosses exactly two numeric fields: there is no heat map."
    said = [*said, _HOW] if said else [none]
    return exhibit(results, "heatmap", "Heat maps of two fields", said, tables, figures)


def planes(plan: Plan) -> list[Plane]:
    """The grids that cross exactly two numeric fields and leave all others alone."""
    return [plane for grid in plan.grids if (plane := _plane(plan, grid))]


def _plane(plan: Plan, grid: str) -> Plane | None:
    chosen = plan.cells(grid)
    any_cell, *others = chosen.values()
    varied = [f for f in any_cell if any(cell.get(f) != any_cell[f] for cell in others)]
    if len(varied) != 2 or not all(is_number(c.get(f)) for c in chosen.values() for f in varied):
        return None
    first, second = varied
    places = {condition: (cell[first], cell[second]) for condition, cell in chosen.items()}
    plane = Plane(grid, (first, second), places)
    # no more settings than levels: they are listed one by one, not crossed
    return plane if len(places) > max(map(len, plane.levels)) else None


def _compared(results: StudyResults, plane: Plane, measure: Measure) -> list[Comparison]:
    rows = compare_grid(results, plane.grid, measure)
    return sorted(rows, key=lambda row: plane.places[row.condition])


def _table(plane: Plane, measure: Measure, rows: Sequence[Comparison]) -> Table:
    """A row for each cell: its levels, means, difference and test."""
    first, second = plane.names
    shown, numbers = [], []
    for row in rows:
        levels = plane.places[row.condition]
        shown.append(dict(zip(plane.names, map(_level, levels), strict=True)) | comparison_row(row))
        cell = dict(zip(plane.fields, levels, strict=True))
        numbers.append({"grid": plane.grid} | cell | csv_row(row))
    title = f"{measure.label} by {first} and {second}"
    return table(_file(plane, measure), title, shown, numbers)


def _file(plane: Plane, measure: Measure) -> str:
    return f"heatmap-{plane.grid}-{measure.key.removeprefix('test_')}"


def _found(plane: Plane, ece: Sequence[Comparison], accuracy: Sequence[Comparison]) -> str:
    first, second = plane.names
    head = f"Grid {plane.grid}, {first} × {second}:"
    cells = [row for row in ece if row.n]
    if not cells:
        return f"{head} no pair is complete."
    lower = [row for row in cells if row.difference < 0]
    always = sum(row.moved == row.n for row in lower)
    most = max(cells, key=lambda row: abs(row.difference))
    at = ", ".join(
        f"{name} {_level(level)}"
        for name, level in zip(plane.names, plane.places[most.condition], strict=True)
    )
    higher = [row for row in accuracy if row.difference > 0]
    before = plane.laid_out({row.condition: mean(row.without) for row in ece})
    sentences = [
        f"{head} warm-up lowered the mean ECE in {len(lower)} of {_cells(len(cells))}, in every "
        f"pair in {always} of them; the largest difference is {difference(most)}, at {at}.",
        f"Without warm-up the mean ECE {_trend(before.T, first)} and {_trend(before, second)}.",
        f"The mean accuracy rose in {len(higher)} of {_cells(len(cells))}.",
    ]
    if empty := len(ece) - len(cells):
        sentences.append(f"{_cells(empty)} {'has' if empty == 1 else 'have'} no complete pair.")
    return " ".join(sentences)


def _cells(count: int) -> str:
    return plural(count, "cell")


def _trend(means: Values, name: str) -> str:
    """How means change along the columns, in words; means: (lines, levels)."""
    lines = [line[~np.isnan(line)] for line in means]
    lines = [line for line in lines if line.size > 1]
    if not lines:
        return f"cannot be followed along {name}"
    steps = np.concatenate([np.diff(line) for line in lines])
    rank = float(np.mean([_rank_correlation(line) for line in lines]))
    if (steps > 0).all() or (steps < 0).all():
        words = f"{'rises' if steps[0] > 0 else 'falls'} with {name} at every step"
    elif abs(rank) >= 0.5:
        words = f"mostly {'rises' if rank > 0 else 'falls'} with {name}"
    else:
        words = f"shows no clear trend with {name}"
    return f"{words} (rank correlation {'+' if rank > 0 else ''}{number(rank, 2)})"


def _rank_correlation(line: NDArray[np.float64]) -> float:
    """Spearman's, of ascending levels with their values, (levels,); 0 where all are equal."""
    if (line == line[0]).all():
        return 0.0
    return float(np.corrcoef(np.arange(line.size), rankdata(line))[0, 1])


def _drawing(plane: Plane, measure: Measure, rows: Sequence[Comparison]) -> Drawing:
    """Without, with, and the difference; the first two share their scale."""
    before = plane.laid_out({row.condition: mean(row.without) for row in rows})
    after = plane.laid_out({row.condition: mean(row.with_) for row in rows})
    change = plane.laid_out({row.condition: row.difference for row in rows})
    both = np.stack([before, after])
    scale = Normalize(float(np.nanmin(both)), float(np.nanmax(both)))
    reach = float(np.nanmax(np.abs(change))) or 1.0  # no cell has changed: all are white
    marks = plane.laid_out({row.condition: _mark(row) for row in rows})
    blue_is_better = colormaps[DIVERGING[measure.expected]]
    first, second = plane.names
    titles = ("without warm-up", "with warm-up", "with − without")
    with panels(*_size(plane), 3, sharey=True) as (figure, drawn):
        left, middle, right = drawn
        _panel(left, plane, before, colormaps[SEQUENTIAL], scale)
        means = _panel(middle, plane, after, colormaps[SEQUENTIAL], scale)
        changes = _panel(right, plane, change, blue_is_better, Normalize(-reach, reach), marks)
        for axes, title in zip(drawn, titles, strict=True):
            axes.set(title=title, xlabel=second)
        left.set_ylabel(first)
        _colour_bar(figure, means, [left, middle], measure.label)
        _colour_bar(figure, changes, [right], f"Δ {measure.label}")
    means_of = "; ".join(
        f"{title} {number(float(np.nanmin(found)))} to {number(float(np.nanmax(found)))}"
        for title, found in zip(titles, (before, after, change), strict=True)
    )
    return Drawing(
        _file(plane, measure),
        f"{measure.label} by {first} and {second}",
        figure,
        f"Heat maps of mean {measure.label} by {first} and {second}: {means_of}.",
    )


def _size(plane: Plane) -> tuple[float, float]:
    """Inches: a cell holds its number and its column's level, a narrow panel its colour bar."""
    rows, columns = plane.levels
    cell = max(0.33, 0.08 * max(len(_tick(level)) for level in columns))
    return 0.6 + 3 * max(1.6, cell * len(columns)), 1.45 + 0.33 * len(rows)


def _panel(
    axes: Axes,
    plane: Plane,
    cells: Values,
    colours: Colormap,
    scale: Normalize,
    marks: NDArray[Any] | None = None,
) -> QuadMesh:
    """One heat map: each cell with its number, and its mark underneath; hatched without one."""
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(cells), cmap=colours, norm=scale, edgecolor="white", linewidth=0.6
    )
    for (row, column), found in np.ndenumerate(cells):
        if np.isnan(found):
            axes.add_patch(Rectangle((column, row), 1, 1, **_EMPTY))
            continue
        ink = _ink(colours(scale(found)))
        texts = [(_short(found), 0.5, 6.5)]
        mark = "" if marks is None else str(marks[row, column])
        if mark:
            texts = [(_short(found), 0.62, 6.5), (mark, 0.25, 5.5)]
        for text, height, size in texts:
            axes.text(
                column + 0.5, row + height, text, color=ink, size=size,
                ha="center", va="center_baseline",
            )  # fmt: skip
    for axis, levels in zip((axes.yaxis, axes.xaxis), plane.levels, strict=True):
        axis.set_ticks(np.arange(len(levels)) + 0.5, [_tick(level) for level in levels])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return mesh


def _colour_bar(figure: Figure, mesh: QuadMesh, panels: list[Axes], name: str) -> None:
    """Under its panels, as long for two of them as for one."""
    figure.colorbar(
        mesh, ax=panels, location="bottom", label=name, ticks=MaxNLocator(4),
        shrink=0.8 / len(panels), aspect=27,
    )  # fmt: skip


def _mark(row: Comparison) -> str:
    """As the paper's: ★ for P < 0.001, n.s. for P > 0.05, nothing between or without a P."""
    p = row.p_value
    return "" if p is None else "★" if p < 0.001 else "n.s." if p > 0.05 else ""


def _ink(colour: tuple[float, ...]) -> str:
    """White on a dark colour (red, green, blue, …), by its luminance; else black."""
    luminance = np.dot(np.power(colour[:3], 2.2), (0.2126, 0.7152, 0.0722))
    return "white" if luminance < 0.25 else "black"


def _short(value: float) -> str:
    """.123, as the paper writes numbers below 1."""
    return number(value).replace("0.", ".", 1)


def _level(level: float) -> str:
    return f"{level:.12g}"


def _tick(level: float) -> str:
    """Thousands as k: seven levels stand side by side."""
    return f"{level / 1000:g}k" if level >= 1000 and level % 100 == 0 else _level(level)
