"""Scores by penultimate features, beside those of `ood_scores`: higher = more in-distribution.

    relative_mahalanobis   Mahalanobis, less that of one class   Ren et al., 2021, arXiv:2106.09022
    she                    f · the predicted class's pattern     Zhang et al., ICLR 2023
    fdbd                   distance to the decision boundaries   Liu & Qin, ICML 2024
    nnguide                energy × the nearest confident        Park, Jung & Teoh, ICCV 2023

`features` are (n, width), what the last linear layer takes, and `training_features` (training,
width) those of the training set; `weight` (classes, width) and `bias` (classes,) are of the last
layer, and where they were not recorded, `ood_scores.last_layer` finds them. Everything returns
(n,), in float64; `ValueError` where shapes do not fit or a number is not finite, and
`checks.Undefined`, which is one, where a score has no value for what is given.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from analysis.metrics import checks
from analysis.metrics.ood_scores import mahalanobis, unit_length

_BLOCK = 256  # inputs


def relative_mahalanobis(
    features: ArrayLike, training_features: ArrayLike, training_labels: ArrayLike
) -> NDArray[np.float64]:
    """−min_c (M_c − M_0), M_c the squared Mahalanobis distance of `mahalanobis` to class c.

    Ren et al. 2021: M_0 is that to the mean of all training features, with their
    covariance about it. What is unusual to every class alike, but not to the training set, is
    taken out, which helps against OOD inputs near to it. Positive and negative numbers both occur.
    training_labels: (training,) class ids; a class may be absent.
    """
    to_class = mahalanobis(features, training_features, training_labels)
    one_class = np.zeros(len(np.asarray(training_labels)), dtype=np.int64)
    return to_class - mahalanobis(features, training_features, one_class)


def she(
    features: ArrayLike,
    training_features: ArrayLike,
    training_labels: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
) -> NDArray[np.float64]:
    """f · S_c, c the class that the last layer predicts: simplified Hopfield energy, turned.

    Zhang et al., ICLR 2023: the stored pattern S_c is the mean feature of the training
    examples of class c that are classified correctly. A long feature scores high whatever its
    direction. training_labels: (training,) ids in 0..classes − 1. `checks.Undefined` where an input
    is predicted to be of a class that has no correct training example, and so no pattern.
    """
    known, training = checks.feature_sets(features, training_features)
    slopes, offset = checks.linear_layer(weight, bias, training.shape[1])
    labels = checks.labels(training_labels, len(training), offset.size, "training_labels")
    correct = (training @ slopes.T + offset).argmax(axis=1) == labels
    stored = np.unique(labels[correct])
    predicted = (known @ slopes.T + offset).argmax(axis=1)
    if not np.isin(predicted, stored).all():
        missing = int(np.setdiff1d(predicted, stored)[0])
        raise checks.Undefined(
            f"features: class {missing} is predicted, of which no training is correct"
        )
    patterns = np.zeros_like(slopes)
    for c in stored:
        patterns[c] = training[correct & (labels == c)].mean(axis=0)
    scores: NDArray[np.float64] = np.einsum("nw,nw->n", known, patterns[predicted])
    return scores


def fdbd(
    features: ArrayLike, training_features: ArrayLike, weight: ArrayLike, bias: ArrayLike
) -> NDArray[np.float64]:
    """Mean distance to the decision boundaries, over the distance to the training mean.

        1/(C − 1) · Σ_{c ≠ p} (z_p − z_c) / ‖w_p − w_c‖  /  ‖f − μ‖

    with the logits z, p the predicted class, C the classes and μ the mean training feature: Liu &
    Qin, ICML 2024 (fDBD; what the sum's terms are is the distance to where p and c are as likely,
    in feature space). It changes neither with the features' scale nor with the logits'.
    `checks.Undefined` where there is one class only, two rows of the weight are equal, whose
    classes have no boundary, or a feature is the mean itself.
    """
    known, training = checks.feature_sets(features, training_features)
    slopes, offset = checks.linear_layer(weight, bias, training.shape[1])
    classes = offset.size
    apart = cdist(slopes, slopes)
    np.fill_diagonal(apart, 1.0)  # of a class and itself, whose logits do not differ
    if classes < 2 or not apart.all():
        raise checks.Undefined("weight must have two rows or more, and none like another")
    logits = known @ slopes.T + offset
    predicted = logits.argmax(axis=1)
    lead = logits[np.arange(len(known)), predicted, None] - logits
    from_mean = np.linalg.norm(known - training.mean(axis=0), axis=1)
    if not from_mean.all():
        raise checks.Undefined(
            "features: one is the mean of training_features, at no distance from it"
        )
    scores: NDArray[np.float64] = (lead / apart[predicted]).sum(axis=1) / (classes - 1) / from_mean
    return scores


def nnguide(
    features: ArrayLike,
    training_features: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike,
    k: int = 10,
) -> NDArray[np.float64]:
    """Energy, times the mean of the k largest energy-weighted cosines to training examples.

        s(f) · 1/k Σ s(g) · cos(f, g),   s = logsumexp of the logits

    over the k training features g whose terms are the largest: Park, Jung & Teoh, ICCV 2023; k = 10
    is their code's. All training examples are searched, of which the paper takes a share. A feature
    of zeros has no direction, and a cosine of 0 to every other. Both factors are meant to be
    positive: a number added to all logits changes the score, and with energies below zero, such as
    a bias can make, higher no longer means more in-distribution.
    """
    known, training = checks.feature_sets(features, training_features)
    slopes, offset = checks.linear_layer(weight, bias, training.shape[1])
    checks.neighbours(k, len(training))
    bank = unit_length(training) * logsumexp(training @ slopes.T + offset, axis=1)[:, None]
    directions = unit_length(known)
    guidance = np.empty(len(known))
    for start in range(0, len(known), _BLOCK):  # all at once would take n × training of memory
        rows = slice(start, start + _BLOCK)
        terms = directions[rows] @ bank.T
        guidance[rows] = np.partition(terms, -k, axis=1)[:, -k:].mean(axis=1)
    scores: NDArray[np.float64] = logsumexp(known @ slopes.T + offset, axis=1) * guidance
    return scores
