"""Drawings layer by layer: distributions without and with warm-up, and lines over the layers.

Up to 24 layers each have bars and, where names are short enough, their name; more become bands over
the layers' numbers.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from analysis.exhibits.common.exhibit import Drawing
from analysis.exhibits.common.panels import ARMS, GAP, NETWORKS, SLANTED, WITH, panels, plain
from analysis.statistics.comparison import Comparison

PARTS = ("weights", "outputs")
BARS = (5, 25, 50, 75, 95)  # per cent

WIDTH = 7.2  # inches, of the page

_FEW = 24  # layers, each told from the next
_NAME = 24  # characters
_PANEL = 440  # points across the layers
_FAR = 12  # in the untrained layer's s.d.; beyond, a panel's axis is logarithmic


def layer_figure(
    distributions: Mapping[str, Mapping[str, NDArray[np.float64]]],
    spreads: Mapping[str, Mapping[str, Comparison]],
    title: str,
    description: str,
) -> Drawing:
    """Distributions of weights and of outputs, and how their spread changes.

    distributions: part → layer → (2, 5), of each arm the quantiles `BARS`; spreads: part → layer.
    """
    names = list(distributions[PARTS[0]])
    with panels(WIDTH, 5.6, rows=3, sharex=True) as (figure, [*above, lowest]):
        for axes, part in zip(above, PARTS, strict=True):
            _distributions(axes, np.array([*distributions[part].values()]))
            axes.set_ylabel(f"{part.capitalize()}, in s.d.\nwithout warm-up")
        for part, colour, line in zip(PARTS, (GAP, WITH), ("--", "-"), strict=True):
            _spread_lines(lowest, [*spreads[part].values()], part, colour, line)
        lowest.axhline(1, color="#888888", linestyle=":", linewidth=0.8, zorder=0)
        log_axis(lowest)
        lowest.set_ylabel("s.d. with over\nwithout warm-up")
        lowest.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0, ncols=2)
        layer_axis(lowest, names)
        figure.legend(handles=_arm_handles(len(names)), loc="outside upper right", ncols=2)
    return Drawing("layers", title, figure, description)


def _arm_handles(layers: int) -> list[Line2D | Patch]:
    if layers <= _FEW:
        return [Line2D([], [], color=colour, linewidth=4, label=arm) for arm, colour in ARMS]
    return [Patch(facecolor=colour, alpha=0.5, label=arm) for arm, colour in ARMS]


def _distributions(axes: Axes, quantiles: NDArray[np.float64]) -> None:
    """quantiles: (layers, 2, 5)."""
    x = np.arange(1, len(quantiles) + 1)
    few = len(x) <= _FEW
    for arm, (_, colour) in enumerate(ARMS):
        low, first, median, third, high = quantiles[:, arm].T
        if few:
            at = x + (-0.17, 0.17)[arm]
            axes.vlines(at, low, high, color=colour, linewidth=1.1)
            axes.vlines(at, first, third, color=colour, linewidth=5)
            axes.plot(at, median, "_", color="black", markersize=5, markeredgewidth=1.1)
        else:
            axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
            axes.fill_between(x, first, third, color=colour, alpha=0.45, linewidth=0)
            axes.plot(x, median, color=colour, linewidth=1)
    if not few:  # what lies under the other arm's bands
        for edge in quantiles[:, 0].T:
            axes.plot(x, edge, "--", color="#555555", linewidth=0.7)
    axes.axhline(0, color="#888888", linewidth=0.5, zorder=0)
    if np.nan_to_num(np.abs(quantiles)).max() > _FAR:
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter(plain)


def _spread_lines(
    axes: Axes, rows: Sequence[Comparison], name: str, colour: str, line: str
) -> None:
    """With over without, of every pair and their geometric mean."""
    ratios = [_ratios(row) for row in rows]
    mean = [float(np.exp(np.log(r).mean())) if len(r) else math.nan for r in ratios]
    complete = len({len(r) for r in ratios}) == 1
    lines(axes, np.array(ratios).T if complete else None, mean, colour, name, line)


def _ratios(row: Comparison) -> NDArray[np.float64]:
    """(pairs,); none where one is not positive."""
    positive = (row.without > 0).all() and (row.with_ > 0).all()
    return row.with_ / row.without if positive else np.array([])


def lines(
    axes: Axes,
    each: NDArray[np.float64] | None,
    mean: Sequence[float] | NDArray[np.float64],
    colour: str,
    name: str,
    line: str = "-",
) -> None:
    """Over the layers thin lines of the first networks, and a thick one of the mean.

    each: (networks, layers), None where networks differ in the layers measured; mean: (layers,).
    """
    x = np.arange(1, len(mean) + 1)
    for one in [] if each is None else each[:NETWORKS]:
        axes.plot(x, one, color=colour, linewidth=0.5, alpha=0.55)
    marker = "o" if len(x) <= _FEW else ""
    axes.plot(x, mean, line, color=colour, linewidth=1.8, marker=marker, label=name)


def log_axis(axes: Axes) -> None:
    """A logarithmic y axis, with ticks between the powers of ten where it spans few of them."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 100 * low:
        few = high < 10 * low
        axes.yaxis.set_major_locator(MaxNLocator(5) if few else LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(plain)


def layer_axis(axes: Axes, names: Sequence[str]) -> None:
    """Names below each layer where they fit; else every so manyth number, as in the table."""
    x = np.arange(1, len(names) + 1)
    longest = max(map(len, names))
    axes.set_xlim(0.4, len(names) + 0.6)
    if len(names) > _FEW or longest > _NAME:
        step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 1000) if len(names) <= _FEW * s)
        ticks = x[x % step == 0] if step > 1 else x
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_xlabel("Layer, by its number in the table")
        return
    touch = longest * 5 + 6 > _PANEL / len(names)
    axes.set_xticks(x, names, **(SLANTED | {"rotation": 50} if touch else {}))
    axes.set_xlabel("Layer")
