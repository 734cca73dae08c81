"""How well confidence agrees with accuracy: reliability diagram, calibration errors, gap, AURC.

The definitions are those of Cheon & Paik, Nature Machine Intelligence 8, 602–613 (2026), DOI
10.1038/s42256-026-01215-x: ten bins of equal width on [0, 1], each represented by the mean of the
confidences in it, the last one closed. Every confidence counts in exactly one bin, 0.0 in the first
and 1.0 in the last; a confidence on an inner edge counts in the bin that starts there, as in
torchmetrics (which gives 1.0 a bin of its own). What needs the examples in order instead of in
bins, the equal-mass error and the AURC, lets equal confidences share their correctness: no result
depends on the order of the examples.

A confidence is placed by its exact value, against the float64 nearest to k/bins: .7 lies on an edge
of ten bins, and float32's .7, which is 0.699999988, below it. So no cast to a wider type moves an
example to another bin.

All functions take the same two vectors, of any order: `confidence` (n,), in [0, 1], and `correct`
(n,), boolean or 0/1; see `analysis.metrics.classification.confidence_and_correct`. They raise
`ValueError` where the two differ in length, are empty, or hold anything else.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks


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
    index = bin_of(predicted, bins)
    count = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):  # 0/0 is the NaN of an empty bin
        mean_confidence = np.bincount(index, weights=predicted, minlength=bins) / count
        accuracy = np.bincount(index, weights=observed, minlength=bins) / count
    return ReliabilityDiagram(np.arange(bins + 1) / bins, mean_confidence, accuracy, count)


def bin_of(confidence: ArrayLike, bins: int = 10) -> NDArray[np.int64]:
    """The bin, from 0 to bins − 1, that each confidence (n,) in [0, 1] counts in: (n,)."""
    predicted = checks.confidences(confidence, "confidence")
    # the quotient of whole numbers is the nearest to k/bins; linspace's 3 · 0.1 lies above .3
    edges = np.arange(1, checks.whole(bins, "bins")) / bins
    return np.searchsorted(edges, predicted, side="right")  # the edges at or below


def expected_calibration_error(
    confidence: ArrayLike,
    correct: ArrayLike,
    bins: int = 10,
    representative: Literal["mean", "midpoint"] = "mean",
) -> float:
    """ECE = Σ_m |B_m|/n · |accuracy(B_m) − confidence(B_m)| over the bins, in [0, 1]; 0 is best.

    confidence(B_m) is the mean of the bin's confidences, as the paper defines it, or "midpoint":
    the middle of the bin, as the authors' released code computes it. There the last bin is open,
    so that a confidence of exactly 1.0 counts neither in the sum nor in n; ValueError where
    nothing else is left.

    >>> round(expected_calibration_error([0.95, 1.0], [True, False]), 3)
    0.475
    >>> round(expected_calibration_error([0.95, 1.0], [True, False], representative="midpoint"), 3)
    0.05
    """
    if representative == "midpoint":
        predicted, observed = _checked(confidence, correct)
        below_one = predicted < 1
        if not below_one.any():
            raise ValueError("every confidence is 1.0, and mid-point bins leave out exactly that")
        confidence, correct = predicted[below_one], observed[below_one]
    elif representative != "mean":
        raise ValueError(f"representative must be mean or midpoint, not {representative!r}")
    diagram = reliability_diagram(confidence, correct, bins)
    middle = (diagram.edges[:-1] + diagram.edges[1:]) / 2
    said = diagram.confidence if representative == "mean" else middle
    gaps = np.abs(diagram.accuracy - said)
    return float(np.nansum(diagram.count * gaps) / diagram.count.sum())


def maximum_calibration_error(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> float:
    """MCE = max_m |accuracy(B_m) − confidence(B_m)| over the bins that hold an example, in [0, 1].

    Naeini et al., AAAI 2015. One example alone in its bin weighs as much as thousands: read it
    beside the diagram's counts.
    """
    diagram = reliability_diagram(confidence, correct, bins)
    return float(np.nanmax(np.abs(diagram.accuracy - diagram.confidence)))


def equal_mass_calibration_error(
    confidence: ArrayLike, correct: ArrayLike, bins: int = 10
) -> float:
    """ECE over bins of equally many examples, not of equal width; in [0, 1].

    The examples, sorted by confidence, are cut into `bins` runs whose lengths differ by one at
    most (fewer runs where there are fewer examples), so that no bin is nearly empty: Nguyen &
    O'Connor, EMNLP 2015; Nixon et al., CVPR workshops 2019 (arXiv 1904.01685). Where a cut parts
    equal confidences, each of them counts with the accuracy of them all.
    """
    checks.whole(bins, "bins")
    said, hit = _in_order(confidence, correct)
    runs = min(bins, said.size)
    first = np.arange(runs) * said.size // runs  # of each run
    # |B|/n · |accuracy − confidence| is the sum of the bin's differences over n
    return float(np.abs(np.add.reduceat(hit - said, first)).sum() / said.size)


def calibration_gap(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Mean confidence − accuracy, in [−1, 1]; positive where the network is overconfident."""
    predicted, observed = _checked(confidence, correct)
    return float(predicted.mean() - observed.mean())


def risk_coverage_curve(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Error rate of the k most confident predictions, for k = 1..n: coverage k/n and risk, (n,).

    What a network that may decline to answer gains by it (El-Yaniv & Wiener, JMLR 2010). Equal
    confidences are not told apart: each counts as the fraction of them that is wrong, which is the
    risk expected over all orders of the tie.
    """
    _, hit = _in_order(confidence, correct)
    answered = np.arange(1, hit.size + 1)
    return answered / hit.size, np.cumsum(1 - hit[::-1]) / answered


def aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the risk–coverage curve, the mean of its n risks, in [0, 1]; 0 is best.

    Geifman et al., ICLR 2019. It asks whether confidence ranks right above wrong, and is blind to
    its scale: where all confidences are equal, it is the error rate.

    >>> round(aurc([0.9, 0.8, 0.7], [True, True, False]), 3)  # (0 + 0 + 1/3) / 3
    0.111
    """
    return float(risk_coverage_curve(confidence, correct)[1].mean())


def _in_order(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Confidence, ascending, and correctness, the mean of all examples with that confidence."""
    predicted, observed = _checked(confidence, correct)
    levels, level, count = np.unique(predicted, return_inverse=True, return_counts=True)
    shared = np.bincount(level, weights=observed) / count
    return np.repeat(levels, count), np.repeat(shared, count)


def _checked(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    predicted = checks.confidences(confidence, "confidence")
    return predicted, checks.hits(correct, "correct", predicted.size)
