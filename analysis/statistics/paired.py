"""Is the difference between two arms real, and how large is it?

The tests are those of Cheon & Paik, Nature Machine Intelligence 8, 602–613 (2026), DOI
10.1038/s42256-026-01215-x, with the settings that give its printed values: Wilcoxon's signed-rank
test for pairs, the Mann–Whitney U test for independent samples, both two-sided and asymptotic, with
the effect size r = |Z|/√N. Beside them stand what the paper leaves out: the exact P of the paired
test, Holm's and Benjamini and Hochberg's corrections for several tests, and intervals of the
difference by Student's t.

One convention: a difference is second − first, that is with − without warm-up, so that a negative z
says that warm-up lowered the value. Z is derived from the statistic, never from P: it stays right
where P underflows. Empty input, NaN and infinities raise `ValueError`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit
from scipy.stats import (  # type: ignore[attr-defined]  # SciPy does not list its exports
    mannwhitneyu,
    rankdata,
    wilcoxon,
)

from analysis.metrics import checks

#: With fewer pairs the exact two-sided P, 2/2ⁿ at its smallest, cannot fall below 0.05.
MIN_PAIRS = 6

#: With more pairs that differ the approximation serves for the exact P: at 500 it is off by 0.1 %
#: where P is 0.05, and too large by 3 % where it is 0.001.
EXACT_PAIRS = 500

_SMALLEST_P = float(np.nextafter(0.0, 1.0))


@dataclass(frozen=True)
class RankTest:
    """Outcome of a two-sided rank test of second against first."""

    statistic: float  # Wilcoxon: W = min(W⁺, W⁻); Mann–Whitney: U of the first sample
    z: float  # tie-corrected, no continuity correction; negative where the second is lower
    p_value: float | None  # the paper's, in (0, 1]; None where too few pairs differ: see `note`
    effect_size: float  # r = |z| / √n
    rank_biserial: float  # share of ranks (or pairs) that rose − share that fell, in [−1, 1]
    n: int  # all pairs, those without a difference too; or n1 + n2
    note: str = ""  # what a table must say beside the result; mostly nothing
    p_exact: float | None = None  # in (0, 1], of any number of pairs; None of independent samples


def paired_test(without: ArrayLike, with_: ArrayLike) -> RankTest:
    """Wilcoxon's signed-rank test of the pairs' differences, with − without.

    without, with_: (pairs,), element i of both from pair i. As `scipy.stats.wilcoxon` with
    `zero_method="wilcox", correction=False` and the normal approximation: pairs without a
    difference are dropped, and over the m others

        Z = (W⁺ − m(m+1)/4) / √((m(m+1)(2m+1) − Σ(t³ − t)/2) / 24),   t the sizes of the ties.

    Where fewer than six pairs differ the approximation's P is left out: it would print one below
    0.05, which the exact test cannot reach. The exact P is given for any number of pairs. It is the
    share of the 2ᵐ ways to give the m differences their signs, all as likely as another where
    warm-up changes nothing, whose W is as small as this one or smaller; ties are part of it. Where
    no pair differs, Z is 0 and P is 1. ValueError where the lengths differ.
    """
    before, after = checks.vector(without, "without"), checks.vector(with_, "with_")
    checks.same_length(("without", "with_"), (before.size, after.size))
    n = before.size
    differences = after - before
    differences = differences[differences != 0]
    m = differences.size
    if m == 0:
        note = _too_few("pairs") if n < MIN_PAIRS else "no pair differs"
        return RankTest(0.0, 0.0, None if n < MIN_PAIRS else 1.0, 0.0, 0.0, n, note, 1.0)

    ranks = rankdata(np.abs(differences))
    rise, fall = float(ranks[differences > 0].sum()), float(ranks[differences < 0].sum())
    variance = (m * (m + 1) * (2 * m + 1) - _tie_term(ranks) / 2) / 24
    z = (rise - fall) / 2 / variance**0.5
    p_value, note = None, ""
    if m < MIN_PAIRS:
        note = _too_few("pairs" if n < MIN_PAIRS else "pairs differ")
    else:
        p_value = wilcoxon(
            before,
            after,
            alternative="two-sided",
            zero_method="wilcox",
            correction=False,
            method="approx",
        ).pvalue
        p_value = max(float(p_value), _SMALLEST_P)
    w = min(rise, fall)
    return RankTest(
        statistic=w,
        z=z,
        p_value=p_value,
        effect_size=abs(z) / n**0.5,
        rank_biserial=(rise - fall) / (rise + fall),
        n=n,
        note=note,
        p_exact=_exact_p(ranks, w) if m <= EXACT_PAIRS else p_value,
    )


def smallest_p(pairs: int) -> float:
    """The least P that the paired test's approximation can give for so many pairs: erfc(√(n/2)).

    With ranks rᵢ and signs sᵢ, Z = Σ sᵢ·rᵢ/√Σ rᵢ², which by Cauchy and Schwarz is √n at most, and
    that only where all ranks are equal and all signs too: n equal differences.
    """
    return math.erfc(math.sqrt(checks.whole(pairs, "pairs") / 2))


def smallest_exact_p(pairs: int) -> float:
    """The least P that the exact test can give: 2 of 2ⁿ ways have all differences of one sign."""
    return max(0.5 ** (checks.whole(pairs, "pairs") - 1), _SMALLEST_P)


def unpaired_test(first: ArrayLike, second: ArrayLike) -> RankTest:
    """Mann–Whitney U test of two independent samples, second − first.

    first: (n1,); second: (n2,). As `scipy.stats.mannwhitneyu` with `method="asymptotic"`, whose P
    has a continuity correction; Z, the effect size's, has none:

        Z = (n1·n2/2 − U) / √(n1·n2/12 · (n + 1 − Σ(t³ − t)/(n(n − 1)))),   n = n1 + n2.

    Where all values are equal, Z is 0 and P is 1.
    """
    a, b = checks.vector(first, "first"), checks.vector(second, "second")
    values, n, pairs = np.concatenate([a, b]), a.size + b.size, a.size * b.size
    if (values == values[0]).all():
        return RankTest(pairs / 2, 0.0, 1.0, 0.0, 0.0, n, "all values are equal")
    outcome = mannwhitneyu(a, b, alternative="two-sided", method="asymptotic")
    u = float(outcome.statistic)
    z = (pairs / 2 - u) / (pairs / 12 * (n + 1 - _tie_term(values) / (n * (n - 1)))) ** 0.5
    return RankTest(
        statistic=u,
        z=z,
        p_value=max(float(outcome.pvalue), _SMALLEST_P),
        effect_size=abs(z) / n**0.5,
        rank_biserial=1 - 2 * u / pairs,
        n=n,
    )


def holm(p_values: Sequence[float | None] | NDArray[np.float64]) -> NDArray[np.float64]:
    """P values adjusted by Holm's step-down method (Scand. J. Stat. 6, 65–70, 1979).

    p_values: (tests,). The i-th smallest of m becomes the largest of min(1, (m − j + 1)·p_(j)) over
    j ≤ i, in the order given. A test without a P (None or NaN) stays NaN and does not count in m.
    ValueError for a P outside [0, 1].
    """
    p, order = _given(p_values)
    adjusted = np.full(p.shape, np.nan)
    steps = np.arange(order.size, 0, -1)  # m, m − 1, ..., 1
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps * p[order]))
    return adjusted


def benjamini_hochberg(
    p_values: Sequence[float | None] | NDArray[np.float64],
) -> NDArray[np.float64]:
    """P values adjusted for the false discovery rate (J. R. Stat. Soc. B 57, 289–300, 1995).

    p_values: (tests,). The i-th smallest of m becomes the least of min(1, m·p_(j)/j) over j ≥ i, in
    the order given. A test without a P (None or NaN) stays NaN and does not count in m. ValueError
    for a P outside [0, 1].

    Of the tests found at an adjusted P of q or less, a share of at most q is false in the mean, of
    independent tests or such as depend positively (Benjamini & Yekutieli, Ann. Stat. 29, 1165–1188,
    2001). That is less than Holm's promise, with which no false one at all is found in 1 − q of all
    studies: use it to sift many conditions, not to claim one.
    """
    p, order = _given(p_values)
    adjusted = np.full(p.shape, np.nan)
    steps = order.size / np.arange(1, order.size + 1)  # m, m/2, ..., 1
    falling = np.minimum.accumulate((steps * p[order])[::-1])
    adjusted[order] = np.minimum(1.0, falling[::-1])
    return adjusted


def mean_interval(differences: ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Student's t interval (low, high) of the mean of the paired differences.

        d̄ ± t · s/√n,   t the (1 + confidence)/2 quantile with n − 1 degrees of freedom

    differences: (pairs,), with − without. It covers the true mean as often as it says where the
    differences are normal, from two pairs on (Student, Biometrika 6, 1–25, 1908); that they are is
    an assumption. Of skewed ones nothing is promised, and it covers less: at .95, exponential ones
    .88 with 3 pairs, .90 with 10 and .93 with 30, log-normal ones (σ = 1) .84, .83 and .87. It is
    wide for few pairs, for there is little to know the spread by.

    One pair has no spread: its interval is (NaN, NaN). Equal differences show none: theirs is
    (d, d), which says that these pairs do not differ, not that the mean is known without error.
    """
    sample = checks.vector(differences, "differences")
    reach = _quantile(sample.size, confidence)
    if sample.size == 1:
        return float("nan"), float("nan")
    if (sample == sample[0]).all():  # their mean may be rounded, and then they seem to spread
        return float(sample[0]), float(sample[0])
    mean, error = float(sample.mean()), float(sample.std(ddof=1)) / math.sqrt(sample.size)
    return mean - reach * error, mean + reach * error


