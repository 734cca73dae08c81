"""The table's numbers are SciPy's and NumPy's own, and what is missing is said."""

import statistics
from dataclasses import replace

import numpy as np
import pytest
from exhibited import assert_compared, figure, heights, table
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.stats import wilcoxon
from studies import Spec, make_results, one_condition

from analysis.exhibits import EXHIBITS, build_exhibits
from analysis.exhibits.common.exhibit import made_of
from analysis.exhibits.common.passing import pairs_needed
from analysis.exhibits.common.text import number
from analysis.metrics.calibration import reliability_diagram
from analysis.metrics.classification import confidence_and_correct
from analysis.rendering.findings import findings
from analysis.results.study_results import ResultsError, pairs
from analysis.statistics.comparison import ACCURACY, CONFIDENCE, ECE, compare, compare_grid


@pytest.fixture(scope="module")
def study():
    return make_results(Spec(replicates=8))


@pytest.fixture(scope="module")
def broken():
    outcomes = {("uniform", r): "failed" for r in range(6)}
    outcomes |= {("gaussian", 0): "diverged", ("gaussian", 1): "missing", ("", 5): "failed"}
    return make_results(Spec(outcomes=outcomes))


def shown(results, name, condition):
    frame = table(EXHIBITS["pairs"](results), name).shown
    return frame[frame["Condition"] == condition].iloc[0]


def values(results, name, condition, metric="test_ece"):
    frame = table(EXHIBITS["pairs"](results), name).values
    return frame[(frame["condition"] == condition) & (frame["metric"] == metric)].iloc[0]


@pytest.mark.parametrize("metric", ["test_ece", "test_accuracy", "test_nll", "ood_auroc"])
def test_the_numbers_are_those_of_the_pairs(study, metric):
    name = f"pairs-distribution-{metric.removeprefix('test_')}"
    row = values(study, name, "uniform", metric)
    both = [[t.numbers[metric] for t in pair] for pair in pairs(study, "uniform")]
    before, after = np.array(both).T
    assert row["pairs"] == 8
    assert_compared(row, before, after)
    better = after < before if metric in ("test_ece", "test_nll") else after > before
    assert row["moved_as_the_paper"] == better.sum()


def test_holm_runs_over_the_conditions_of_one_grid(study):
    # all pairs fell: equal exact P values, so Holm multiplies each by the number of conditions
    for grid, conditions in study.plan.grids.items():
        for row in compare_grid(study, grid, ECE):
            assert row.p_holm == len(conditions) * 2 / 2**8


def test_a_condition_may_stand_in_two_grids(study):
    names = ("pairs-distribution-ece", "pairs-std-ece")
    first, second = (shown(study, name, "gaussian") for name in names)
    assert first["ECE with"] == second["ECE with"]
    assert first["Holm P"] != second["Holm P"]


def test_lost_pairs_are_said_and_counted_out(broken):
    row = shown(broken, "pairs-distribution-ece", "gaussian")
    assert row["Pairs"] == "3 of 6 (1 diverged, 1 missing, 1 control failed)"
    assert row["As the paper"] == "3/3"
    assert (row["P"], row["Exact P"]) == ("n < 6", "0.250")
    assert (row["Holm P"], row["r"]) == ("0.250", "—")
    numbers = values(broken, "pairs-distribution-ece", "gaussian")
    assert (numbers["pairs"], numbers["pairs_planned"]) == (3, 6)
    assert "fewer than 6" in numbers["note"]
    expected = np.mean([with_.numbers["test_ece"] for _, with_ in pairs(broken, "gaussian")])
    assert numbers["with_mean"] == pytest.approx(expected)


def test_no_number_is_shown_where_no_pair_is_complete(broken):
    row = shown(broken, "pairs-distribution-ece", "uniform")
    assert row["Pairs"] == "0 of 6 (6 failed)"
    assert set(row.drop(["Condition", "Pairs"])) == {"—"}
    assert compare(broken, "uniform", ECE).test is None


def test_without_an_ood_set_there_is_no_auroc():
    results = make_results(Spec(ood=None))
    row = shown(results, "pairs-std-ood_auroc", "gaussian")
    assert set(row.drop(["Condition", "Pairs"])) == {"—"}
    assert shown(results, "pairs-std-accuracy", "gaussian")["Accuracy with"] != "—"


