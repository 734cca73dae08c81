"""Do warmed-up networks find flatter minima? The Hessian's largest eigenvalue and trace, by epoch.

After Supplementary Fig. 21 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x. The trace is Hutchinson's estimate, whose standard error stands beside
it. Shown is the first condition of the first grid.
"""

import math
from dataclasses import replace

import numpy as np

from analysis.exhibits.common.by_epoch import (
    DELTA,
    MOMENTS,
    TABLE,
    Rows,
    at,
    compare_moments,
    moments,
    moments_table,
    not_measured,
    pairs_measured,
    passed_holm,
    sentence,
)
from analysis.exhibits.common.by_method import cached, shown_condition, shown_pairs
from analysis.exhibits.common.cells import mean
from analysis.exhibits.common.exhibit import Exhibit, Table, made_of
from analysis.exhibits.common.text import label, significant
from analysis.exhibits.landscape.curvature_plots import Course, axis_in_words, draw_courses
from analysis.results.records import Record
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Comparison, Measure

EIGENVALUE = Measure("eigenvalue", "Largest eigenvalue", -1)
TRACE = Measure("trace", "Trace", -1)
ERROR = Measure("trace_error", "Standard error of the trace", 0)

_HOW = (
    "Both are of the Hessian of the mean cross-entropy of training examples by the weights, in "
    "evaluation mode; lower is flatter. The eigenvalue is the algebraically largest. Thin: each "
    "network, thick: mean."
)


def curvature(results: StudyResults) -> Exhibit:
    """One figure of both by moment and arm, and a table of them."""
    title = "Curvature of the loss"
    rows = compare_moments(results, (EIGENVALUE, TRACE), curvatures)
    condition = label(shown_condition(results))
    if not rows:
        caption = f"{not_measured(results, ('curvature',))} {made_of(results)}"
        return Exhibit("curvature", title, caption)
    errors = compare_moments(results, (ERROR,), curvatures)
    courses = _courses(results, rows)
    caption = " ".join(
        [
            f"Condition “{condition}”, {pairs_measured(results, rows)}.",
            *(sentence(measure, rows) for measure in (EIGENVALUE, TRACE)),
            *passed_holm(rows),
            _error_said(rows, errors),
            _HOW,
            *(axis_in_words(course) for course in courses),
            MOMENTS,
            TABLE,
            made_of(results),
        ]
    )
    heading = f"Largest Hessian eigenvalue and trace by moment of the task, “{condition}”"
    table = _with_errors(moments_table("curvature", heading, rows, (EIGENVALUE, TRACE)), errors)
    return Exhibit("curvature", title, caption, (table,), (draw_courses(courses, condition),))


def curvatures(record: Record) -> dict[tuple[str, int], float]:
    """Eigenvalue, trace and the trace's standard error at each moment; empty without the probe."""
    return {
        (measure.key, int(epoch)): float(value)
        for measure in (EIGENVALUE, TRACE, ERROR)
        if f"curvature/{measure.key}" in record.probes
        for epoch, value in zip(
            record.probes["curvature/epoch"], record.probes[f"curvature/{measure.key}"], strict=True
        )
    }


def _courses(results: StudyResults, rows: Rows) -> list[Course]:
    """Of both measures, every complete pair's networks at the moments compared."""
    found = [[cached(curvatures, record) for record in pair] for _, pair in shown_pairs(results)]
    epochs = moments(rows)
    courses = []
    for measure in (EIGENVALUE, TRACE):
        without, with_ = (
            np.array([[pair[arm].get((measure.key, e), np.nan) for e in epochs] for pair in found])
            for arm in range(2)
        )
        both = np.isfinite(without) & np.isfinite(with_)
        arms = (np.where(both, without, np.nan), np.where(both, with_, np.nan))
        courses.append(Course(measure.label, np.array(epochs), arms))
    return [course for course in courses if not np.isnan(course.arms[0]).all()]


def _error_said(rows: Rows, errors: Rows) -> str:
    """How large the trace's standard error is, beside what it is to tell apart."""
    both = {e: row for (_, e), row in errors.items() if row.n and rows[TRACE.key, e].n}
    if not both:
        return "No standard error of the traces is known."
    texts = []
    for epoch in dict.fromkeys((min(both), max(both))):
        error, trace = both[epoch], rows[TRACE.key, epoch]
        apart = mean(np.abs(trace.with_ - trace.without))
        texts.append(
            f"{at(epoch, moments(rows))} {significant(mean(error.without))} without and "
            f"{significant(mean(error.with_))} with warm-up, where the two of a pair differ by "
            f"{significant(apart)}"
        )
    return f"The mean standard error of a trace is {'; '.join(texts)} on average."


def _with_errors(table: Table, errors: Rows) -> Table:
    """The traces' mean standard errors, in the trace's units, before its differences."""
    shown, numbers = table.shown.copy(), table.values.copy()
    place = list(shown.columns).index(DELTA)
    for arm in ("with", "without"):
        found = [
            _mean_error(errors.get((ERROR.key, epoch)), arm) if key == TRACE.key else math.nan
            for key, epoch in zip(numbers["metric"], numbers["epoch"], strict=True)
        ]
        shown.insert(place, f"Error {arm}", [significant(error) for error in found])
        numbers[f"{arm}_error_mean"] = found
    return replace(table, shown=shown, values=numbers)


def _mean_error(row: Comparison | None, arm: str) -> float:
    return math.nan if row is None else mean(row.with_ if arm == "with" else row.without)
