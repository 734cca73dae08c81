"""Drawings of pairs: box plots by condition, and the difference against a numeric level.

Box plots are in the paper's manner: quartiles, whiskers to 1.5 interquartile ranges, every pair as
two joined points; ★ for P < 0.001 and NS for P > 0.05, uncorrected, and P itself between.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from analysis.exhibits.common.cells import no_p
from analysis.exhibits.common.exhibit import Drawing
from analysis.exhibits.common.panels import ARMS, WITH, WITHOUT, condition_axis, panels, reach
from analysis.exhibits.common.text import label, number
from analysis.statistics.comparison import Comparison, Measure

_CHANCE: Mapping[str, Any] = {"color": "black", "linestyle": ":", "linewidth": 0.9}

Grid = dict[Measure, list[Comparison]]  # a grid's conditions in order, by measure


def box_plots(grid: str, rows: list[Comparison], chance: Sequence[Comparison] = ()) -> Drawing:
    """Pairs of boxes, a condition each, with every pair's two points joined, and dotted what
    chance alone gives."""
    with panels(max(4.5, 1.6 + 0.66 * len(rows)), 3.6) as (figure, [axes]):
        for place, row in enumerate(rows):
            _pair_of_boxes(axes, place, row)
        for place, row in enumerate(chance):
            for x, values in zip(_places(place), (row.without, row.with_), strict=True):
                axes.hlines(values.mean() if row.n else [], x - 0.17, x + 0.17, **_CHANCE)
        drawn = (v for row in (*rows, *chance) for v in (*row.without, *row.with_))
        top = max(drawn, default=1.0)
        axes.set_ylim(0, top * 1.16)
        for place, row in enumerate(rows):
            axes.text(place, top * 1.07, _verdict(row), ha="center", fontsize=7.5)
        condition_axis(axes, [row.condition for row in rows])
        axes.set_ylabel("Expected calibration error")
        handles: list[Artist] = [
            Patch(fc=colour, ec="black", alpha=0.6, label=arm) for arm, colour in ARMS
        ]
        if any(row.n for row in chance):
            handles.append(Line2D([], [], label="by chance", **_CHANCE))
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    description = "; ".join(
        f"{label(row.condition)}: {number(row.without.mean())} to {number(row.with_.mean())}"
        for row in rows
        if row.n
    )
    return Drawing(
        f"pairs-{grid}",
        f"ECE by {grid}, without and with warm-up; a line joins each pair",
        figure,
        f"Box plots of ECE without and with warm-up. {description}.",
    )


def _pair_of_boxes(axes: Axes, place: int, row: Comparison) -> None:
    if not row.n:
        axes.text(place, 0, "no pair", rotation=90, ha="center", va="bottom", color="#666666")
        return
    at = _places(place)
    for x, values, colour in zip(at, (row.without, row.with_), (WITHOUT, WITH), strict=True):
        draw_box(axes, x, values, colour, width=0.3)
    # one line with gaps: hundreds of lines take seconds
    joined = np.column_stack([row.without, row.with_, np.full(row.n, np.nan)]).ravel()
    axes.plot(np.tile([*at, np.nan], row.n), joined, color="#555555", linewidth=0.4, alpha=0.7)
    axes.plot([at[0]] * row.n, row.without, "o", color="#444444", markersize=2)
    axes.plot([at[1]] * row.n, row.with_, "o", color="#003a5d", markersize=2)


def _places(place: int) -> tuple[float, float]:
    """Of the boxes without and with warm-up."""
    return place - 0.19, place + 0.19


def draw_box(axes: Axes, x: float, values: NDArray[np.float64], colour: str, width: float) -> None:
    """Quartiles, and whiskers to 1.5 interquartile ranges; points are drawn by themselves."""
    axes.boxplot(
        [values],
        positions=[x],
        widths=width,
        whis=1.5,
        showfliers=False,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": colour, "alpha": 0.45, "linewidth": 0.7},
        medianprops={"color": "black", "linewidth": 1.2},
        whiskerprops={"linewidth": 0.7},
        capprops={"linewidth": 0.7},
    )


def _verdict(row: Comparison) -> str:
    p = row.p_value
    if p is None:
        return no_p(row) if row.n else ""
    return "★" if p < 0.001 else "NS" if p > 0.05 else f"P = {p:.2g}".replace("= 0.", "= .")


def level_curves(grid: str, numbers: dict[str, float], compared: Grid) -> Drawing:
    """The difference of each measure against the level: mean and 95 % interval."""
    measured = [(m, rows) for m, rows in compared.items() if any(row.n for row in rows)]
    count = max(1, len(measured))
    with panels(2.35 * count, 2.3, count) as (figure, found):
        if not measured:
            found[0].set_axis_off()
        for axes, (measure, rows) in zip(found, measured, strict=False):
            shown = sorted((row for row in rows if row.n), key=lambda row: numbers[row.condition])
            x = [numbers[row.condition] for row in shown]
            mean = [row.difference for row in shown]
            axes.axhline(0, color="#888888", linewidth=0.7)
            axes.errorbar(x, mean, reach(shown), fmt="o-", color=WITH, capsize=2, elinewidth=0.8)
            axes.set_xscale("log")
            axes.set_xticks(x, [f"{level:g}" for level in x])
            axes.minorticks_off()
            axes.set_xlabel(f"noise {grid}" if grid == "std" else grid)
            axes.set_title(f"Δ {measure.label}")
    return Drawing(
        f"pairs-{grid}-curve",
        f"Difference with − without by {grid}: mean and 95 % interval (Student's t)",
        figure,
        f"Difference that warm-up makes, against {grid}.",
    )
