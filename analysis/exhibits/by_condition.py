"""The supplement's tables: conditions in rows, methods in columns, both arms beside each other.

After Supplementary Tables 2 and 3 (expected calibration error by post-hoc method, for network
architectures and amounts of data) and 4 and 5 (AUROC by detection method, for the same) of Cheon &
Paik, Nature Machine Intelligence (2026), DOI 10.1038/s42256-026-01215-x. The paper's methods have
the first table; what else there is follows, four methods a table. The numbers are those that the
exhibits `posthoc` and `detection` show of one condition.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.exhibits.calibration import posthoc
from analysis.exhibits.common.by_method import Measured, compare_methods
from analysis.exhibits.common.cells import BOTH, csv_row, mean, pair_count, spread
from analysis.exhibits.common.exhibit import Exhibit, Table, exhibit, table
from analysis.exhibits.common.text import Bold, label
from analysis.exhibits.ood import detection
from analysis.exhibits.ood.detectors import AUROC, PAPERS, PROTOCOLS, own_protocol
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Comparison, Measure

Rows = Mapping[tuple[str, str], Comparison]  # by (method, condition)

STAR, DAGGER = ("★", 0.001), ("†", 0.05)
ARMS = ("without", "with")

_POSTHOC = ("none", "temperature, of eight by ECE", "vector scaling", "isotonic")
_BESIDE = 4  # methods in a table
_DIGITS = 3  # of a mean as it is shown


@dataclass(frozen=True)
class _Form:
    """One of the supplement's tables: what is measured, and what the caption says of it."""

    name: str
    title: str
    measure: Measure
    measured: Measured
    find: Callable[[StudyResults, Sequence[str]], None]  # that of all pairs, before it is asked for
    papers: tuple[str, ...]  # methods, in the paper's order
    how: str
    nothing: str  # where no pair has a number


def posthoc_by_condition(results: StudyResults) -> Exhibit:
    """Tables 2 and 3: ECE of {none, temperature, vector scaling, isotonic, …} × arms."""
    form = _Form(
        "posthoc_by_condition",
        "Calibration afterwards, by condition",
        posthoc.MEASURES[0],
        posthoc.measured,
        posthoc.find,
        _POSTHOC,
        "Each method is fitted on a random half of the test set and measured on the other half, "
        "with 10 bins for all.",
        "No pair is complete yet.",
    )
    return _exhibit(results, form)


def detection_by_condition(results: StudyResults) -> Exhibit:
    """Tables 4 and 5: AUROC of {maximum softmax, temperature, ODIN, energy, …} × arms."""
    form = _Form(
        "detection_by_condition",
        "Out-of-distribution detection, by condition",
        AUROC,
        detection.measured,
        detection.find,
        PAPERS,
        "Parameters are tuned by AUROC on a random half of the test and of the out-of-distribution "
        f"images, and all methods are measured on the other halves. {_protocol(results)}",
        detection.NO_OOD,
    )
    return _exhibit(results, form)


def _protocol(results: StudyResults) -> str:
    """How the trials prepare out-of-distribution images, in a sentence."""
    how = ("normalised as the in-distribution ones", "raw, as pixels in [0, 1]")
    used = {own_protocol(trial.record) for trial in results.trials if trial.record}
    found = [words for protocol, words in zip(PROTOCOLS, how, strict=True) if protocol in used]
    each = ", as the trial's settings say" if len(found) > 1 else ""
    return f"Out-of-distribution images are {', or '.join(found)}{each}."


def _exhibit(results: StudyResults, form: _Form) -> Exhibit:
    conditions = results.plan.conditions()
    form.find(results, conditions)
    rows = compare_methods(results, conditions, form.measure, form.measured)
    if not any(row.n for row in rows.values()):
        return exhibit(results, form.name, form.title, [form.nothing])
    said = (
        _moves(form.measure, list(rows.values())),
        _winners(conditions, rows),
        f"{form.how} The halves are the same in both arms of a pair and for every method.",
        "Mean ± s.d. over the complete pairs, without and with warm-up; the best mean of a row is "
        f"bold, and so are its equals. {_marks()}",
    )
    tables = [_table(form, place, rows, methods) for place, methods in _parted(form, rows)]
    return exhibit(results, form.name, form.title, said, tables)


