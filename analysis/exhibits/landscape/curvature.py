"""Do warmed-up networks find flatter minima? The Hessian's largest eigenvalue and trace, by epoch.

After Supplementary Fig. 21 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x. The trace is Hutchinson's estimate, whose standard error stands beside
it. Shown is the first condition of the first grid.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from analysis.exhibits.common import by_epoch
from analysis.exhibits.common.by_epoch import Rows
from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.cells import DELTA, mean
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit
from analysis.exhibits.common.panels import ARMS, panels, plain
from analysis.exhibits.common.text import label, significant
from analysis.results.cached import cached
from analysis.results.records import Record
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Measure

EIGENVALUE = Measure("eigenvalue", "Largest eigenvalue", -1)
TRACE = Measure("trace", "Trace", -1)
ERROR = Measure("trace_error", "Standard error of the trace", 0)

_LINEAR = 0.01  # of the largest size: where an axis with values below zero turns logarithmic
_APART = 0.012  # of the axis: between the arms, whose points would hide each other

_HOW = (
    "Both are of the Hessian of the mean cross-entropy of training examples by the weights, in "
    "evaluation mode; lower is flatter. The eigenvalue is the algebraically largest. Thin: each "
    "network, thick: mean."
)


class Course(NamedTuple):
    """A number's way along the task in both arms, over the same pairs."""

    name: str
    epochs: NDArray[np.int64]  # (moments,), ascending
    arms: tuple[NDArray[np.float64], NDArray[np.float64]]  # (pairs, moments); NaN: not measured

    @property
    def name_in_words(self) -> str:
        return self.name[0].lower() + self.name[1:]

    @property
    def values(self) -> NDArray[np.float64]:
        """All that are known."""
        found = np.concatenate([arm.ravel() for arm in self.arms])
        return np.asarray(found[~np.isnan(found)])

    @property
    def linear_to(self) -> float:
        """The size up to which the axis is linear: 0 where all are positive, so that none is."""
        found = self.values
        return 0.0 if (found > 0).all() else _LINEAR * float(np.abs(found).max())

    def means(self, arm: int) -> NDArray[np.float64]:
        """(moments,), NaN where no pair is known."""
        found = self.arms[arm]
        known = ~np.isnan(found)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.nansum(found, axis=0) / known.sum(axis=0))


def curvature(results: StudyResults) -> Exhibit:
    """One figure of both by moment and arm, and a table of them."""
    title, measures = "Curvature of the loss", (EIGENVALUE, TRACE)
    rows = by_epoch.compare_moments(results, measures, curvatures)
    condition = label(shown_condition(results))
    if not rows:
        none = by_epoch.not_measured(results, ("curvature",))
        return exhibit(results, "curvature", title, [none])
    errors = by_epoch.compare_moments(results, (ERROR,), curvatures)
    courses = _courses(results, rows)
    said = (
        f"Condition “{condition}”, {by_epoch.pairs_measured(results, rows)}.",
        *(by_epoch.sentence(measure, rows) for measure in measures),
        by_epoch.passed_holm(rows),
        _error_said(rows, errors),
        _HOW,
        *(_axis_said(course) for course in courses),
        by_epoch.MOMENTS,
        by_epoch.TABLE,
    )
    heading = f"Largest Hessian eigenvalue and trace by moment of the task, “{condition}”"
    table = by_epoch.moments_table("curvature", heading, rows, measures)
    figures = (_draw_courses(courses, condition),)
    return exhibit(results, "curvature", title, said, (_with_errors(table, errors),), figures)


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
    epochs = by_epoch.moments(rows)
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
            f"{by_epoch.at(epoch, by_epoch.moments(rows))} {significant(mean(error.without))} "
            f"without and {significant(mean(error.with_))} with warm-up, where the two of a "
            f"pair differ by {significant(apart)}"
        )
    return f"The mean standard error of a trace is {'; '.join(texts)} on average."


