"""How well a score tells in-distribution from out-of-distribution inputs.

One convention: a higher score means more in-distribution (confidence, say), and the
in-distribution set is the positive class; as in Cheon & Paik, Nature Machine Intelligence 8,
602–613 (2026), DOI 10.1038/s42256-026-01215-x.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata


def auroc(id_scores: ArrayLike, ood_scores: ArrayLike) -> float:
    """Area under the ROC curve, U / (n_id · n_ood), in [0, 1]; 0.5 is chance.

    U counts the pairs whose in-distribution score is the higher, a tie as ½: the probability that
    a random in-distribution input outscores a random out-of-distribution one. The vectors
    `id_scores` (n_id,) and `ood_scores` (n_ood,) may differ in length; infinite scores are ranked.
    ValueError where one is empty, not a vector, or holds NaN.

    >>> auroc([0.9, 0.7], [0.7, 0.2])
    0.875
    """
    inside, outside = _scores(id_scores, "id_scores"), _scores(ood_scores, "ood_scores")
    n_id, n_ood = inside.size, outside.size
    ranks = rankdata(np.concatenate([inside, outside]))
    u = ranks[:n_id].sum() - n_id * (n_id + 1) / 2
    return float(u / (n_id * n_ood))


def _scores(values: ArrayLike, name: str) -> NDArray[np.float64]:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1 or scores.size == 0:
        raise ValueError(f"{name} must be a non-empty vector, not {scores.shape}")
    if np.isnan(scores).any():
        raise ValueError(f"{name} contains NaN")
    return scores
