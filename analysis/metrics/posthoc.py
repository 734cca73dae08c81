"""Calibration after training, the cheap alternative that warm-up is compared with.

`METHODS` holds, by name, functions fit(logits, labels) → a frozen calibration, whose call maps
logits (m, classes) to what the method calibrates:

    none                 the softmax itself                             probabilities (m, classes)
    temperature          softmax(z/T), T of eight by ECE: the authors'  probabilities
    temperature_nll      softmax(z/T), T > 0 by likelihood              probabilities
    temperature_ensemble a mixture of it, the softmax and chance        probabilities
    vector               softmax(w·z + b), a scale and a bias a class   probabilities
    vector_penalised     the same, held near the temperature            probabilities
    matrix               softmax(W z + b), with ODIR                    probabilities
    dirichlet            softmax(W ln p + b), with ODIR                 probabilities
    isotonic             a rising curve                                 confidence (m,)
    histogram            a step per bin                                 confidence (m,)
    beta                 a rising curve of three parameters             confidence (m,)

The last three move the confidence of the predicted class alone: the prediction stays, and there is
no likelihood. `posthoc_calibration` fits each on one half of a test set and reports on the other,
as Cheon & Paik, Nature Machine Intelligence 8, 602–613 (2026), DOI 10.1038/s42256-026-01215-x, do.

Logits (n, classes) and labels (n,) are those of `analysis.metrics.classification`, which says what
raises `ValueError`. Nothing is random but the split, by its seed. All together take half
a second for 10,000 logits of 10 classes on one CPU core.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks
from analysis.metrics.calibration import expected_calibration_error, reliability_diagram
from analysis.metrics.calibrations import (
    Calibration,
    Histogram,
    Isotonic,
    LogitCalibration,
    NoOptimum,
    Temperature,
)
from analysis.metrics.classification import (
    confidence_and_correct,
    labelled,
    negative_log_likelihood,
)
from analysis.metrics.likelihood import (
    fit_beta,
    fit_dirichlet,
    fit_matrix,
    fit_temperature_ensemble,
    fit_temperature_nll,
    fit_vector,
    fit_vector_penalised,
)

#: The temperatures that the authors choose from.
TEMPERATURES = (1.0, 1.05, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0)

_OF_SQUARES = ("matrix", "dirichlet")  # that have classes² + classes parameters
_SQUARE_CLASSES = 100  # 65,792 parameters for bytes would take 10 s a trial


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
        "temperature_ensemble": fit_temperature_ensemble,
        "vector": fit_vector,
        "vector_penalised": fit_vector_penalised,
        "matrix": fit_matrix,
        "dirichlet": fit_dirichlet,
        "isotonic": fit_isotonic,
        "histogram": fit_histogram,
        "beta": fit_beta,
    }
)


def posthoc_calibration(
    logits: ArrayLike, labels: ArrayLike, seed: int
) -> dict[str, PosthocResult]:
    """Every method of `METHODS`, fitted on one half of the examples and measured on the other.

    The seed alone decides the split, so that both arms of a pair are parted alike; of an odd number
    the measured half has one more. Matrix scaling and Dirichlet's, of classes² + classes
    parameters, are left out beyond 100 classes, and a method that has no optimum on its half is
    left out too. ValueError where there are fewer than two examples.
    """
    scores, classes = labelled(logits, labels)
    if classes.size < 2:
        raise ValueError("one example cannot be split into a half to fit and a half to report")
    order = np.random.default_rng(checks.whole(seed, "seed", least=0)).permutation(classes.size)
    fitting, reporting = np.split(order, [classes.size // 2])
    results = {}
    for name, fit in METHODS.items():
        if name in _OF_SQUARES and scores.shape[1] > _SQUARE_CLASSES:
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
