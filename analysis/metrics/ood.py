"""How well a score tells in-distribution from out-of-distribution inputs.

One convention: a higher score means more in-distribution (confidence, say), and the
in-distribution set is the positive class; as in Cheon & Paik, Nature Machine Intelligence 8,
602–613 (2026), DOI 10.1038/s42256-026-01215-x. `analysis.metrics.ood_scores` has the scores;
`analysis.metrics.detection` tunes them, and has all measures together.

All functions take two vectors, `id_scores` (n_id,) and `ood_scores` (n_ood,), which may differ in
length. Only the order of the scores counts, and equal ones are never told apart, so that no result
depends on the order of the inputs. They raise `ValueError` where a vector is empty or holds NaN or
infinity: a diverged network detects nothing.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks


def auroc(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Area under the ROC curve, U / (n_id · n_ood), in [0, 1]; 0.5 is chance.

    U counts the pairs whose in-distribution score is the higher, a tie as ½: the probability that
    a random in-distribution input outscores a random out-of-distribution one.

    >>> auroc([0.9, 0.7], [0.7, 0.2])
    0.875
    """
    from scipy.stats import rankdata  # late: a launch waits for the import, and not for this

    inside, outside = _both(id_scores, ood_scores)
    n_id, n_ood = inside.size, outside.size
    ranks = rankdata(np.concatenate([inside, outside]))
    u = ranks[:n_id].sum() - n_id * (n_id + 1) / 2
    return float(u / (n_id * n_ood))


def aupr_in(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Average precision of finding the in-distribution inputs, by the highest scores first.

        AP = Σ_t (recall(t) − recall(t⁺)) · precision(t)

    over the distinct scores t, t⁺ the next higher one; both count the inputs with a score of t or
    more. No interpolation, which flatters (Davis & Goadrich, ICML 2006). Chance is not ½ but the
    positives' share, n_id / (n_id + n_ood): compare only where the sets are the same.
    """
    inside, outside = _both(id_scores, ood_scores)
    return _average_precision(inside, outside)


def aupr_out(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Average precision of finding the out-of-distribution inputs, by the lowest scores first.

    Defined as `aupr_in` is, with the sets exchanged and the scores negated; chance is
    n_ood / (n_id + n_ood).
    """
    inside, outside = _both(id_scores, ood_scores)
    return _average_precision(-outside, -inside)


def fpr_at_tpr(id_scores: ArrayLike, ood_scores: ArrayLike, tpr: float = 0.95) -> float:
    """Share of the OOD inputs accepted where at least `tpr` of the in-distribution ones are.

    An input is accepted where its score is t or more. The threshold t is the highest score at which
    the share of accepted in-distribution inputs reaches `tpr`; inputs that tie with t are all
    accepted, in both sets, and nothing is interpolated. So the true share may lie above `tpr`,
    never below it, and where all scores are equal the result is 1.

    >>> fpr_at_tpr([0.9, 0.8, 0.7, 0.6], [0.75, 0.7, 0.1, 0.0], tpr=0.75)
    0.5
    """
    checks.fraction_or_one(tpr, "tpr")
    inside, outside = _both(id_scores, ood_scores)
    hits, alarms = _accepted(inside, outside)
    # a quotient of integers rounds to the same number as the decimal that it equals: 19/20 is .95
    reached = int(np.argmax(hits / inside.size >= tpr))
    return float(alarms[reached] / outside.size)


def roc_curve(
    id_scores: ArrayLike, ood_scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False- and true-positive rate, (k,) each, from (0, 0) to (1, 1): the corners of the curve.

    Between two corners the curve is a straight line, slanted where scores of both sets tie. The
    area under it is `auroc`.
    """
    inside, outside = _both(id_scores, ood_scores)
    hits, alarms = (np.concatenate([[0], counts]) for counts in _accepted(inside, outside))
    up, along = np.diff(hits), np.diff(alarms)
    turns = up[:-1] * along[1:] != up[1:] * along[:-1]
    corners = np.concatenate([[True], turns, [True]])
    return alarms[corners] / outside.size, hits[corners] / inside.size


def _average_precision(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> float:
    hits, alarms = _accepted(positives, negatives)
    return float((np.diff(hits, prepend=0) * hits / (hits + alarms)).sum() / positives.size)


def _accepted(
    positives: NDArray[np.float64], negatives: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many of each reach every distinct score, from the highest to the lowest: (k,) each."""
    distinct, place = np.unique(np.concatenate([positives, negatives]), return_inverse=True)
    hits, alarms = (
        np.bincount(places, minlength=distinct.size)[::-1].cumsum()
        for places in np.split(place, [positives.size])
    )
    return hits, alarms


def _both(
    id_scores: ArrayLike, ood_scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return checks.vector(id_scores, "id_scores"), checks.vector(ood_scores, "ood_scores")