def ratio_interval(
    part: ArrayLike, whole: ArrayLike, confidence: float = 0.95
) -> tuple[float, float]:
    """Fieller's interval (low, high) of mean(part) / mean(whole), over pairs of both.

    part, whole: (pairs,) each, element i of both from pair i. It holds every ratio ρ for which the
    `mean_interval` of part − ρ · whole has zero in it, and covers as that does (Fieller, J. R.
    Stat. Soc. B 16, 175–185, 1954). Where the interval of mean(whole) has zero in it, the ratio may
    be anything: (−infinity, infinity). One pair has none: (NaN, NaN). ValueError where the lengths
    differ.
    """
    parts, wholes = checks.vector(part, "part"), checks.vector(whole, "whole")
    checks.same_length(("part", "whole"), (parts.size, wholes.size))
    reach = _quantile(parts.size, confidence)
    if parts.size == 1:
        return float("nan"), float("nan")
    p, w = float(parts.mean()), float(wholes.mean())
    spread = np.cov(parts, wholes) * reach**2 / parts.size
    # (p − ρw)² ≤ t² · var(part − ρ·whole)/n is a·ρ² − 2b·ρ + c ≤ 0
    a, b, c = w**2 - spread[1, 1], p * w - spread[0, 1], p**2 - spread[0, 0]
    if a <= 0:
        return -math.inf, math.inf
    root = math.sqrt(max(b**2 - a * c, 0.0))  # rounding may take it below 0
    return float((b - root) / a), float((b + root) / a)


