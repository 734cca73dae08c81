"""Reliability without bins, and how much of a score is miscalibration: CORP, without and with.

After Dimitriadis, Gneiting & Jordan, PNAS 118, e2016191118 (2021). Not in the paper, whose Fig. 1c
has bins: the curve is the rising one nearest to the hits, and the band where the curve of a
calibrated network with the same confidences would lie. The parts of the Brier score and of the
likelihood say whether a change comes from calibration or from telling right from wrong.
"""

from math import isfinite

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.exhibit import Drawing, Exhibit, exhibit
from analysis.exhibits.common.panels import ARMS, GAP, panels
from analysis.exhibits.common.side_by_side import HOW, side_by_side
from analysis.exhibits.common.text import label
from analysis.metrics.calibration import reliability_diagram
from analysis.metrics.classification import confidence_and_correct
from analysis.metrics.corp import consistency_band, corp_curve, score_decomposition
from analysis.results.records import Record
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Measure

_SCORES = {"brier": "Brier score", "log": "log score"}
_PARTS = (("miscalibration", "MCB", -1), ("discrimination", "DSC", 1), ("uncertainty", "UNC", 0))
_BAND = 0.9


def corp(results: StudyResults) -> Exhibit:
    """A table for each score, and the curves of the shown condition."""
    title = "Reliability without bins"
    how = (
        "Of “the prediction is right”, forecast by its confidence: score = MCB − DSC + UNC. MCB, "
        "miscalibration, is what recalibrating by a rising curve would save; DSC, discrimination, "
        "what the confidences tell beyond the accuracy; UNC, uncertainty, the score of forecasting "
        "the accuracy for all. MCB and DSC are biased upwards, the more the fewer the examples. By "
        "the log score (nats) MCB is infinite where a confidence of exactly 1 was wrong: such a "
        f"pair does not count. {HOW}"
    )
    tables = [
        side_by_side(
            results,
            f"corp-{score}",
            f"Parts of the {name} by condition",
            [Measure(f"{score}/{part}", short, way) for part, short, way in _PARTS],
            _parts,
        )
        for score, name in _SCORES.items()
    ]
    figures = (_curves(results),) if shown_pairs(results) else ()
    return exhibit(results, "corp", title, (how,), tables, figures)


def _parts(record: Record) -> dict[str, float]:
    """Those that are finite, by score/part."""
    predictions = confidence_and_correct(record.logits["test"], record.labels["test"])
    found = {score: score_decomposition(*predictions, score) for score in ("brier", "log")}
    parts = {
        f"{score}/{part}": float(getattr(decomposition, part))
        for score, decomposition in found.items()
        for part, _, _ in _PARTS
    }
    return {name: value for name, value in parts.items() if isfinite(value)}


def _curves(results: StudyResults) -> Drawing:
    """Curve, band and bins of the predictions of all networks of an arm."""
    with panels(6.6, 3.3, 2, sharey=True) as (figure, drawn):
        for arm, (axes, (name, colour)) in enumerate(zip(drawn, ARMS, strict=True)):
            records = [pair[arm] for _, pair in shown_pairs(results)]
            both = [confidence_and_correct(r.logits["test"], r.labels["test"]) for r in records]
            confidence, correct = (np.concatenate(parts) for parts in zip(*both, strict=True))
            _draw(axes, confidence, correct, colour)
            axes.set(title=name, xlabel="Confidence", xlim=(0, 1), ylim=(0, 1))
        drawn[0].set_ylabel("Accuracy")
        drawn[0].legend(loc="upper left")
    condition = label(shown_condition(results))
    title = f"Reliability without bins, “{condition}”, predictions of all networks pooled"
    description = (
        "The rising curve of accuracy over confidence that is nearest to the hits, the band where "
        "that of a calibrated network would lie, and the accuracy in ten bins, by arm."
    )
    return Drawing("corp-curves", title, figure, description)


def _draw(
    axes: Axes, confidence: NDArray[np.float64], correct: NDArray[np.bool_], colour: str
) -> None:
    band = consistency_band(confidence, _BAND)
    curve, bins = corp_curve(confidence, correct), reliability_diagram(confidence, correct)
    axes.fill_between(
        band.confidence, band.low, band.high, color="#e3e3e3", linewidth=0,
        label=f"{_BAND:.0%} of calibrated networks",
    )  # fmt: skip
    axes.plot([0, 1], [0, 1], "--", color="black", linewidth=0.7)
    axes.plot(curve.confidence, curve.recalibrated, color=colour, linewidth=1.6, label="curve")
    held = bins.count > 0
    axes.plot(
        bins.confidence[held], bins.accuracy[held], "o", color=GAP, markersize=3.5, label="ten bins"
    )
