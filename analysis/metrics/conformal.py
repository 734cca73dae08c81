"""Split conformal prediction: sets of classes that hold the label with a probability of 1 − α.

A score says how badly a class conforms to an input: higher = less conforming, against the house's
custom, as in the literature. On examples set aside, the scores of the true labels are calibrated;
the set of a new input then holds every class that conforms no worse than all but a fraction α of
these labels. Whatever the network, if calibration and new examples are exchangeable,

    1 − α ≤ P(label in set) ≤ 1 − α + 1/(n + 1),

the upper bound where no scores tie (Vovk, Gammerman & Shafer 2005; Lei et al., JASA 2018). What a
better network buys is smaller sets. `conformal_classes` promises the same of each class,
`worst_slice` looks where sets cover least, and `split_conformal` measures them all.

    lac    1 − p_y                                     Sadinle et al., JASA 2019
    aps    Σ of the p above p_y, + u · p_y             Romano et al., NeurIPS 2020
    raps   aps + λ · max(0, rank of y − k_reg)         Angelopoulos et al., ICLR 2021

`probabilities` are (n, classes), the softmax; `labels` (n,) integer class ids; `sets` (n, classes)
boolean. The draws u, uniform on [0, 1], one per example, are the caller's. Sets may be empty: in
some, the exact coverage demands it. ValueError where an argument is empty, not finite, or does not
fit.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks

_SIZE_STRATA = (2, 4, 11, 101)  # Angelopoulos et al.: sets of 0–1, 2–3, 4–10, 11–100, more


def lac_scores(probabilities: ArrayLike) -> NDArray[np.float64]:
    """1 − p of each class, (n, classes): least ambiguous classifier, the smallest sets on average.

    The easy inputs pay for the hard ones: see `size_stratified_violation`.
    """
    scores: NDArray[np.float64] = 1 - checks.probabilities(probabilities)
    return scores


def aps_scores(probabilities: ArrayLike, u: ArrayLike) -> NDArray[np.float64]:
    """Probability of all classes above y, and u times its own, (n, classes): adaptive sets.

    u: (n,) uniform draws, or 1.0 for the variant without randomness, whose sets are larger and
    cover more than they promise. Classes of equal probability are ranked by their id.
    """
    return raps_scores(probabilities, u, penalty=0.0)


def raps_scores(
    probabilities: ArrayLike, u: ArrayLike, penalty: float = 0.01, k_reg: int = 5
) -> NDArray[np.float64]:
    """`aps_scores` + λ · max(0, rank − k_reg), (n, classes): adaptive sets with a shorter tail.

    rank: 1 for the most probable class. λ, the penalty, and k_reg are those of Angelopoulos et al.
    for ImageNet where they are not tuned.
    """
    forecasts = checks.probabilities(probabilities)
    draws = checks.numbers(u, "u")
    if draws.shape not in ((), forecasts.shape[:1]) or not ((draws >= 0) & (draws <= 1)).all():
        raise ValueError(f"u must be one number in [0, 1] or {len(forecasts)} of them")
    checks.at_least_zero(penalty, "penalty")
    checks.whole(k_reg, "k_reg", least=0)
    order = np.argsort(-forecasts, axis=1, kind="stable")
    descending = np.take_along_axis(forecasts, order, axis=1)
    above = np.zeros_like(descending)
    np.cumsum(descending[:, :-1], axis=1, out=above[:, 1:])
    ranks = np.arange(1, forecasts.shape[1] + 1)
    ranked = above + draws.reshape(-1, 1) * descending + penalty * np.maximum(0, ranks - k_reg)
    scores: NDArray[np.float64] = np.empty_like(ranked)
    np.put_along_axis(scores, order, ranked, axis=1)
    return scores


#: Score of every class by name, from the probabilities and the uniform draws.
SCORES: Mapping[str, Callable[[ArrayLike, ArrayLike], NDArray[np.float64]]] = MappingProxyType(
    {
        "lac": lambda probabilities, u: lac_scores(probabilities),
        "aps": aps_scores,
        "raps": raps_scores,
    }
)


def conformal_quantile(calibration_scores: ArrayLike, alpha: float) -> float:
    """The ⌈(n + 1)(1 − α)⌉-th smallest of the n scores of the true labels, (n,).

    This is their quantile at ⌈(n + 1)(1 − α)⌉/n, a little above 1 − α, for the new example counts
    too. Where that exceeds 1, for n < 1/α − 1, too few examples can promise nothing: infinity, and
    the set is everything.
    """
    calibration = checks.vector(calibration_scores, "calibration_scores")
    checks.fraction(alpha, "alpha")
    # n + 1 − ⌊α(n + 1)⌋, by quotients of integers: a product would round .29 · 100 to 28.99…
    possible = np.arange(1, calibration.size + 2) / (calibration.size + 1)
    rank = calibration.size + 1 - int(np.searchsorted(possible, alpha, side="right"))
    if rank > calibration.size:
        return float("inf")
    return float(np.partition(calibration, rank - 1)[rank - 1])


def prediction_sets(scores: ArrayLike, quantile: float) -> NDArray[np.bool_]:
    """The classes whose score is at most the quantile, of each input.

    scores: (n, classes); quantile: a number, or infinity for the set of all classes. The same
    classes as those whose p-value exceeds α.
    """
    if quantile != float("inf"):
        checks.real(quantile, "quantile")
    sets: NDArray[np.bool_] = checks.matrix(scores, "scores") <= quantile
    return sets


def p_values(calibration_scores: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    """(1 + the number of calibration scores of at least s) / (n + 1), for each s in `scores`.

    calibration_scores: (n,), of the true labels; scores: any shape. Of exchangeable examples, the
    p-value of the true label is at most any α with a probability of at most α. How well an input
    conforms to any class at all is the largest of its p-values.
    """
    calibration = np.sort(checks.vector(calibration_scores, "calibration_scores"))
    below = np.searchsorted(calibration, checks.numbers(scores, "scores"), side="left")
    values: NDArray[np.float64] = (1 + calibration.size - below) / (calibration.size + 1)
    return values


def covered(sets: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Size of each set, and whether it holds its label: (n,) each."""
    members = _sets(sets)
    classes = checks.labels(labels, *members.shape)
    return members.sum(axis=1), members[np.arange(classes.size), classes]


