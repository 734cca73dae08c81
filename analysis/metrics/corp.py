"""Reliability without bins (CORP), and what of a score is miscalibration.

The binary event is "the prediction is right", its forecast the confidence. The rising curve nearest
to the hits in mean square, found by pooling adjacent violators, is what accuracy each confidence
stands for: consistent, optimally binned, reproducible (Dimitriadis, Gneiting & Jordan, PNAS 118,
e2016191118, 2021). No number of bins is chosen, and the order of the examples does not matter.

All take `confidence` (n,), in [0, 1], and `correct` (n,), boolean or 0/1; what raises `ValueError`
is what does in `analysis.metrics.calibration`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks


@dataclass(frozen=True, eq=False)
class CorpCurve:
    """The recalibrated curve, a value for each distinct confidence."""

    confidence: NDArray[np.float64]  # (levels,), ascending
    recalibrated: NDArray[np.float64]  # (levels,), ascending, in [0, 1]
    count: NDArray[np.int64]  # (levels,), examples


@dataclass(frozen=True, eq=False)
class ConsistencyBand:
    """Where the curve of a calibrated network with the same confidences would lie."""

    confidence: NDArray[np.float64]  # (levels,), ascending
    low: NDArray[np.float64]  # (levels,)
    high: NDArray[np.float64]  # (levels,)


@dataclass(frozen=True)
class ScoreDecomposition:
    """A mean score and its parts: score = miscalibration − discrimination + uncertainty."""

    score: float  # 0 is best
    miscalibration: float  # MCB, what recalibrating would save; ≥ 0, 0 is best
    discrimination: float  # DSC, what confidences tell beyond the accuracy; ≥ 0, larger is better
    uncertainty: float  # UNC, the score of forecasting the accuracy for all


def corp_curve(confidence: ArrayLike, correct: ArrayLike) -> CorpCurve:
    """The rising curve nearest to the hits, by pooling adjacent violators.

    It lies on the diagonal where calibrated. In its first and last steps it is drawn to 0 and 1, as
    any curve that is fitted to its own hits: judge it by `consistency_band`.
    """
    levels, level, count = _levels(confidence)
    hits = checks.hits(correct, "correct", level.size)
    accuracy = np.bincount(level, weights=hits, minlength=levels.size) / count
    return CorpCurve(levels, _rising(accuracy, count), count)


def consistency_band(
    confidence: ArrayLike, level: float = 0.9, draws: int = 100, seed: int = 0
) -> ConsistencyBand:
    """Pointwise band of `level` around the diagonal: the curves of calibrated hits.

    Hits are drawn as Bernoulli(confidence), `draws` times, with the confidences as they are, and
    each set has its curve; low and high are the quantiles (1 ± level)/2 of these at each confidence
    (the resampling under calibration of Dimitriadis et al. 2021). Of a calibrated network's curve
    1 − level lies outside on average, not never. The same seed gives the same band; it takes 0.3 s
    for 10,000 confidences.
    """
    levels, _, count = _levels(confidence)
    checks.fraction(level, "level")
    checks.whole(draws, "draws")
    generator = np.random.default_rng(checks.whole(seed, "seed", least=0))
    chances = np.repeat(levels, count)  # in order, so that the band does not depend on it
    starts = np.cumsum(count) - count
    curves = np.empty((draws, levels.size))
    for curve in curves:
        hits = np.add.reduceat(generator.random(chances.size) < chances, starts, dtype=np.int64)
        curve[:] = _rising(hits / count, count)
    low, high = np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return ConsistencyBand(levels, low, high)


def score_decomposition(
    confidence: ArrayLike, correct: ArrayLike, score: Literal["brier", "log"] = "brier"
) -> ScoreDecomposition:
    """Mean score S of the confidences as MCB − DSC + UNC, exact to rounding.

        MCB = S(confidence) − S(recalibrated)     "brier": (c − y)², in [0, 1]
        DSC = S(accuracy) − S(recalibrated)       "log":   −y ln c − (1 − y) ln(1 − c), nats
        UNC = S(accuracy)

    (Dimitriadis et al. 2021), with the curve of `corp_curve` and the overall accuracy. The curve is
    the best of all rising ones by either score, so that neither part is negative. Both are biased
    upwards, as the curve is fitted to the hits that it is scored by: of a calibrated network of
    1,000 examples, MCB is about .005 by the Brier score.

    By the log score a confidence of exactly 1 that is wrong, or of 0 that is right, has infinite
    costs: then the score and MCB are infinite, and DSC and UNC are not. Nothing is clipped.
    """
    if score not in ("brier", "log"):
        raise ValueError(f"score must be brier or log, not {score!r}")
    curve = corp_curve(confidence, correct)
    hits = np.asarray(correct, dtype=np.float64)
    predicted = np.asarray(confidence, dtype=np.float64)
    recalibrated = curve.recalibrated[np.searchsorted(curve.confidence, predicted)]
    mean = _brier if score == "brier" else _log
    own, best = mean(predicted, hits), mean(recalibrated, hits)
    uncertainty = mean(np.full(hits.size, hits.mean()), hits)
    # what rounding leaves below 0 is 0
    return ScoreDecomposition(own, max(own - best, 0.0), max(uncertainty - best, 0.0), uncertainty)


def _brier(forecast: NDArray[np.float64], hits: NDArray[np.float64]) -> float:
    return float(((forecast - hits) ** 2).mean())


def _log(forecast: NDArray[np.float64], hits: NDArray[np.float64]) -> float:
    from scipy.special import xlog1py, xlogy  # of which 0 · ln 0 is 0

    return float(-(xlogy(hits, forecast) + xlog1py(1 - hits, -forecast)).mean())


def _levels(
    confidence: ArrayLike,
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.int64]]:
    """The distinct confidences, which of them each example has, and how many have each."""
    predicted = checks.confidences(confidence, "confidence")
    return np.unique(predicted, return_inverse=True, return_counts=True)


def _rising(accuracy: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.float64]:
    from scipy.optimize import isotonic_regression  # type: ignore[attr-defined]  # no types

    # twice as fast as scikit-learn's, and the same; a mean of numbers up to 1 may round above it
    fitted: NDArray[np.float64] = isotonic_regression(accuracy, weights=count).x
    return np.clip(fitted, 0.0, 1.0)
