"""Does a network notice inputs it has never seen? Detection scores × arms, ROC and confidence.

After Fig. 5, Supplementary Fig. 26 and Tables 4 and 5 of Cheon & Paik, Nature Machine Intelligence
(2026), DOI 10.1038/s42256-026-01215-x. Higher score = more in-distribution, the positive class.
"""

from collections import Counter
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.exhibits.common.by_method import (
    HOW,
    cached,
    method_tables,
    shown_condition,
    shown_pairs,
)
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, made_of, paper_style
from analysis.exhibits.common.text import label
from analysis.exhibits.ood.detection_plots import ARMS, Scores, draw_confidences, draw_roc
from analysis.exhibits.ood.detectors import (
    MEASURES,
    Detected,
    confidences,
    detections,
    numbers,
    own_protocol,
)
from analysis.results.records import Record
from analysis.results.study_results import StudyResults

Pairs = list[tuple[int, tuple[Record, Record]]]  # replicate, (without, with)

NO_OOD = "No complete pair has out-of-distribution images."


def detection(results: StudyResults) -> Exhibit:
    """A table for each measure, the tuned parameters, ROC curves and confidence histograms."""
    title = "Out-of-distribution detection"
    both = [
        (replicate, pair)
        for replicate, pair in shown_pairs(results)
        if all("ood" in record.logits for record in pair)
    ]
    if not both:
        return Exhibit("detection", title, f"{NO_OOD} {made_of(results)}")
    caption = (
        "Parameters are tuned by AUROC on a random half of the test and of the out-of-distribution "
        "images; all methods are measured on the other halves, the ROC curves and histograms on "
        f"all images. {HOW} " + made_of(results)
    )
    tables = [*method_tables(results, "detection", MEASURES, measured), _tuned(results, both)]
    figures = (_roc(results, both), _histograms(results, both))
    return Exhibit("detection", title, caption, tuple(tables), figures)


def measured(record: Record, seed: int) -> Mapping[tuple[str, str], float]:
    """Every method's numbers of one trial, under its own protocol."""
    return numbers(_own(record, seed))


def _own(record: Record, seed: int) -> Detected:
    return cached(detections, record, seed, own_protocol(record))


def _tuned(results: StudyResults, both: Pairs) -> Table:
    """How often which parameter was chosen, by method and arm."""
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
    return Table("detection-tuned", title, pd.DataFrame(rows), pd.DataFrame(rows))


def _parameter(value: object) -> str:
    if isinstance(value, tuple):
        epsilon, temperature = value
        return f"ε {epsilon:.3g}, T {temperature:g}"
    return f"T {value:g}" if isinstance(value, float) else str(value)


def _counts(counter: Counter[str]) -> str:
    return "; ".join(f"{value} × {count}" for value, count in counter.most_common())


def _roc(results: StudyResults, both: Pairs) -> Drawing:
    """ROC of the maximum softmax."""
    with paper_style():
        figure = Figure(figsize=(3.4, 3.2), layout="constrained")
        areas = draw_roc(figure.add_subplot(), [_confidences(both, arm) for arm in (0, 1)])
    title = f"ROC of the maximum softmax, “{label(shown_condition(results))}”, mean ± s.d."
    return Drawing("detection-roc", title, figure, f"ROC curves. AUROC {areas}.")


def _histograms(results: StudyResults, both: Pairs) -> Drawing:
    """Confidence on test and out-of-distribution images, an arm a panel, with the chance line."""
    chance = 1 / both[0][1][0].logits["test"].shape[1]
    with paper_style():
        figure = Figure(figsize=(6.4, 2.6), layout="constrained")
        panels: list[Axes] = list(figure.subplots(1, 2, sharey=True))
        for arm, axes in enumerate(panels):
            draw_confidences(axes, _confidences(both, arm), arm, chance)
            axes.set_title(ARMS[arm][0])
        panels[0].set_ylabel("Density")
        panels[1].legend(loc="upper center")
    title = f"Confidence, “{label(shown_condition(results))}”, all networks pooled"
    description = "Histograms of confidence on test and out-of-distribution images, by arm."
    return Drawing("detection-confidence", title, figure, description)


def _confidences(both: Pairs, arm: int) -> Scores:
    records = [pair[arm] for _, pair in both]
    found = (confidences(record, own_protocol(record)) for record in records)
    return [scores for scores in found if scores]
