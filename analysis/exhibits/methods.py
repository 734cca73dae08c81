"""Tables of methods × arms: what several methods make of networks without and with warm-up.

Shown is the first condition of a study's first grid; the trials' numbers follow from their records.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from analysis.comparison import Comparison, Measure, compare, corrected
from analysis.exhibits.cells import TEST, best_in_bold, tested, values
from analysis.exhibits.exhibit import Table, label
from analysis.records import Record
from analysis.results import StudyResults, TrialResult, pairs

#: A record and the seed of its random halves → numbers by (measure's key, method).
Measured = Callable[[Record, int], Mapping[tuple[str, str], float]]

HOW = (
    "Mean ± s.d. over the complete pairs; Δ is the mean of with − without, with its 95 % bootstrap "
    "interval; “As the paper” counts the pairs in which warm-up was the better; "
    f"W, P and r: {TEST}; Holm P is corrected over the methods; the best mean is bold. "
    "The random halves are the same in both arms of a pair and for every method."
)


def shown_condition(results: StudyResults) -> str:
    """The first condition of the first grid."""
    return next(iter(results.plan.conditions()), "")


def shown_pairs(results: StudyResults) -> list[tuple[int, tuple[Record, Record]]]:
    """Of its complete pairs the replicate, the seed of random halves, and (without, with)."""
    found = pairs(results, shown_condition(results))
    return [(a.replicate, (a.record, b.record)) for a, b in found if a.record and b.record]


def method_tables(
    results: StudyResults, name: str, measures: Sequence[Measure], measured: Measured
) -> list[Table]:
    """A table for each measure: a row for each method that has it."""
    known: dict[str, Mapping[tuple[str, str], float]] = {}

    def numbers(trial: TrialResult) -> Mapping[str, float]:
        if trial.record and trial.trial_id not in known:
            known[trial.trial_id] = measured(trial.record, trial.replicate)
        return {"/".join(key): n for key, n in known.get(trial.trial_id, {}).items()}

    condition = shown_condition(results)
    for pair in pairs(results, condition):
        for trial in pair:
            numbers(trial)
    tables = []
    for measure in measures:
        found = (method for n in known.values() for key, method in n if key == measure.key)
        rows = {
            method: compare(
                results, condition, replace(measure, key=f"{measure.key}/{method}"), numbers
            )
            for method in dict.fromkeys(found)
        }
        tables.append(_table(f"{name}-{measure.key}", condition, measure, rows))
    return tables


def _table(name: str, condition: str, measure: Measure, rows: Mapping[str, Comparison]) -> Table:
    compared = dict(zip(rows, corrected(list(rows.values())), strict=True))
    shown = pd.DataFrame([{"Method": m} | tested(row) for m, row in compared.items()])
    numbers = [{"method": m} | values(row) | {"metric": measure.key} for m, row in compared.items()]
    title = f"{measure.label} by method, noise “{label(condition)}”"
    if compared:
        shown = best_in_bold(shown, list(compared.values()))
    return Table(name, title, shown, pd.DataFrame(numbers))
