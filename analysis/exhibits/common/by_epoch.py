"""Numbers of any probe that is taken at moments of the task: compared, as a table, and in words.

A moment is the epoch after which it is: 0 is the start, where a network without warm-up is
untrained and its partner in the pair is warmed up. Compared is the shown condition, which is the
first of the first grid.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from analysis.exhibits.common import cells
from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.exhibit import Table, table
from analysis.exhibits.common.passing import ALPHA, passed_in_words
from analysis.exhibits.common.text import label, significant
from analysis.results.cached import cached
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult, pairs
from analysis.statistics.comparison import Comparison, Measure, compare, corrected_by

Found = Mapping[tuple[str, int], float]  # by (measure's key, epoch of the task)
Measured = Callable[[Record], Found]
Rows = Mapping[tuple[str, int], Comparison]  # likewise

MOMENTS = (
    "Start is before the first step of the task: without warm-up a network is untrained there, its "
    "partner in the pair is warmed up. Where a number is not finite its pair does not count."
)
TABLE = (
    "In tables mean ± s.d. over the pairs; Δ is the mean of with − without, with its "
    f"{cells.INTERVAL}; “Lower” counts the pairs whose number is lower with warm-up; W, P, "
    f"exact P and r = |Z|/√pairs: {cells.BOTH} over all rows of a table."
)


def compare_moments(
    results: StudyResults, measures: Sequence[Measure], measured: Measured
) -> dict[tuple[str, int], Comparison]:
    """Each measure of the shown condition at each moment, with Holm's correction across all.

    Moments are those that both members of some complete pair have; a number that is not finite
    counts as not measured. Empty where there are none.
    """

    def finite(record: Record) -> dict[tuple[str, int], float]:
        return {key: v for key, v in cached(measured, record).items() if math.isfinite(v)}

    def numbers(trial: TrialResult) -> Mapping[str, float]:
        found = finite(trial.record) if trial.record else {}
        return {f"{key}/{epoch}": value for (key, epoch), value in found.items()}

    both = [finite(a).keys() & finite(b).keys() for _, (a, b) in shown_pairs(results)]
    keys = {measure.key for measure in measures}
    rows = {
        (m.key, epoch): compare(
            results, shown_condition(results), replace(m, key=f"{m.key}/{epoch}"), numbers
        )
        for epoch in sorted({epoch for found in both for key, epoch in found if key in keys})
        for m in measures
    }
    return corrected_by(rows)


def moments(rows: Rows) -> list[int]:
    """Epochs of the task after which there are numbers, ascending; 0 is its start."""
    return sorted({epoch for _, epoch in rows})


def moment(epoch: int, epochs: Sequence[int]) -> str:
    """A moment's name among its like: start, epoch 5, …; the last is the end."""
    if epoch == 0:
        return "start"
    return f"end, epoch {epoch}" if epoch == max(epochs) else f"epoch {epoch}"


def at(epoch: int, epochs: Sequence[int]) -> str:
    """The same in a sentence."""
    if epoch == 0:
        return "at the start"
    return f"at the end, epoch {epoch}," if epoch == max(epochs) else f"after epoch {epoch}"


def moments_table(name: str, title: str, rows: Rows, measures: Sequence[Measure]) -> Table:
    """A block of measures for each moment, which is named once."""
    names = {measure.key: measure.label for measure in measures}
    shown, numbers, last = [], [], -1
    for (key, epoch), row in rows.items():
        when = "" if epoch == last else moment(epoch, moments(rows))
        named = {"Moment": when, "Number": names[key], "Pairs": cells.pair_count(row)}
        lower = {"Lower": cells.lower(row)}
        shown.append(named | cells.compared_cells(row, ("Without", "With"), lower, significant))
        found = cells.csv_row(row)
        found = {("lower" if k == "moved_as_the_paper" else k): v for k, v in found.items()}
        numbers.append({"epoch": epoch} | found | {"metric": key})
        last = epoch
    return table(name, title, shown, numbers)


def pairs_measured(results: StudyResults, rows: Rows) -> str:
    """How many pairs were measured, of those complete."""
    complete = len(pairs(results, shown_condition(results)))
    most = max(row.n for row in rows.values())
    of = "" if most == complete else f" of {complete} complete"
    return f"{most}{of} {'pair' if max(most, complete) == 1 else 'pairs'} measured"


def sentence(measure: Measure, rows: Rows, name: str = "") -> str:
    """A measure at the first moment and at the last that have it, in a sentence."""
    found = {epoch: row for (key, epoch), row in rows.items() if key == measure.key and row.n}
    subject = name or f"the {measure.label[0].lower()}{measure.label[1:]}"
    if not found:
        return f"{_capital(subject)} is known of no pair."
    ends = dict.fromkeys((min(found), max(found)))
    texts = [f"{at(epoch, moments(rows))} {comparison_sentence(found[epoch])}" for epoch in ends]
    return f"{_capital(subject)} is {'; '.join(texts)}."


def comparison_sentence(row: Comparison) -> str:
    """Both means, in how many pairs it is lower or higher with warm-up, and P."""
    before, after = (significant(cells.mean(arm)) for arm in (row.without, row.with_))
    return f"{before} without and {after} with warm-up ({_direction(row)}; {_p(row)})"


def _direction(row: Comparison) -> str:
    higher = int((row.with_ > row.without).sum())
    word, count = ("lower", row.lower) if row.difference < 0 else ("higher", higher)
    if not row.lower and not higher:
        return "the same in the one pair" if row.n == 1 else f"the same in all {row.n} pairs"
    if row.n == 1:
        return f"{word} with it in the one pair"
    return f"{word} with it in {count} of {row.n} pairs"


def _p(row: Comparison) -> str:
    shown = "" if row.p_exact is None or row.p_exact < ALPHA else ", no difference shown"
    return cells.exact_p(row.p_exact) + shown


def passed_holm(rows: Rows) -> str:
    """A sentence on how many of a table's tests pass Holm's correction; none without a test."""
    tested = [row for row in rows.values() if row.n]
    return f"{passed_in_words(tested)}." if tested else ""


def not_measured(results: StudyResults, probes: Sequence[str]) -> str:
    """Why there is nothing to show."""
    condition = label(shown_condition(results))
    names = probes[0] if len(probes) == 1 else f"{', '.join(probes[:-1])} or {probes[-1]}"
    kept = [trial.record.probes for trial in results.trials if trial.record]
    if any(key.split("/")[0] in probes for found in kept for key in found):
        return f"No complete pair of condition “{condition}” has finite numbers of {names}."
    return f"No trial has the {'probe' if len(probes) == 1 else 'probes'} {names}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
