"""The figure of `search_confirmed`: a setting's change against its control, stage by stage."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.exhibits.common.cells import difference
from analysis.exhibits.common.exhibit import GAP, WITH, WITHOUT, Drawing, paper_style
from analysis.results.objectives import Objective
from analysis.results.search import BEST
from analysis.statistics.comparison import Comparison


def changes(objective: Objective, stages: Sequence[tuple[str, str, Comparison]]) -> Drawing:
    """A stage a row: mean change with its interval, and every pair."""
    with paper_style():
        figure = Figure(figsize=(6.4, 1.0 + 0.36 * len(stages)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0, color="#555555", linewidth=0.8)
        for place, (setting, _, row) in enumerate(stages):
            if not row.n:
                continue
            axes.plot(row.with_ - row.without, [place + 0.2] * row.n, "|", color=WITHOUT,
                      markersize=7, markeredgewidth=0.6)  # fmt: skip
            ends = np.array(row.interval or (row.difference,) * 2)
            axes.errorbar(
                row.difference, place - 0.12, xerr=np.abs(ends[:, None] - row.difference), fmt="o",
                color=GAP if setting == BEST else WITH, markersize=4.5, elinewidth=1.1, capsize=2,
            )  # fmt: skip
        axes.set_yticks(range(len(stages)), [f"{setting}: {words}" for setting, words, _ in stages])
        axes.set_ylim(len(stages) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"Δ {objective.label}, setting − control")
        key = [
            Line2D([], [], color=GAP, marker="o", label="best found"),
            Line2D([], [], color=WITH, marker="o", label="base setting"),
            Line2D([], [], color=WITHOUT, marker="|", linestyle="", label="one pair"),
        ]
        figure.legend(handles=key, loc="outside upper left", ncols=3)
    described = "; ".join(f"{s}, {words} {difference(row)}" for s, words, row in stages)
    return Drawing(
        "search-confirmed-changes",
        f"Change of {objective.label} against the control, in the search and on fresh seeds",
        figure,
        f"Mean change, 95 % interval and every pair: {described}.",
    )
