"""Drawings of a network's outputs before training: by level, and as histograms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from analysis.exhibits.common.cells import mean, sd
from analysis.exhibits.common.exhibit import Drawing
from analysis.exhibits.common.panels import GAP, WITH, WITHOUT, condition_axis, legend_above, panels
from analysis.exhibits.common.text import label, number
from analysis.metrics.classification import softmax
from analysis.results.records import Record
from analysis.statistics.comparison import Comparison
from analysis.statistics.theory import Prediction, logit_probability, uniform_confidence

Outputs = Sequence[tuple[Record, Record]]  # (untrained, warmed up)
Values = NDArray[np.float64]

STATES = ("untrained", "warmed up")

LOGITS, SQUARES = "start_outputs/train", "start_outputs/train_mean_square"
_COLOURS = (WITHOUT, WITH)
_MARKS = ("s", "o")
_BAND = "#e3e3e3"
_LOGARITHMIC = 30  # greatest over least level, from which on the axis is


@dataclass(frozen=True, eq=False)
class Start:
    """A condition's networks before training: what was measured, and what theory expects."""

    confidence: Comparison
    variance: Comparison  # of all logits of a network
    classes: int  # 0: no pair
    theory: Prediction | None  # None: the network is none that the theory knows

    @property
    def condition(self) -> str:
        return self.confidence.condition

    @property
    def n(self) -> int:
        """Pairs."""
        return self.confidence.n

    @property
    def chance(self) -> float:
        return uniform_confidence(self.classes) if self.classes else float("nan")


def draw_levels(grid: str, starts: Sequence[Start], levels: Mapping[str, float]) -> Drawing:
    """Confidence and logit variance by level where there are several, or else by condition.

    Args:
        starts: those with a pair.
        levels: condition → number; empty where the grid is not one of numbers.
    """
    numeric = are_levels(starts, levels)
    if numeric:
        starts = sorted(starts, key=lambda start: levels[start.condition])
    x = np.array([levels[s.condition] for s in starts] if numeric else range(len(starts)), float)
    width = 6.6 if numeric else max(6.6, 2.2 + 0.9 * len(starts))
    with panels(width, 3.0 if numeric else 3.4, 2) as (figure, [left, right]):
        _theory(left, x, starts, numeric)
        _bounds(right, x, starts, numeric)
        _measured(left, x, [start.confidence for start in starts], numeric)
        _measured(right, x, [start.variance for start in starts], numeric)
        left.set(title="Confidence on training examples", ylim=(0, 1.02))
        right.set_title("Variance of all logits of a network")
        right.set_ylim(bottom=0)
        for axes in (left, right):
            if numeric:
                _level_axis(axes, grid, x)
            else:
                condition_axis(axes, [start.condition for start in starts])
        known = any(start.theory for start in starts)
        figure.legend(handles=_key(known), loc="outside upper right", ncols=5)
    described = "; ".join(
        f"{label(start.condition)}, {number(mean(start.confidence.without))} to "
        f"{number(mean(start.confidence.with_))}"
        for start in starts
    )
    return Drawing(
        f"initial-confidence-{grid}",
        f"Outputs before training by {grid}, mean ± s.d. over networks",
        figure,
        f"Mean confidence, untrained to warmed up: {described}.",
    )


def are_levels(starts: Sequence[Start], levels: Mapping[str, float]) -> bool:
    """Whether the conditions are several numbers, each its own."""
    found = [levels.get(start.condition) for start in starts]
    return len(found) > 1 and None not in found and len(set(found)) == len(found)


def _measured(axes: Axes, x: Values, rows: Sequence[Comparison], numeric: bool) -> None:
    for arm, (state, colour, mark) in enumerate(zip(STATES, _COLOURS, _MARKS, strict=True)):
        samples = [(row.without, row.with_)[arm] for row in rows]
        reach = np.nan_to_num([sd(sample) for sample in samples])
        axes.errorbar(
            x, [mean(sample) for sample in samples], reach, color=colour, marker=mark,
            markersize=4.5, linestyle="-" if numeric else "", capsize=2, elinewidth=0.9,
            label=state,
        )  # fmt: skip


def _theory(axes: Axes, x: Values, starts: Sequence[Start], numeric: bool) -> None:
    """Expected confidence and chance: lines over levels, or strokes at conditions."""
    expected = np.array([s.theory.confidence if s.theory else np.nan for s in starts])
    chance = np.array([start.chance for start in starts])
    for values, line in ((expected, "--"), (chance, ":")):
        if numeric:
            axes.plot(x, values, line, color="black", linewidth=1)
        else:
            axes.hlines(values, x - 0.35, x + 0.35, color="black", linestyle=line, linewidth=1)


