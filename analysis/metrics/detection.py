"""What a score detects: tuned on one half of both sets, and measured on the other by every measure.

The measures are those of `analysis.metrics.ood`, whose conventions hold here too, and for those who
compare with other tables those of `openood` and `open_set`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics import checks
from analysis.metrics.ood import aupr_in, aupr_out, auroc, fpr_at_tpr
from analysis.metrics.open_set import oscr
from analysis.metrics.openood import openood_aupr_in, openood_aupr_out, openood_fpr

#: What a score was tuned by: a temperature, say, or ODIN's (ε, T); None where nothing is tuned.
Parameter = float | tuple[float, ...] | None
P = TypeVar("P", bound=Parameter)


@dataclass(frozen=True)
class Detection:
    """What a score detects on the halves of both sets that it was not tuned on."""

    auroc: float
    aupr_in: float
    aupr_out: float
    fpr95: float  # false-positive rate at a true-positive rate of 95 %; 0 is best
    openood_fpr95: float  # the same with the OOD inputs as the positive class
    openood_aupr_in: float
    openood_aupr_out: float
    oscr: float | None  # None where it is not known which predictions are right
    parameter: Parameter  # the tuning halves' choice


def tuned_detection(
    candidates: Mapping[P, tuple[ArrayLike, ArrayLike]],
    seed: int,
    correct: ArrayLike | None = None,
) -> Detection:
    """The parameter with the highest AUROC on one half of both sets, measured on the other half.

    candidates: parameter → (id_scores, ood_scores), all of the same inputs in the same order; where
    several tie the first is chosen. One candidate alone, under None, is measured on the same halves
    as those that are tuned, and can stand beside them. The seed and the numbers of inputs alone
    decide the halves (of an odd number, the measured one has one more), so that they are the same
    for every score and both arms of a pair. correct: (n_id,), whether the in-distribution inputs
    are classified right, boolean or 0/1.

    ValueError where there is no candidate, they differ in length, or a set has fewer than two.
    """
    if not candidates:
        raise ValueError("candidates must hold at least one pair of scores")
    scores = {
        parameter: (checks.vector(inside, "id_scores"), checks.vector(outside, "ood_scores"))
        for parameter, (inside, outside) in candidates.items()
    }
    lengths = {(inside.size, outside.size) for inside, outside in scores.values()}
    if len(lengths) != 1:
        raise ValueError(f"candidates must score one collection of inputs, not {len(lengths)}")
    n_id, n_ood = lengths.pop()
    if min(n_id, n_ood) < 2:
        raise ValueError("one input cannot be split into a half to tune and a half to report")
    right = None if correct is None else checks.hits(correct, "correct", n_id)
    generator = np.random.default_rng(checks.whole(seed, "seed", least=0))
    id_tuning, id_reporting = np.split(generator.permutation(n_id), [n_id // 2])
    ood_tuning, ood_reporting = np.split(generator.permutation(n_ood), [n_ood // 2])

    def tuning_auroc(parameter: P) -> float:
        inside, outside = scores[parameter]
        return auroc(inside[id_tuning], outside[ood_tuning])

    best = max(scores, key=tuning_auroc)
    inside, outside = scores[best][0][id_reporting], scores[best][1][ood_reporting]
    return Detection(
        auroc=auroc(inside, outside),
        aupr_in=aupr_in(inside, outside),
        aupr_out=aupr_out(inside, outside),
        fpr95=fpr_at_tpr(inside, outside),
        openood_fpr95=openood_fpr(inside, outside),
        openood_aupr_in=openood_aupr_in(inside, outside),
        openood_aupr_out=openood_aupr_out(inside, outside),
        oscr=None if right is None else oscr(inside, right[id_reporting], outside),
        parameter=best,
    )