def _marks() -> str:
    marks = " and ".join(f"{mark} P < {level:g}" for mark, level in (STAR, DAGGER))
    return (
        f"Beside the mean with warm-up, in either direction and uncorrected, as in the paper: "
        f"{marks}. The CSV has every W, P, exact P and r: {BOTH} over all conditions and methods."
    )


def _parted(form: _Form, rows: Rows) -> Iterator[tuple[int, list[str]]]:
    """The methods of each table: the paper's, then the others, a few at a time."""
    found = list(dict.fromkeys(method for method, _ in rows))
    papers = [method for method in form.papers if method in found]
    others = [method for method in found if method not in papers]
    parts = [papers, *(others[n : n + _BESIDE] for n in range(0, len(others), _BESIDE))]
    yield from enumerate(part for part in parts if part)


def _table(form: _Form, place: int, rows: Rows, methods: Sequence[str]) -> Table:
    """A row for each condition; of CSV's, for each condition and method."""
    conditions = list(dict.fromkeys(condition for _, condition in rows))
    shown = [_row(condition, {m: rows[m, condition] for m in methods}) for condition in conditions]
    numbers = [
        {"condition": condition, "method": method}
        | csv_row(rows[method, condition])
        | {"metric": form.measure.key}
        for condition in conditions
        for method in methods
    ]
    name = form.name.replace("_", "-") + (f"-{place + 1}" if place else "")
    title = f"{form.measure.label} by condition and method" + (", further methods" if place else "")
    return table(name, title, shown, numbers)


def _row(condition: str, by_method: Mapping[str, Comparison]) -> dict[tuple[str, str], str]:
    """A condition's cells by (method, arm), the best in bold; all where several are equal."""
    most = max(by_method.values(), key=lambda row: row.n)
    cells = {("Condition", ""): label(condition), ("Pairs", ""): pair_count(most)}
    best = _best(by_method)
    for method, row in by_method.items():
        texts = spread(row.without), spread(row.with_) + _mark(row)
        for arm, text in zip(ARMS, texts, strict=True):
            cells[method, arm] = Bold(text) if (method, arm) in best else text
    return cells


def _mark(row: Comparison) -> str:
    p = row.p_value
    return next((f" {mark}" for mark, level in (STAR, DAGGER) if p is not None and p < level), "")


def _best(by_method: Mapping[str, Comparison]) -> list[tuple[str, str]]:
    """The (method, arm) of the best mean, all that are shown equal to it; without a pair none."""
    means = {
        (method, arm): round(mean(numbers), _DIGITS) * row.measure.expected
        for method, row in by_method.items()
        for arm, numbers in zip(ARMS, (row.without, row.with_), strict=True)
        if row.n
    }
    return [key for key, found in means.items() if found == max(means.values())]


def _moves(measure: Measure, rows: Sequence[Comparison]) -> str:
    measured, parts = [row for row in rows if row.n], []
    words = {-1: "lower", 1: "higher"}
    for way in (measure.expected, -measure.expected):
        moved = [row for row in measured if np.sign(row.difference) == way]
        tests = [row.p_value for row in moved if row.p_value is not None]
        sure = f" (P < {DAGGER[1]:g} in {sum(p < DAGGER[1] for p in tests)})" if tests else ""
        parts.append(f"{words[way]} in {len(moved)}{sure}")
    return (
        f"Of {len(measured)} means over the pairs of a condition and method, {measure.label} with "
        f"warm-up is {' and '.join(parts)}."
    )


def _winners(conditions: Sequence[str], rows: Rows) -> str:
    """Which method and arm is the best of all, or its equal, in how many conditions, in words."""
    methods = dict.fromkeys(method for method, _ in rows)
    best = [_best({m: rows[m, condition] for m in methods}) for condition in conditions]
    counts = Counter(f"{method} {arm} warm-up" for found in best for method, arm in found)
    measured = sum(bool(found) for found in best)
    said = "; ".join(f"{name} ({count})" for name, count in counts.most_common())
    noun = "condition" if measured == 1 else f"{measured} conditions"
    return f"Best mean of all methods in the {noun}: {said}."
