"""Calibration by severity of the shift, as a figure."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.exhibits.calibration.shift_text import (
    ACCURACY,
    CONFIDENCE,
    ECE,
    PLAIN,
    SCALED,
    STATES,
    Rows,
)
from analysis.exhibits.common.cells import mean
from analysis.exhibits.common.exhibit import Drawing
from analysis.exhibits.common.panels import ARMS, GAP, panels
from analysis.metrics.shift import SEVERITIES
from analysis.statistics.comparison import Measure
from analysis.statistics.paired import mean_interval

_LINES = {PLAIN: "o-", SCALED: "o--"}


def by_severity(rows: Mapping[Measure, Rows], condition: str, description: str) -> Drawing:
    """ECE, what warm-up changes of it, accuracy and confidence, each against the severity."""
    with panels(6.4, 4.7, 2, 2, sharex=True) as (figure, drawn):
        drawn_alike = zip(drawn, (ECE, None, ACCURACY, CONFIDENCE), strict=True)
        for axes, measure in drawn_alike:
            if measure is None:
                _changes(axes, rows[ECE])
            else:
                _arms(axes, rows[measure], measure)
        for axes in drawn[2:]:
            axes.set_xlabel("Severity, 0: clean")
            axes.set_xticks((0, *SEVERITIES))
        handles, names = drawn[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=2)
    title = f"Calibration by severity of the corruptions, condition “{condition}”"
    return Drawing("shift", title, figure, description)


def _arms(axes: Axes, rows: Rows, measure: Measure) -> None:
    """A line for each arm and state that has any pairs, the arms a little apart."""
    for state in STATES:
        for arm, (name, colour) in enumerate(ARMS):
            found = [
                (severity, (row.without, row.with_)[arm])
                for (of, severity), row in rows.items()
                if of == state and row.n
            ]
            text = name if state == PLAIN else f"{name}, {state}"
            _line(axes, found, 0.08 * arm - 0.04, _LINES[state], colour, text)
    axes.set_ylabel({ECE: "ECE", CONFIDENCE: "Mean confidence"}.get(measure, measure.label))
    axes.set_ylim(0, min(1.0, axes.get_ylim()[1]))  # the intervals of few pairs are beyond any


def _changes(axes: Axes, rows: Rows) -> None:
    axes.axhline(0, color="#888888", linewidth=0.7)
    for place, state in enumerate(STATES):
        found = [
            (severity, row.with_ - row.without)
            for (of, severity), row in rows.items()
            if of == state and row.n
        ]
        _line(axes, found, 0.08 * place - 0.04, _LINES[state], GAP, state)
    axes.set_ylabel("Δ ECE, with − without")


def _line(
    axes: Axes,
    found: list[tuple[int, NDArray[np.float64]]],
    beside: float,
    line: str,
    colour: str,
    name: str,
) -> None:
    """Means with their intervals; found: (severity, (pairs,)), of which there may be none."""
    if not found:
        return
    means = np.array([mean(values) for _, values in found])
    ends = np.array([_interval(values) for _, values in found]).T
    axes.errorbar(
        [severity + beside for severity, _ in found], means, np.abs(ends - means), fmt=line,
        color=colour, markersize=3, capsize=2, elinewidth=0.8, label=name,
    )  # fmt: skip


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Of the mean; of a single network there is none."""
    return mean_interval(values) if len(values) > 1 else (mean(values),) * 2
