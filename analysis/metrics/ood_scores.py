"""Scores of inputs by how in-distribution they look to a network: higher = more in-distribution.

`LOGIT_SCORES` holds, by name, those that need the logits (n, classes) alone:

    msp         max softmax(z/T)                     Hendrycks & Gimpel, ICLR 2017
    energy      T · logsumexp(z/T)                   Liu et al., NeurIPS 2020 (minus the energy)
    max_logit   max z                                Hendrycks et al., ICML 2022
    entropy     Σ p log p                            minus the entropy, in nats
    gen         −Σ p^γ (1 − p)^γ, largest M of p     Liu et al., CVPR 2023

`ood_detection` measures them all, and the softmax at a tuned temperature, as Cheon & Paik, Nature
Machine Intelligence 8, 602–613 (2026), DOI 10.1038/s42256-026-01215-x, do. ODIN's scores need the
live network: where a probe recorded them, `analysis.metrics.detection.tuned_detection` tunes them
alike.

`mahalanobis`, `nearest_neighbour` and `vim` look at penultimate features (n, width), what the last
linear layer takes, and know the training set's; `ood_feature_scores` has more of them. Everything
returns (n,), in float64; `ValueError` where shapes do not fit or a number is not finite: a diverged
network detects nothing; `checks.Undefined` where a score has no value for what is given.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from analysis.metrics import checks
from analysis.metrics.classification import log_softmax, softmax
from analysis.metrics.detection import Detection, tuned_detection

#: The temperatures that the paper chooses from.
TEMPERATURES = (1.5, 2.0, 5.0, 10.0, 20.0)

_BLOCK = 256  # inputs


def msp(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Maximum softmax probability of the logits over T, in [1/classes, 1].

    It is exactly 1, and such inputs tie, where the largest logit leads by more than about 37·T.
    """
    confidence: NDArray[np.float64] = softmax(_over(logits, temperature)).max(axis=1)
    return confidence


