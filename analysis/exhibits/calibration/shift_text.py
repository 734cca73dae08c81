"""What becomes of warm-up's benefit when the data drift, in sentences computed from the numbers.

Five comparisons answer it, pair by pair: of ECE without and with warm-up on clean data and at the
highest severity; of this difference at one and at the other; and of warm-up alone with temperature
scaling alone, at both. A difference is called shown where Holm's correction over the five passes it
and its 95 % interval leaves out zero; all else is said to be not shown, never to be none.
"""

from collections.abc import Mapping, Sequence

from analysis.exhibits.common.cells import BOTH, INTERVAL, difference, mean
from analysis.exhibits.common.passing import none_can_pass, passed
from analysis.exhibits.common.text import number, p_text
from analysis.metrics.shift import OF_TEXT, WORST
from analysis.statistics.comparison import (
    Comparison,
    Measure,
    clear_of_zero,
    compare_values,
    corrected_by,
)

Rows = Mapping[tuple[str, int], Comparison]  # of one measure, by (state, severity)
Both = Sequence[tuple[Mapping[str, float], Mapping[str, float]]]  # a pair's, by `key`

ECE = Measure("ece", "ECE", -1)
ACCURACY = Measure("accuracy", "Accuracy", 1)
CONFIDENCE = Measure("confidence", "Confidence", -1)

PLAIN, SCALED = STATES = ("as trained", "temperature scaling")

#: What is compared, the second with the first.
CLEAN = "warm-up with none, clean"
DRIFTED = f"warm-up with none, severity {WORST}"
CHANGE = f"what warm-up changes, severity {WORST} with clean"
SCALED_CLEAN = "warm-up with temperature scaling, clean"
SCALED_DRIFTED = f"warm-up with temperature scaling, severity {WORST}"

_NAMES = {-1: "benefit", 1: "harm"}


def key(measure: str, state: str, place: int | str) -> str:
    """Of a network's number at a severity, or under a corruption at the highest."""
    return f"{measure}/{state}/{place}"


def answers(both: Both, like: Comparison) -> dict[str, Comparison]:
    """The five comparisons, with Holm's correction over them.

    both: the numbers of each pair, (without, with); like: one of the pairs' comparisons, which says
    how many were planned and what became of the others.
    """
    clean, drifted = (_ece(both, PLAIN, severity) for severity in (0, WORST))
    changes = [(b - a, d - c) for (a, b), (c, d) in zip(clean, drifted, strict=True)]
    found = {
        CLEAN: clean,
        DRIFTED: drifted,
        CHANGE: changes,
        SCALED_CLEAN: _ece(both, SCALED, 0),
        SCALED_DRIFTED: _ece(both, SCALED, WORST),
    }
    return corrected_by(
        {
            name: compare_values(like.condition, ECE, values, like.planned, like.lost)
            for name, values in found.items()
        }
    )


def _ece(both: Both, state: str, severity: int) -> list[tuple[float, float]]:
    """(without warm-up in that state, with warm-up as trained) of the pairs that have both."""
    first, second = (key(ECE.key, of, severity) for of in (state, PLAIN))
    return [(a[first], b[second]) for a, b in both if first in a]


def findings(rows: Mapping[Measure, Rows], found: Mapping[str, Comparison]) -> list[str]:
    """Whether the benefit lasts, how it compares with temperature scaling, and accuracy beside."""
    return [lasting(found), *_against_scaling(rows[ECE], found), _accuracy(rows[ACCURACY])]


def how(predictions: int, kinds: Sequence[str]) -> str:
    if kinds == OF_TEXT:
        of = f"{predictions:,} predictions of test texts, of whose bytes some are random"
    else:
        of = f"{predictions:,} test images under {len(kinds)} corruptions"
    return (
        f"Measured on the first {of}, the same for every network; numbers by severity are means "
        "over the corruptions, and severity 0 is clean. Temperature scaling is fitted by "
        "likelihood on the clean validation examples of each network; a pair in which no "
        "temperature is the most likely one does not count there. In the figure means over "
        "networks, and over pairs for Δ, each "
        f"with its {INTERVAL}; solid: as trained, dashed: after temperature scaling. In the tables "
        f"mean ± s.d.; Δ is the mean of with − without, or of second − first, with its {INTERVAL}; "
        f"W, P, exact P and r = |Z|/√pairs: {BOTH} over the rows of a table."
    )


