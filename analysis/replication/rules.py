"""When a claim holds: one rule for each kind of claim, computed from rows of measured numbers.

A row is graded 2 (holds), 1 (in part) or 0. A claim over several conditions holds where all of them
do, and in part where at least half of them do at least in part. So no verdict is written by hand,
and none was chosen after its numbers were seen: the rules are stated at the head of the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from scipy.stats import spearmanr

from analysis.exhibits.common.text import number, p_text, percent, significant

HOLDS, IN_PART, NOT_HERE = "holds", "holds in part", "does not hold here"
NOT_RUN = "not run"
VERDICTS = (HOLDS, IN_PART, NOT_HERE, NOT_RUN)

Row = Mapping[str, Any]

_MOVED = ("moved_as_the_paper", "lower", "fell")  # as tables call the pairs that did
_BEFORE, _AFTER = ("without_mean", "before_mean"), ("with_mean", "after_mean")
_NAMES = ("condition", "method", "arm", "layer", "set", "epoch")  # columns that tell rows apart
_OF_NUMBERS = ("layer", "epoch")  # those whose values say nothing alone
_MOST_NAMED = 6
_ALL_BUT_ONE = 0.9995  # shown as 1.000


_HELD = ""
_ALONE = {  # why a number did not move as it should → a sentence, where there is one row
    _HELD: "",
    "not in every pair": "Not in every pair.",
    "of one pair": "One pair has no interval.",
    "at its limit in both arms": "It is at its limit in both arms, where it cannot be {room}: "
    "nothing follows.",
    "the same in both arms": "No pair differs: the number is the same in both arms.",
    "sign left open": "The interval has zero in it: these pairs leave the sign open.",
    "clear of zero, the other way": "The difference is clear of zero, the other way.",
}


class Finding(NamedTuple):
    """What the rows say of a claim."""

    verdict: str
    here: str  # our numbers
    pairs: str
    remark: str = ""  # what must be said beside a verdict


class Rule(Protocol):
    """A kind of claim."""

    @property
    def said(self) -> str:
        """When it holds, holds in part, and does not, in words."""

    def judge(self, rows: Sequence[Row]) -> Finding:
        """rows: at least one."""


@dataclass(frozen=True)
class Moves:
    """A number is lower (−1) or higher (+1) with warm-up, perhaps in every pair."""

    way: int
    every: bool = False
    said = (
        "**A number moves one way.** Holds where the 95 % interval of the mean difference, with − "
        "without, lies wholly on the paper's side, and, where the paper's W is 0 or the claim says "
        "“every”, every pair moved that way; in part where the interval does and not every pair; "
        "else not. Intervals are Student's t."
    )

    def judge(self, rows: Sequence[Row]) -> Finding:
        grades = [self._grade(row) for row in rows]
        if len(rows) == 1:
            row = rows[0]
            at = f"at {row['at']}: " if "at" in row else ""
            return Finding(
                _over(grades), at + _means(row) + _test(row), _pairs(rows), self._of(row)
            )
        return Finding(_over(grades), self._span(rows), _pairs(rows), self._exceptions(rows))

    def _grade(self, row: Row) -> int:
        low, high = row.get("interval_low"), row.get("interval_high")
        if low is None or high is None or (low if self.way > 0 else -high) <= 0:
            return 0
        return 1 if self.every and _moved(row) != pair_count(row) else 2

    def _of(self, row: Row) -> str:
        """What must be said of the only row."""
        room = "higher" if self.way > 0 else "lower"
        return _ALONE[self._why(row)].format(room=room)

    def _exceptions(self, rows: Sequence[Row]) -> str:
        """Conditions that do not hold, by what is amiss with each."""
        amiss: dict[str, list[str]] = {}
        for name, row in zip(_names(rows), rows, strict=True):
            amiss.setdefault(self._why(row), []).append(name)
        amiss.pop(_HELD, None)
        return " ".join(
            f"{why[0].upper()}{why[1:]}: {'all' if len(names) == len(rows) else _shortened(names)}."
            for why, names in amiss.items()
        )

    def _why(self, row: Row) -> str:
        """Why a row does not hold, one of `_ALONE`."""
        grade, low, high = self._grade(row), row.get("interval_low"), row.get("interval_high")
        if grade:
            return _HELD if grade == 2 else "not in every pair"
        if low is None or high is None:
            return "of one pair"
        if _at_limit(row, self.way):
            return "at its limit in both arms"
        if low == high == 0:
            return "the same in both arms"
        return "sign left open" if low <= 0 <= high else "clear of zero, the other way"

    def _span(self, rows: Sequence[Row]) -> str:
        clear = sum(self._grade(row) > 0 for row in rows)
        other = sum(Moves(-self.way)._grade(row) > 0 for row in rows)
        changes = [row["difference"] for row in rows]
        text = f"Δ {_number(min(changes))} to {_number(max(changes))}; interval clear of zero "
        text += f"that way in {clear} of {len(rows)}"
        text += f", the other way in {other}" if other else ""
        if not all(_moved(row) is not None for row in rows):
            return text
        return f"{text}; every pair in {sum(_moved(row) == pair_count(row) for row in rows)}"


@dataclass(frozen=True)
class Same:
    """A number is not changed by warm-up."""

    said = (
        "**A number does not change.** Holds where the test of equivalence says that the mean "
        "difference lies within the margin that the tables here use (0.01 for accuracy and ECE), P "
        "< .05; in part where the 95 % interval merely has zero in it, which shows no equality; "
        "else not."
    )

    def judge(self, rows: Sequence[Row]) -> Finding:
        grades = [self._grade(row) for row in rows]
        here = "; ".join(_means(row) + _test(row) for row in rows)
        return Finding(_over(grades), here, _pairs(rows))

    @staticmethod
    def _grade(row: Row) -> int:
        if row.get("p_equivalence", 1.0) < 0.05:
            return 2
        low, high = row.get("interval_low"), row.get("interval_high")
        return int(low is not None and high is not None and low <= 0 <= high)


@dataclass(frozen=True)
class Between:
    """Numbers lie in a range."""

    columns: tuple[str, ...]
    low: float
    high: float
    minus: str | None = None  # a column to be taken off
    share: bool = False  # to be read in per cent
    than: str = ""  # what stands behind the numbers
    said = (
        "**A number lies in a range**, which is the paper's, or ours where the paper gives words "
        "alone: then it stands in the row. Holds where the mean of every condition does, in part "
        "where those of at least half do, else not."
    )

    def judge(self, rows: Sequence[Row]) -> Finding:
        values = [self._values(row) for row in rows]
        grades = [2 * all(self.low <= v <= self.high for v in found) for found in values]
        every = [value for found in values for value in found]
        text = percent if self.share else _number
        here = text(min(every)) if len(every) == 1 else f"{text(min(every))} to {text(max(every))}"
        named = f"{here} {self.than}".strip()
        return Finding(_over(grades), named, _pairs(rows), _exceptions(rows, grades))

    def _values(self, row: Row) -> list[float]:
        off = row[self.minus] if self.minus else 0.0
        return [row[column] - off for column in self.columns]


@dataclass(frozen=True)
class Trend:
    """A number rises (+1) or falls (−1) along a level, the other levels being the same."""

    of: str  # column
    along: str
    way: int
    verb: str  # what the claim says happens
    to: str  # where it does
    beside: str | None = None  # the column of the other level
    said = (
        "**A number rises or falls along a level**, such as depth. Holds where its mean does at "
        "every step, in part where the rank correlation (Spearman's, mean over the lines) is 0.5 "
        "or more that way, else not."
    )

    def judge(self, rows: Sequence[Row]) -> Finding:
        lines = [line for line in self._lines(rows) if len(line) > 1]
        if not lines:
            return Finding(NOT_RUN, "", _pairs(rows), "Of one level alone there is no trend.")
        steps = [self.way * (b - a) > 0 for line in lines for a, b in pairwise(line)]
        rank = self.way * float(
            np.mean([rank_correlation(range(len(line)), line) for line in lines])
        )
        verdict = HOLDS if all(steps) else IN_PART if rank >= 0.5 else NOT_HERE
        plus = "+" if rank > 0 else ""
        text = f"{self.verb} in {sum(steps)} of {len(steps)} steps to {self.to}"
        return Finding(
            verdict, f"{text}; rank correlation that way {plus}{number(rank, 2)}", _pairs(rows)
        )

    def _lines(self, rows: Sequence[Row]) -> list[list[float]]:
        """Values by ascending level, a list for each level of the other."""
        found: dict[Any, dict[float, float]] = {}
        for row in rows:
            if self.of in row and self.along in row:
                line = found.setdefault(row.get(self.beside or ""), {})
                line[row[self.along]] = row[self.of]
        return [[line[level] for level in sorted(line)] for line in found.values()]


@dataclass(frozen=True)
class FallsShort:
    """One part of the warm-up does not do what all of it does."""

    said = (
        "**One part does not do what the whole warm-up does.** Holds where its ECE is higher than "
        "the whole's, the 95 % interval of the difference clear of zero; else not."
    )

    def judge(self, rows: Sequence[Row]) -> Finding:
        grades = [2 * (row.get("interval_low_against_full", 0.0) > 0) for row in rows]
        return Finding(_over(grades), "; ".join(map(self._text, rows)), _pairs(rows))

    @staticmethod
    def _text(row: Row) -> str:
        more = _number(row["difference_against_full"])
        ends = _bracket(row.get("interval_low_against_full"), row.get("interval_high_against_full"))
        share = f", {percent(row['share'])} of the effect" if "share" in row else ""
        return f"ECE {_number(row['mean'])}, {_signed(more)}{ends} against the whole{share}"


RULES: tuple[type[Rule], ...] = (Moves, Same, Between, Trend, FallsShort)


def _over(grades: Sequence[int]) -> str:
    if min(grades) == 2:
        return HOLDS
    return IN_PART if 2 * sum(grade > 0 for grade in grades) >= len(grades) else NOT_HERE


def _first(row: Row, names: Sequence[str]) -> Any:
    return next((row[name] for name in names if name in row), None)


def _moved(row: Row) -> int | None:
    """Pairs that moved the paper's way; None where the table does not count them."""
    moved: int | None = _first(row, _MOVED)
    return moved


