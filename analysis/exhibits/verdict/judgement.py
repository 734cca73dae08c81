"""The verdict on a network: what its numbers say, as sure as they allow and no surer.

The rules, stated before any number is seen:

- A network is miscalibrated where more of those without a remedy lie beyond chance's 95th
  percentile than one in twenty would give, by an exact binomial test at 5 %.
- A remedy works where the interval of the change of ECE, against nothing, lies below zero, and that
  of accuracy does not lie below −.01.
- A remedy does as well as the warm-up where it works, and the interval of its ECE less that of the
  warmed-up network ends below .01.
- The verdict names the simplest that does as well, in the order of `remedies.REMEDIES`; without a
  warm-up that works, the simplest that works.
- That a warm-up makes no difference is said where the interval lies within ±.01 and zero in it.

Intervals of what warm-up changes of ECE are those of the study's design: where pairs were added in
looks, such as hold at all looks. The others are Student's, one by one, and not corrected.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from analysis.exhibits.common.cells import in_brackets, mean
from analysis.exhibits.common.text import number, plural
from analysis.exhibits.verdict.remedies import (
    NOTHING,
    REMEDIES,
    WARM_UP,
    Networks,
    Remedy,
)
from analysis.statistics.comparison import ACCURACY, ECE, Measure
from analysis.statistics.paired import mean_interval

Interval = tuple[float, float]
Kind = Literal["helps", "harms", "no difference", "unclear", "nothing to compare"]

MARGIN = ECE.margin or 0.01


@dataclass(frozen=True, eq=False)
class Change:
    """A measure of one remedy less that of another, network by network."""

    first: NDArray[np.float64]  # (pairs,)
    second: NDArray[np.float64]  # (pairs,)
    interval: Interval  # of the mean difference, second − first; (−∞, ∞) where that is unknown

    @property
    def pairs(self) -> int:
        return int(self.first.size)

    @property
    def mean(self) -> float:
        return mean(self.second - self.first)

    @property
    def lower(self) -> bool:
        """Whether the difference is shown to be below zero."""
        return self.interval[1] < 0

    @property
    def higher(self) -> bool:
        return self.interval[0] > 0

    def __str__(self) -> str:
        plus = "+" if self.mean > 0 else ""
        known = self.interval if np.isfinite(self.interval).all() else None
        return plus + number(self.mean) + in_brackets(known)


@dataclass(frozen=True)
class Judgement:
    kind: Kind
    miscalibrated: bool  # beyond what chance alone gives
    simplest: Remedy | None  # that does as well as the warm-up, or works where that does not
    warm_up_works: bool  # lowers ECE, and not accuracy
    main: Change  # of ECE by the warm-up


def change(
    networks: Networks,
    measure: Measure,
    first: Remedy,
    second: Remedy,
    looked: tuple[Interval, int] | None = None,
) -> Change:
    """Of the replicates that have the measure under both, with Student's interval; looked: that of
    a design's last look in its place, and the replicates that it looked at, the first so many."""
    both = [
        (networks[first][replicate][measure.key], numbers[measure.key])
        for replicate, numbers in sorted(networks[second].items())
        if measure.key in numbers and measure.key in networks[first].get(replicate, {})
        if looked is None or replicate < looked[1]
    ]
    before, after = np.array(both, dtype=np.float64).reshape(-1, 2).T
    if len(both) < 2:
        return Change(before, after, (-np.inf, np.inf))
    return Change(before, after, looked[0] if looked else mean_interval(after - before))


def judge(networks: Networks, beyond: int, main: Change) -> Judgement:
    """beyond: how many networks without a remedy lie beyond chance's 95th percentile; main: what
    the warm-up changes of ECE."""
    miscalibrated = _are_more_than_chance(beyond, len(networks[NOTHING]))
    kind = _kind(main)
    works = [remedy for remedy in REMEDIES[1:] if _works(networks, remedy, main)]
    warm_up_works = WARM_UP in works
    if warm_up_works:
        works = [remedy for remedy in works if _as_well(networks, remedy)]
    return Judgement(kind, miscalibrated, works[0] if works else None, warm_up_works, main)


def _are_more_than_chance(beyond: int, of: int) -> bool:
    """P of so many or more, each with a probability of .05, is below .05."""
    return bool(of) and float(bdtrc(beyond - 1, of, 0.05)) < 0.05


def _kind(main: Change) -> Kind:
    if main.pairs < 2:
        return "nothing to compare"
    if main.lower or main.higher:
        return "helps" if main.lower else "harms"
    low, high = main.interval
    return "no difference" if -MARGIN < low <= high < MARGIN else "unclear"


def _works(networks: Networks, remedy: Remedy, main: Change) -> bool:
    ece = main if remedy is WARM_UP else change(networks, ECE, NOTHING, remedy)
    accuracy = change(networks, ACCURACY, NOTHING, remedy)
    return ece.lower and accuracy.interval[1] > -(ACCURACY.margin or 0)


def _as_well(networks: Networks, remedy: Remedy) -> bool:
    return remedy is WARM_UP or change(networks, ECE, WARM_UP, remedy).interval[1] < MARGIN


def sentence(networks: Networks, found: Judgement, more: str) -> str:
    """The verdict in one sentence; more: how many more pairs would tell, in words."""
    main, simplest = found.main, found.simplest
    if found.kind == "nothing to compare":
        return "Nothing can be told yet: fewer than two pairs are complete."
    before, after = number(mean(main.first)), number(mean(main.second))
    change_ = f"ECE {before} → {after}, Δ {main}, {plural(main.pairs, 'pair')}"
    other = ""
    if simplest not in (None, WARM_UP):
        other = f"{simplest.name} {'does as well' if found.warm_up_works else 'helps'}"
        other += f" (ECE {number(_mean_ece(networks, simplest))})"
    match found.kind:
        case "helps" if simplest is WARM_UP:
            return f"Warm it up: {change_}, and nothing simpler does as well."
        case "helps" if found.warm_up_works:
            return f"Warm-up helps ({change_}), but {other} and is simpler: use that."
        case "helps":
            said = f"Warm-up calibrates it ({change_}), but at a cost in accuracy: do not use it"
        case "harms":
            said = f"Do not warm it up: that makes calibration worse ({change_})"
        case "no difference":
            said = f"Do not bother to warm it up: that changes nothing that matters ({change_})"
        case _:
            said = f"It cannot be told yet whether warm-up helps ({change_}); {more}"
    return f"{said}{f'; {other}' if other else ''}."


def _mean_ece(networks: Networks, remedy: Remedy) -> float:
    return mean([n[ECE.key] for n in networks[remedy].values() if ECE.key in n])