def _bounds(axes: Axes, x: Values, starts: Sequence[Start], numeric: bool) -> None:
    """Of logit variance: a band over levels, or a bar at each condition."""
    bounds = [s.theory.variance_bounds if s.theory else (np.nan, np.nan) for s in starts]
    low, high = np.array(bounds).T
    if numeric:
        axes.fill_between(x, low, high, color=_BAND, linewidth=0)
    else:
        axes.bar(x, high - low, 0.7, low, color=_BAND)


def _level_axis(axes: Axes, grid: str, x: Values) -> None:
    if x.min() > 0 and x.max() > _LOGARITHMIC * x.min():
        axes.set_xscale("log")
    axes.set_xticks(x, [f"{level:g}" for level in x])
    axes.minorticks_off()
    axes.set_xlabel(grid.capitalize())


def _key(known: bool) -> list[Line2D | Patch]:
    """What marks, lines and the band stand for; theory only where it is drawn."""
    handles: list[Line2D | Patch] = [
        Line2D([], [], color=colour, marker=mark, markersize=4.5, linestyle="", label=state)
        for state, colour, mark in zip(STATES, _COLOURS, _MARKS, strict=True)
    ]
    if known:
        handles += [
            Line2D([], [], color="black", linestyle="--", linewidth=1, label="theory, untrained"),
            Patch(facecolor=_BAND, label="its bounds"),
        ]
    return [*handles, Line2D([], [], color="black", linestyle=":", linewidth=1, label="chance")]


def draw_outputs(grid: str, start: Start, both: Outputs) -> Drawing:
    """Logits, probabilities and confidence on the training examples, all networks together."""
    arms = [[pair[arm].probes[LOGITS] for pair in both] for arm in range(2)]
    reach = max(float(np.quantile(np.abs(logits), 0.999)) for arm in arms for logits in arm) or 1.0
    edges = np.linspace(-reach, reach, 81)
    chance = start.chance
    with panels(7.2, 2.6, 3) as (figure, [left, middle, right]):
        for state, colour, logits in zip(STATES, _COLOURS, arms, strict=True):
            probabilities = [softmax(found) for found in logits]
            confidence = [found.max(axis=1) for found in probabilities]
            _histogram(left, logits, edges, colour, state)
            _histogram(middle, probabilities, np.arange(51) / 50, colour)
            _histogram(right, confidence, np.linspace(chance, 1, 41), colour)
        if start.theory:
            middles = (edges[1:] + edges[:-1]) / 2
            left.plot(middles, _density(edges, both), "--", color=GAP, label="theory, untrained")
            right.axvline(start.theory.confidence, color=GAP, linestyle="--")
        for axes in (middle, right):
            axes.axvline(chance, color="black", linestyle=":", linewidth=1)
        left.plot([], [], ":", color="black", linewidth=1, label="chance")
        left.set(xlabel="Logit", ylabel="Density")
        middle.set(xlabel="Softmax probability", xlim=(0, 1))
        right.set(xlabel="Confidence", xlim=(chance - 0.02 * (1 - chance), 1))
        legend_above(left, 4)
    name = label(start.condition)
    found = start.confidence
    described = f"{STATES[0]} {number(mean(found.without))}, "
    described += f"{STATES[1]} {number(mean(found.with_))}"
    return Drawing(
        f"initial-confidence-{grid}-outputs",
        f"Outputs before training on the training examples, condition “{name}”, all networks",
        figure,
        f"Histograms of logits, softmax probabilities and confidence; mean confidence {described}.",
    )


def _histogram(
    axes: Axes, samples: Sequence[NDArray[np.floating]], edges: Values, colour: str, name: str = ""
) -> None:
    """Density of several networks' values together; those beyond the edges count in the whole."""
    counts = np.sum([np.histogram(sample, edges)[0] for sample in samples], axis=0)
    density = counts / sum(sample.size for sample in samples) / np.diff(edges)
    axes.stairs(density, edges, color=colour, fill=True, alpha=0.45)
    axes.stairs(density, edges, color=colour, linewidth=1.2, label=name or None)


def _density(edges: Values, both: Outputs) -> Values:
    """Of the theory, in each bin, for the examples of all untrained networks."""
    squares = np.concatenate([untrained.probes[SQUARES] for untrained, _ in both])
    model = both[0][0].trial["model"]
    below = logit_probability(edges, squares, int(model["depth"]), int(model["width"]))
    density: Values = np.diff(below) / np.diff(edges)
    return density
