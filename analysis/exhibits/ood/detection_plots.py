"""ROC curves and histograms of confidence, without and with warm-up, as one panel each.

After Fig. 5 of Cheon & Paik, Nature Machine Intelligence (2026), DOI 10.1038/s42256-026-01215-x.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from analysis.exhibits.common.exhibit import GAP, WITH, WITHOUT
from analysis.exhibits.common.text import number
from analysis.exhibits.ood.detectors import Pair
from analysis.metrics.ood import auroc, roc_curve

Scores = Sequence[Pair]  # of each network of an arm

ARMS = (("without warm-up", WITHOUT, "--"), ("with warm-up", WITH, "-"))

_EDGES = (np.arange(26) / 25).tolist()


def draw_roc(axes: Axes, arms: Sequence[Scores]) -> str:
    """Mean ± s.d. over networks of the true-positive rate, at equal false-positive rates.

    arms: those without and those with warm-up. Returns the mean AUROC of each, in words.
    """
    along = np.linspace(0, 1, 201)
    said = []
    axes.plot([0, 1], [0, 1], ":", color="#888888", linewidth=0.8)
    for (name, colour, line), scores in zip(ARMS, arms, strict=True):
        curves = np.array([np.interp(along, *roc_curve(*both)) for both in scores])
        area = number(float(np.mean([auroc(*both) for both in scores])))
        mean, sd = curves.mean(axis=0), curves.std(axis=0, ddof=1 if len(scores) > 1 else 0)
        low, high = np.clip(mean - sd, 0, 1), np.clip(mean + sd, 0, 1)
        axes.fill_between(along, low, high, color=colour, alpha=0.25, linewidth=0)
        axes.plot(along, mean, line, color=colour, label=f"{name}, AUROC {area}")
        said.append(f"{name} {area}")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="False-positive rate", ylabel="True-positive rate")
    axes.legend(loc="lower right")
    return ", ".join(said)


def draw_confidences(axes: Axes, scores: Scores, arm: int, chance: float) -> None:
    """Confidence on in- and out-of-distribution images of one arm's networks, pooled."""
    inside, outside = (np.concatenate(parts) for parts in zip(*scores, strict=True))
    axes.hist(inside, _EDGES, density=True, color=ARMS[arm][1], alpha=0.55, label="test")
    axes.hist(
        outside, _EDGES, density=True, histtype="step", color=GAP, lw=1.3,
        label="out of distribution",
    )  # fmt: skip
    axes.axvline(chance, color="black", linestyle=":", linewidth=0.9, label="chance")
    axes.set(xlim=(0, 1), xlabel="Confidence")