def test_captions_say_what_they_are_made_of(broken):
    for exhibit in build_exhibits(broken):
        assert exhibit.caption.endswith(made_of(broken))
    said = made_of(broken)
    assert "Study synthetic, scale smoke, network mlp, data photos, out of distribution" in said
    assert "0–5 of 6 pairs a condition" in said
    assert "of 30 trials 1 diverged, 7 failed, 1 missing" in said
    assert "commit 0123456789abcdef" in said
    caption = EXHIBITS["pairs"](broken).caption
    assert "Wilcoxon" in caption
    assert "95 % interval (Student's t)" in caption
    assert "Of 5 pairs" not in caption


def test_the_caption_says_what_p_can_be_at_the_least(study):
    said = "Of 8 pairs the least that P can be is 0.005, and exact P 0.008."
    assert said in EXHIBITS["pairs"](study).caption


@pytest.mark.parametrize("outcome", ["missing", "failed", "diverged"])
def test_a_study_without_any_pair_makes_exhibits_all_the_same(outcome):
    outcomes = {("", r): outcome for r in range(2)}
    spec = Spec(replicates=2, outcomes=outcomes, exhibits=tuple(EXHIBITS))
    results = make_results(spec)
    assert [exhibit.name for exhibit in build_exhibits(results)] == list(EXHIBITS)
    assert findings(results) == ["No pair is complete yet: there is nothing to compare."]
    for exhibit in build_exhibits(results):
        for drawing in exhibit.figures:
            assert drawing.save("svg")


def test_findings_count_what_the_tables_show(study, broken):
    distribution, std = findings(study)
    assert "lowered the mean expected calibration error (ECE) in 2 of 2 noise distr" in distribution
    assert "in every single pair in 2" in distribution
    assert "Holm-adjusted exact P < .05 in 2 of 2." in distribution
    assert "nothing can pass" not in distribution
    assert "3 of 3 noise strengths" in std
    distribution, _ = findings(broken)
    assert "1 of 1 noise distributions" in distribution
    assert "With 3 pairs and 1 test nothing can pass this correction" in distribution
    assert "those would pass with 6 pairs." in distribution
    assert "1 more have no complete pair" in distribution


def test_findings_of_one_condition_are_its_numbers_not_counts():
    results = make_results(one_condition(replicates=6))
    row = compare_grid(results, "distribution", ECE)[0]
    said, _ = findings(results)
    assert f"{row.without.mean():.3f} without and {row.with_.mean():.3f} with it" in said
    assert "gaussian: warm-up lowered the mean expected calibration error (ECE), " in said
    assert f"lower in {row.moved} of 6 pairs (exact P = {row.test.p_exact:.3f})" in said
    accuracy = compare_grid(results, "distribution", ACCURACY)[0]
    assert f"Test accuracy changed by {accuracy.difference:+.3f}".replace("-", "−") in said
    few = make_results(one_condition(replicates=6, outcomes={("gaussian", 0): "failed"}))
    said, _ = findings(few)
    assert "of 5 pairs (exact P = 0.06" in said
    assert "1 of 6 pairs are lost." in said


def test_findings_without_a_task_are_of_confidence_alone(study):
    base = {**study.plan.base, "task": {"epochs": 0}}
    untrained = replace(study, plan=replace(study.plan, base=base))
    first, second = findings(untrained)
    assert first.startswith("No network is trained on the task here")
    for said in (first, second):
        assert "mean confidence in" in said
        assert "accuracy" not in said
        assert "AUROC" not in said
    rows = compare_grid(untrained, "std", CONFIDENCE)
    assert f"in {sum(row.difference < 0 for row in rows)} of 3 noise strengths" in second


@pytest.mark.parametrize(("tests", "pairs"), [(1, 6), (2, 7), (13, 10), (100, 12)])
def test_pairs_needed_is_the_least_number_that_passes(tests, pairs):
    # differences of one sign have an exact P of 2/2ⁿ, and Holm's first step multiplies by the tests
    assert pairs_needed(tests) == pairs
    for n, passes in ((pairs, True), (pairs - 1, False)):
        p_exact = wilcoxon(np.arange(1, n + 1), method="exact").pvalue
        assert (p_exact * tests < 0.05) == passes


