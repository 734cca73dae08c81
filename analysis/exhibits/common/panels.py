"""What drawings share: a page of panels in the paper's manner, axes, bands, intervals, legends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.exhibits.common.exhibit import paper_style
from analysis.exhibits.common.text import label, wrapped
from analysis.statistics.comparison import Comparison

#: Without and with warm-up; Okabe and Ito's colours, far apart in brightness too.
WITHOUT, WITH, GAP = "#999999", "#0072b2", "#d55e00"
ARMS = (("without warm-up", WITHOUT), ("with warm-up", WITH))

NETWORKS = 10  # pairs drawn one by one

#: Of names that would touch side by side.
SLANTED: dict[str, Any] = {"ha": "right", "rotation_mode": "anchor"}


@contextmanager
def panels(
    width: float, height: float, columns: int = 1, rows: int = 1, **shared: Any
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure of so many inches, and its panels row by row, drawn in the paper's style meanwhile.

    shared: `sharex` and `sharey`, as Matplotlib's `subplots` has them.
    """
    with paper_style():
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, list(figure.subplots(rows, columns, squeeze=False, **shared).flat)


def one_by_one(networks: int) -> str:
    """Which networks of an arm are drawn by themselves."""
    return "each network" if networks <= NETWORKS else f"the networks of the first {NETWORKS} pairs"


def legend_above(axes: Axes, columns: int | None = None) -> None:
    """What is drawn in one panel, as the figure's legend; columns: None for a single line."""
    handles, names = axes.get_legend_handles_labels()
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.legend(handles, names, loc="outside upper right", ncols=columns or len(names))


def condition_axis(axes: Axes, conditions: Sequence[str]) -> None:
    """Names of conditions below the axis, slanted."""
    axes.set_xlim(-0.6, len(conditions) - 0.4)
    names = [wrapped(label(condition), 22) for condition in conditions]
    axes.set_xticks(range(len(names)), names, rotation=35, **SLANTED)
    axes.tick_params(axis="x", length=0)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Names beside the rows, the first on top."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def band(
    axes: Axes,
    x: NDArray[np.float64],
    mean: NDArray[np.float64],
    sd: NDArray[np.float64],
    line: str,
    **style: Any,
) -> None:
    """A line of means within ± s.d., which of a single network is none."""
    reach = np.nan_to_num(sd)
    axes.fill_between(x, mean - reach, mean + reach, color=style["color"], alpha=0.25, linewidth=0)
    axes.plot(x, mean, line, **style)


def reach(rows: Sequence[Comparison]) -> NDArray[np.float64]:
    """(2, rows): how far the interval of each mean difference is below and above it."""
    ends = [row.interval or (row.difference,) * 2 for row in rows]
    means = np.array([row.difference for row in rows])
    return np.asarray(np.abs(np.array(ends).T - means))


def draw_change(axes: Axes, place: int, row: Comparison, colour: str) -> None:
    """In a row of the figure the mean difference with its interval, and each pair's."""
    axes.plot(
        row.with_ - row.without, [place + 0.2] * row.n, "|", color=WITHOUT, markersize=7,
        markeredgewidth=0.6,
    )  # fmt: skip
    axes.errorbar(
        row.difference, place - 0.12, xerr=reach([row]), fmt="o", color=colour, markersize=4.5,
        elinewidth=1.1, capsize=2,
    )  # fmt: skip


def plain(value: float, _: float = 0) -> str:
    """A tick's text, without the mathematical text that the style shows as it is written."""
    return f"{value:g}".replace("-", "−").replace("e−0", "e−").replace("e+0", "e")