def energy(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """T · logsumexp(z/T): the energy of Liu et al., NeurIPS 2020, with its sign turned.

    Between max z, for T → 0, and max z + T · ln(classes).
    """
    scores: NDArray[np.float64] = temperature * logsumexp(_over(logits, temperature), axis=1)
    return scores


def max_logit(logits: ArrayLike) -> NDArray[np.float64]:
    """The largest logit."""
    scores: NDArray[np.float64] = checks.matrix(logits, "logits").max(axis=1)
    return scores


def negative_entropy(logits: ArrayLike) -> NDArray[np.float64]:
    """Σ p log p of the softmax, in nats, in [−ln(classes), 0]."""
    log_probabilities = log_softmax(checks.matrix(logits, "logits"))
    scores: NDArray[np.float64] = (np.exp(log_probabilities) * log_probabilities).sum(axis=1)
    return scores


def gen(logits: ArrayLike, gamma: float = 0.1, largest: int = 100) -> NDArray[np.float64]:
    """Generalised entropy, −Σ p^γ (1 − p)^γ over the `largest` probabilities (M in the paper).

    Liu, Lochman & Zach, CVPR 2023; γ = 0.1 and M = 100 are theirs. Where there are M classes or
    fewer, all count. A small γ makes much of the small probabilities, which entropy neglects: so p
    and 1 − p are taken by their logarithms, the largest p's 1 − p as the sum of all others, for a
    difference of 10⁻²⁰ is none between numbers near 1, and to the power of γ it is .01.
    """
    checks.fraction(gamma, "gamma")
    checks.whole(largest, "largest")
    scores = np.sort(checks.matrix(logits, "logits"), axis=1)[:, ::-1]
    log_p = log_softmax(scores)
    # of all but the first p is at most a half, and 1 − p loses nothing
    log_rest = np.log1p(-np.minimum(np.exp(log_p), 0.5))
    log_rest[:, 0] = -np.inf  # of a class that is alone
    if scores.shape[1] > 1:
        others = scores[:, 1:] - scores[:, 1:2]
        log_rest[:, 0] = log_p[:, 1] + np.log(np.exp(others).sum(axis=1))
    terms = np.exp(gamma * (log_p + log_rest)[:, :largest])
    generalised: NDArray[np.float64] = -terms.sum(axis=1)
    return generalised


LOGIT_SCORES: Mapping[str, Callable[[ArrayLike], NDArray[np.float64]]] = MappingProxyType(
    {
        "msp": msp,
        "energy": energy,
        "max_logit": max_logit,
        "entropy": negative_entropy,
        "gen": gen,
    }
)


def ood_detection(
    id_logits: ArrayLike, ood_logits: ArrayLike, seed: int, correct: ArrayLike | None = None
) -> dict[str, Detection]:
    """Every method of `LOGIT_SCORES`, and `temperature`, on the same half of either set.

    id_logits: (n_id, classes); ood_logits: (n_ood, classes). `temperature` is the softmax at the T
    of `TEMPERATURES` with the highest AUROC on the other halves, of 5,000 + 5,000 in the paper; how
    they are drawn is told in `analysis.metrics.detection.tuned_detection`.
    """
    inside = checks.matrix(id_logits, "id_logits")
    outside = checks.matrix(ood_logits, "ood_logits")
    checks.same_classes(inside, outside, "ood_logits")
    detections = {
        name: tuned_detection({None: (score(inside), score(outside))}, seed, correct)
        for name, score in LOGIT_SCORES.items()
    }
    by_temperature = {t: (msp(inside, t), msp(outside, t)) for t in TEMPERATURES}
    return detections | {"temperature": tuned_detection(by_temperature, seed, correct)}


def mahalanobis(
    features: ArrayLike, training_features: ArrayLike, training_labels: ArrayLike
) -> NDArray[np.float64]:
    """−min_c (f − μ_c)ᵀ Σ⁺ (f − μ_c), with the class means μ_c and one covariance Σ for all.

    Lee et al., NeurIPS 2018, of one layer and an unperturbed input. Σ is the mean over the training
    set of (f − μ)(f − μ)ᵀ, and Σ⁺ its pseudo-inverse: a direction in which no class varies, such as
    a dead unit, does not count. training_labels: (n,) class ids; a class may be absent.
    """
    known, training = checks.feature_sets(features, training_features)
    no_bound = np.iinfo(np.int64).max
    labels = checks.labels(training_labels, len(training), no_bound, "training_labels")
    classes, place = np.unique(labels, return_inverse=True)
    means = np.stack([training[place == c].mean(axis=0) for c in range(classes.size)])
    centred = training - means[place]
    variances, axes = np.linalg.eigh(centred.T @ centred / len(training))
    # the width times the rounding error: the usual bound below which an eigenvalue is noise
    varies = variances > variances[-1] * len(variances) * np.finfo(np.float64).eps
    if not varies.any():
        raise checks.Undefined("training_features do not vary within any class")
    whitening = axes[:, varies] / np.sqrt(variances[varies])
    squared = cdist(known @ whitening, means @ whitening, "sqeuclidean")  # (n, classes)
    scores: NDArray[np.float64] = -squared.min(axis=1)
    return scores


def nearest_neighbour(
    features: ArrayLike, training_features: ArrayLike, k: int = 50
) -> NDArray[np.float64]:
    """Minus the distance to the k-th nearest training example, in [−2, 0].

    Sun et al., ICML 2022: between features of unit length, k = 50 as theirs for CIFAR-10. All
    training examples are searched. A feature vector of zeros has no direction, and counts as
    orthogonal to every other.
    """
    known, training = map(unit_length, checks.feature_sets(features, training_features))
    checks.neighbours(k, len(training))
    kth_cosine = np.empty(len(known))
    for start in range(0, len(known), _BLOCK):  # all at once would take n × training of memory
        rows = slice(start, start + _BLOCK)
        kth_cosine[rows] = np.partition(known[rows] @ training.T, -k, axis=1)[:, -k]
    return -np.sqrt(np.maximum(0.0, 2 - 2 * kth_cosine))  # rounding may take a cosine above 1


def vim(
    features: ArrayLike,
    training_features: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
    dimension: int | None = None,
) -> NDArray[np.float64]:
    """Energy less a virtual logit, α · the feature's distance from the principal subspace.

        logsumexp(W f + b) − α · ‖R Rᵀ (f − o)‖,   o = −W⁺ b

    Wang et al., CVPR 2022. Seen from o, where the logits vanish, the training features spread most
    along `dimension` directions; R are the others. α makes the virtual logit as large as the
    largest real one, in the training set's mean.

    weight: (classes, width) and bias: (classes,), of the last layer. dimension: in 1..width − 1;
    half the width where it is not given (the paper's, 512 and 1,000, are for widths of 768 and
    2,048).
    """
    known, training = checks.feature_sets(features, training_features)
    width = training.shape[1]
    matrix, offset = checks.linear_layer(weight, bias, width)
    dimension = width // 2 if dimension is None else dimension
    checks.whole(dimension, "dimension", most=width - 1)
    origin = -np.linalg.pinv(matrix) @ offset
    seen = training - origin
    _, axes = np.linalg.eigh(seen.T @ seen)  # by rising spread
    rest = axes[:, : width - dimension]

    def residual(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        lengths: NDArray[np.float64] = np.linalg.norm((rows - origin) @ rest, axis=1)
        return lengths

    usual = residual(training).mean()
    if usual <= width * np.finfo(np.float64).eps * np.linalg.norm(seen, axis=1).mean():
        raise ValueError(f"training_features span no more than {dimension} dimensions: take fewer")
    alpha = (training @ matrix.T + offset).max(axis=1).mean() / usual
    scores: NDArray[np.float64] = energy(known @ matrix.T + offset) - alpha * residual(known)
    return scores


def unit_length(rows: ArrayLike) -> NDArray[np.float64]:
    """Each row over its length, (n, width); a row of zeros, which has no direction, stays one."""
    found = checks.matrix(rows, "rows", "(n, width)")
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: NDArray[np.float64] = found / np.where(lengths > 0, lengths, 1.0)
    return unit


def _over(logits: ArrayLike, temperature: float) -> NDArray[np.float64]:
    return checks.matrix(logits, "logits") / checks.positive(temperature, "temperature")
