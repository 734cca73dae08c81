"""From logits to probabilities, confidence, accuracy and likelihood.

Everything is computed in float64, and logits of 1e4 or more neither overflow nor lose their loss.
All raise `ValueError` where logits and labels do not fit or a logit is not finite, infinite ones
among them: a diverged network has no accuracy.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks


def log_softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Log-probabilities of the classes, in nats: z − max z − log Σ exp(z − max z).

    logits: (..., classes); the result has the same shape.
    """
    shifted = _shifted(logits)
    log_probabilities: NDArray[np.float64] = shifted - np.log(
        np.exp(shifted).sum(axis=-1, keepdims=True)
    )
    return log_probabilities


def softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Probabilities of the classes: exp(z) / Σ exp(z).

    logits: (..., classes); the result has the same shape and sums to 1 over the last axis.
    """
    # a division, not exp(log_softmax): C equal logits must give exactly 1/C, which is a bin's edge
    exponentials = np.exp(_shifted(logits))
    probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def confidence_and_correct(
    logits: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence and correctness of each prediction, what `analysis.metrics.calibration` asks for.

    logits: (n, classes); labels: (n,) integer class ids. Returns the confidence (n,), which is the
    largest softmax probability, in [1/classes, 1], and whether the class that has it (the first
    where several tie) is the label, (n,) bool.
    """
    scores, classes = labelled(logits, labels)
    return softmax(scores).max(axis=1), scores.argmax(axis=1) == classes


def accuracy(logits: ArrayLike, labels: ArrayLike) -> float:
    """Fraction of examples whose largest logit is the label's, in [0, 1].

    logits: (n, classes); labels: (n,) integer class ids.
    """
    scores, classes = labelled(logits, labels)
    return float((scores.argmax(axis=1) == classes).mean())


def negative_log_likelihood(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean cross-entropy −(1/n) Σ log p(label), in nats per example.

    logits: (n, classes); labels: (n,) integer class ids.
    """
    scores, classes = labelled(logits, labels)
    return float(-log_softmax(scores)[np.arange(classes.size), classes].mean())


def _shifted(logits: ArrayLike) -> NDArray[np.float64]:
    """Logits less their row's largest, so that no exponential overflows."""
    scores = checks.numbers(logits, "logits")
    if scores.ndim == 0:
        raise ValueError("logits must have an axis of classes, and are a single number")
    shifted: NDArray[np.float64] = scores - scores.max(axis=-1, keepdims=True)
    return shifted


def labelled(
    logits: ArrayLike, labels: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
    """Logits (n, classes) and labels (n,), checked against each other."""
    scores = checks.matrix(logits, "logits")
    return scores, checks.labels(labels, *scores.shape)
