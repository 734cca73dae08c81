"""Prediction sets of every kind, calibrated on one half of the examples and measured on the other.

    lac, aps, raps    one quantile for all                   `conformal`
    lac_by_class      one for each class, of LAC's score     `conformal_classes.class_quantiles`
    lac_clustered     one for each cluster of like classes   `conformal_classes.clustered_quantiles`

Each is measured by its coverage, its size, and three ways in which coverage that holds on average
may fail: by size of set, by class, and in the worst slice of the inputs.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks
from analysis.metrics.classification import labelled, softmax
from analysis.metrics.conformal import (
    SCORES,
    conformal_quantile,
    coverage,
    mean_set_size,
    p_values,
    size_stratified_violation,
)
from analysis.metrics.conformal_classes import (
    class_prediction_sets,
    class_quantiles,
    clustered_quantiles,
    covgap,
    covgap_by_chance,
)
from analysis.metrics.ood import auroc
from analysis.metrics.worst_slice import EmptySlice, worst_slice_coverage

KINDS = (*SCORES, "lac_by_class", "lac_clustered")

_SLICED = 200  # measured examples, of which a slice of a tenth has some
_CLUSTERED = 40  # calibration examples, of which any share that finds clusters has one


@dataclass(frozen=True)
class ConformalResult:
    """What one kind of set, calibrated on one half of the examples, makes of the other at one α."""

    coverage: float  # share of the sets that hold the label; 1 − α is promised
    mean_set_size: float  # classes
    size_stratified_violation: float  # 0 is best
    covgap: float  # by class; 0 is best
    covgap_by_chance: float  # that of even coverage
    worst_slice: float | None  # coverage there; None of fewer than 200 measured examples
    ood_auroc_set_size: float | None  # the smaller the set, the more in-distribution
    ood_auroc_p_value: float | None  # the larger the largest p-value, …; the same for every α


@dataclass(frozen=True, eq=False)
class _Half:
    """The scores and the logits of the measured half, and the scores of the OOD inputs."""

    scores: NDArray[np.float64]  # (n, classes)
    ood_scores: NDArray[np.float64] | None  # (m, classes)
    logits: NDArray[np.float64]  # (n, classes)
    labels: NDArray[np.integer]  # (n,)


def conformal_prediction(
    logits: ArrayLike,
    labels: ArrayLike,
    ood_logits: ArrayLike | None,
    alphas: Sequence[float],
    seed: int,
) -> dict[tuple[str, float], ConformalResult]:
    """Every kind of `KINDS` at every α, calibrated on one half and measured on the other.

    logits: (n, classes) and labels: (n,), of the test set; ood_logits: (m, classes), or None. The
    seed decides the halves (of an odd number, the measured one has one more), the draws u, the
    clusters and the slices, and both arms of a pair share them. The OOD inputs stand against the
    measured half. Slices are of the logits' space.

    Two caveats of the AUROCs. By set size, an empty set, in which no class conforms, passes for the
    most certain. By p-value, only lac orders inputs as their confidence does: the most probable
    class has an aps or raps score of u · p, by which the less confident input conforms the better.
    By class there is no one p-value. Clusters are left out where fewer than 40 examples calibrate.
    ValueError where an argument does not fit, or there are fewer than two examples.
    """
    checked, classes = labelled(logits, labels)
    if classes.size < 2:
        raise ValueError("one example cannot be split into a half to calibrate and one to report")
    if not alphas:
        raise ValueError("alphas must hold at least one α")
    for alpha in alphas:
        checks.fraction(alpha, "alphas")
    outer = None if ood_logits is None else checks.matrix(ood_logits, "ood_logits")
    if outer is not None:
        checks.same_classes(checked, outer, "ood_logits")
    generator = np.random.default_rng(checks.whole(seed, "seed", least=0))
    calibrating, reporting = np.split(generator.permutation(classes.size), [classes.size // 2])
    inside, u = softmax(checked), generator.random(classes.size)
    outside = None if outer is None else softmax(outer)
    ood_u = generator.random(0 if outside is None else len(outside))

    results = {}
    known = classes[calibrating]
    for name, score in SCORES.items():
        scores = score(inside, u)
        calibration = scores[calibrating, known]
        ood_scores = None if outside is None else score(outside, ood_u)
        half = _Half(scores[reporting], ood_scores, checked[reporting], classes[reporting])
        by_p_value = _by_p_value(calibration, half)
        for alpha in alphas:
            quantiles = np.full(scores.shape[1], conformal_quantile(calibration, alpha))
            results[name, alpha] = _measured(quantiles, half, alpha, seed, by_p_value)
            if name == "lac":
                for kind, by_class in _by_class(calibration, known, scores.shape[1], alpha, seed):
                    results[kind, alpha] = _measured(by_class, half, alpha, seed)
    return results


def _by_class(
    calibration: NDArray[np.float64],
    labels: NDArray[np.integer],
    classes: int,
    alpha: float,
    seed: int,
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """The kinds whose classes have quantiles of their own, and these, (classes,)."""
    yield "lac_by_class", class_quantiles(calibration, labels, classes, alpha)
    if labels.size >= _CLUSTERED:
        yield "lac_clustered", clustered_quantiles(calibration, labels, classes, alpha, seed)


def _by_p_value(calibration: NDArray[np.float64], half: _Half) -> float | None:
    """AUROC of the largest p-value, which is that of the class with the lowest score."""
    if half.ood_scores is None:
        return None
    known, unknown = (
        p_values(calibration, scores.min(axis=1)) for scores in (half.scores, half.ood_scores)
    )
    return auroc(known, unknown)


def _measured(
    quantiles: NDArray[np.float64],
    half: _Half,
    alpha: float,
    seed: int,
    by_p_value: float | None = None,
) -> ConformalResult:
    sets, labels = class_prediction_sets(half.scores, quantiles), half.labels
    by_set_size = worst = None
    if half.ood_scores is not None:
        ood_sets = class_prediction_sets(half.ood_scores, quantiles)
        by_set_size = auroc(-sets.sum(axis=1), -ood_sets.sum(axis=1))
    if len(labels) >= _SLICED:
        with suppress(EmptySlice):
            worst = worst_slice_coverage(sets, labels, half.logits, seed)
    return ConformalResult(
        coverage=coverage(sets, labels),
        mean_set_size=mean_set_size(sets),
        size_stratified_violation=size_stratified_violation(sets, labels, alpha),
        covgap=covgap(sets, labels, alpha),
        covgap_by_chance=covgap_by_chance(labels, alpha),
        worst_slice=worst,
        ood_auroc_set_size=by_set_size,
        ood_auroc_p_value=by_p_value,
    )
