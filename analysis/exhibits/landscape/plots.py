"""Drawings of the loss around the weights: slices through it, and maps of it and of ECE."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from analysis.exhibits.common.exhibit import Drawing, Table
from analysis.exhibits.common.panels import ARMS, NETWORKS, panels
from analysis.exhibits.common.text import number

Values = NDArray[np.float64]

SEQUENTIAL = "viridis"
COLOURS = "Colours mean the same in both maps of a row."
WIDE = 20  # highest / lowest loss from which colours are logarithmic
REACH = 1e6  # highest / lowest of a logarithmic scale at most

_ACROSS = 4  # panels
_CONTOURS = 8
_AROUND = (Stroke(linewidth=2.8, foreground="black"), Normal())  # legible on any colour
_MARKS = {"start": "white", "end": "#d55e00"}


class Part(NamedTuple):
    """What one probe adds to the exhibit."""

    said: tuple[str, ...]  # sentences, of which some may be empty
    how: str
    tables: tuple[Table, ...]
    figures: tuple[Drawing, ...]
    shared: tuple[str, ...]  # how to read it, what others say too


class Slices(NamedTuple):
    """Loss along lines through the weights of one moment, in both arms."""

    moment: str
    epoch: int
    steps: Values  # (steps,)
    arms: tuple[Values, Values]  # (networks, directions, steps)

    def mean(self, arm: int) -> Values:
        """(steps,), over networks and directions."""
        return np.asarray(self.arms[arm].mean(axis=(0, 1)))


class Map(NamedTuple):
    """Values over a plane, and the weights' way on it."""

    x: Values  # (columns,)
    y: Values  # (rows,)
    values: Values  # (rows, columns)
    path: Values | None = None  # (points, 2), from start to end
    share: Values | None = None  # (2,), of the path's variance along x and y


class MapRow(NamedTuple):
    """Maps of one number in both arms, on one scale of colours."""

    moment: str
    number: str  # loss or ECE
    maps: tuple[Map, Map]

    @property
    def ends(self) -> tuple[float, float]:
        """Lowest and highest value of both maps."""
        both = [found.values for found in self.maps]
        return float(min(v.min() for v in both)), float(max(v.max() for v in both))

    @property
    def logarithmic(self) -> bool:
        """Only the loss, which has no upper end."""
        low, high = self.ends
        return self.number == "loss" and low >= 0 and high > WIDE * low

    @property
    def scale(self) -> Normalize:
        low, high = self.ends
        return LogNorm(max(low, high / REACH), high) if self.logarithmic else Normalize(low, high)


def scales_in_words(rows: Sequence[MapRow]) -> str:
    """Which rows of the loss have logarithmic colours, as a sentence."""
    if not any(row.logarithmic for row in rows):
        return "Colours of the loss are linear."
    named = ", ".join(row.moment or row.number for row in rows if row.logarithmic)
    which = "" if all(row.logarithmic for row in rows) else f" ({named})"
    clipped = any(row.logarithmic and row.ends[0] * REACH < row.ends[1] for row in rows)
    below = f"; below 1/{REACH:,.0f} of the highest they are those of it" if clipped else ""
    return (
        f"Colours of the loss are logarithmic{which}, for the highest is more than {WIDE} times "
        f"the lowest{below}."
    )


def draw_slices(drawn: Sequence[Slices], condition: str) -> Drawing:
    """A panel for each moment: thin lines of networks and directions, thick means."""
    columns = min(_ACROSS, len(drawn))
    lines = -(-len(drawn) // columns)
    size = (max(4.4, 0.4 + 2.15 * columns), 0.45 + 2.2 * lines)
    with panels(*size, columns, lines) as (figure, found):
        for axes, slices in zip(found, drawn, strict=False):
            _slice_panel(axes, slices)
        for axes in found[len(drawn) :]:
            axes.remove()
        for axes in found[::columns]:
            axes.set_ylabel("Loss")
        handles = [
            *(Line2D([], [], color=colour, linewidth=2.2, label=arm) for arm, colour in ARMS),
            Line2D([], [], color="black", linewidth=0.5, label="one direction"),
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    title = f"Loss along random directions through the weights, condition “{condition}”"
    description = "; ".join(_slice_described(slices) for slices in drawn)
    return Drawing("landscape-slices", title, figure, f"Mean loss. {description}.")


def _slice_panel(axes: Axes, slices: Slices) -> None:
    means = [slices.mean(arm) for arm in range(len(ARMS))]
    for networks, (_, colour) in zip(slices.arms, ARMS, strict=True):
        for line in networks[:NETWORKS].reshape(-1, slices.steps.size):
            axes.plot(slices.steps, line, color=colour, linewidth=0.5, alpha=0.45)
    for mean, (_, colour) in zip(means, ARMS, strict=True):
        axes.plot(slices.steps, mean, color=colour, linewidth=2.2)
    highest, lowest = float(np.max(means)), float(np.min(means))
    apart = highest - lowest
    if apart:  # one steep direction must not flatten the means
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, lowest - 0.6 * apart), min(high, highest + 0.6 * apart))
    axes.set(title=slices.moment, xlabel="Step, lengths of the filters")
    axes.margins(x=0.02)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.6g}".replace("-", "−"))


