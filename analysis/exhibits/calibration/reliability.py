"""Is a network as often right as it is sure? Reliability diagrams, control against each condition.

After Figs 1c and 2d–e of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x. Bars show the accuracy of the predictions in each of ten bins of
confidence, pooled over the replicates; the hatched part reaches to the bin's mean confidence and
is the gap that the expected calibration error (ECE) averages. Below each stands how many of the
predictions the bins hold. A panel's ECE is the mean over its networks, not that of the pool.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from analysis.exhibits.common.exhibit import Drawing, Exhibit, exhibit, paper_style, table
from analysis.exhibits.common.panels import ARMS, GAP, WITH, WITHOUT
from analysis.exhibits.common.text import label, number, wrapped
from analysis.metrics.calibration import ReliabilityDiagram, reliability_diagram
from analysis.metrics.classification import confidence_and_correct
from analysis.results.cached import cached, find_all
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult, pairs

COLUMNS = 5


@dataclass(frozen=True, eq=False)
class _Panel:
    title: str
    networks: int
    ece: float  # mean over the networks
    chance: float  # of it what a perfectly calibrated network would show; NaN: not known
    diagram: ReliabilityDiagram
    spread: NDArray[np.float64]  # (bins,), s.d. of accuracy over networks; NaN for fewer than two
    colour: str
    control: "_Panel | None" = None  # what it is compared with


def reliability(results: StudyResults) -> Exhibit:
    """A figure of small multiples for each grid, and the bins in a table for CSV."""
    find_all(_diagram, [(record,) for record in results.records])
    figures = []
    controls = _controls(results)
    panels: dict[str, _Panel | None] = {}
    for condition in results.plan.conditions():
        complete = pairs(results, condition)
        panels[condition] = _panel(
            label(condition),
            [with_ for _, with_ in complete],
            WITH,
            controls[complete[0][0].condition] if complete else None,
        )
    bins = [_bins(panel) for panel in (*controls.values(), *panels.values()) if panel]
    for grid, conditions in results.plan.grids.items():
        measured = [panel for condition in conditions if (panel := panels[condition])]
        # each after its own control, and a control that serves several but once
        shown = dict.fromkeys(p for panel in measured for p in (panel.control, panel) if p)
        if shown:
            figures.append(_small_multiples(grid, list(shown)))
    absent = [label(c) for c, panel in panels.items() if panel is None]
    how = (
        "Bars: accuracy on the test set by bin of confidence, pooled over the networks of the "
        "complete pairs, ± s.d. over networks; hatched: the gap to the bin's mean confidence; "
        "dashed: perfect calibration; black steps: accuracy without warm-up. Below: share of "
        "predictions by bin. ECE: mean over the networks; by chance: what perfectly calibrated "
        "ones with the same confidences would show. No test is made here."
    )
    lost = f"Without a complete pair, not drawn: {', '.join(absent)}." if absent else ""
    values = pd.concat(bins, ignore_index=True) if bins else pd.DataFrame()
    tables = (table("reliability-bins", "Bins", (), values),)
    return exhibit(results, "reliability", "Reliability diagrams", (how, lost), tables, figures)


def _controls(results: StudyResults) -> dict[str, _Panel | None]:
    """A panel of the complete pairs' controls, each once, for every condition that controls are in:
    one where only the noise is varied, several where the data or the network is."""
    used: dict[str, dict[str, TrialResult]] = {}
    for condition in results.plan.conditions():
        for without, _ in pairs(results, condition):
            used.setdefault(without.condition, {})[without.trial_id] = without
    return {
        condition: _panel(
            f"{condition}, without warm-up" if condition else "without warm-up",
            list(trials.values()),
            WITHOUT,
        )
        for condition, trials in used.items()
    }


def _panel(
    title: str, trials: list[TrialResult], colour: str, control: _Panel | None = None
) -> _Panel | None:
    records = [trial.record for trial in trials if trial.record]
    if not records:
        return None
    ece, chance = (
        float(np.mean([trial.numbers.get(key, np.nan) for trial in trials]))
        for key in ("test_ece", "test_ece_chance")
    )
    diagrams = [cached(_diagram, record) for record in records]
    spread = _spread(np.array([diagram.accuracy for diagram in diagrams]))
    return _Panel(title, len(records), ece, chance, _pooled(diagrams), spread, colour, control)


def _diagram(record: Record) -> ReliabilityDiagram:
    return reliability_diagram(
        *confidence_and_correct(record.logits["test"], record.labels["test"])
    )


def _pooled(diagrams: Sequence[ReliabilityDiagram]) -> ReliabilityDiagram:
    """That of all their predictions together."""
    counts = np.array([diagram.count for diagram in diagrams])
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN of an empty bin
        confidence, accuracy = (
            np.nansum(counts * np.array(means), axis=0) / counts.sum(axis=0)
            for means in zip(*((d.confidence, d.accuracy) for d in diagrams), strict=True)
        )
    return ReliabilityDiagram(diagrams[0].edges, confidence, accuracy, counts.sum(axis=0))


def _spread(accuracies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of (networks, bins) the sample s.d. over the networks that have predictions in a bin."""
    spread = np.full(accuracies.shape[1], np.nan)
    several = (~np.isnan(accuracies)).sum(axis=0) > 1
    spread[several] = np.nanstd(accuracies[:, several], axis=0, ddof=1)
    return spread


