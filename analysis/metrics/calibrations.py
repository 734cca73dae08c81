"""What the methods of `posthoc` have learnt: frozen maps from logits to calibrated forecasts.

Each is called with logits (m, classes), any numbers that are finite, and answers with probabilities
(m, classes) or, where it moves the confidence of the predicted class alone, with that (m,).
`ValueError` where the logits are no such array.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks
from analysis.metrics.calibration import bin_of
from analysis.metrics.classification import log_softmax, softmax


class NoOptimum(ValueError):
    """No setting is the most likely one, and none is made up."""


class Calibration(ABC):
    """What a method has learnt from its half."""

    @abstractmethod
    def __call__(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Logits (m, classes) to probabilities (m, classes) or to confidence (m,)."""


class LogitCalibration(Calibration):
    """A map from logits to logits, and so to probabilities."""

    @abstractmethod
    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Calibrated logits (m, classes): unlike their softmax, they never underflow."""

    def __call__(self, logits: ArrayLike) -> NDArray[np.float64]:
        return softmax(self.logits(logits))


@dataclass(frozen=True)
class Temperature(LogitCalibration):
    """softmax(z/T): a larger T is less confident, and no T changes a prediction."""

    temperature: float

    def __post_init__(self) -> None:
        checks.positive(self.temperature, "temperature")

    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        return checks.numbers(logits, "logits") / self.temperature


@dataclass(frozen=True, eq=False)
class VectorScaling(LogitCalibration):
    """softmax(w·z + b), elementwise."""

    scale: NDArray[np.float64]  # (classes,)
    bias: NDArray[np.float64]  # (classes,)

    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        return checks.numbers(logits, "logits") * self.scale + self.bias


@dataclass(frozen=True, eq=False)
class MatrixScaling(LogitCalibration):
    """softmax(W z + b)."""

    weights: NDArray[np.float64]  # (classes, classes)
    bias: NDArray[np.float64]  # (classes,)

    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        return checks.numbers(logits, "logits") @ self.weights.T + self.bias


@dataclass(frozen=True, eq=False)
class Isotonic(Calibration):
    """Confidence, linear between the knots of a rising curve and clipped outside them."""

    knots: NDArray[np.float64]  # (k,), ascending
    values: NDArray[np.float64]  # (k,), ascending, in [0, 1]

    def __call__(self, logits: ArrayLike) -> NDArray[np.float64]:
        return np.interp(_confidence(logits), self.knots, self.values)


@dataclass(frozen=True, eq=False)
class Histogram(Calibration):
    """Confidence, one value for each bin of confidences."""

    values: NDArray[np.float64]  # (bins,), in [0, 1]

    def __call__(self, logits: ArrayLike) -> NDArray[np.float64]:
        return self.values[bin_of(_confidence(logits), self.values.size)]


@dataclass(frozen=True, eq=False)
class Dirichlet(LogitCalibration):
    """softmax(W ln p + b), with p the softmax."""

    weights: NDArray[np.float64]  # (classes, classes)
    bias: NDArray[np.float64]  # (classes,)

    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        return log_softmax(logits) @ self.weights.T + self.bias


@dataclass(frozen=True, eq=False)
class TemperatureEnsemble(LogitCalibration):
    """w₁ softmax(z/T) + w₂ softmax(z) + w₃/classes: no mixture changes a prediction."""

    temperature: float
    weights: NDArray[np.float64]  # (3,), at least 0, of sum 1

    def logits(self, logits: ArrayLike) -> NDArray[np.float64]:
        """The log-probabilities, which are calibrated logits."""
        with np.errstate(divide="ignore"):  # a part of weight 0 has the log-probability −∞
            shares = np.log(self.weights)
        parts = self.parts(logits)
        logs: NDArray[np.float64] = np.logaddexp.reduce(
            [share + part for share, part in zip(shares, parts, strict=True)]
        )
        return logs

    def parts(self, logits: ArrayLike) -> NDArray[np.float64]:
        """Log-probabilities of the three that are mixed, (3, m, classes)."""
        own = log_softmax(logits)
        uniform = np.full_like(own, -np.log(own.shape[-1]))
        return np.stack([log_softmax(own / self.temperature), own, uniform])


@dataclass(frozen=True)
class Beta(Calibration):
    """Confidence s, as the sigmoid of a ln s − b ln(1 − s) + c."""

    a: float  # at least 0
    b: float  # at least 0
    c: float

    def __call__(self, logits: ArrayLike) -> NDArray[np.float64]:
        from scipy.special import expit

        confidence: NDArray[np.float64] = expit(self.features(logits) @ [self.a, self.b] + self.c)
        return confidence

    @staticmethod
    def features(logits: ArrayLike) -> NDArray[np.float64]:
        """ln s and −ln(1 − s), (m, 2): 1 − s is the others' sum, and so not 0 where s rounds to 1.

        A row without others, of one class, is refused.
        """
        logs = np.sort(log_softmax(checks.matrix(logits, "logits")), axis=1)
        if logs.shape[1] == 1:
            raise ValueError("logits must have two classes or more: of one, the confidence is 1")
        return np.stack([logs[:, -1], -np.logaddexp.reduce(logs[:, :-1], axis=1)], axis=1)


def _confidence(logits: ArrayLike) -> NDArray[np.float64]:
    confidence: NDArray[np.float64] = softmax(logits).max(axis=-1)
    return confidence
