"""The figures of detection under both protocols: changes by condition, ROC curves, histograms.

After Fig. 5 of Cheon & Paik, Nature Machine Intelligence (2026), DOI 10.1038/s42256-026-01215-x.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.exhibit import GAP, WITH, Drawing, paper_style
from analysis.exhibits.common.text import label, wrapped
from analysis.exhibits.ood.detection_plots import ARMS, Scores, draw_confidences, draw_roc
from analysis.exhibits.ood.detectors import PROTOCOLS, confidences
from analysis.exhibits.ood.sign_changes import Effects, sentence
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Comparison

Arms = tuple[Scores, Scores]  # without and with warm-up

DRAWN = ("maximum softmax", "energy")

_MARKS = {PROTOCOLS[0]: ("o", WITH, WITH), PROTOCOLS[1]: ("s", GAP, "white")}  # edge, face


def deltas(effects: Mapping[str, Effects]) -> Drawing:
    """Dots: Δ AUROC with its interval by condition, a protocol a mark, a method a panel."""
    methods = [method for method in DRAWN if method in effects]
    drawn = [rows for method in methods for rows in effects[method].values()]
    conditions = list(dict.fromkeys(condition for rows in drawn for condition in rows))
    with paper_style():
        size = (1.9 + 2.3 * len(methods), 1.05 + 0.36 * len(conditions))
        figure = Figure(figsize=size, layout="constrained")
        panels: list[Axes] = list(
            figure.subplots(1, len(methods), sharex=True, sharey=True, squeeze=False)[0]
        )
        for axes, method in zip(panels, methods, strict=True):
            axes.axvline(0, color="#555555", linewidth=0.8)
            for between in range(len(conditions) - 1):
                axes.axhline(between + 0.5, color="#e6e6e6", linewidth=0.6)
            for protocol, rows in effects[method].items():
                _dots(axes, protocol, rows, conditions)
            axes.set(title=method, xlabel="Δ AUROC, with − without")
            axes.tick_params(axis="y", length=0)
            axes.locator_params(axis="x", nbins=5)
        panels[0].set_yticks(range(len(conditions)), [wrapped(label(c), 32) for c in conditions])
        panels[0].set_ylim(len(conditions) - 0.5, -0.5)
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=len(names))
    title = "Change of AUROC with warm-up by condition and protocol: mean and 95 % interval"
    description = " ".join(sentence(method, effects[method]) for method in methods)
    return Drawing("protocols-delta", title, figure, description)


def _dots(axes: Axes, protocol: str, rows: Mapping[str, Comparison], conditions: list[str]) -> None:
    mark, edge, face = _MARKS[protocol]
    offset = 0.16 * (1 if protocol == PROTOCOLS[1] else -1)
    mean = np.array([row.difference for row in rows.values()])
    ends = np.array([row.interval or (row.difference,) * 2 for row in rows.values()])
    axes.errorbar(
        mean, [conditions.index(condition) + offset for condition in rows],
        xerr=np.abs(ends.T - mean), fmt=mark, color=edge, markerfacecolor=face, markersize=4.5,
        elinewidth=0.9, capsize=2, label=f"{protocol} images",
    )  # fmt: skip


def shown(results: StudyResults) -> list[Drawing]:
    """ROC curves and histograms of the shown condition, where it has a complete pair."""
    scores = {
        protocol: arms for protocol in PROTOCOLS if (arms := _confidences(results, protocol))[0]
    }
    return [_roc(results, scores), _histograms(results, scores)] if scores else []


def _confidences(results: StudyResults, protocol: str) -> Arms:
    """Of the shown condition's pairs that were measured under the protocol."""
    found = [
        (confidences(without, protocol), confidences(with_, protocol))
        for _, (without, with_) in shown_pairs(results)
    ]
    complete = [(a, b) for a, b in found if a and b]
    return [a for a, _ in complete], [b for _, b in complete]


def _roc(results: StudyResults, scores: Mapping[str, Arms]) -> Drawing:
    """ROC of the maximum softmax, a protocol a panel."""
    areas = []
    with paper_style():
        figure = Figure(figsize=(0.4 + 3.0 * len(scores), 3.2), layout="constrained")
        panels = figure.subplots(1, len(scores), sharey=True, squeeze=False)[0]
        for axes, (protocol, arms) in zip(panels, scores.items(), strict=True):
            areas.append(f"{protocol}: {draw_roc(axes, arms)}")
            axes.set_title(f"{protocol} out-of-distribution images")
            axes.label_outer()
    title = (
        f"ROC of the maximum softmax, condition “{label(shown_condition(results))}”, mean ± s.d."
    )
    return Drawing("protocols-roc", title, figure, f"ROC curves, AUROC. {'; '.join(areas)}.")


def _histograms(results: StudyResults, scores: Mapping[str, Arms]) -> Drawing:
    """Confidence on test and out-of-distribution images, protocols × arms."""
    chance = 1 / shown_pairs(results)[0][1][0].logits["test"].shape[1]
    with paper_style():
        figure = Figure(figsize=(6.4, 0.5 + 2.1 * len(scores)), layout="constrained")
        grid = figure.subplots(len(scores), 2, sharex=True, sharey=True, squeeze=False)
        for panels, (protocol, arms) in zip(grid, scores.items(), strict=True):
            for arm, axes in enumerate(panels):
                draw_confidences(axes, arms[arm], arm, chance)
                axes.set(title=f"{protocol} images, {ARMS[arm][0]}", ylabel="Density")
                axes.label_outer()
        grid[0, 1].legend(loc="upper center")
    title = f"Confidence at “{label(shown_condition(results))}”, all networks pooled"
    description = "Histograms of confidence on test and OOD images, by protocol and arm."
    return Drawing("protocols-confidence", title, figure, description)