def test_box_plots_show_every_pair(study):
    axes = figure(EXHIBITS["pairs"](study), "pairs-distribution").axes[0]
    drawn = np.concatenate(heights(axes, marker="o"))
    members = [pair for condition in ("gaussian", "uniform") for pair in pairs(study, condition)]
    expected = [trial.numbers["test_ece"] for pair in members for trial in pair]
    assert sorted(drawn) == pytest.approx(sorted(expected))
    assert [text.get_text() for text in axes.texts] == ["P = .012"] * 2


def test_reliability_bins_hold_every_prediction_of_the_pairs(broken):
    frame = EXHIBITS["reliability"](broken).tables[0].values
    counts = frame.groupby("panel")["predictions"].sum()
    assert counts["gaussian"] == 3 * 400
    assert counts["without warm-up"] == 5 * 400
    assert "uniform" not in counts
    assert "not drawn: uniform" in EXHIBITS["reliability"](broken).caption


def test_conditions_with_controls_of_their_own_are_drawn_beside_them(study):
    """As where the network or the data are varied: half of the pairs are deep, half shallow."""
    halves = {("gaussian", True): "deep", ("uniform", False): "shallow"}
    trials = []
    for trial in study.trials:
        half = "deep" if trial.replicate < 4 else "shallow"
        if trial.arm == "control":
            trials.append(replace(trial, condition=half))
        elif (trial.condition, trial.replicate < 4) in halves:
            trials.append(trial)
    plan = replace(study.plan, grids={"depth": ("gaussian", "uniform")})
    exhibit = EXHIBITS["reliability"](replace(study, plan=plan, trials=tuple(trials)))
    frame = exhibit.tables[0].values
    assert list(dict.fromkeys(frame["panel"])) == [
        "deep, without warm-up",
        "shallow, without warm-up",
        "gaussian",
        "uniform",
    ]
    assert (frame["networks"] == 4).all()
    (drawing,) = exhibit.figures
    titles = [axes.get_title() for axes in drawing.figure.axes if axes.get_title()]
    assert titles == ["deep, without warm-up", "gaussian", "shallow, without warm-up", "uniform"]


def test_curves_start_the_task_at_step_zero_in_both_arms(study):
    frame = EXHIBITS["curves"](study).tables[0].values
    steps = frame.groupby("arm")["step"]
    assert steps.max().nunique() == 1
    assert steps.min().to_dict() == {"with warm-up, gaussian": -500, "without warm-up": 0}
    assert (frame["networks"] == 8).all()


def test_an_unknown_exhibit_is_answered_with_the_known_ones():
    results = make_results(Spec(replicates=1, exhibits=("oracle",)))
    with pytest.raises(ResultsError, match=r"oracle.*pairs, reliability, curves"):
        build_exhibits(results)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12345, "0.123"), (-0.5, "−0.500"), (-0.0001, "0.000"), (float("nan"), "—")],
)
def test_numbers_have_a_true_minus_and_no_negative_zero(value, text):
    assert number(value) == text


@pytest.mark.parametrize("conditions", [1, 2, 3])
def test_the_legend_of_reliability_diagrams_is_whole_and_over_no_title(conditions):
    names = ("gaussian", "uniform", "pink")[:conditions]
    results = make_results(Spec(distributions=names, stds=(), replicates=2))
    shown = EXHIBITS["reliability"](results).figures[0].figure
    renderer = FigureCanvasAgg(shown).get_renderer()
    shown.draw(renderer)
    legend = shown.legends[0].get_window_extent(renderer)
    assert legend.x0 >= 0
    titles = [axes.title for axes in shown.axes if axes.get_title()]
    assert len(titles) == conditions + 1
    assert not any(title.get_window_extent(renderer).overlaps(legend) for title in titles)


def test_reliability_bars_have_the_spread_of_the_networks_that_reach_a_bin(study):
    frame = EXHIBITS["reliability"](study).tables[0].values
    rows = frame[frame["panel"] == "uniform"]
    records = [with_.record for _, with_ in pairs(study, "uniform")]
    by_bin: list[list[float]] = [[] for _ in range(10)]
    for record in records:
        said = confidence_and_correct(record.logits["test"], record.labels["test"])
        for members, accuracy in zip(by_bin, reliability_diagram(*said).accuracy, strict=True):
            members += [] if np.isnan(accuracy) else [accuracy]
    expected = [statistics.stdev(m) if len(m) > 1 else np.nan for m in by_bin]
    assert rows["accuracy_sd"].to_numpy() == pytest.approx(expected, nan_ok=True)
