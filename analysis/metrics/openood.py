"""Out-of-distribution detection as OpenOOD counts it: the OOD inputs are the positive class.

The house's convention, in `analysis.metrics.ood`, has the in-distribution set as the positive one,
and its numbers are not these; each function here is named after the benchmark whose tables it is to
be compared with (Yang et al., OpenOOD, NeurIPS 2022; Zhang et al., OpenOOD v1.5, 2023).

    here               there                what differs
    openood_fpr        ood.fpr_at_tpr       95 % of the OOD inputs are found, not of the others
    openood_aupr_in    ood.aupr_in          the curve's points are joined by straight lines
    openood_aupr_out   ood.aupr_out         the same

The AUROC is one and the same in both. Everything takes `id_scores` (n_id,) and `ood_scores`
(n_ood,), higher = more in-distribution, as everywhere; `ValueError` where a vector is empty or
holds NaN or infinity.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks
from analysis.metrics.ood import fpr_at_tpr


def openood_fpr(id_scores: ArrayLike, ood_scores: ArrayLike, tpr: float = 0.95) -> float:
    """Share of in-distribution inputs rejected where at least `tpr` of the OOD ones are, in [0, 1].

    An input is rejected where its score is t or less; t is the lowest score that rejects enough,
    and what ties with it is rejected too. 0 is best.

    >>> openood_fpr([0.9, 0.8, 0.2, 0.1], [0.3, 0.0], tpr=0.95)
    0.5
    """
    inside, outside = _both(id_scores, ood_scores)
    return fpr_at_tpr(-outside, -inside, tpr)


def openood_aupr_in(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Area under precision over recall of finding the in-distribution inputs, by trapezoids.

    Precision 1 is taken at a recall of 0, and a straight line joins two neighbouring thresholds,
    though precision between them is no such line: with many ties the area is flattered (Davis &
    Goadrich, ICML 2006), and where every score is equal it is (1 + n_id/n)/2, not n_id/n.
    """
    inside, outside = _both(id_scores, ood_scores)
    return _trapezoids(inside, outside)


def openood_aupr_out(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """`openood_aupr_in` of finding the out-of-distribution inputs, by the lowest scores first."""
    inside, outside = _both(id_scores, ood_scores)
    return _trapezoids(-outside, -inside)


def _trapezoids(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> float:
    ascending = np.sort(positives), np.sort(negatives)
    thresholds = np.unique(np.concatenate([positives, negatives]))[::-1]
    hits, alarms = (
        values.size - np.searchsorted(values, thresholds, side="left") for values in ascending
    )
    recall = np.concatenate([[0.0], hits / positives.size])
    precision = np.concatenate([[1.0], hits / (hits + alarms)])
    return float((np.diff(recall) * (precision[1:] + precision[:-1]) / 2).sum())


def _both(
    id_scores: ArrayLike, ood_scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return checks.vector(id_scores, "id_scores"), checks.vector(ood_scores, "ood_scores")
