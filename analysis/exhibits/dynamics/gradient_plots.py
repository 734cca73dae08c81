"""The drawing of gradients: norm and variance by layer, every network and the mean of each arm."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.exhibits.common.exhibit import Drawing, paper_style
from analysis.exhibits.dynamics.layer_plots import ARMS, WIDTH, layer_axis, lines, log_axis
from analysis.statistics.comparison import Comparison, Measure


def gradient_figure(
    rows: Mapping[Measure, Mapping[str, Comparison]], title: str, description: str
) -> Drawing | None:
    """A panel for each measure, by layer, on logarithmic axes; None where nothing is positive."""
    drawn = {measure: layers for measure, layers in rows.items() if _any_positive(layers)}
    if not drawn:
        return None
    with paper_style():
        figure = Figure(figsize=(WIDTH, 0.9 + 1.9 * len(drawn)), layout="constrained")
        panels: list[Axes] = list(figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0])
        for axes, (measure, by_layer) in zip(panels, drawn.items(), strict=True):
            _panel(axes, list(by_layer.values()))
            axes.set_ylabel(f"{measure.label} of the gradient")
        layer_axis(panels[-1], list(next(iter(drawn.values()))))
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=2)
    return Drawing("gradients", title, figure, description)


def _any_positive(rows: Mapping[str, Comparison]) -> bool:
    return any((values > 0).any() for row in rows.values() for values in (row.without, row.with_))


def _panel(axes: Axes, rows: list[Comparison]) -> None:
    """Both arms over the layers; a layer whose gradient is zero has no place."""
    complete = len({row.n for row in rows}) == 1
    for arm, (name, colour) in enumerate(ARMS):
        layers = [(row.without, row.with_)[arm] for row in rows]
        mean = [float(values.mean()) if len(values) else np.nan for values in layers]
        each = np.array(layers).T if complete else None
        lines(axes, each, mean, colour, name, "--" if arm == 0 else "-")
    log_axis(axes)