def _given(
    p_values: Sequence[float | None] | NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """P values, NaN for None, and where those that are given stand, by rising P."""
    try:
        p = np.asarray(p_values, dtype=np.float64)  # None becomes NaN
    except (ValueError, TypeError) as problem:
        raise ValueError(f"p_values must be numbers or None: {problem}") from None
    if p.ndim != 1:
        raise ValueError(f"p_values must be a vector, not {p.shape}")
    given = np.flatnonzero(~np.isnan(p))
    if ((p[given] < 0) | (p[given] > 1)).any():
        raise ValueError(f"p_values must lie in [0, 1], not {p[given].tolist()}")
    return p, given[np.argsort(p[given], kind="stable")]


def _quantile(pairs: int, confidence: float) -> float:
    """Of Student's t, two-sided; NaN for one pair."""
    return float(stdtrit(pairs - 1, (1 + checks.fraction(confidence, "confidence")) / 2))


def _exact_p(ranks: NDArray[np.float64], w: float) -> float:
    """The share of sign patterns in which min(W⁺, W⁻) is at most w.

    Doubled, mid-ranks are whole numbers. `share[s]` becomes the share of the patterns whose doubled
    W⁺ is s, one rank after another; sums beyond 2w are not needed, and additions alone keep every
    digit.
    """
    share = np.zeros(round(2 * w) + 1)
    share[0] = 1.0
    for rank in np.rint(2 * np.sort(ranks)).astype(int):
        share /= 2
        raised = share[: max(share.size - rank, 0)].copy()
        share[rank:] += raised
    return min(1.0, max(2 * float(share.sum()), _SMALLEST_P))


def _tie_term(values: NDArray[np.float64]) -> float:
    """Σ(t³ − t) over the sizes t of the groups of equal values."""
    t = np.unique(values, return_counts=True)[1].astype(np.float64)  # t³ overflows an integer
    return float((t**3 - t).sum())


def _too_few(what: str) -> str:
    return f"fewer than {MIN_PAIRS} {what}: P cannot be small"
