"""The drawing of a warm-up: confidence, accuracy and ECE by examples of noise, mean ± s.d."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from analysis.exhibits.common.exhibit import GAP, WITH, Drawing, paper_style


class Set(NamedTuple):
    """Examples on which a network is measured, in words, and how it is drawn."""

    name: str
    where: str  # within a sentence
    colour: str
    line: str


SETS: Mapping[str, Set] = {  # by the prefix of a history's columns
    "test": Set("test", "on the test set", WITH, "-"),
    "ood": Set("out of distribution", "on the out-of-distribution set", GAP, "--"),
    "noise": Set("noise", "on the noise itself", "#555555", "-."),
}

_FEW = 12  # epochs whose points are marked


def warmup_figure(
    epochs: pd.DataFrame, metrics: Mapping[str, str], chance: float, title: str, description: str
) -> Drawing:
    """A panel for each metric, a line for each set.

    epochs: columns set, metric, examples, mean, sd; metrics: key → name; chance: 1 / classes.
    """
    with paper_style():
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        panels: list[Axes] = list(figure.subplots(1, len(metrics)))
        for axes, (metric, name) in zip(panels, metrics.items(), strict=True):
            of_metric = epochs[epochs["metric"] == metric]
            for key, one in SETS.items():
                rows = of_metric[of_metric["set"] == key].sort_values("examples")
                if not rows.empty:
                    _band(axes, rows, one)
            if metric != "ece":
                axes.axhline(chance, color="black", linestyle=":", linewidth=0.9, label="chance")
            axes.set_title(name)
            axes.set_ylim(bottom=0)
            axes.locator_params(axis="x", nbins=4)
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.set_xlabel("Examples of noise")
            axes.margins(x=0.02)
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=len(names))
    return Drawing("warmup_curves", title, figure, description)


def _band(axes: Axes, rows: pd.DataFrame, one: Set) -> None:
    x, mean = rows["examples"].to_numpy(float), rows["mean"].to_numpy(float)
    sd = np.nan_to_num(rows["sd"].to_numpy(float))  # of a single network there is none
    axes.fill_between(x, mean - sd, mean + sd, color=one.colour, alpha=0.25, linewidth=0)
    marker = "o" if len(x) <= _FEW else ""
    axes.plot(x, mean, one.line, color=one.colour, marker=marker, label=one.name)
