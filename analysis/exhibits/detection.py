"""Does a network notice inputs it has never seen? Detection scores × arms, ROC and confidence.

After Fig. 5, Supplementary Fig. 26 and Tables 4 and 5 of Cheon & Paik, Nature Machine Intelligence
(2026), DOI 10.1038/s42256-026-01215-x. Higher score = more in-distribution, the positive class.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.comparison import Measure
from analysis.exhibits.exhibit import (
    GAP,
    WITH,
    WITHOUT,
    Drawing,
    Exhibit,
    Table,
    label,
    made_of,
    number,
    paper_style,
)
from analysis.exhibits.methods import HOW, method_tables, shown_condition, shown_pairs
from analysis.metrics.ood import Detection, auroc, roc_curve, tuned_detection
from analysis.metrics.ood_scores import (
    mahalanobis,
    msp,
    nearest_neighbour,
    ood_detection,
    vim,
)
from analysis.records import Record
from analysis.results import StudyResults

Detected = Mapping[str, Detection]  # by method
Pairs = list[tuple[int, tuple[Record, Record]]]  # replicate, (without, with)

MEASURES = (
    Measure("auroc", "AUROC", 1),
    Measure("fpr95", "FPR at 95 % TPR", -1),
    Measure("aupr_in", "AUPR, ID positive", 1),
    Measure("aupr_out", "AUPR, OOD positive", 1),
)
EDGES = np.linspace(0, 1, 26).tolist()

_NAMES = {
    "msp": "maximum softmax",
    "temperature": "maximum softmax, T tuned",
    "energy": "energy",
    "max_logit": "maximum logit",
    "entropy": "negative entropy",
    "gen": "GEN",
    "odin": "ODIN, ε and T tuned",
    "odin_energy": "energy of ODIN's input, ε and T tuned",
    "mahalanobis": "Mahalanobis, features",
    "nearest_neighbour": "50th nearest neighbour, features",
    "vim": "ViM, features",
}


def detection(results: StudyResults) -> Exhibit:
    """A table for each measure, the tuned parameters, ROC curves and confidence histograms."""
    title = "Out-of-distribution detection"
    both = [
        (replicate, pair)
        for replicate, pair in shown_pairs(results)
        if all("ood" in record.logits for record in pair)
    ]
    if not both:
        caption = f"No complete pair has out-of-distribution images. {made_of(results)}"
        return Exhibit("detection", title, caption)
    caption = (
        "Parameters are tuned by AUROC on a random half of the test and of the out-of-distribution "
        "images; all methods are measured on the other halves, the ROC curves and histograms on "
        f"all images. {HOW} " + made_of(results)
    )
    detect = cache(_detections)  # by record: for all tables
    tables = [
        *method_tables(results, "detection", MEASURES, lambda r, seed: _numbers(detect(r, seed))),
        _tuned(results, both, detect),
    ]
    figures = (_roc(results, both), _histograms(results, both))
    return Exhibit("detection", title, caption, tuple(tables), figures)


def _numbers(detected: Detected) -> Mapping[tuple[str, str], float]:
    """One trial's by measure and method."""
    return {
        (measure.key, _NAMES[method]): float(getattr(found, measure.key))
        for method, found in detected.items()
        for measure in MEASURES
    }


def _detections(record: Record, seed: int) -> Detected:
    """By method; ODIN's where the trial has probed for it."""
    if "ood" not in record.logits:
        return {}
    found = ood_detection(record.logits["test"], record.logits["ood"], seed)
    probed = record.probes
    for method, kind in (("odin", "confidence"), ("odin_energy", "energy")):
        if f"odin/test_{kind}" in probed:
            inside, outside = probed[f"odin/test_{kind}"], probed[f"odin/ood_{kind}"]
            candidates = {
                (float(epsilon), float(temperature)): (inside[e, t], outside[e, t])
                for e, epsilon in enumerate(probed["odin/epsilons"])
                for t, temperature in enumerate(probed["odin/temperatures"])
            }
            found[method] = tuned_detection(candidates, seed)
    if "features/train" in probed:
        found |= _by_features(record, seed)
    return found


def _by_features(record: Record, seed: int) -> dict[str, Detection]:
    """Scores of the features that a probe has kept, against those of the training images."""
    probed = {name.removeprefix("features/"): array for name, array in record.probes.items()}
    train, labels = probed["train"], probed["labels"]
    layer = probed["weight"], probed["bias"]
    scores: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float64]]] = {
        "mahalanobis": lambda features: mahalanobis(features, train, labels),
        "nearest_neighbour": lambda features: nearest_neighbour(features, train),
        "vim": lambda features: vim(features, train, *layer),
    }
    return {
        name: tuned_detection({None: (score(probed["test"]), score(probed["ood"]))}, seed)
        for name, score in scores.items()
    }


