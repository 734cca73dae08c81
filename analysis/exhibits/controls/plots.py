"""The drawing of arms that keep one part of the warm-up, between the control and the whole.

After Supplementary Fig. 23 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.exhibits.common.cells import difference
from analysis.exhibits.common.exhibit import GAP, WITH, WITHOUT, Drawing, paper_style
from analysis.exhibits.common.text import label, wrapped
from analysis.exhibits.controls.arms import Arm

_NAME_WIDTH = 30  # characters


def changes(grid: str, arms: Sequence[Arm]) -> Drawing:
    """An arm a row: mean change of ECE with its interval, every network, and the arm's share."""
    measured = [arm for arm in arms if arm.control.n]
    with paper_style():
        figure = Figure(figsize=(6.6, 1.15 + 0.36 * len(arms)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0, color="#555555", linewidth=0.8)
        for place, arm in enumerate(arms):
            _row(axes, place, arm)
        axes.set_yticks(
            range(len(arms)), [wrapped(label(arm.control.condition), _NAME_WIDTH) for arm in arms]
        )
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("Δ ECE, arm − control")
        _shares(axes, arms)
        figure.legend(handles=_key(), loc="outside upper left", ncols=4)
    described = "; ".join(
        f"{label(arm.control.condition)} {difference(arm.control)}, share {arm.share_text}"
        for arm in measured
    )
    return Drawing(
        f"controls-{grid}",
        f"Change of ECE against the control by {grid}: mean, 95 % interval and every network",
        figure,
        f"Change of ECE against the control, and share of the full warm-up's: {described}.",
    )


def _row(axes: Axes, place: int, arm: Arm) -> None:
    row, colour = arm.control, GAP if arm.full else WITH
    if not row.n:
        return
    axes.plot(
        row.with_ - row.without, [place + 0.2] * row.n, "|", color=WITHOUT, markersize=7,
        markeredgewidth=0.6,
    )  # fmt: skip
    if arm.full is None:
        axes.axvline(row.difference, color=WITH, linestyle="--", linewidth=0.9)
    ends = np.array(row.interval or (row.difference,) * 2)
    axes.errorbar(
        row.difference, place - 0.12, xerr=np.abs(ends[:, None] - row.difference), fmt="o",
        color=colour, markersize=4.5, elinewidth=1.1, capsize=2,
    )  # fmt: skip


def _shares(axes: Axes, arms: Sequence[Arm]) -> None:
    """A column of texts right of the rows."""
    at = axes.get_yaxis_transform()
    axes.text(1.02, -0.5, "Share of the effect", transform=at, va="bottom", fontsize=7.5)
    for place, arm in enumerate(arms):
        text = arm.share_text if arm.control.n else "no complete pair"
        axes.text(1.02, place, text, transform=at, va="center", fontsize=7.5)


def _key() -> list[Line2D]:
    return [
        Line2D([], [], color=GAP, marker="o", label="arm"),
        Line2D([], [], color=WITH, marker="o", linestyle="--", label="full warm-up"),
        Line2D([], [], color=WITHOUT, marker="|", linestyle="", label="one network"),
        Line2D([], [], color="#555555", linewidth=0.8, label="control"),
    ]
