"""As many pairs as needed, no more: a group-sequential design for the mean of paired differences.

Pairs are added in looks, such as 6, 10, 16 and 30. At each the study stops where the interval of
the mean difference leaves out zero, or is narrow enough; else it goes on, to the last look. To look
four times with the usual interval, and to stop at the first that leaves out zero, would find a
difference in 14 % of all studies in which there is none. Here it is 5 % at most over all looks:

- alpha spending (Lan & DeMets, Biometrika 70, 659–663, 1983): by a share τ of the most pairs that
  there may be, an error of .04·τ is spent (Kim & DeMets, Biometrika 74, 149–154, 1987, ρ = 1). The
  number of complete pairs at a look need not be as planned: what is spent follows from those there
  are.
- the boundaries are exact for Student's t, see `analysis.statistics.student_boundaries`.
- the interval is the repeated one of Jennison & Turnbull (J. R. Stat. Soc. B 51, 305–361, 1989),
  d̄ ± cₖ·s/√n with the look's boundary cₖ. All looks' intervals hold the true mean together in 96 %
  of all studies, so that of the look at which a study stops does, whatever stopped it.

A fifth of the error is kept back, for the theory is of normal differences. With all of it spent
6.0 % would err of slightly skewed ones (skewness 0.7) and of uniform ones; so it is 5.0 % of both,
but 12 % of exponential ones (skewness 2), of which Student's t errs in 8 % with 30 pairs looked at
once. Where warm-up changes nothing at all, with and without may change places, and no differences
are skewed. Two heaps of them, as of a network that now and then fails to learn, give 6 %.

Near Pocock's boundaries, and not O'Brien and Fleming's: warm-up moves ECE by one to two standard
deviations of its differences, which six to ten pairs can show. Theirs spend 0.00001 at 6 of 30
pairs, where t would have to reach 17: a look in vain. The price is at the end: with 30 pairs the
interval is ± 2.40·s/√n, and ± 2.05·s/√n were no look taken before.

That zero is left out says which way the mean moved; the mean itself is too large in the studies
that stop early, for those that had luck stop first.

A sentence such as "equivalent within a margin" may use the same interval: where that lies inside
±margin, both one-sided tests of `analysis.statistics.equivalence` reject (TOST by inclusion), at
half the level over all looks, and at any look.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.metrics import checks
from analysis.statistics.student_boundaries import STEP, critical_values

ERROR = 0.05  # of a study at most, over all its looks and conditions
SPENT = 0.04  # of it, of normal differences
FORESEEN = 10  # times the present pairs: further ahead their spread says too little

#: clear: the interval leaves out zero; narrow: its half-width is at most the precision; last: no
#: look is left; open: go on. A look that is clear and narrow is clear.
Outcome = Literal["clear", "narrow", "last", "open"]


@dataclass(frozen=True)
class Design:
    """Fixed before the data are seen."""

    looks: tuple[int, ...]  # pairs at each, at least two more than before
    precision: float  # half-width of an interval that is narrow enough, in the measure's unit
    conditions: int = 1  # decided together: Bonferroni's share of the error is each one's

    def __post_init__(self) -> None:
        checks.positive(self.precision, "precision")
        checks.whole(self.conditions, "conditions")
        if not self.looks:
            raise ValueError("looks must be one at least")
        self.boundary(self.looks, last=True)  # or its ValueError

    def boundary(self, pairs: Sequence[int], last: bool) -> float:
        """|t| from which a condition is clear at the last of looks with so many complete pairs.

        last: of all looks; it spends what is left, however many pairs were lost.
        """
        error = SPENT / self.conditions
        spent = [error * n / self.looks[-1] for n in pairs]
        return critical_values(tuple(pairs), (*spent[:-1], error if last else spent[-1]))[-1]


@dataclass(frozen=True)
class Look:
    """What the pairs of a condition said at one look."""

    planned: int  # pairs
    pairs: int  # complete ones among them
    mean: float  # of the differences, with − without; NaN without a pair
    spread: float  # their standard deviation; NaN where that is unknown
    interval: tuple[float, float]  # (−∞, ∞) where the spread is unknown
    outcome: Outcome

    @property
    def decided(self) -> bool:
        return self.outcome in ("clear", "narrow")

    @property
    def half_width(self) -> float:
        return (self.interval[1] - self.interval[0]) / 2


@dataclass(frozen=True)
class Foresight:
    """How many more pairs would decide, were mean and spread to stay as they are."""

    more: int | None  # complete pairs; None: nothing honest can be said, and `why`
    why: str = ""


def take_look(design: Design, before: Sequence[Look], differences: ArrayLike) -> Look:
    """The next look of a condition.

    before: its earlier looks, none of which has decided; differences: (pairs,), of the complete
    pairs among those that the look plans, may be empty. A look with fewer than two pairs more than
    the one before it keeps that one's interval, and so does one whose pairs all differ alike, which
    says nothing of the spread. ValueError where no look is left, or for NaN.
    """
    if len(before) >= len(design.looks):
        raise ValueError(f"looks are over: there are {len(design.looks)}")
    planned, last = design.looks[len(before)], len(before) + 1 == len(design.looks)
    sample = checks.vector(differences, "differences") if np.size(differences) else np.empty(0)
    checks.whole(sample.size, "pairs", least=0, most=planned)
    n, mean = int(sample.size), float(sample.mean()) if sample.size else math.nan
    known = n > 1 and bool((sample != sample[0]).any())
    spread = float(sample.std(ddof=1)) if known else math.nan
    interval = before[-1].interval if before else (-math.inf, math.inf)
    counted = _counted(before)
    if known and n >= _after(counted):
        reach = design.boundary([*counted, n], last) * spread / math.sqrt(n)
        interval = (mean - reach, mean + reach)
    return Look(planned, n, mean, spread, interval, _outcome(design, interval, last))


def foresee(design: Design, looks: Sequence[Look]) -> Foresight:
    """How many more pairs would decide a condition, from its looks, the last of which is open or
    the last of all.

    That is the first look to come at which |d̄| or the precision would exceed the half-width, were
    mean and spread to stay as they are; past the last look, the number of pairs at which they would
    with its boundary. It is a guess: by that number more than half of all studies are decided, not
    all. Where the mean is below its standard error it may as well be zero, and only the precision
    counts. Nothing is said where the spread is unknown, or of more than ten times the pairs.
    """
    now = looks[-1]
    if math.isnan(now.spread):
        return Foresight(None, "the spread of the differences is not known")
    error = now.spread / math.sqrt(now.pairs)
    target = max(abs(now.mean) if abs(now.mean) > error else 0.0, design.precision)
    counted = _counted(looks)
    for planned in design.looks[len(looks) :]:
        counted.append(now.pairs + planned - now.planned)
        boundary = design.boundary(counted, last=planned == design.looks[-1])
        if boundary * now.spread / math.sqrt(counted[-1]) < target:
            return Foresight(counted[-1] - now.pairs)
    boundary = design.boundary(design.looks, last=True)
    needed = math.ceil((boundary * now.spread / target) ** 2)
    if needed > FORESEEN * now.pairs:
        return Foresight(None, f"it would take more than {FORESEEN} times as many pairs")
    return Foresight(max(needed, counted[-1] + 1) - now.pairs)


def _counted(looks: Sequence[Look]) -> list[int]:
    """Complete pairs at the looks that have spent some of the error."""
    counted: list[int] = []
    for look in looks:
        if not math.isnan(look.spread) and look.pairs >= _after(counted):
            counted.append(look.pairs)
    return counted


def _after(counted: Sequence[int]) -> int:
    """The least pairs that a look after these can have to say something new."""
    return (counted[-1] if counted else 0) + STEP


def _outcome(design: Design, interval: tuple[float, float], last: bool) -> Outcome:
    low, high = interval
    if low > 0 or high < 0:
        return "clear"
    if (high - low) / 2 <= design.precision:
        return "narrow"
    return "last" if last else "open"
