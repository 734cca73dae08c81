"""How well confidence agrees with accuracy: reliability diagram, expected calibration error, gap.

The definitions are those of Cheon & Paik, Nature Machine Intelligence 8, 602–613 (2026), DOI
10.1038/s42256-026-01215-x: ten bins of equal width on [0, 1], each represented by the mean of the
confidences in it, the last one closed. Every confidence counts in exactly one bin, 0.0 in the first
and 1.0 in the last; a confidence on an inner edge counts in the bin above, as in torchmetrics
(which gives 1.0 a bin of its own).

All functions take the same two vectors, of any order: `confidence` (n,), in [0, 1], and `correct`
(n,), boolean or 0/1; see `analysis.metrics.classification.confidence_and_correct`. They raise
`ValueError` where the two differ in length, are empty, or hold anything else.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class ReliabilityDiagram:
    """Confidence and accuracy by bin; NaN in a bin that holds no example."""

    edges: NDArray[np.float64]  # (bins + 1,), from 0 to 1
    confidence: NDArray[np.float64]  # (bins,), mean confidence of the bin's examples
    accuracy: NDArray[np.float64]  # (bins,), fraction of the bin's examples that are correct
    count: NDArray[np.int64]  # (bins,), examples


def reliability_diagram(
    confidence: ArrayLike, correct: ArrayLike, bins: int = 10
) -> ReliabilityDiagram:
    """Mean confidence and accuracy in each of `bins` equal bins [lo, hi), the last one [lo, 1]."""
    predicted, observed = _checked(confidence, correct)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, not {bins}")
    edges = np.linspace(0.0, 1.0, bins + 1)
    index = np.searchsorted(edges[1:-1], predicted, side="right")  # inner edges at or below
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN of an empty bin
        mean_confidence = np.bincount(index, weights=predicted, minlength=bins) / count
        accuracy = np.bincount(index, weights=observed, minlength=bins) / count
    return ReliabilityDiagram(edges, mean_confidence, accuracy, count)


def expected_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """ECE = Σ_m |B_m|/n · |accuracy(B_m) − confidence(B_m)| over the bins, in [0, 1]; 0 is best.

    >>> round(expected_calibration_error([0.95, 1.0], [True, False]), 3)
    0.475
    """
    diagram = reliability_diagram(confidence, correct, bins)
    gaps = np.abs(diagram.accuracy - diagram.confidence)
    return float(np.nansum(diagram.count * gaps) / diagram.count.sum())


def calibration_gap(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean confidence − accuracy, in [−1, 1]; positive where the network is overconfident."""
    predicted, observed = _checked(confidence, correct)
    return float(predicted.mean() - observed.mean())


def _checked(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both vectors in float64, or one line that says what is wrong with them."""
    predicted = np.asarray(confidence, dtype=np.float64)
    observed = np.asarray(correct, dtype=np.float64)
    if predicted.ndim != 1 or predicted.shape != observed.shape:
        raise ValueError(
            "confidence and correct must be vectors of one length, "
            f"not {predicted.shape} and {observed.shape}"
        )
    if predicted.size == 0:
        raise ValueError("confidence is empty: there is nothing to calibrate")
    if np.isnan(predicted).any():
        raise ValueError("confidence contains NaN: the network has diverged")
    if predicted.min() < 0 or predicted.max() > 1:
        raise ValueError(
            f"confidence must lie in [0, 1], not [{predicted.min()}, {predicted.max()}]"
        )
    if not ((observed == 0) | (observed == 1)).all():
        raise ValueError("correct must be boolean or 0/1")
    return predicted, observed
