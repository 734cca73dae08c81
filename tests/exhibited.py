"""What tests of exhibits look for in one, and what must hold of every exhibit.

A test file of one exhibit has `build`, which makes it, and `study()`, the results that most of its
tests look at; the fixtures `results` and `exhibit` are made of these.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawings import assert_apart, assert_plain
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.stats import wilcoxon

from analysis.exhibits.common.exhibit import Exhibit, Table, made_of
from analysis.rendering.table_formats import to_html, to_latex
from analysis.results.study_results import StudyResults


def table(exhibit: Exhibit, name: str) -> Table:
    return next(found for found in exhibit.tables if found.name == name)


def figure(exhibit: Exhibit, name: str) -> Figure:
    return next(found.figure for found in exhibit.figures if found.name == name)


def panels(shown: Figure) -> list[Axes]:
    """A figure's axes but for its colour bars."""
    return [axes for axes in shown.axes if axes.get_label() != "<colorbar>"]


def lines(axes: Axes, **style: Any) -> list[Line2D]:
    """The lines that have this style, such as linewidth=0.5, in the order they were drawn in."""
    return [
        line
        for line in axes.lines
        if all(getattr(line, f"get_{name}")() == value for name, value in style.items())
    ]


def heights(axes: Axes, **style: Any) -> list[np.ndarray]:
    """(points,) of each line that has this style."""
    return [np.asarray(line.get_ydata()) for line in lines(axes, **style)]


def ticks(axis: Axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def assert_nothing_shown(exhibit: Exhibit, results: StudyResults, said: str) -> None:
    """Neither tables nor figures, but a sentence that says why."""
    assert (exhibit.tables, exhibit.figures) == ((), ())
    assert exhibit.caption == f"{said} {made_of(results)}"


def assert_legible(exhibit: Exhibit) -> None:
    """No text of its figures lies over another, nor is one left in marks of mathematics."""
    figures = [drawing.figure for drawing in exhibit.figures]
    assert_plain(figures)
    for shown in figures:
        assert_apart(shown)


def assert_compared(
    row: Any,
    before: np.ndarray,
    after: np.ndarray,
    names: tuple[str, str] = ("without", "with"),
    **near: float,
) -> None:
    """A table's row has the means, the change and the test of two paired samples, by SciPy."""
    for name, sample in zip(names, (before, after), strict=True):
        assert row[f"{name}_mean"] == pytest.approx(sample.mean(), **near)
        assert row[f"{name}_sd"] == pytest.approx(sample.std(ddof=1), **near)
    assert row["difference"] == pytest.approx((after - before).mean(), **near)
    if np.ptp(after - before) > 1e-9:
        assert row["interval_low"] < row["difference"] < row["interval_high"]
    test = wilcoxon(before, after, method="approx", correction=False)
    assert row["w"] == test.statistic
    if np.count_nonzero(after - before) < 6:
        assert pd.isna(row["p"])  # it could not be small
    else:
        assert row["p"] == pytest.approx(test.pvalue)


def holm_of(p_values: Sequence[float]) -> np.ndarray:
    """Adjusted P by Holm's steps, in the order of what is given."""
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(order), 0, -1) * np.asarray(p_values)[order]
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


class EveryExhibit:
    """What a file's own test class takes over."""

    def test_the_same_results_give_the_same_files(self, build, results, exhibit):
        first, again = ([f.save("svg") for f in e.figures] for e in (exhibit, build(results)))
        assert first == again != []

    def test_tables_are_plain_latex_and_html(self, exhibit):
        for found in exhibit.tables:
            if not found.shown.empty:  # those are for CSV alone
                caption = f"{found.title}. {exhibit.caption}"
                assert to_latex(found.shown, caption, found.name).isascii()
                assert str(to_html(found.shown)).count("<tr") > len(found.shown)

    def test_the_caption_ends_with_what_it_is_made_of(self, results, exhibit):
        assert exhibit.caption.endswith(made_of(results))


class ExhibitOfPairs(EveryExhibit):
    """And where `study(replicates, outcomes=…)` makes pairs of the condition gaussian."""

    no_pair: str  # what is said where none is complete
    described: tuple[str, ...] = ()  # what those hear of the first figure who cannot see it

    def test_figures_are_told_in_words(self, exhibit):
        for drawing in exhibit.figures:
            assert "gaussian" in drawing.title
            assert drawing.description
        for words in self.described:
            assert words in exhibit.figures[0].description

    @pytest.mark.parametrize("fate", ["missing", "failed", "diverged"])
    def test_without_a_complete_pair_it_says_so(self, request, build, fate):
        results = request.module.study(2, outcomes={("gaussian", r): fate for r in range(2)})
        assert_nothing_shown(build(results), results, self.no_pair)


class ExhibitOfProbes(ExhibitOfPairs):
    """And where `study(replicates, (replicate, warm) → probes)` says what was measured."""

    no_probe: str  # what is said where it was not
    others: Mapping[str, Any] = MappingProxyType({})  # what was

    def test_without_the_probe_it_says_so(self, request, build):
        results = request.module.study(2, lambda replicate, warm: self.others)
        assert_nothing_shown(build(results), results, self.no_probe)
