"""Could a calibrated network have given these hits? Tests of calibration, without bins.

Each weighs the null hypothesis that every prediction is right with just the probability that its
confidence says, correct_i ~ Bernoulli(c_i) independently. A small P says that confidence and
accuracy disagree by more than chance; not by how much, which is what the errors of
`analysis.metrics.calibration` are for: with enough examples every network is found out.

    spiegelhalter_test        the Brier score against what it would be if calibrated
    kolmogorov_smirnov_test   the largest sum of residuals from the lowest confidence up
    kuiper_test               the largest sum of residuals in any interval of confidence

All take `confidence` (n,), in [0, 1], and `correct` (n,), boolean or 0/1. P holds for many
examples. Of 4,000 calibrated networks with confidences from Beta(5, 2), P < .05 found out 5.4, 4.0
and 2.9 % by 100 examples each and 5.3, 5.3 and 5.0 % by 1,000; an overconfidence of .05 was found
in 69, 68 and 65 % by 500 and 93, 92 and 92 % by 1,000. A P that underflows is the smallest positive
number.

`ValueError` where an argument does not fit, or where the confidences leave nothing to chance and so
nothing to test.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks

_SMALLEST_P = float(np.nextafter(0.0, 1.0))
_TERMS = np.arange(64)  # of each series, where the one that falls faster is taken


@dataclass(frozen=True)
class CalibrationTest:
    """What a test found."""

    statistic: float  # in units of its null distribution
    p: float  # of as much or more under calibration, in (0, 1]


def spiegelhalter_test(confidence: ArrayLike, correct: ArrayLike) -> CalibrationTest:
    """Z = Σ (y − c)(1 − 2c) / √Σ (1 − 2c)² c(1 − c), standard normal if calibrated; P two-sided.

    Spiegelhalter, Stat. Med. 5, 421–433 (1986). The numerator is n times the Brier score Σ(y − c)²
    less its mean under calibration: Z is positive where the score is worse than the confidences
    promise, as of an overconfident network whose confidences lie above ½, and negative where it is
    better. It is blind to errors that leave the Brier score as promised, and to all at c = ½.
    """
    predicted, observed = _checked(confidence, correct)
    lean = 1 - 2 * predicted
    variance = float((lean**2 * predicted * (1 - predicted)).sum())
    if variance <= 0:
        raise ValueError("confidence is 0, ½ or 1 throughout, of which this test can say nothing")
    z = float((lean * (observed - predicted)).sum()) / math.sqrt(variance)
    return CalibrationTest(z, _at_least(math.erfc(abs(z) / math.sqrt(2))))


def cumulative_errors(confidence: ArrayLike, correct: ArrayLike) -> tuple[float, float]:
    """Largest |sum of residuals| over n, from the lowest confidence up and over any interval.

    With C_k = (1/n) Σ_{i≤k} (y_i − c_i) in the order of confidence and C_0 = 0, max_k |C_k| and
    max_k C_k − min_k C_k, each in [0, 1]: ECCE-MAD and ECCE-R, the estimated cumulative calibration
    errors of Arrieta-Ibarra et al., JMLR 23, 351 (2022), section 2. The second lies between the
    first and its double. C is read only where the confidence changes, so that no result
    depends on the order of the examples.
    """
    sums = _sums(*_checked(confidence, correct))
    n = np.asarray(confidence).size
    return float(np.abs(sums).max() / n), float(np.ptp(sums) / n)


def kolmogorov_smirnov_test(confidence: ArrayLike, correct: ArrayLike) -> CalibrationTest:
    """max_k |C_k| over √Σ c(1 − c) / n: if calibrated, the largest |B(t)| of a Brownian motion.

    `cumulative_errors` has C. P is that of t in [0, 1]; the steps that C makes miss some of the
    motion's peaks, more so where confidences are equal, and P is then too large, never too small.
    """
    predicted, observed = _checked(confidence, correct)
    scale = _scale(predicted)
    largest = float(np.abs(_sums(predicted, observed)).max()) / scale
    return CalibrationTest(largest, _at_least(_beyond_maximum(largest)))


def kuiper_test(confidence: ArrayLike, correct: ArrayLike) -> CalibrationTest:
    """max_k C_k − min_k C_k over √Σ c(1 − c) / n: if calibrated, the range of a Brownian motion.

    As `kolmogorov_smirnov_test`, which it beats where over- and underconfident regions follow each
    other; where the network errs to one side throughout, it is a little weaker.
    """
    predicted, observed = _checked(confidence, correct)
    scale = _scale(predicted)
    spread = float(np.ptp(_sums(predicted, observed))) / scale
    return CalibrationTest(spread, _at_least(_beyond_range(spread)))


def _sums(predicted: NDArray[np.float64], observed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums of residuals up to each distinct confidence, ascending, from 0: (levels + 1,)."""
    levels, level = np.unique(predicted, return_inverse=True)
    residuals = np.bincount(level, weights=observed - predicted, minlength=levels.size)
    return np.concatenate([[0.0], np.cumsum(residuals)])


def _scale(predicted: NDArray[np.float64]) -> float:
    """Standard deviation of the sum of all residuals, if calibrated."""
    variance = float((predicted * (1 - predicted)).sum())
    if variance <= 0:
        raise ValueError("confidence is 0 or 1 throughout, which leaves nothing to chance")
    return math.sqrt(variance)


def _beyond_maximum(x: float) -> float:
    """P(max |B(t)| > x), t in [0, 1]: by reflection, or for small x by Fourier series.

    Feller, An Introduction to Probability Theory II (1971), X.5.
    """
    from scipy.special import ndtr

    odd, sign = 2 * _TERMS + 1, (-1.0) ** _TERMS
    if x >= 1:
        return float(4 * (sign * ndtr(-odd * x)).sum())
    if x <= 0:
        return 1.0
    return float(1 - 4 / np.pi * (sign / odd * np.exp(-((odd * np.pi / x) ** 2) / 8)).sum())


def _beyond_range(x: float) -> float:
    """P(max B(t) − min B(t) > x), t in [0, 1].

    Feller, Ann. Math. Stat. 22, 427–432 (1951): the integral of his density, and for small x the
    series that its theta function turns into.
    """
    from scipy.special import ndtr

    if x >= 1.5:
        k = _TERMS + 1
        return float(8 * (-((-1.0) ** k) * k * ndtr(-k * x)).sum())
    if x <= 0:
        return 1.0
    square = ((2 * _TERMS + 1) * np.pi) ** 2
    return float(1 - (8 * (1 / x**2 + 1 / square) * np.exp(-square / (2 * x**2))).sum())


def _at_least(p: float) -> float:
    return min(max(p, _SMALLEST_P), 1.0)


def _checked(
    confidence: ArrayLike, correct: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    predicted = checks.confidences(confidence, "confidence")
    return predicted, checks.hits(correct, "correct", predicted.size)
