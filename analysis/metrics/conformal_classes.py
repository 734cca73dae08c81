"""Conformal sets that promise coverage class by class, and how far a set's promise falls short.

`analysis.metrics.conformal` promises 1 − α over all classes together: a hard class may pay for the
easy ones. Here every class has a quantile of its own.

    class_quantiles        from its own examples alone     Vovk, Lindsay, Nouretdinov & Gammerman,
                           (Mondrian, by the label)        Mondrian confidence machine, 2003
    clustered_quantiles    from those of all classes       Ding, Angelopoulos, Bates, Jordan &
                           whose scores look alike         Tibshirani, NeurIPS 2023, section 2

Where calibration and new examples of a class are exchangeable, the first promises

    1 − α ≤ P(label in set | label = y) ≤ 1 − α + 1/(n_y + 1)

of each class y, the upper bound where no scores tie. With few examples of a class its quantile is
infinite or large, and the class is in nearly every set. The second promises this of each cluster of
classes only, with the many more examples that a cluster has.

`calibration_scores` are (n,), of the true labels, by any score of `conformal.SCORES`; `labels` (n,)
integer ids in 0..classes − 1; `quantiles` (classes,); `sets` (n, classes) boolean. ValueError where
an argument is empty, not finite, or does not fit.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlog1py, xlogy
from threadpoolctl import threadpool_limits

from analysis.metrics import checks
from analysis.metrics.conformal import conformal_quantile, covered

#: The cluster of classes with too few examples to tell what they are like.
NULL_CLUSTER = -1

_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)  # Ding et al.: the quantiles a class is known by
_STARTS = 10  # of k-means, the best of which counts


def class_quantiles(
    calibration_scores: ArrayLike, labels: ArrayLike, classes: int, alpha: float
) -> NDArray[np.float64]:
    """`conformal_quantile` of each class's own examples, (classes,).

    Infinite for a class with fewer than 1/α − 1 examples, which so few can promise nothing.
    """
    scores, ids = _of_classes(calibration_scores, labels, classes)
    return _quantiles(scores, ids, classes, alpha)


def class_clusters(
    calibration_scores: ArrayLike,
    labels: ArrayLike,
    classes: int,
    alpha: float,
    clusters: int,
    seed: int,
) -> NDArray[np.int64]:
    """The cluster of every class, (classes,): 0..clusters − 1, or `NULL_CLUSTER`.

    Ding et al., section 2: a class is a point, whose coordinates are its scores' quantiles at .5,
    .6, .7, .8 and .9; k-means parts the points, each weighted by √n_y, the best of 10 starts by the
    seed. A class with fewer than 1/α − 1 examples is in none. Where there are no more different
    points than `clusters`, each is its own cluster, and there are fewer.
    """
    scores, ids = _of_classes(calibration_scores, labels, classes)
    checks.fraction(alpha, "alpha")
    checks.whole(clusters, "clusters")
    generator = np.random.default_rng(checks.whole(seed, "seed", least=0))
    counts = np.bincount(ids, minlength=classes)
    known = np.flatnonzero(counts >= _fewest(alpha))
    assigned = np.full(classes, NULL_CLUSTER, dtype=np.int64)
    if known.size == 0:
        return assigned
    points = np.stack(
        [np.quantile(scores[ids == c], _LEVELS, method="inverted_cdf") for c in known]
    )
    different, place = np.unique(points, axis=0, return_inverse=True)
    if len(different) <= clusters:
        assigned[known] = place.reshape(-1)
        return assigned
    from sklearn.cluster import k_means  # late: a launch waits for the import, and not for this

    # of so few points, threads would only wait for each other
    with threadpool_limits(1):  # type: ignore[no-untyped-call]
        assigned[known] = k_means(
            points,
            clusters,
            sample_weight=np.sqrt(counts[known]),
            n_init=_STARTS,
            random_state=int(generator.integers(2**31)),
        )[1]
    return assigned


def clustered_quantiles(
    calibration_scores: ArrayLike,
    labels: ArrayLike,
    classes: int,
    alpha: float,
    seed: int,
    clusters: int | None = None,
    clustering_share: float | None = None,
) -> NDArray[np.float64]:
    """The quantile of each class's cluster, (classes,).

    Ding et al., section 2: a share of the examples, drawn by the seed, finds the clusters; the
    others are calibrated within them, and those of all classes together for the null cluster, of
    whose classes nothing is promised one by one.

    clusters: at least 1; clustering_share: in (0, 1); those of their code where they are not given.
    With ñ the examples of the rarest class, or the fewest that promise anything if it has less, and
    K classes of at least ñ, the share is K/(75 + K) and the number half of the share of ñ, rounded
    down. (Theirs makes no clusters where that is 1 or less, or not less than K; here the first is
    one cluster, and in the second, with many examples of few classes, each class is its own.) Ten
    classes come to the second with 170 examples each: `class_quantiles` then wastes no share.
    """
    scores, ids = _of_classes(calibration_scores, labels, classes)
    checks.fraction(alpha, "alpha")
    counts = np.bincount(ids, minlength=classes)
    rarest = max(int(counts.min()), _fewest(alpha))
    many = int((counts >= rarest).sum())
    if clustering_share is None:
        clustering_share = max(many, 1) / (75 + max(many, 1))
    checks.fraction(clustering_share, "clustering_share")
    if clusters is None:
        clusters = max(int(rarest * clustering_share / 2), 1)
    checks.whole(clusters, "clusters")
    generator = np.random.default_rng(checks.whole(seed, "seed", least=0))
    first = round(clustering_share * ids.size)
    if not 0 < first < ids.size:
        raise ValueError(f"clustering_share {clustering_share:g} of {ids.size} labels leaves none")
    finding, calibrating = np.split(generator.permutation(ids.size), [first])
    k_means_seed = int(generator.integers(2**31))
    assigned = class_clusters(
        scores[finding], ids[finding], classes, alpha, clusters, seed=k_means_seed
    )
    kept, cluster = scores[calibrating], assigned[ids[calibrating]]
    known = cluster != NULL_CLUSTER
    quantiles = np.full(classes, conformal_quantile(kept, alpha))
    if (assigned != NULL_CLUSTER).any():
        number = int(assigned.max()) + 1
        by_cluster = _quantiles(kept[known], cluster[known], number, alpha)
        quantiles[assigned != NULL_CLUSTER] = by_cluster[assigned[assigned != NULL_CLUSTER]]
    return quantiles


def class_prediction_sets(scores: ArrayLike, quantiles: ArrayLike) -> NDArray[np.bool_]:
    """The classes whose score is at most their own quantile, of each input, (n, classes).

    scores: (n, classes); quantiles: (classes,), a number or infinity each.
    """
    found = checks.matrix(scores, "scores")
    try:
        bounds = np.asarray(quantiles, dtype=np.float64)
    except (ValueError, TypeError) as problem:
        raise ValueError(f"quantiles must be numbers or infinity: {problem}") from None
    if bounds.shape != found.shape[1:]:
        raise ValueError(f"quantiles must be ({found.shape[1]},), not {bounds.shape}")
    if not (bounds > -np.inf).all():
        raise ValueError("quantiles must be numbers or infinity, not NaN or minus infinity")
    sets: NDArray[np.bool_] = found <= bounds
    return sets


def covgap(sets: ArrayLike, labels: ArrayLike, alpha: float) -> float:
    """Mean over the classes of |coverage of the class − (1 − α)|, in [0, 1]; 0 is best.

    Ding et al., section 3 (CovGap, there in per cent). A class without an example is left out.
    Chance alone makes it positive, the more the fewer the examples: see `covgap_by_chance`.
    """
    checks.fraction(alpha, "alpha")
    holds = covered(sets, labels)[1]
    ids = np.asarray(labels)
    counts = np.bincount(ids)
    shares = np.bincount(ids, weights=holds)[counts > 0] / counts[counts > 0]
    return float(np.abs(shares - (1 - alpha)).mean())


def covgap_by_chance(labels: ArrayLike, alpha: float) -> float:
    """The `covgap` to be expected of these labels where every class's coverage is 1 − α.

    The covered ones of n examples are then binomial, and their share's mean absolute deviation is

        2 · (1 − p) · (k/n) · B(k; n, p),   k = ⌊n·p⌋ + 1,  p = 1 − α  (De Moivre 1730),

    about √(2·p·(1 − p)/(π·n)): of 100 examples of a class and α = .1, 2.4 points. B(k; n, p) is the
    binomial probability. What the calibration examples' chance adds is not in it.
    """
    ids = checks.labels(labels, max(np.size(labels), 1), np.iinfo(np.int64).max)
    p = 1 - checks.fraction(alpha, "alpha")
    n = np.unique(ids, return_counts=True)[1].astype(np.float64)
    # of an n·p that is a whole number, k = n·p gives the same: rounding does no harm
    k = np.floor(n * p) + 1
    log_choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    likely = np.exp(log_choose + xlogy(k, p) + xlog1py(n - k, -p))
    return float((2 * (1 - p) * k / n * likely).mean())


def _fewest(alpha: float) -> int:
    """The fewest examples whose `conformal_quantile` is finite: n ≥ 1/α − 1.

    By quotients of integers, as there: 1/α − 1 may be rounded to the wrong side of a whole number.
    """
    n = max(int(1 / alpha) - 2, 1)
    while 1 / (n + 1) > alpha:
        n += 1
    return n


def _quantiles(
    scores: NDArray[np.float64], groups: NDArray[np.integer], number: int, alpha: float
) -> NDArray[np.float64]:
    """Of each group 0..number − 1; infinite where it is empty."""
    checks.fraction(alpha, "alpha")
    quantiles = np.full(number, np.inf)
    parted = np.split(
        scores[np.argsort(groups, kind="stable")],
        np.cumsum(np.bincount(groups, minlength=number))[:-1],
    )
    for group, own in enumerate(parted):
        if own.size:
            quantiles[group] = conformal_quantile(own, alpha)
    return quantiles


def _of_classes(
    calibration_scores: ArrayLike, labels: ArrayLike, classes: int
) -> tuple[NDArray[np.float64], NDArray[np.integer]]:
    scores = checks.vector(calibration_scores, "calibration_scores")
    checks.whole(classes, "classes")
    return scores, checks.labels(labels, scores.size, classes)