def _tuned(results: StudyResults, both: Pairs, detect: Callable[[Record, int], Detected]) -> Table:
    """How often which parameter was chosen, by method and arm."""
    chosen: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for replicate, pair in both:
        for arm, record in enumerate(pair):
            for method, found in detect(record, replicate).items():
                if found.parameter is not None:
                    counts = chosen.setdefault(_NAMES[method], (Counter(), Counter()))
                    counts[arm][_parameter(found.parameter)] += 1
    rows = [
        {"Method": method, "Without": _counts(without), "With": _counts(with_)}
        for method, (without, with_) in chosen.items()
    ]
    title = f"Tuned parameters, noise “{label(shown_condition(results))}”: value × networks"
    return Table("detection-tuned", title, pd.DataFrame(rows), pd.DataFrame(rows))


def _parameter(value: object) -> str:
    if isinstance(value, tuple):
        epsilon, temperature = value
        return f"ε {epsilon:.3g}, T {temperature:g}"
    return f"T {value:g}" if isinstance(value, float) else str(value)


def _counts(counter: Counter[str]) -> str:
    return "; ".join(f"{value} × {count}" for value, count in counter.most_common())


def _roc(results: StudyResults, both: Pairs) -> Drawing:
    """ROC of the maximum softmax: mean ± s.d. over networks, at equal false-positive rates."""
    along = np.linspace(0, 1, 201)
    areas = []
    with paper_style():
        figure = Figure(figsize=(3.4, 3.2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], ":", color="#888888", linewidth=0.8)
        for arm, (name, colour, line) in enumerate(
            (("without warm-up", WITHOUT, "--"), ("with warm-up", WITH, "-"))
        ):
            scores = [_confidences(pair[arm]) for _, pair in both]
            curves = np.array([np.interp(along, *roc_curve(*pair)) for pair in scores])
            area = float(np.mean([auroc(*pair) for pair in scores]))
            mean, sd = curves.mean(axis=0), curves.std(axis=0, ddof=1 if len(both) > 1 else 0)
            low, high = np.clip(mean - sd, 0, 1), np.clip(mean + sd, 0, 1)
            axes.fill_between(along, low, high, color=colour, alpha=0.25, linewidth=0)
            axes.plot(along, mean, line, color=colour, label=f"{name}, AUROC {number(area)}")
            areas.append(f"{name} {number(area)}")
        axes.set(
            xlim=(0, 1), ylim=(0, 1), xlabel="False-positive rate", ylabel="True-positive rate"
        )
        axes.legend(loc="lower right")
    title = f"ROC of the maximum softmax, noise “{label(shown_condition(results))}”, mean ± s.d."
    return Drawing("detection-roc", title, figure, f"ROC curves. AUROC {', '.join(areas)}.")


def _histograms(results: StudyResults, both: Pairs) -> Drawing:
    """Confidence on test and out-of-distribution images, an arm a panel, with the chance line."""
    chance = 1 / both[0][1][0].logits["test"].shape[1]
    with paper_style():
        figure = Figure(figsize=(6.4, 2.6), layout="constrained")
        panels: list[Axes] = list(figure.subplots(1, 2, sharey=True))
        for arm, (axes, name) in enumerate(
            zip(panels, ("without warm-up", "with warm-up"), strict=True)
        ):
            inside, outside = (
                np.concatenate(parts)
                for parts in zip(*(_confidences(pair[arm]) for _, pair in both), strict=True)
            )
            colour = WITH if arm else WITHOUT
            axes.hist(inside, EDGES, density=True, color=colour, alpha=0.55, label="test")
            axes.hist(
                outside, EDGES, density=True, histtype="step", color=GAP, lw=1.3,
                label="out of distribution",
            )  # fmt: skip
            axes.axvline(chance, color="black", linestyle=":", linewidth=0.9, label="chance")
            axes.set(title=name, xlim=(0, 1), xlabel="Confidence")
        panels[0].set_ylabel("Density")
        panels[1].legend(loc="upper center")
    title = f"Confidence, noise “{label(shown_condition(results))}”, all networks pooled"
    description = "Histograms of confidence on test and out-of-distribution images, by arm."
    return Drawing("detection-confidence", title, figure, description)


def _confidences(record: Record) -> tuple[np.ndarray, np.ndarray]:
    return msp(record.logits["test"]), msp(record.logits["ood"])