def lasting(found: Mapping[str, Comparison]) -> str:
    """Whether what warm-up changes grows, shrinks, vanishes or turns with severity."""
    clean, drifted, change = found[CLEAN], found[DRIFTED], found[CHANGE]
    hopeless = none_can_pass(list(found.values()))
    if hopeless:
        return (
            f"{_effects(difference(clean), difference(drifted))}. What becomes of this when the "
            f"data drift cannot be told: {hopeless} none can pass Holm's correction."
        )
    base = _effects(*map(_marked, (clean, drifted)))
    tested = f"a change of {difference(change)}, Holm P = {p_text(change.p_holm)}"
    if not _shown(change):
        unknown = "that it depends on the severity is not shown, nor that it does not"
        return f"{base}: {unknown} ({tested})."
    return f"{base}: {_course(*map(_shown, (clean, drifted, change)))} ({tested})."


def _effects(clean: str, drifted: str) -> str:
    return f"Warm-up changes mean ECE by {clean} on clean data and by {drifted} at severity {WORST}"


def _course(clean: int, drifted: int, change: int) -> str:
    """What becomes of the effect; each is the sign of what is shown, 0 where nothing is."""
    if clean and drifted and clean != drifted:
        return f"the {_NAMES[clean]} turns into {_with_article(drifted)}"
    if clean and drifted:
        way = "grows" if change == clean else "shrinks"
        return f"the {_NAMES[clean]} {way} with severity"
    if clean and change != clean:
        return f"the {_NAMES[clean]} shrinks with severity until none is shown"
    if drifted and change == drifted:
        return f"{_with_article(drifted)} appears with severity that is not shown on clean data"
    return f"the difference {'falls' if change < 0 else 'rises'} with severity"


def _with_article(sign: int) -> str:
    return f"a {_NAMES[sign]}"


def _against_scaling(rows: Rows, found: Mapping[str, Comparison]) -> list[str]:
    clean, drifted = found[SCALED_CLEAN], found[SCALED_DRIFTED]
    if not clean.n:
        return ["Temperature scaling without warm-up has no optimum in any pair."]
    said = [
        f"With temperature scaling alone mean ECE is {number(mean(clean.without))} on clean data "
        f"and {number(mean(drifted.without))} at severity {WORST}, with warm-up alone "
        f"{number(mean(clean.with_))} and {number(mean(drifted.with_))}{_of_how_many(clean)}: "
        f"warm-up's is {_either_way(clean, drifted)}."
    ]
    first, last = rows[SCALED, 0], rows[SCALED, WORST]
    if first.n:
        said.append(
            f"With both it is {number(mean(first.with_))} and {number(mean(last.with_))}"
            f"{_of_how_many(first)}; after temperature scaling warm-up changes it by "
            f"{difference(first)} and {difference(last)}."
        )
    return said


def _of_how_many(row: Comparison) -> str:
    """Where not every planned pair counts."""
    return "" if row.n == row.planned else f" in {row.n} of {row.planned} pairs"


def _either_way(clean: Comparison, drifted: Comparison) -> str:
    words = {-1: "lower", 1: "higher", 0: "not shown to differ"}
    first, last = (words[_shown(row)] for row in (clean, drifted))
    if first == last:
        return f"{first} at both ({difference(clean)} and {difference(drifted)})"
    return (
        f"{first} on clean data ({difference(clean)}) and {last} at severity {WORST} "
        f"({difference(drifted)})"
    )


def _accuracy(rows: Rows) -> str:
    clean, drifted = rows[PLAIN, 0], rows[PLAIN, WORST]
    without, with_ = (
        f"from {number(mean(first))} to {number(mean(last))}"
        for first, last in ((clean.without, drifted.without), (clean.with_, drifted.with_))
    )
    return f"Mean accuracy goes {without} without warm-up and {with_} with it."


def _marked(row: Comparison) -> str:
    return difference(row) + ("" if _shown(row) else " (not shown to differ from zero)")


def _shown(row: Comparison) -> int:
    """The sign of a difference that is shown; 0 where none is."""
    if not passed([row]) or not clear_of_zero(row):
        return 0
    return 1 if row.difference > 0 else -1
