"""The first table: a row for each condition, its means and intervals SciPy's and NumPy's own."""

from dataclasses import replace

import numpy as np
import pytest
from exhibited import EveryExhibit, assert_compared, holm_of, table
from scipy import stats
from studies import Spec, make_results

from analysis.exhibits import EXHIBITS, build_exhibits
from analysis.exhibits.common.text import Bold
from analysis.rendering.table_formats import to_html, to_latex, to_markdown
from analysis.results.study_results import pairs
from analysis.statistics.comparison import ECE
from analysis.statistics.sequential import Design
from analysis.statistics.study_looks import StudyLooks

build = EXHIBITS["at_a_glance"]
KEYS = {"ECE": "test_ece", "Accuracy": "test_accuracy", "NLL": "test_nll", "OOD AUROC": "ood_auroc"}
LOST = {("uniform", r): "failed" for r in range(5)} | {("gaussian", 1): "diverged"}


def study():
    return make_results(Spec())


def members(results, condition, key):
    """(without, with), (pairs,) each."""
    both = [[trial.numbers[key] for trial in pair] for pair in pairs(results, condition)]
    return np.array(both).T


class TestEveryExhibit(EveryExhibit):
    def test_the_same_results_give_the_same_files(self, build, results, exhibit):
        one, other = (table(e, "conditions") for e in (exhibit, build(results)))
        assert to_markdown(one.shown) == to_markdown(other.shown)
        assert exhibit.figures == ()


def test_each_condition_has_a_row_with_means_change_and_interval(results, exhibit):
    shown = table(exhibit, "conditions").shown
    assert list(shown["Condition"]) == list(results.plan.conditions())
    assert list(shown.columns) == ["Condition", "Pairs", *KEYS]
    for row in shown.to_dict("records"):
        for measure, key in KEYS.items():
            before, after = members(results, row["Condition"], key)
            change = after - before
            low, high = stats.t.interval(0.95, 5, change.mean(), stats.sem(change))
            said = (
                f"{before.mean():.3f} → {after.mean():.3f} "
                f"Δ {change.mean():+.3f} [{low:.3f}, {high:.3f}]"
            )
            assert row[measure].replace("\N{NO-BREAK SPACE}", " ") == said.replace("-", "−")
            assert isinstance(row[measure], Bold) == (low > 0 or high < 0)


def test_a_narrow_page_breaks_a_cell_before_the_change_alone(exhibit):
    shown = table(exhibit, "conditions").shown
    for cell in shown["ECE"]:
        first, second = cell.split(" ")  # no-break spaces are none of these
        assert ("→" in first, second[0]) == (True, "Δ")
    assert "\N{NO-BREAK SPACE}" not in to_markdown(shown) + to_latex(shown, "", "")
    assert "\N{NO-BREAK SPACE}" in to_html(shown)


def test_csv_has_every_number_corrected_over_the_conditions(results, exhibit):
    values = table(exhibit, "conditions").values
    assert len(values) == len(KEYS) * len(results.plan.conditions())
    for _, row in values.iterrows():
        assert_compared(row, *members(results, row["condition"], row["metric"]))
    for key in KEYS.values():
        rows = values[values["metric"] == key]
        assert rows["p_holm"].tolist() == pytest.approx(holm_of(rows["p_exact"].tolist()))


def test_what_is_missing_is_said_and_no_number_is_made_up():
    shown = table(build(make_results(Spec(outcomes=LOST, replicates=5))), "conditions").shown
    rows = shown.set_index("Condition")
    assert rows.loc["uniform", "Pairs"] == "0 of 5 (5 failed)"
    assert set(rows.loc["uniform", list(KEYS)]) == {"—"}
    assert rows.loc["gaussian", "Pairs"] == "4 of 5 (1 diverged)"


def test_a_single_pair_has_no_interval():
    shown = table(build(make_results(Spec(replicates=1))), "conditions").shown
    assert not shown["ECE"].str.contains("[", regex=False).any()


def test_what_no_pair_has_is_no_column():
    shown = table(build(make_results(Spec(ood=None))), "conditions").shown
    assert list(shown.columns) == ["Condition", "Pairs", "ECE", "Accuracy", "NLL"]


def test_of_networks_that_are_not_trained_it_is_how_sure_they_are(results):
    base = {**results.plan.base, "task": {"epochs": 0}}
    untrained = replace(results, plan=replace(results.plan, base=base))
    shown = table(build(untrained), "conditions").shown
    assert list(shown.columns) == ["Condition", "Pairs", "Confidence", "ECE", "NLL", "OOD AUROC"]


def test_without_a_pair_there_is_no_table():
    outcomes = {("", r): "missing" for r in range(2)}
    exhibit = build(make_results(Spec(replicates=2, outcomes=outcomes)))
    assert exhibit.tables == ()
    assert exhibit.caption.startswith("No pair is complete yet.")


def test_where_pairs_were_added_in_looks_it_says_what_its_intervals_suppose(results, exhibit):
    said = "suppose that the number of pairs was fixed beforehand"
    assert said not in exhibit.caption
    first = {"gaussian": "warm0x0"}
    looks = StudyLooks(Design((6, 10), 0.01, 1), first, ECE).take(results)
    looked = replace(results, tags=looks.tags())
    assert said in build(looked).caption
    names = [exhibit.name for exhibit in build_exhibits(looked)]
    assert names == ["looks", "at_a_glance", *results.plan.exhibits]


@pytest.mark.parametrize(
    ("exhibits", "grids", "made"),
    [
        (("pairs",), True, ["at_a_glance", "pairs"]),
        (("pairs", "at_a_glance"), True, ["at_a_glance", "pairs"]),
        (("verdict",), True, ["verdict"]),  # which begins with its own table
        (("curves",), False, ["curves"]),
        ((), False, []),
    ],
)
def test_a_report_of_pairs_begins_with_it(results, exhibits, grids, made):
    plan = replace(results.plan, exhibits=exhibits, grids=results.plan.grids if grids else {})
    assert [exhibit.name for exhibit in build_exhibits(replace(results, plan=plan))] == made