def coverage(sets: ArrayLike, labels: ArrayLike) -> float:
    """Share of the sets that hold the label, in [0, 1]."""
    return float(covered(sets, labels)[1].mean())


def mean_set_size(sets: ArrayLike) -> float:
    """Mean number of classes in a set; an empty one counts as 0."""
    return float(_sets(sets).sum(axis=1).mean())


def size_stratified_violation(sets: ArrayLike, labels: ArrayLike, alpha: float) -> float:
    """max over sizes of |coverage of the sets of that size − (1 − α)|, in [0, 1]; 0 is best.

    Angelopoulos et al., ICLR 2021 (SSCV): the sizes are 0–1, 2–3, 4–10, 11–100 and more, and what
    no set has is left out. Coverage that holds on average may hide that small sets are too sure; a
    stratum of a few sets is noisy, though.
    """
    checks.fraction(alpha, "alpha")
    sizes, holds = covered(sets, labels)
    stratum = np.digitize(sizes, _SIZE_STRATA)
    count = np.bincount(stratum)
    held = np.bincount(stratum, weights=holds)[count > 0] / count[count > 0]
    return float(np.abs(held - (1 - alpha)).max())


def _sets(values: ArrayLike) -> NDArray[np.bool_]:
    sets = np.asarray(values)
    if sets.ndim != 2 or sets.size == 0 or sets.dtype != np.bool_:
        raise ValueError(
            f"sets must be a non-empty boolean (n, classes) array, not {sets.shape} {sets.dtype}"
        )
    return sets