def pair_count(row: Row) -> int:
    """Pairs that it rests on, or networks measured before and after."""
    return int(row.get("pairs", row.get("networks", 0)))


def _pairs(rows: Sequence[Row]) -> str:
    """Of a condition, the least and the most."""
    counts = [pair_count(row) for row in rows]
    low, high = min(counts), max(counts)
    planned = max(row.get("pairs_planned", row.get("networks_planned", 0)) for row in rows)
    text = str(low) if low == high else f"{low}–{high}"
    return f"{text} of {planned}" if low < planned else text


def _means(row: Row) -> str:
    """Both means and their difference."""
    before, after = _first(row, _BEFORE), _first(row, _AFTER)
    return f"{_number(before)} → {_number(after)}, Δ {change(row)}"


def change(row: Row) -> str:
    """The mean difference, signed, with its interval."""
    ends = _bracket(row.get("interval_low"), row.get("interval_high"))
    return f"{_signed(_number(row['difference']))}{ends}"


def _test(row: Row) -> str:
    """How many pairs moved, and the paper's own test, or what stands in for it."""
    moved, w, p = _moved(row), row.get("paired_w", row.get("w")), row.get("p")
    parts = [] if moved is None else [f"{moved}/{pair_count(row)}"]
    if row.get("test") == "Mann-Whitney":
        parts.append(f"U = {row['statistic']:g}")
    elif w is not None and row["difference"]:  # without a difference there is no test
        parts.append(f"W = {w:g}")
    if p is not None and row["difference"]:
        parts.append(f"P = {p_text(p)}, r = {number(row['r'], 2)}")
    elif "p_exact" in row and row["difference"]:
        parts.append(f"exact P = {p_text(row['p_exact'])}")
    return "".join(f"; {part}" for part in parts[:1]) + "".join(f", {part}" for part in parts[1:])


