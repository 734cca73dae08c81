"""Is the difference between two arms small enough to be called none?

A P above 0.05 says that a difference was not shown, and with few pairs it says so of large ones
too. That there is none to speak of is a claim of its own, with a test of its own, which few pairs
fail: two one-sided t tests, against a margin chosen before the numbers are seen.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr

from analysis.metrics import checks
from analysis.statistics.paired import mean_interval

_SMALLEST_P = float(np.nextafter(0.0, 1.0))


@dataclass(frozen=True)
class Equivalence:
    """Whether the mean difference was shown to lie within ±margin."""

    mean: float  # with − without
    interval: tuple[float, float]  # of confidence 1 − 2α; (NaN, NaN) of one pair
    p_value: float | None  # in (0, 1], the larger of the two; None where nothing is known of spread
    equivalent: bool  # P < α: the interval lies inside ±margin. False is no proof of a difference
    n: int  # pairs
    note: str = ""  # what a table must say beside the result; mostly nothing


def mean_equivalence(differences: ArrayLike, margin: float, alpha: float = 0.05) -> Equivalence:
    """Two one-sided t tests (TOST) that the paired differences' mean lies within ±margin.

    Schuirmann, J. Pharmacokinet. Biopharm. 15, 657–680, 1987. Against μ ≤ −margin and against
    μ ≥ margin, both at α; the larger P counts:

        P = P(T ≤ (|d̄| − margin) / (s/√n)),   T Student's with n − 1 degrees of freedom

    P < α exactly where `mean_interval` of confidence 1 − 2α, 90 % for α = .05, lies inside ±margin.

    differences: (pairs,), with − without; margin: positive, in their unit. alpha: in (0, .5).

    When to use it: wherever a sentence is to say that warm-up makes "no difference" or "costs no
    accuracy". A large P of `paired_test` does not say so. The margin is the largest difference that
    would not matter, told and fixed beforehand: of one taken from these numbers nothing is
    promised. It supposes normal differences, as `mean_interval` does.

    A mean at the margin is called equivalent with a probability of α at most, and of far less where
    the interval is too wide to fit in: whatever the mean, t·s/√n must be below the margin. Of no
    difference at all and a margin of one standard deviation of the differences, the power at
    α = .05 is .41 with 6 pairs, .80 with 10, .96 with 15 and .99 with 20; of half a one, .02, .06,
    .20 and .39.

    One pair has no spread, and equal differences show none: their P is None, and they are not
    called equivalent.
    """
    sample = checks.vector(differences, "differences")
    checks.positive(margin, "margin")
    if checks.fraction(alpha, "alpha") >= 0.5:
        raise ValueError(f"alpha must lie in (0, 0.5), not {alpha!r}")
    interval = mean_interval(sample, 1 - 2 * alpha)
    mean, n = float(sample.mean()), sample.size
    if n == 1:
        return Equivalence(mean, interval, None, False, n, "one pair has no spread")
    if (sample == sample[0]).all():
        return Equivalence(interval[0], interval, None, False, n, "no pair differs from another")
    error = float(sample.std(ddof=1)) / math.sqrt(n)
    p_value = max(float(stdtr(n - 1, (abs(mean) - margin) / error)), _SMALLEST_P)
    return Equivalence(mean, interval, p_value, p_value < alpha, n)
