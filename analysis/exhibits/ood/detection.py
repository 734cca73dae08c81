"""Does a network notice inputs it has never seen? Detection scores × arms, ROC and confidence.

After Fig. 5, Supplementary Fig. 26 and Tables 4 and 5 of Cheon & Paik, Nature Machine Intelligence
(2026), DOI 10.1038/s42256-026-01215-x. Higher score = more in-distribution, the positive class.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from analysis.exhibits.common import by_method
from analysis.exhibits.common.by_method import HOW, shown_condition, shown_pairs
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.panels import ARMS, GAP, panels
from analysis.exhibits.common.text import label, number
from analysis.exhibits.ood import detectors
from analysis.exhibits.ood.detectors import Detected, Pair
from analysis.metrics.ood import auroc, roc_curve
from analysis.results.cached import cached, find_all
from analysis.results.records import Record
from analysis.results.study_results import StudyResults

Scores = Sequence[Pair]  # of each network of an arm
Pairs = list[tuple[int, tuple[Record, Record]]]  # replicate, (without, with)

NO_OOD = "No complete pair has out-of-distribution images."

_EDGES = (np.arange(26) / 25).tolist()


def detection(results: StudyResults) -> Exhibit:
    """A table for each measure, the tuned parameters, ROC curves and confidence histograms."""
    title = "Out-of-distribution detection"
    both = [
        (replicate, pair)
        for replicate, pair in shown_pairs(results)
        if all("ood" in record.logits for record in pair)
    ]
    if not both:
        return exhibit(results, "detection", title, [NO_OOD])
    how = (
        "Parameters are tuned by AUROC on a random half of the test and of the out-of-distribution "
        "images; all methods are measured on the other halves, the ROC curves and histograms on "
        "all images."
    )
    find(results, [shown_condition(results)])
    tables = [
        *by_method.method_tables(results, "detection", detectors.MEASURES, measured),
        _tuned(results, both),
    ]
    figures = (_roc(results, both), _histograms(results, both))
    return exhibit(results, "detection", title, (how, HOW), tables, figures)


def find(results: StudyResults, conditions: Sequence[str], protocol: str = "") -> None:
    """What `measured` is made of, before tables ask for it one by one.

    protocol: of all trials; none: each trial's own.
    """
    find_all(
        detectors.detections,
        [
            (record, seed, protocol or detectors.own_protocol(record))
            for condition in conditions
            for seed, both in by_method.record_pairs(results, condition)
            for record in both
        ],
    )


def measured(record: Record, seed: int) -> Mapping[tuple[str, str], float]:
    """Every method's numbers of one trial, under its own protocol."""
    return detectors.numbers(_own(record, seed))


def _own(record: Record, seed: int) -> Detected:
    return cached(detectors.detections, record, seed, detectors.own_protocol(record))


def _tuned(results: StudyResults, both: Pairs) -> Table:
    chosen: dict[str, tuple[Counter[str], Counter[str]]] = {}
    for replicate, pair in both:
        for arm, record in enumerate(pair):
            for method, found in _own(record, replicate).items():
                if found.parameter is not None:
                    counts = chosen.setdefault(method, (Counter(), Counter()))
                    counts[arm][_parameter(found.parameter)] += 1
    rows = [
        {"Method": method, "Without": _counts(without), "With": _counts(with_)}
        for method, (without, with_) in chosen.items()
    ]
    title = f"Tuned parameters, “{label(shown_condition(results))}”: value × networks"
    return table("detection-tuned", title, rows, rows)


def _parameter(value: object) -> str:
    if isinstance(value, tuple):
        epsilon, temperature = value
        return f"ε {epsilon:.3g}, T {temperature:g}"
    return f"T {value:g}" if isinstance(value, float) else str(value)


def _counts(counter: Counter[str]) -> str:
    return "; ".join(f"{value} × {count}" for value, count in counter.most_common())


def _roc(results: StudyResults, both: Pairs) -> Drawing:
    with panels(3.4, 3.2) as (figure, [axes]):
        areas = draw_roc(axes, [_confidences(both, arm) for arm in (0, 1)])
    title = f"ROC of the maximum softmax, “{label(shown_condition(results))}”, mean ± s.d."
    return Drawing("detection-roc", title, figure, f"ROC curves. AUROC {areas}.")


def _histograms(results: StudyResults, both: Pairs) -> Drawing:
    chance = 1 / both[0][1][0].logits["test"].shape[1]
    with panels(6.4, 2.6, 2, sharey=True) as (figure, drawn):
        for arm, axes in enumerate(drawn):
            draw_confidences(axes, _confidences(both, arm), arm, chance)
            axes.set_title(ARMS[arm][0])
        drawn[0].set_ylabel("Density")
        drawn[1].legend(loc="upper center")
    title = f"Confidence, “{label(shown_condition(results))}”, all networks pooled"
    description = "Histograms of confidence on test and out-of-distribution images, by arm."
    return Drawing("detection-confidence", title, figure, description)


def _confidences(both: Pairs, arm: int) -> Scores:
    records = [pair[arm] for _, pair in both]
    found = (detectors.confidences(record, detectors.own_protocol(record)) for record in records)
    return [scores for scores in found if scores]


def draw_roc(axes: Axes, arms: Sequence[Scores]) -> str:
    """Mean ± s.d. over networks of the true-positive rate, at equal false-positive rates.

    arms: those without and those with warm-up. Returns the mean AUROC of each, in words.
    """
    along = np.linspace(0, 1, 201)
    said = []
    axes.plot([0, 1], [0, 1], ":", color="#888888", linewidth=0.8)
    for (name, colour), line, scores in zip(ARMS, ("--", "-"), arms, strict=True):
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