def _slice_described(slices: Slices) -> str:
    arms = []
    for arm, (name, _) in enumerate(ARMS):
        mean = slices.mean(arm)
        ends, centre = (mean[0], mean[-1]), np.interp(0, slices.steps, mean)
        arms.append(
            f"{name} {centre:.3g} at the centre, {ends[0]:.3g} and {ends[1]:.3g} at the ends"
        )
    return f"{slices.moment}: {', '.join(arms)}"


def draw_maps(name: str, title: str, rows: Sequence[MapRow]) -> Drawing:
    """A row of two maps for each: colours and contours, the network or its path on them."""
    paths = any(found.path is not None for row in rows for found in row.maps)
    height = 0.35 * paths + 2.75 * len(rows)
    with panels(6.3, height, len(ARMS), len(rows)) as (figure, drawn):
        for place, row in enumerate(rows):
            both = drawn[2 * place : 2 * place + 2]
            for axes, found, (arm, _) in zip(both, row.maps, ARMS, strict=True):
                _map_panel(axes, found, row)
                axes.set_title(", ".join(filter(None, (row.moment, arm))))
            _colour_bar(figure, row, both)
        if paths:
            figure.legend(handles=_path_key(), loc="outside upper right", ncols=3)
    described = "; ".join(
        f"{', '.join(filter(None, (row.moment, arm)))}, {row.number} "
        f"{number(float(found.values.min()))} to {number(float(found.values.max()))}"
        for row in rows
        for found, (arm, _) in zip(row.maps, ARMS, strict=True)
    )
    return Drawing(name, title, figure, f"Maps: {described}.")


def _map_panel(axes: Axes, found: Map, row: MapRow) -> None:
    axes.pcolormesh(
        found.x, found.y, found.values, cmap=SEQUENTIAL, norm=row.scale, shading="nearest",
        rasterized=True,
    )  # fmt: skip
    levels = _levels(row)
    levels = levels[(levels > found.values.min()) & (levels < found.values.max())]
    if levels.size:
        axes.contour(
            found.x, found.y, found.values, levels, colors="white", linewidths=0.6, alpha=0.7
        )
    axes.set_box_aspect(1)
    axes.locator_params(nbins=5)
    if found.path is None:
        axes.plot(0, 0, "+", color="white", markersize=8, path_effects=_AROUND)
        axes.set(xlabel="First direction", ylabel="Second direction")
        axes.label_outer()
        return
    axes.plot(*found.path.T, "-", color="white", linewidth=1.4, path_effects=_AROUND)
    axes.plot(*found.path.T, "o", color="black", markersize=2)
    for point, colour in zip(found.path[[0, -1]], _MARKS.values(), strict=True):
        axes.plot(*point, "o", color=colour, markersize=6, markeredgecolor="black", zorder=5)
    shares = [""] * 2 if found.share is None else [f" ({100 * s:.0f} %)" for s in found.share]
    axes.set(xlabel=f"First component{shares[0]}", ylabel=f"Second component{shares[1]}")


def _levels(row: MapRow) -> Values:
    """Of the contours, at equal distances in the colours and at the same values in both maps."""
    parts = np.linspace(0, 1, _CONTOURS + 2)[1:-1]
    low, high = row.ends
    if low == high:
        return np.array([])
    return np.asarray(row.scale.inverse(parts), dtype=np.float64)


def _colour_bar(figure: Figure, row: MapRow, panels: list[Axes]) -> None:
    bar = figure.colorbar(
        ScalarMappable(row.scale, SEQUENTIAL), ax=panels, aspect=22, shrink=0.9,
        label=row.number[0].upper() + row.number[1:],
        extend="min" if row.logarithmic and row.ends[0] < (row.scale.vmin or 0) else "neither",
    )  # fmt: skip
    if row.logarithmic:
        low, high = row.scale.vmin or 0.0, row.scale.vmax or 0.0
        few = high < 1000 * low
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
        bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}".replace("-", "−"))


def _path_key() -> list[Line2D]:
    return [
        *(
            Line2D([], [], marker="o", linestyle="none", color=colour, markersize=6,
                   markeredgecolor="black", label=name)
            for name, colour in _MARKS.items()
        ),
        Line2D([], [], color="white", linewidth=1.4, marker="o", markersize=2,
               markerfacecolor="black", markeredgecolor="black", path_effects=_AROUND,
               label="weights after each epoch"),
    ]  # fmt: skip
