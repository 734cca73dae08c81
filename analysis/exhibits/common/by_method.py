"""Tables of methods × arms: what several methods make of networks without and with warm-up.

Shown is the first condition of a study's first grid; the trials' numbers follow from their records.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from analysis.exhibits.common.cells import BOTH, INTERVAL, best_in_bold, comparison_row, csv_row
from analysis.exhibits.common.exhibit import Table, table
from analysis.exhibits.common.text import label
from analysis.results.cached import cached, find_all
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult, pairs
from analysis.statistics.comparison import Comparison, Measure, Numbers, compare, corrected_by

#: A record and the seed of its random halves → numbers by (measure's key, method).
Measured = Callable[[Record, int], Mapping[tuple[str, str], float]]

HOW = (
    f"Mean ± s.d. over the complete pairs; Δ is the mean of with − without, with its {INTERVAL}; "
    "“As the paper” counts the pairs in which warm-up was the better; "
    f"W, P, exact P and r: {BOTH} over the methods; the best mean is bold. "
    "The random halves are the same in both arms of a pair and for every method."
)


def shown_condition(results: StudyResults) -> str:
    """The first condition of the first grid."""
    return next(iter(results.plan.conditions()), "")


def shown_pairs(results: StudyResults) -> list[tuple[int, tuple[Record, Record]]]:
    """Of its complete pairs the replicate, the seed of random halves, and (without, with)."""
    return record_pairs(results, shown_condition(results))


def record_pairs(results: StudyResults, condition: str) -> list[tuple[int, tuple[Record, Record]]]:
    """The same of any condition."""
    found = pairs(results, condition)
    return [(a.replicate, (a.record, b.record)) for a, b in found if a.record and b.record]


def find_of_pairs(
    results: StudyResults, conditions: Sequence[str], find: Callable[..., object]
) -> None:
    """What `find` makes of a record and its seed, before tables ask for it one by one."""
    every = (pair for condition in conditions for pair in record_pairs(results, condition))
    find_all(find, [(record, seed) for seed, both in every for record in both])


def numbers_of(measured: Measured) -> Numbers:
    """A trial's numbers by `measure/method`, as `compare` asks for them, again and again."""
    named: dict[str, Mapping[str, float]] = {}

    def numbers(trial: TrialResult) -> Mapping[str, float]:
        if trial.record is None:
            return {}
        if trial.trial_id not in named:
            found = cached(measured, trial.record, trial.replicate)
            named[trial.trial_id] = {"/".join(key): number for key, number in found.items()}
        return named[trial.trial_id]

    return numbers


def compare_methods(
    results: StudyResults, conditions: Sequence[str], measure: Measure, measured: Measured
) -> dict[tuple[str, str], Comparison]:
    """One measure by (method, condition), with Holm's correction across all of them.

    Methods are those that any complete pair has such a number of, in the order of finding; a
    condition without a pair that has it is compared all the same, and has n = 0.
    """
    numbers, prefix = numbers_of(measured), f"{measure.key}/"
    found = (
        key.removeprefix(prefix)
        for condition in conditions
        for pair in pairs(results, condition)
        for trial in pair
        for key in numbers(trial)
        if key.startswith(prefix)
    )
    rows = {
        (method, condition): compare(
            results, condition, replace(measure, key=prefix + method), numbers
        )
        for method in dict.fromkeys(found)
        for condition in conditions
    }
    return corrected_by(rows)


def method_tables(
    results: StudyResults, name: str, measures: Sequence[Measure], measured: Measured
) -> list[Table]:
    """A table for each measure: a row for each method that has it."""
    condition = shown_condition(results)
    tables = []
    for measure in measures:
        compared = compare_methods(results, [condition], measure, measured)
        rows = {method: row for (method, _), row in compared.items()}
        tables.append(_table(f"{name}-{measure.key}", condition, measure, rows))
    return tables


def _table(name: str, condition: str, measure: Measure, rows: Mapping[str, Comparison]) -> Table:
    shown = [{"Method": method} | comparison_row(row) for method, row in rows.items()]
    numbers = [{"method": m} | csv_row(row) | {"metric": measure.key} for m, row in rows.items()]
    title = f"{measure.label} by method, “{label(condition)}”"
    return table(name, title, best_in_bold(shown, list(rows.values())), numbers)