def _bins(panel: _Panel) -> pd.DataFrame:
    diagram = panel.diagram
    return pd.DataFrame(
        {
            "panel": panel.title,
            "networks": panel.networks,
            "from": diagram.edges[:-1],
            "to": diagram.edges[1:],
            "confidence": diagram.confidence,
            "accuracy": diagram.accuracy,
            "accuracy_sd": panel.spread,
            "predictions": diagram.count,
        }
    )


def _share(panel: _Panel) -> NDArray[np.float64]:
    """The share of the predictions in each bin, (bins,)."""
    return np.asarray(panel.diagram.count / panel.diagram.count.sum())


def _small_multiples(grid: str, panels: list[_Panel]) -> Drawing:
    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    legend_columns = min(columns, 3)
    above = 0.75 + 0.18 * (3 - legend_columns)  # inches, for titles and legend
    with paper_style():
        figure = Figure(figsize=(1.95 * columns + 0.7, 2.5 * rows + above - 0.1))
        inch = figure.get_figheight()
        outer = figure.add_gridspec(
            rows,
            columns,
            left=0.6 / figure.get_figwidth(),
            right=1 - 0.1 / figure.get_figwidth(),
            top=1 - above / inch,
            bottom=0.45 / inch,
            hspace=0.28,
            wspace=0.12,
        )
        most = max(float(_share(panel).max()) for panel in panels)
        for place, panel in enumerate(panels):
            row, column = divmod(place, columns)
            last = place + columns >= len(panels)
            _draw(figure, outer[row, column], panel, most, column == 0, last)
        figure.legend(
            handles=[
                *(Patch(facecolor=c, alpha=0.6, label=f"accuracy {arm}") for arm, c in ARMS),
                Patch(facecolor="none", edgecolor=GAP, hatch="/////", label="gap to confidence"),
            ],
            loc="upper right",
            ncols=legend_columns,
        )
    described = "; ".join(f"{p.title}: ECE {number(p.ece)}" for p in panels)
    title = f"Reliability by {grid}"
    return Drawing(f"reliability-{grid}", title, figure, f"Reliability diagrams. {described}.")


def _draw(figure: Figure, cell: Any, panel: _Panel, most: float, first: bool, last: bool) -> None:
    upper, lower = cell.subgridspec(2, 1, height_ratios=(3.2, 1), hspace=0.08)
    diagram = panel.diagram
    width = np.diff(diagram.edges)
    middle = diagram.edges[:-1] + width / 2
    held = diagram.count > 0
    axes = figure.add_subplot(upper)
    axes.bar(middle[held], diagram.accuracy[held], width[held], color=panel.colour, alpha=0.6)
    low = np.minimum(diagram.accuracy, diagram.confidence)[held]
    gap = np.abs(diagram.accuracy - diagram.confidence)[held]
    axes.bar(middle[held], gap, width[held], low, facecolor="none", ec=GAP, hatch="/////", lw=0.6)
    several = ~np.isnan(panel.spread)
    axes.errorbar(
        middle[several], diagram.accuracy[several], panel.spread[several],
        fmt="none", ecolor="#222222", elinewidth=0.7,
    )  # fmt: skip
    axes.plot([0, 1], [0, 1], "--", color="black", linewidth=0.7)
    if panel.control:
        before = panel.control.diagram
        axes.stairs(before.accuracy, before.edges, color="#222222", lw=0.8)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[0, 0.5, 1])
    axes.set_title(wrapped(panel.title, 26), pad=3)
    by_chance = "" if np.isnan(panel.chance) else f"\nby chance {number(panel.chance)}"
    said = f"ECE {number(panel.ece)}{by_chance}\n{panel.networks} networks"
    axes.text(0.05, 0.97, said, va="top", size=7)
    counts = figure.add_subplot(lower)
    counts.bar(middle, _share(panel), width, color="#555555", ec="white")
    counts.set(xlim=(0, 1), ylim=(0, most * 1.08), xticks=[0, 0.5, 1], yticks=[most])
    counts.set_yticklabels([f"{most:.0%}"] if first else [])
    if first:
        axes.set_ylabel("Accuracy")
        counts.set_ylabel("Share")
    else:
        axes.set_yticklabels([])
    counts.set_xticklabels(["0", ".5", "1"] if last else [])
    if last:
        counts.set_xlabel("Confidence")
