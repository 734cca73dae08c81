"""What a network gains by declining to answer where it is least confident.

Beside `analysis.metrics.calibration.aurc`, the mean error rate over all coverages: the same area of
errors that go undetected, the excess over the best ranking, and single points of the curve. The
definitions are those of fd-shifts (Jaeger et al., ICLR 2023; Traub et al., NeurIPS 2024), for
errors that are 0 or 1.

`confidence` (n,), in [0, 1], and `correct` (n,), boolean or 0/1, and what raises `ValueError`, are
those of `analysis.metrics.calibration`; equal confidences are not told apart, each counting as the
fraction of them that is wrong. Only the ranking counts, whatever the scale of confidence.
"""

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics import checks
from analysis.metrics.calibration import aurc, risk_coverage_curve

_ROUNDING = 1e-12  # of a risk, which is a sum of fractions over k


def augrc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """Area under the generalised risk–coverage curve, in [0, ½]; 0 is best.

    The generalised risk at coverage k/n is the share of all n examples that are answered and wrong
    (Traub et al. 2024, section 3): the area, by straight lines from (0, 0), is the probability
    that an answer is wrong and undetected, averaged over all thresholds. With a the accuracy,

        AUGRC = (1 − AUROC) · a(1 − a) + (1 − a)²/2

    where AUROC is that of confidence telling right from wrong. Unlike the AURC, which weighs the
    most confident errors by 1/k, it counts each error alike.

    >>> round(augrc([0.9, 0.8, 0.7], [True, True, False]), 4)  # ½ · (1/3)²
    0.0556
    """
    coverage, risk = risk_coverage_curve(confidence, correct)
    undetected = np.concatenate([[0.0], coverage * risk])
    return float((undetected[1:] + undetected[:-1]).sum() / 2 / coverage.size)


def excess_aurc(confidence: ArrayLike, correct: ArrayLike) -> float:
    """AURC less that of the best ranking with as many errors, in [0, 1]; 0 where it is the best.

    Geifman, Uziel & El-Yaniv, ICLR 2019. With e errors among n, the best ranking has them last,

        Σ_{k>n−e} (1 − (n − e)/k) / n,   for large n   r + (1 − r) ln(1 − r),   r = e/n

    The paper and fd-shifts take off the limit, which lies below the sum by up to r/n: by the sum
    the best ranking has exactly 0. It takes out of the AURC what is due to the error rate alone,
    though not all: compare networks of like accuracy.
    """
    area = aurc(confidence, correct)
    hits = np.asarray(correct, dtype=np.float64)
    right = int(hits.sum())
    answered = np.arange(right + 1, hits.size + 1)  # from the first error on
    best = float((1 - right / answered).sum() / hits.size)
    return max(area - best, 0.0)  # rounding


def risk_at_coverage(confidence: ArrayLike, correct: ArrayLike, coverage: float) -> float:
    """Error rate of the most confident predictions, at least the share `coverage` of them all.

    Of n examples the ⌈coverage · n⌉ most confident are answered, `coverage` in (0, 1]; in [0, 1].

    >>> risk_at_coverage([0.9, 0.8, 0.7, 0.6], [True, False, True, False], coverage=0.5)
    0.5
    """
    checks.fraction_or_one(coverage, "coverage")
    reached, risk = risk_coverage_curve(confidence, correct)
    # a quotient of integers rounds to the same number as the decimal that it equals
    return float(risk[np.argmax(reached >= coverage)])


def coverage_at_risk(confidence: ArrayLike, correct: ArrayLike, risk: float) -> float:
    """Largest share of the examples that can be answered with an error rate of `risk` or less.

    `risk` in [0, 1]; the result is k/n for the largest k whose error rate is no higher, and 0
    where there is none. Chosen on the examples that it is measured on, it promises nothing of
    others.

    >>> coverage_at_risk([0.9, 0.8, 0.7, 0.6], [True, False, True, False], risk=0.4)
    0.75
    """
    if checks.at_least_zero(risk, "risk") > 1:
        raise ValueError(f"risk must lie in [0, 1], not {risk!r}")
    reached, risks = risk_coverage_curve(confidence, correct)
    kept = reached[risks <= risk + _ROUNDING]
    return float(kept[-1]) if kept.size else 0.0
