"""Drawings of what warm-up costs: seconds by phase, and ECE against how much warm-up there is."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.exhibits.common.exhibit import Drawing
from analysis.exhibits.common.panels import SLANTED, WITH, WITHOUT, panels
from analysis.exhibits.common.text import number, wrapped
from analysis.exhibits.cost.warmup_levels import EXAMPLES, Values, WarmupLevels
from analysis.statistics.comparison import ECE
from analysis.statistics.paired import mean_interval

_PHASES = {"warm-up": WITH, "task": WITHOUT, "evaluation": "#dddddd"}
_ENOUGH = "#e3eef6"
_NAME_WIDTH = 34  # characters
_PANEL = 195  # points from the control to the largest level


class Bar(NamedTuple):
    """A bar of seconds."""

    name: str
    seconds: tuple[float, float, float] | None  # warm-up, task, evaluation; None: no complete pair
    remark: str  # at its end


def stacked_bars(grid: str, bars: Sequence[Bar]) -> Drawing:
    """A horizontal bar for each set of controls and each condition, one under another."""
    names = [wrapped(bar.name, _NAME_WIDTH) for bar in bars]
    lines = max((name.count("\n") + 1 for name in names), default=1)
    with panels(6.4, 0.85 + max(0.26, 0.14 * lines) * len(bars)) as (figure, [axes]):
        longest = max((sum(bar.seconds) for bar in bars if bar.seconds), default=0.0) or 1.0
        for place, bar in enumerate(bars):
            if bar.seconds is None:
                axes.text(0, place, " no complete pair", va="center", color="#666666")
                continue
            left = 0.0
            for seconds, colour in zip(bar.seconds, _PHASES.values(), strict=True):
                axes.barh(place, seconds, 0.7, left, color=colour, edgecolor="white", linewidth=0.4)
                left += seconds
            axes.text(left + 0.012 * longest, place, bar.remark, va="center", fontsize=7.5)
        axes.set_xlim(0, 1.15 * longest)
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_yticks(range(len(bars)), names)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_formatter(lambda seconds, _: f"{seconds:,.10g}")
        axes.set_xlabel("Seconds a network; in per cent: warm-up over task")
        handles = [Patch(facecolor=colour, label=name) for name, colour in _PHASES.items()]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    description = "; ".join(
        f"{bar.name}: "
        + ", ".join(f"{name} {s:.3g}" for name, s in zip(_PHASES, bar.seconds, strict=True))
        for bar in bars
        if bar.seconds
    )
    return Drawing(
        f"overhead-{grid}",
        f"Seconds by phase and {grid}; beside a bar, warm-up over task",
        figure,
        f"Stacked bars of mean seconds. {description}.",
    )


def dose_curves(dose: WarmupLevels, start: float | None) -> Drawing:
    """Each measure against the level: every pair, the mean, and its 95 % interval.

    Args:
        start: the level from which on ECE no longer differs from that at the largest.
    """
    x = _places(dose.levels)
    none = "0" if dose.field == EXAMPLES else "none"
    with panels(7.2, 2.9, len(dose.measured)) as (figure, drawn):
        for axes, (measure, table) in zip(drawn, dose.measured.items(), strict=True):
            _curve(axes, x, table)
            if measure == ECE:
                axes.set_ylim(bottom=0)
                if start is not None:
                    enough = x[1:][dose.levels >= start].min()
                    axes.axvspan(enough, x[-1], color=_ENOUGH, linewidth=0, zorder=0)
            _level_axis(axes, x, [none, *map(dose.text, dose.levels)])
            axes.set_xlabel(dose.name.capitalize())
            axes.set_title(f"Test {measure.label if measure == ECE else measure.label.lower()}")
        figure.legend(handles=_handles(dose, start), loc="outside upper right", ncols=4)
    without, *means = np.nanmean(dose.measured[ECE], axis=0)
    described = ", ".join(
        f"{number(mean)} at {dose.text(level)}"
        for level, mean in zip(dose.levels, means, strict=True)
    )
    return Drawing(
        f"overhead-{dose.grid}-curve",
        f"ECE and accuracy by {dose.name}: every pair, mean and 95 % interval (Student's t)",
        figure,
        f"Mean ECE {number(without)} without warm-up, {described}.",
    )


def _places(levels: Values) -> Values:
    """Where the control and the levels stand: logarithmic where all levels are positive, the
    control left of a gap."""
    at = np.log10(levels) if (levels > 0).all() else levels
    return np.array([at[0] - (0.22 * np.ptp(at) or 1.0), *at])


def _curve(axes: Axes, x: Values, table: Values) -> None:
    for pair in table:
        axes.plot(x[:2], pair[:2], ":", color="#999999", linewidth=0.5)
        axes.plot(x[1:], pair[1:], "-", color="#999999", linewidth=0.5)
    mean = np.nanmean(table, axis=0)
    reach = np.array([_reach(column[~np.isnan(column)]) for column in table.T]).T
    axes.plot(x[:2], mean[:2], ":", color=WITH)
    axes.errorbar(x[1:], mean[1:], reach[:, 1:], fmt="o-", color=WITH, capsize=2, elinewidth=0.9)
    axes.errorbar(
        x[:1], mean[:1], reach[:, :1], fmt="s", color="#555555", capsize=2, elinewidth=0.9
    )


def _reach(sample: Values) -> tuple[float, float]:
    """Of the mean's interval, below and above it; none for a single network."""
    if len(sample) < 2:
        return 0.0, 0.0
    low, high = mean_interval(sample)
    return max(0.0, float(sample.mean() - low)), max(0.0, float(high - sample.mean()))


def _level_axis(axes: Axes, x: Values, texts: Sequence[str]) -> None:
    """Ticks at the control and the levels, slanted where they would touch and without text where
    even that does not help; and the axis broken between the control and the first level."""
    points = _PANEL * x / np.ptp(x)
    slanted = np.diff(points).min() < 5 * max(map(len, texts)) + 4  # a digit is 4.8 points wide
    shown, last = [], -np.inf
    for place, text in zip(points, texts, strict=True):
        fits = place - last > 15
        last = place if fits else last
        shown.append(text if fits else "")
    axes.set_xticks(x, shown, **(SLANTED | {"rotation": 35} if slanted else {}))
    axes.margins(x=0.05)
    axes.text(
        float(x[:2].mean()), 0, "//", ha="center", va="center",
        transform=axes.get_xaxis_transform(),
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
    )  # fmt: skip


def _handles(dose: WarmupLevels, start: float | None) -> list[Line2D | Patch]:
    handles: list[Line2D | Patch] = [
        Line2D([], [], color="#999999", linewidth=0.5, label="one pair"),
        Line2D([], [], color="#555555", marker="s", linestyle="", label="without warm-up"),
        Line2D([], [], color=WITH, marker="o", label="with warm-up"),
    ]
    if start is not None:
        text = f"ECE no different from the {dose.ends[1]}'s, exact P > 0.05"
        handles.append(Patch(facecolor=_ENOUGH, label=text))
    return handles
