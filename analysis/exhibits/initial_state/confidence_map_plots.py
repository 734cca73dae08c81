"""Drawings of confidence before training: maps of the plane, and each network's numbers."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from analysis.exhibits.common.box_plots import draw_box
from analysis.exhibits.common.exhibit import Drawing
from analysis.exhibits.common.panels import WITH, WITHOUT, panels
from analysis.exhibits.common.text import label, number
from analysis.exhibits.initial_state.confidence_plots import STATES
from analysis.metrics.classification import softmax
from analysis.results.records import Record
from analysis.statistics.comparison import Comparison

MAPS = 3  # networks of each arm

_DARK = ("#444444", "#003a5d")  # of the points over a box


class Panel(NamedTuple):
    """A number of every network, untrained and warmed up."""

    row: Comparison
    verdict: str  # stands above
    joined: bool  # a line joins each pair


def draw_maps(
    name: str, condition: str, both: Sequence[tuple[int, tuple[Record, Record]]], chance: float
) -> Drawing:
    """Confidence over the plane: above untrained, below warmed up; a column for each pair.

    both: (replicate, (untrained, warmed up)).
    """
    count = len(both)
    with panels(1.3 + 1.85 * count, 3.9, count, 2, sharex=True, sharey=True) as (figure, drawn):
        for (replicate, records), *column in zip(both, drawn[:count], drawn[count:], strict=True):
            for axes, record in zip(column, records, strict=True):
                image = axes.imshow(
                    softmax(record.probes["confidence_map/logits"]).max(axis=-1),
                    origin="lower", extent=_extent(record), vmin=chance, vmax=1, cmap="cividis",
                    interpolation="nearest",
                )  # fmt: skip
            column[0].set_title(f"pair {replicate + 1}")
            column[1].set_xlabel("x")
        for axes, state in zip(drawn[::count], STATES, strict=True):
            axes.set_ylabel(f"{state}\ny")
        bar = figure.colorbar(image, ax=drawn, shrink=0.8, aspect=25)
        bar.set_label("Confidence")
        bar.outline.set_visible(False)
    described = "; ".join(
        f"pair {replicate + 1}, {' and '.join(map(_in_words, records, STATES))}"
        for replicate, records in both
    )
    title = f"Confidence over the plane, condition “{label(condition)}”"
    return Drawing(name, title, figure, f"Confidence on the map's points: {described}.")


def _extent(record: Record) -> tuple[float, float, float, float]:
    """Of an image whose outermost cells have their centres at the ends of the axis."""
    axis = record.probes["confidence_map/axis"]
    half = float(axis[-1] - axis[0]) / (len(axis) - 1) / 2
    low, high = float(axis[0]) - half, float(axis[-1]) + half
    return low, high, low, high


def _in_words(record: Record, state: str) -> str:
    found = softmax(record.probes["confidence_map/logits"]).max(axis=-1)
    return f"{state} {number(found.min())} to {number(found.max())}, mean {number(found.mean())}"


def draw_networks(
    name: str, condition: str, confidence: Panel, class_bias: Panel, chance: float
) -> Drawing:
    """Mean confidence and class bias: boxes by state, a point for each network."""
    with panels(5.6, 2.9, 2) as (figure, [left, right]):
        for axes, panel in ((left, confidence), (right, class_bias)):
            _boxes(axes, panel)
            axes.set_title(f"{panel.row.measure.label}, {panel.verdict}")
        left.axhline(chance, color="black", linestyle=":", linewidth=0.9, label="chance")
        left.set_ylim(chance - 0.04 * (1 - chance), 1)
        left.legend(loc="upper right")
        right.set_ylim(bottom=0)
        left.set_ylabel("Over the test points")
    title = f"Mean confidence and class bias of each network, condition “{label(condition)}”"
    described = "; ".join(
        f"{panel.row.measure.label.lower()} {number(panel.row.without.mean())} {STATES[0]}, "
        f"{number(panel.row.with_.mean())} {STATES[1]} (means of {panel.row.n} networks)"
        for panel in (confidence, class_bias)
    )
    return Drawing(name, title, figure, f"Box plots: {described}.")


def _boxes(axes: Axes, panel: Panel) -> None:
    row = panel.row
    spread = np.linspace(-0.14, 0.14, row.n) if not panel.joined and row.n > 1 else np.zeros(row.n)
    for x, numbers, colour, dark in zip(
        (0, 1), (row.without, row.with_), (WITHOUT, WITH), _DARK, strict=True
    ):
        draw_box(axes, x, numbers, colour, width=0.45)
        axes.plot(x + spread, numbers, "o", color=dark, markersize=2)
    if panel.joined:
        axes.plot((0, 1), [row.without, row.with_], color="#555555", linewidth=0.4, alpha=0.7)
    axes.set_xticks((0, 1), STATES)
    axes.set_xlim(-0.5, 1.5)
    axes.tick_params(axis="x", length=0)
