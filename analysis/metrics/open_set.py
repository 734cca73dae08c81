"""Open-set recognition: is the class right, and is it kept back where there is none to be right?

Out-of-distribution detection (`analysis.metrics.ood`) does not ask whether an accepted input is
classified correctly. The open-set classification rate does (Dhamija, Günther & Boult, NeurIPS
2018): over all thresholds t on a score, higher = more in-distribution,

    correct classification rate   share of the ID inputs that score t or more and are correct
    false-positive rate           share of the OOD inputs that score t or more

`id_scores` (n_id,) and `correct` (n_id,), boolean or 0/1, are of the same inputs; `ood_scores` are
(n_ood,). `ValueError` where a vector is empty, does not fit, or holds NaN or infinity.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks
from analysis.metrics.ood import auroc, roc_curve


def oscr(id_scores: ArrayLike, correct: ArrayLike, ood_scores: ArrayLike) -> float:
    """Area under the open-set classification rate curve, in [0, accuracy]; 1 is best.

    The probability that a random ID input is correct and outscores a random OOD one, a tie as ½:
    accuracy times the AUROC of the correct inputs alone. (The paper has the curve; the area is its
    usual summary.) Two networks of unlike accuracy differ by it before any detection does.

    >>> oscr([0.9, 0.8, 0.3], [True, False, True], [0.5])
    0.3333333333333333
    """
    right, accuracy, outside = _correct_ones(id_scores, correct, ood_scores)
    return accuracy * auroc(right, outside) if right.size else 0.0


def oscr_curve(
    id_scores: ArrayLike, correct: ArrayLike, ood_scores: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False-positive and correct classification rate, (k,) each, from (0, 0) to (1, accuracy).

    The corners of the curve, joined by straight lines, slanted where scores of both sets tie. The
    area under it is `oscr`.
    """
    right, accuracy, outside = _correct_ones(id_scores, correct, ood_scores)
    if right.size == 0:
        return np.array([0.0, 1.0]), np.array([0.0, 0.0])
    alarms, found = roc_curve(right, outside)
    return alarms, accuracy * found


def _correct_ones(
    id_scores: ArrayLike, correct: ArrayLike, ood_scores: ArrayLike
) -> tuple[NDArray[np.float64], float, NDArray[np.float64]]:
    """Scores of the correct ID inputs, their share, and the OOD scores."""
    inside = checks.vector(id_scores, "id_scores")
    right = checks.hits(correct, "correct", inside.size) == 1
    return inside[right], float(right.mean()), checks.vector(ood_scores, "ood_scores")
