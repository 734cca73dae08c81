"""Is the difference between two arms real, and how large is it?

The tests are those of Cheon & Paik, Nature Machine Intelligence 8, 602–613 (2026), DOI
10.1038/s42256-026-01215-x, with the settings that give its printed values: Wilcoxon's signed-rank
test for pairs, the Mann–Whitney U test for independent samples, both two-sided and asymptotic, with
the effect size r = |Z|/√N. Beside them stand what the paper leaves out: Holm's correction for
several tests and a bootstrap interval of the difference.

One convention: a difference is second − first, that is with − without warm-up, so that a negative z
says that warm-up lowered the value. Z is derived from the statistic, never from P: it stays right
where P underflows. Empty input, NaN and infinities raise `ValueError`.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import (  # type: ignore[attr-defined]  # SciPy does not list its exports
    DegenerateDataWarning,
    bootstrap,
    mannwhitneyu,
    rankdata,
    wilcoxon,
)

#: With fewer pairs the exact two-sided P, 2/2ⁿ at its smallest, cannot fall below 0.05.
MIN_PAIRS = 6

_SMALLEST_P = float(np.nextafter(0.0, 1.0))
_RESAMPLED_VALUES = 2**20  # drawn at a time by the bootstrap: 8 MiB


@dataclass(frozen=True)
class RankTest:
    """Outcome of a two-sided rank test of second against first."""

    statistic: float  # Wilcoxon: W = min(W⁺, W⁻); Mann–Whitney: U of the first sample
    z: float  # tie-corrected, no continuity correction; negative where the second is lower
    p_value: float | None  # in (0, 1]; None where too few pairs differ, and `note` says so
    effect_size: float  # r = |z| / √n
    rank_biserial: float  # share of ranks (or pairs) that rose − share that fell, in [−1, 1]
    n: int  # all pairs, those without a difference too; or n1 + n2
    note: str = ""  # what a table must say beside the result; mostly nothing


def paired_test(without: ArrayLike, with_: ArrayLike) -> RankTest:
    """Wilcoxon's signed-rank test of the pairs' differences, with − without.

    without, with_: (pairs,), element i of both from pair i. As `scipy.stats.wilcoxon` with
    `zero_method="wilcox", correction=False` and the normal approximation: pairs without a
    difference are dropped, and over the m others

        Z = (W⁺ − m(m+1)/4) / √((m(m+1)(2m+1) − Σ(t³ − t)/2) / 24),   t the sizes of the ties.

    Where fewer than six pairs differ no P is given: the approximation would print one below 0.05,
    which the exact test cannot reach. Where none of six or more differs, Z is 0 and P is 1.
    ValueError where the lengths differ.
    """
    before, after = _vector(without, "without"), _vector(with_, "with_")
    if before.size != after.size:
        raise ValueError(f"without and with_ must pair up, not {before.size} and {after.size}")
    n = before.size
    differences = after - before
    differences = differences[differences != 0]
    m = differences.size
    if m == 0:
        note = _too_few("pairs") if n < MIN_PAIRS else "no pair differs"
        return RankTest(0.0, 0.0, None if n < MIN_PAIRS else 1.0, 0.0, 0.0, n, note)

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
    return RankTest(
        statistic=min(rise, fall),
        z=z,
        p_value=None if p_value is None else max(float(p_value), _SMALLEST_P),
        effect_size=abs(z) / n**0.5,
        rank_biserial=(rise - fall) / (rise + fall),
        n=n,
        note=note,
    )


def smallest_p(pairs: int) -> float:
    """The least P that the paired test can give for so many pairs: all differences of one sign."""
    z = (pairs * (pairs + 1) / 4) / math.sqrt(pairs * (pairs + 1) * (2 * pairs + 1) / 24)
    return math.erfc(z / math.sqrt(2))


def unpaired_test(first: ArrayLike, second: ArrayLike) -> RankTest:
    """Mann–Whitney U test of two independent samples, second − first.

    first: (n1,); second: (n2,). As `scipy.stats.mannwhitneyu` with `method="asymptotic"`, whose P
    has a continuity correction; Z, the effect size's, has none:

        Z = (n1·n2/2 − U) / √(n1·n2/12 · (n + 1 − Σ(t³ − t)/(n(n − 1)))),   n = n1 + n2.

    Where all values are equal, Z is 0 and P is 1.
    """
    a, b = _vector(first, "first"), _vector(second, "second")
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
    p = np.asarray(p_values, dtype=np.float64)  # None becomes NaN
    if p.ndim != 1:
        raise ValueError(f"p_values must be a vector, not {p.shape}")
    adjusted = np.full(p.shape, np.nan)
    given = np.flatnonzero(~np.isnan(p))
    if ((p[given] < 0) | (p[given] > 1)).any():
        raise ValueError(f"p_values must lie in [0, 1], not {p[given].tolist()}")
    order = given[np.argsort(p[given], kind="stable")]
    steps = np.arange(order.size, 0, -1)  # m, m − 1, ..., 1
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps * p[order]))
    return adjusted


def bootstrap_interval(
    differences: ArrayLike,
    statistic: Callable[..., Any] = np.mean,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Bootstrap interval (low, high) of a statistic of the paired differences.

    differences: (pairs,), with − without; `statistic` takes an array and `axis`. Bias-corrected and
    accelerated (Efron, J. Am. Stat. Assoc. 82, 171–185, 1987), or by percentiles where that is not
    defined, as for equal differences. The same seed gives the same interval. One pair has no
    spread: its interval is (NaN, NaN).
    """
    sample = _vector(differences, "differences")
    if sample.size == 1:
        return float("nan"), float("nan")
    return _interval(sample.tobytes(), statistic, confidence, resamples, seed)


@lru_cache(maxsize=1024)  # a table, the sentences and the page ask for the same ones
def _interval(
    differences: bytes,
    statistic: Callable[..., Any],
    confidence: float,
    resamples: int,
    seed: int,
) -> tuple[float, float]:
    sample = np.frombuffer(differences)
    low, high = float("nan"), float("nan")
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", DegenerateDataWarning)
            interval = bootstrap(
                (sample,),
                statistic,
                confidence_level=confidence,
                n_resamples=resamples,
                batch=max(1, _RESAMPLED_VALUES // sample.size),
                method=method,
                random_state=np.random.default_rng(seed),
            ).confidence_interval
        low, high = float(interval.low), float(interval.high)
        if np.isfinite([low, high]).all():
            break
    return low, high


def _vector(values: ArrayLike, name: str) -> NDArray[np.float64]:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1 or vector.size == 0:
        raise ValueError(f"{name} must be a non-empty vector, not {vector.shape}")
    if not np.isfinite(vector).all():
        raise ValueError(f"{name} contains NaN or infinity")
    return vector


def _tie_term(values: NDArray[np.float64]) -> float:
    """Σ(t³ − t) over the sizes t of the groups of equal values."""
    t = np.unique(values, return_counts=True)[1].astype(np.float64)  # t³ overflows an integer
    return float((t**3 - t).sum())


def _too_few(what: str) -> str:
    return f"fewer than {MIN_PAIRS} {what}: P cannot be small"