def _with_errors(table: Table, errors: Rows) -> Table:
    """The traces' mean standard errors, in the trace's units, before its differences."""
    shown, numbers = table.shown.copy(), table.values.copy()
    means = {
        "with": {epoch: mean(row.with_) for (_, epoch), row in errors.items()},
        "without": {epoch: mean(row.without) for (_, epoch), row in errors.items()},
    }
    place = list(shown.columns).index(DELTA)
    for arm in ("with", "without"):
        found = [
            means[arm].get(epoch, math.nan) if key == TRACE.key else math.nan
            for key, epoch in zip(numbers["metric"], numbers["epoch"], strict=True)
        ]
        shown.insert(place, f"Error {arm}", [significant(error) for error in found])
        numbers[f"{arm}_error_mean"] = found
    return replace(table, shown=shown, values=numbers)


def _axis_said(course: Course) -> str:
    if not course.values.any():
        return f"The axis of the {course.name_in_words} is linear."
    if not course.linear_to:
        return f"The axis of the {course.name_in_words} is logarithmic."
    return (
        f"The axis of the {course.name_in_words} is linear up to ±{course.linear_to:.2g} and "
        "logarithmic beyond, since some values are not positive."
    )


def _draw_courses(courses: Sequence[Course], condition: str) -> Drawing:
    """A panel for each number: thin lines of networks, thick means."""
    with panels(0.6 + 3.3 * len(courses), 2.9, len(courses)) as (figure, drawn):
        for axes, course in zip(drawn, courses, strict=True):
            _panel(axes, course)
        handles = [
            *(Line2D([], [], color=colour, marker="o", label=arm) for arm, colour in ARMS),
            Line2D([], [], color="black", linewidth=0.5, label="one network"),
        ]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles))
    names = " and ".join(course.name_in_words for course in courses)
    description = " ".join(_described(course) for course in courses)
    title = f"Curvature along the task, {names} of the Hessian, condition “{condition}”"
    return Drawing("curvature", title, figure, description)


def _panel(axes: Axes, course: Course) -> None:
    shift = _APART * (float(np.ptp(course.epochs)) or 10.0)
    for arm, (_, colour) in enumerate(ARMS):
        x = course.epochs + (2 * arm - 1) * shift
        axes.plot(
            x, course.arms[arm].T, "o-", color=colour, linewidth=0.5, markersize=1.8, alpha=0.5
        )
        axes.plot(
            x, course.means(arm), "o-", color=colour, linewidth=2.2, markersize=5.5,
            markeredgecolor="white", markeredgewidth=0.7, zorder=3,  # over all networks
        )  # fmt: skip
    _scale(axes, course)
    axes.set_xticks(course.epochs)
    axes.margins(0.06)
    axes.set(title=course.name, xlabel="Epochs of the task")


def _scale(axes: Axes, course: Course) -> None:
    """Logarithmic where all are positive; else linear about zero, where any is not zero."""
    found = course.values
    if not found.any():
        return
    if course.linear_to:
        axes.axhline(0, color="#bbbbbb", linewidth=0.7, zorder=0)
        axes.set_yscale("symlog", linthresh=course.linear_to)
        axes.yaxis.set_major_locator(FixedLocator(_powers_of_ten(course)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_yscale("log")
        few = found.max() < 100 * found.min()  # there might be one power of ten, or none
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_minor_formatter(NullFormatter())


def _powers_of_ten(course: Course) -> list[float]:
    """Zero and what lies far enough from it, to both sides as far as there are values."""
    low, high = float(course.values.min()), float(course.values.max())
    first, last = np.log10([course.linear_to, max(high, -low)])
    powers = 10.0 ** np.arange(np.ceil(first), np.floor(last) + 1)
    return [0.0, *(-p for p in powers if p <= -low), *(p for p in powers if p <= high)]


def _described(course: Course) -> str:
    arms = "; ".join(
        f"{name} "
        + ", ".join(
            f"{mean:.3g} after epoch {epoch}"
            for epoch, mean in zip(course.epochs, course.means(arm), strict=True)
            if not np.isnan(mean)
        )
        for arm, (name, _) in enumerate(ARMS)
    )
    return f"Mean {course.name_in_words}: {arms}."
