"""Calibration after training, the cheap alternative that warm-up is compared with.

`METHODS` holds, by name, functions fit(logits, labels) → a frozen calibration, whose call maps
logits (m, classes) to what the method calibrates:

    none              the softmax itself                                probabilities (m, classes)
    temperature       softmax(z/T), T of eight by ECE: the authors'     probabilities
    temperature_nll   softmax(z/T), T > 0 by likelihood                 probabilities
    vector            softmax(w·z + b), a scale and a bias per class    probabilities
    matrix            softmax(W z + b), with ODIR                       probabilities
    isotonic          a rising curve                                    confidence (m,)
    histogram         a step per bin                                    confidence (m,)

The last two move the confidence of the predicted class alone: the prediction stays, and there is
no likelihood. `posthoc_calibration` fits each on one half of a test set and reports on the other,
as Cheon & Paik, Nature Machine Intelligence 8, 602–613 (2026), DOI 10.1038/s42256-026-01215-x, do.

Logits (n, classes) and labels (n,) are those of `analysis.metrics.classification`, which says what
raises `ValueError`. Nothing is random but the split, by its seed. All seven together take 0.1 to
0.2 s for 10,000 logits of 10 classes on one CPU core.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks
from analysis.metrics.calibration import bin_of, expected_calibration_error, reliability_diagram
from analysis.metrics.classification import (
    confidence_and_correct,
    labelled,
    log_softmax,
    negative_log_likelihood,
    softmax,
)

#: The temperatures that the authors choose from.
TEMPERATURES = (1.0, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0)

_MATRIX_CLASSES = 100  # 65,792 parameters for bytes would take 10 s a trial
_ODIR_EXAMPLES = 5000.0  # λ = μ = 1 on the half of a test set of 10,000
_ITERATIONS = 200  # of L-BFGS; separable halves have no optimum, and would go on for ever
_ROUNDING = 8 * float(np.finfo(np.float64).eps)  # of a slope among numbers up to 1
_SMALLEST = float(np.finfo(np.float64).tiny)


class NoOptimum(ValueError):
    """No temperature is the most likely one, and none is made up."""


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


@dataclass(frozen=True)
class PosthocResult:
    """What a calibration fitted on one half of the examples makes of the other half."""

    ece: float  # 10 equal bins, for all methods
    nll: float | None  # nats per example; None where only the confidence is calibrated
    accuracy: float
    confidence: float  # mean


def fit_none(logits: ArrayLike, labels: ArrayLike) -> Temperature:
    """The network as it is, to stand beside the others."""
    labelled(logits, labels)
    return Temperature(1.0)


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> Temperature:
    """The T of `TEMPERATURES` with the lowest ECE (10 bins), the smallest where several tie."""
    scores, classes = labelled(logits, labels)
    errors = [
        expected_calibration_error(*confidence_and_correct(scores / temperature, classes))
        for temperature in TEMPERATURES
    ]
    return Temperature(TEMPERATURES[int(np.argmin(errors))])


def fit_temperature_nll(logits: ArrayLike, labels: ArrayLike) -> Temperature:
    """The T > 0 with the highest likelihood (Guo et al., ICML 2017), to ten digits at any scale.

    The likelihood is concave in β = 1/T, so that its optimum is where the slope in β,
    Σ_k p_k·z_k − z_label in the mean, vanishes. `NoOptimum` where it never does: with every
    prediction right, the likelihood rises as T → 0; where the logits say less of the labels than
    none would, as T → ∞.
    """
    from scipy.optimize import brentq

    scores, classes = labelled(logits, labels)
    beyond = scores - scores[np.arange(classes.size), classes][:, np.newaxis]
    if beyond.max() <= 0:
        raise NoOptimum("labels are all predicted right: the lower T, the higher the likelihood")
    scale = float(np.abs(beyond).max())
    beyond /= scale

    def slope(beta: float) -> float:
        return float((softmax(beta * beyond) * beyond).sum(axis=1).mean())

    if slope(0.0) >= -_ROUNDING:
        raise NoOptimum("logits say nothing of the labels: the higher T, the higher the likelihood")
    low = high = 1.0
    while slope(low) >= 0:
        low, high = low / 2, low
    while slope(high) < 0:
        low, high = high, high * 2
    beta = brentq(slope, low, high, xtol=_SMALLEST, rtol=1e-12)  # type: ignore[no-untyped-call]
    return Temperature(scale / float(beta))


def fit_vector(logits: ArrayLike, labels: ArrayLike) -> VectorScaling:
    """Scale and bias per class by maximum likelihood from (1, 0), by L-BFGS (Guo et al. 2017).

    Where the classes can be parted without an error there is no optimum: then what is returned is
    what 200 iterations reach, surer than any calibration should be.
    """
    scores, classes = labelled(logits, labels)
    k = scores.shape[1]

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, bias = parameters.reshape(2, k)
        nll, slope = _cross_entropy(scores * scale + bias, classes)
        return nll, np.concatenate([(slope * scores).sum(axis=0), slope.sum(axis=0)])

    scale, bias = _minimum(loss, np.repeat([1.0, 0.0], k)).reshape(2, k)
    return VectorScaling(scale, bias)


def fit_matrix(logits: ArrayLike, labels: ArrayLike) -> MatrixScaling:
    """W and b by penalised maximum likelihood, by L-BFGS from the best temperature, (I/T, 0).

    The penalty on W' = T·W and b, beside the mean cross-entropy of n examples in k classes, is
    ODIR, off-diagonal and intercept regularisation (Kull et al., NeurIPS 2019),

        λ/(k(k − 1)) · Σ_{i≠j} W'_ij² + μ/k · Σ_j b_j²,   λ = μ = 5000/n

    Kull et al. penalise W itself and cross-validate λ and μ. Here T takes the logits' scale out
    and the penalty is a prior of fixed weight, so that one λ serves any network and any n.
    `NoOptimum` where there is no such T.
    """
    scores, classes = labelled(logits, labels)
    temperature = fit_temperature_nll(scores, classes).temperature
    scores = scores / temperature
    k, weight = scores.shape[1], _ODIR_EXAMPLES / classes.size
    off_diagonal = (1 - np.eye(k)) / max(k * (k - 1), 1)
    strength = weight * np.hstack([off_diagonal, np.full((k, 1), 1 / k)])

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = parameters.reshape(k, k + 1)  # the last column is b
        nll, slope = _cross_entropy(scores @ weights[:, :k].T + weights[:, k], classes)
        gradient = np.hstack([slope.T @ scores, slope.sum(axis=0)[:, np.newaxis]])
        penalty = float((strength * weights**2).sum())
        return nll + penalty, (gradient + 2 * strength * weights).ravel()

    weights = _minimum(loss, np.eye(k, k + 1).ravel()).reshape(k, k + 1)
    return MatrixScaling(weights[:, :k] / temperature, weights[:, k])


def fit_isotonic(logits: ArrayLike, labels: ArrayLike) -> Isotonic:
    """The rising curve nearest to correctness in least squares (Zadrozny & Elkan, KDD 2002)."""
    from sklearn.isotonic import IsotonicRegression

    confidence, correct = confidence_and_correct(logits, labels)
    curve = IsotonicRegression().fit(  # type: ignore[no-untyped-call]  # scikit-learn has no types
        confidence, correct.astype(np.float64)
    )
    return Isotonic(curve.X_thresholds_, curve.y_thresholds_)


def fit_histogram(logits: ArrayLike, labels: ArrayLike) -> Histogram:
    """The accuracy in each of 10 equal bins; an empty bin answers with its middle.

    Zadrozny & Elkan, ICML 2001, of the predicted class as in Guo et al. 2017.
    """
    diagram = reliability_diagram(*confidence_and_correct(logits, labels))
    middle = (diagram.edges[:-1] + diagram.edges[1:]) / 2
    return Histogram(np.where(diagram.count > 0, diagram.accuracy, middle))


METHODS: Mapping[str, Callable[[ArrayLike, ArrayLike], Calibration]] = MappingProxyType(
    {
        "none": fit_none,
        "temperature": fit_temperature,
        "temperature_nll": fit_temperature_nll,
        "vector": fit_vector,
        "matrix": fit_matrix,
        "isotonic": fit_isotonic,
        "histogram": fit_histogram,
    }
)


def posthoc_calibration(
    logits: ArrayLike, labels: ArrayLike, seed: int
) -> dict[str, PosthocResult]:
    """Every method of `METHODS`, fitted on one half of the examples and measured on the other.

    The seed alone decides the split, so that both arms of a pair are parted alike; of an odd number
    the measured half has one more. Matrix scaling, of classes² + classes parameters, is left out
    beyond 100 classes, and a method that has no optimum on its half is left out too. ValueError
    where there are fewer than two examples.
    """
    scores, classes = labelled(logits, labels)
    if classes.size < 2:
        raise ValueError("one example cannot be split into a half to fit and a half to report")
    order = np.random.default_rng(checks.whole(seed, "seed", least=0)).permutation(classes.size)
    fitting, reporting = np.split(order, [classes.size // 2])
    results = {}
    for name, fit in METHODS.items():
        if name == "matrix" and scores.shape[1] > _MATRIX_CLASSES:
            continue
        with suppress(NoOptimum):
            calibration = fit(scores[fitting], classes[fitting])
            results[name] = _measured(calibration, scores[reporting], classes[reporting])
    return results


def _measured(
    calibration: Calibration, scores: NDArray[np.float64], classes: NDArray[np.integer]
) -> PosthocResult:
    nll: float | None
    if isinstance(calibration, LogitCalibration):
        scores = calibration.logits(scores)
        confidence, correct = confidence_and_correct(scores, classes)
        nll = negative_log_likelihood(scores, classes)
    else:
        confidence, correct = calibration(scores), confidence_and_correct(scores, classes)[1]
        nll = None
    return PosthocResult(
        ece=expected_calibration_error(confidence, correct),
        nll=nll,
        accuracy=float(correct.mean()),
        confidence=float(confidence.mean()),
    )


def _confidence(logits: ArrayLike) -> NDArray[np.float64]:
    confidence: NDArray[np.float64] = softmax(logits).max(axis=-1)
    return confidence


def _cross_entropy(
    scores: NDArray[np.float64], classes: NDArray[np.integer]
) -> tuple[float, NDArray[np.float64]]:
    """Mean cross-entropy and its gradient with respect to the scores, (softmax − one-hot) / n."""
    log_probabilities = log_softmax(scores)
    own = np.arange(classes.size), classes
    nll = -float(log_probabilities[own].mean())
    slope = np.exp(log_probabilities)
    slope[own] -= 1
    return nll, slope / classes.size


def _minimum(
    loss: Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64]]],
    start: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Where a smooth function, given with its gradient, is lowest; never above its start."""
    from scipy.optimize import minimize

    outcome = minimize(  # type: ignore[no-untyped-call]  # SciPy has no types
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS, "ftol": 1e-10}
    )
    parameters: NDArray[np.float64] = outcome.x
    return parameters