def _bracket(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{_number(low)}, {_number(high)}]"


def _signed(text: str) -> str:
    return text if text.startswith("−") else f"+{text}"


def _exceptions(rows: Sequence[Row], grades: Sequence[int]) -> str:
    """Conditions that do not hold, by what tells them apart."""
    names = [name for name, grade in zip(_names(rows), grades, strict=True) if grade < 2]
    return "" if len(names) in (0, len(rows)) else f"Not wholly: {_shortened(names)}."


def _names(rows: Sequence[Row]) -> list[str]:
    """What tells each row from the others."""
    telling = [name for name in _NAMES if len({row.get(name) for row in rows}) > 1]
    return [" ".join(_named(row, name) for name in telling if name in row) for row in rows]


def _named(row: Row, name: str) -> str:
    value = row.get("number", row[name]) if name == "layer" else row[name]
    return f"{name} {value}" if name in _OF_NUMBERS else str(value)


def _shortened(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return "; ".join(names[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _at_limit(row: Row, way: int) -> bool:
    """Whether no arm leaves room to move: nothing is below 0, and no AUROC is above 1."""
    means = _first(row, _BEFORE), _first(row, _AFTER)
    if way < 0:
        return means == (0, 0)
    return "auroc" in str(row.get("metric")) and min(means) >= _ALL_BUT_ONE


def _number(value: float) -> str:
    """Three decimals; of what these would not show, three figures."""
    return number(value) if 0.0005 <= abs(value) < 10 or value == 0 else significant(value)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's; 0 where all of one are equal."""
    if len(set(first)) == 1 or len(set(second)) == 1:
        return 0.0
    return float(spearmanr(first, second).statistic)
