"""What warm-up costs, and how much is enough: against studies whose every number is known.

A network here is right in a known share of its predictions and equally sure of all, so that its ECE
is the confidence − the accuracy that it was made with.
"""

import dataclasses
import json
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.stats import ttest_1samp, wilcoxon

from analysis.exhibits.common.exhibit import made_of, paper_style
from analysis.exhibits.common.text import percent
from analysis.exhibits.cost.overhead import overhead
from analysis.results.plan import parse_plan
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult

PREDICTIONS = 1000
ACCURACY = 0.6
ENDS = ("interval_low", "interval_high")
TASK = {"examples": 15_000, "seconds": 4.0}


@dataclass(frozen=True)
class Dose:
    """A study of levels of one field; outcomes: (level or None, replicate) → the trial's fate."""

    field: str = "warmup.examples"
    levels: tuple[float, ...] = (1600, 6400, 25600, 102400)
    effects: tuple[float, ...] = (-0.03, -0.07, -0.11, -0.112)  # on ECE, by level
    wobble: float = 0.004  # between pairs, in what a level does
    replicates: int = 12
    grid: str = "length"
    own_controls: bool = False  # of each level, as where it is one of the task
    also: dict[str, tuple[object, ...]] = dataclasses.field(default_factory=dict)  # field → levels
    outcomes: dict[tuple[float | None, int], str] = dataclasses.field(default_factory=dict)


def condition(level):
    return f"level {level:g}"


def ece(study, level, replicate):
    """Of the control and of each level, by replicate."""
    base = 0.25 + 0.01 * np.sin(replicate)
    if level is None:
        return base
    place = study.levels.index(level)
    return base + study.effects[place] + study.wobble * np.cos(7 * place + 3 * replicate)


def seconds(study, level, replicate):
    warmup = {} if level is None else {"warmup": level / 10_000 + 0.01 * replicate}
    return {
        **warmup,
        "task": TASK["seconds"] + 0.1 * replicate,
        "evaluation": 1.0 if level is None else 1.5,
        "probes": 100.0,
        "total": 999.0,
    }


def record(study, level, replicate, device="cpu"):
    right = round(ACCURACY * PREDICTIONS) + replicate + (0 if level is None else 2)
    confidence = right / PREDICTIONS + ece(study, level, replicate)
    logits = np.zeros((PREDICTIONS, 2), np.float32)
    logits[:, 1] = np.log(confidence / (1 - confidence))
    labels = (np.arange(PREDICTIONS) < right).astype(np.int64)
    return Record(
        trial_id="",
        status="finished",
        trial={},
        device=device,
        versions={},
        commit="0123456789abcdef",
        finished_at=0.0,
        examples={"warmup": 0 if level is None else int(level), "task": TASK["examples"]},
        seconds=seconds(study, level, replicate),
        logits={"test": logits},
        labels={"test": labels},
        columns=pd.DataFrame(),
        probes={},
    )


def results(study=None, **changes):
    study = replace(study or Dose(), **changes)
    trials, planned = [], []
    for replicate in range(study.replicates):
        own = study.levels if study.own_controls else ("",)
        arms = [(None, of) for of in own] + [(level, level) for level in study.levels]
        for level, of in arms:
            outcome = study.outcomes.get((level, replicate), "finished")
            control = f"control {of if study.own_controls else ''}x{replicate}"
            common = {
                "trial_id": control if level is None else f"{level}x{replicate}",
                "arm": "control" if level is None else "warmup",
                "condition": "" if of == "" else condition(of),
                "replicate": replicate,
                "pair": control,
            }
            cell = {}
            if level is not None:
                place = study.levels.index(level)
                cell = {study.field: level} | {f: v[place] for f, v in study.also.items()}
            planned.append(common | {"cell": cell})
            kept = record(study, level, replicate) if outcome == "finished" else None
            trials.append(TrialResult(**common, outcome=outcome, record=kept))
    plan = {
        "study": "warmup_length",
        "scale": "laptop",
        "data": "photos",
        "base": {"model": {"name": "mlp"}},
        "exhibits": ["overhead"],
        "replicates": study.replicates,
        "grids": {study.grid: [condition(level) for level in study.levels]},
        "trials": planned,
    }
    return StudyResults(parse_plan(json.dumps(plan)), tuple(trials), "parent")


def table(study, name="overhead-length"):
    return next(t for t in overhead(study).tables if t.name == name)


def names(study):
    exhibit = overhead(study)
    return [t.name for t in exhibit.tables], [f.name for f in exhibit.figures]


def figure(study, name):
    return next(f.figure for f in overhead(study).figures if f.name == name)


def eces(study, level, replicates=None):
    """(replicates,)"""
    return np.array([ece(study, level, r) for r in replicates or range(study.replicates)])


# --- costs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [1600, 102400])
def test_costs_are_means_over_the_records_of_the_warmed_up_networks(level):
    row = table(results()).values.set_index("condition").loc[condition(level)]
    spent = pd.DataFrame([seconds(Dose(), level, r) for r in range(12)]).mean()
    unwarmed = pd.DataFrame([seconds(Dose(), None, r) for r in range(12)]).mean()
    assert (row["warmup_examples"], row["task_examples"]) == (level, 15_000)
    for name in ("warmup", "task", "evaluation", "probes"):
        assert row[f"{name}_seconds"] == pytest.approx(spent[name])
    assert row["control_task_seconds"] == pytest.approx(unwarmed["task"])
    assert row["control_evaluation_seconds"] == pytest.approx(unwarmed["evaluation"])
    assert row["overhead_examples"] == pytest.approx(level / 15_000)
    assert row["overhead_seconds"] == pytest.approx(spent["warmup"] / spent["task"])


def test_the_table_shows_costs_beside_what_they_buy():
    row = table(results()).shown.set_index("Condition").loc["level 25600"]
    without, with_ = eces(Dose(), None), eces(Dose(), 25600)
    exact = wilcoxon(without, with_, method="exact")
    low, high = (table(results()).values.set_index("condition").loc["level 25600"][k] for k in ENDS)
    assert row.to_dict() == {
        "Pairs": "12",
        "Warm-up examples": "25,600",
        "Task examples": "15,000",
        "Warm-up, s": f"{2.56 + 0.055:.2f}",
        "Task, s": "4.55",
        "Evaluation, s": "1.50",
        "Overhead in examples": "171 %",
        "Overhead in seconds": "57 %",
        "ECE without": f"{without.mean():.3f} ± {without.std(ddof=1):.3f}",
        "ECE with": f"{with_.mean():.3f} ± {with_.std(ddof=1):.3f}",
        "Δ [95 % interval]": f"−0.110 [−{-low:.3f}, −{-high:.3f}]",
        "As the paper": "12/12",
        "Exact P": f"{exact.pvalue:.1e}".replace("e-0", "e-"),
    }
    differences = with_ - without
    assert low < differences.mean() < high
    student = ttest_1samp(differences, 0).confidence_interval()
    assert (low, high) == pytest.approx((student.low, student.high))


def test_only_complete_pairs_count():
    lost = {(1600, 0): "failed", (None, 5): "diverged", (6400, 5): "missing"}
    row = table(results(outcomes=lost)).values.set_index("condition").loc["level 1600"]
    left = [r for r in range(12) if r not in (0, 5)]
    assert (row["pairs"], row["pairs_planned"]) == (10, 12)
    assert row["warmup_seconds"] == pytest.approx(np.mean([0.16 + 0.01 * r for r in left]))
    assert row["control_task_seconds"] == pytest.approx(np.mean([4 + 0.1 * r for r in left]))
    assert row["with_mean"] == pytest.approx(eces(Dose(), 1600, left).mean(), abs=1e-6)
    shown = table(results(outcomes=lost)).shown.set_index("Condition")["Pairs"]
    assert shown["level 1600"] == "10 of 12 (1 failed, 1 control diverged)"


def test_a_condition_without_a_pair_has_no_costs():
    study = results(outcomes={(6400, r): "failed" for r in range(12)})
    row = table(study).shown.set_index("Condition").loc["level 6400"]
    assert row["Pairs"] == "0 of 12 (12 failed)"
    assert set(row.drop("Pairs")) == {"—"}
    assert "no complete pair" in texts(figure(study, "overhead-length"))


def texts(figure):
    return [text.get_text().strip() for axes in figure.axes for text in axes.texts]


def drawn_bars(figure):
    """Name → widths of the bar's parts."""
    (axes,) = figure.axes
    labels = [tick.get_text().replace("\n", " ") for tick in axes.get_yticklabels()]
    bars = {name: [] for name in labels}
    for patch in axes.patches:
        place = round(patch.get_y() + patch.get_height() / 2)
        assert patch.get_x() == pytest.approx(sum(bars[labels[place]]))
        bars[labels[place]].append(patch.get_width())
    return bars


def test_bars_stack_warm_up_task_and_evaluation_of_both_arms():
    bars = drawn_bars(figure(results(), "overhead-length"))
    assert list(bars) == ["without warm-up", *(condition(level) for level in Dose().levels)]
    assert bars["without warm-up"] == pytest.approx([0, 4.55, 1.0])
    for level in Dose().levels:
        assert bars[condition(level)] == pytest.approx([level / 10_000 + 0.055, 4.55, 1.5])
    assert "+57 %" in texts(figure(results(), "overhead-length"))


def test_conditions_with_controls_of_their_own_have_a_bar_for_each():
    study = results(own_controls=True, field="data.examples", levels=(50, 60), effects=(-0.1, -0.1))
    bars = drawn_bars(figure(study, "overhead-length"))
    controls = [f"without warm-up, {condition(level)}" for level in (50, 60)]
    assert list(bars) == [controls[0], condition(50), controls[1], condition(60)]


def test_the_caption_says_the_overhead_and_what_the_seconds_are():
    caption = overhead(results()).caption
    assert "takes 11 to 683 % of the task's examples and 4.7 to 226 % of its seconds" in caption
    assert "measured on cpu" in caption
    assert "share one that is lived once, and each carries its seconds" in caption
    assert caption.endswith(made_of(results()))


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0314, "3.1 %"), (0.0994, "9.9 %"), (0.0995, "10 %"), (12.34, "1,234 %"), (-0.5, "−50 %")],
)
def test_shares_have_a_decimal_below_ten_per_cent(share, text):
    assert percent(share) == text


# --- how much is enough ------------------------------------------------------------------------


PLATEAU = {"effects": (-0.03, -0.11, -0.11, -0.11)}


def test_every_level_is_tested_against_the_largest_over_common_pairs():
    lost = {(1600, 2): "failed", (102400, 4): "missing", (None, 7): "diverged"}
    rows = table(results(outcomes=lost), "overhead-length-enough").values.set_index("level")
    assert list(rows.index) == [1600, 6400, 25600]
    common = {1600: {2, 4, 7}, 6400: {4, 7}, 25600: {4, 7}}
    for level, gone in common.items():
        left = [r for r in range(12) if r not in gone]
        own = [r for r in range(12) if r not in gone - {4}]
        none, here, top = (eces(Dose(), of, left) for of in (None, level, 102400))
        assert rows.loc[level, "pairs"] == len(left)
        assert rows.loc[level, "ece"] == pytest.approx(eces(Dose(), level, own).mean(), abs=1e-6)
        assert rows.loc[level, "more_than_at_largest"] == pytest.approx(
            (here - top).mean(), abs=1e-6
        )
        assert rows.loc[level, "p"] == pytest.approx(wilcoxon(here, top, method="approx").pvalue)
        share = (here - none).mean() / (top - none).mean()
        assert rows.loc[level, "share_of_effect"] == pytest.approx(share, rel=1e-4)
        low, high = (rows.loc[level, end] for end in ENDS)
        assert low < (here - top).mean() < high


@pytest.mark.parametrize(
    ("effects", "level", "said"),
    [
        ((-0.03, -0.11, -0.11, -0.11), "From 6,400", "on, ECE no longer differs from"),
        ((-0.11, -0.11, -0.11, -0.11), "From 1,600", "on, ECE no longer differs from"),
        # alike at 1,600 too, but not from there on
        ((-0.11, -0.05, -0.11, -0.11), "From 25,600", "on, ECE no longer differs from"),
        ((-0.03, -0.07, -0.09, -0.11), "At 25,600", "ECE is still higher than"),
        ((-0.03, -0.07, -0.12, -0.11), "At 25,600", "ECE is still lower than"),
    ],
)
def test_the_caption_says_from_which_level_on_none_differs(effects, level, said):
    caption = overhead(results(effects=effects)).caption
    assert f"{level} warm-up examples {said} that of the longest (102,400): exact P " in caption


def test_the_least_of_the_p_values_from_there_on_is_given():
    study = Dose(**PLATEAU)
    least = min(
        wilcoxon(eces(study, level), eces(study, 102400), method="exact").pvalue
        for level in (6400, 25600)
    )
    assert f"exact P ≥ {least:.3f}, which does not show" in overhead(results(study)).caption


def test_the_caption_says_what_share_of_the_effect_the_shortest_has():
    study = Dose(**PLATEAU)
    none, first, last = (eces(study, level).mean() for level in (None, 1600, 102400))
    share = 100 * (first - none) / (last - none)
    said = f"The shortest (1,600) has {share:.0f} % of the longest's effect."
    assert said in overhead(results(study)).caption


@pytest.mark.parametrize("effects", [(-0.03, 0.0, 0.0, 0.0), (0.03, 0.05, 0.08, 0.1)])
def test_of_what_is_no_lower_ece_no_share_is_said(effects):
    study = results(effects=effects)
    said = "What share of its effect the shortest (1,600) has is not said: over their common pairs"
    assert said in overhead(study).caption
    assert set(table(study, "overhead-length-enough").shown.iloc[:, -1]) == {"—"}


def test_too_few_pairs_for_a_test_are_said():
    caption = overhead(results(replicates=5, **PLATEAU)).caption
    assert "Whether ECE at 25,600 warm-up examples differs from that of the longest" in caption
    assert "cannot be tested: fewer than 6 pairs differ" in caption
    assert "no longer differs" not in caption


def test_the_largest_level_is_the_largest_that_has_pairs():
    study = results(outcomes={(102400, r): "failed" for r in range(12)})
    assert "that of the longest (25,600)" in overhead(study).caption
    assert list(table(study, "overhead-length-enough").values["level"]) == [1600, 6400]


def test_curves_show_the_control_every_pair_the_mean_and_its_interval():
    study = replace(Dose(**PLATEAU), outcomes={(6400, 3): "failed"})
    drawn = figure(results(study), "overhead-length-curve").axes
    assert [axes.get_title() for axes in drawn] == ["Test ECE", "Test accuracy"]
    axes = drawn[0]
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert ticks == ["0", "1,600", "6,400", "25,600", "102,400"]
    x = axes.get_xticks()
    assert np.diff(x[1:]) == pytest.approx([np.log10(4)] * 3)
    assert x[0] < x[1]
    lines = [
        line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 4
    ]
    *pair_lines, mean = lines
    assert len(pair_lines) == 12
    expected = np.array([eces(study, level) for level in study.levels])
    expected[1, 3] = np.nan
    for replicate, line in enumerate(pair_lines):
        assert line.get_ydata() == pytest.approx(expected[:, replicate], abs=1e-6, nan_ok=True)
    assert mean.get_ydata() == pytest.approx(np.nanmean(expected, axis=1), abs=1e-6)
    warm, control = (bars.lines for bars in axes.containers)
    assert control[0].get_ydata() == pytest.approx([eces(study, None).mean()], abs=1e-6)
    (segment,) = control[2][0].get_segments()
    assert segment[0, 1] < eces(study, None).mean() < segment[1, 1]
    segments = warm[2][0].get_segments()
    for (below, above), column in zip(segments, expected, strict=True):
        column = column[~np.isnan(column)]
        reach = 1.96 * column.std(ddof=1) / len(column) ** 0.5
        assert above[1] - below[1] == pytest.approx(2 * reach, rel=0.25)
    # shaded from the level on that no longer differs
    (shade,) = axes.patches
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == pytest.approx((x[2], x[4]))


def test_nothing_is_shaded_where_the_next_to_the_largest_differs():
    for axes in figure(results(), "overhead-length-curve").axes:
        assert not axes.patches


def test_other_numbers_of_the_warm_up_are_no_amounts():
    study = results(field="warmup.noise.std", levels=(0.25, 0.5, 1, 4))
    axes = figure(study, "overhead-length-curve").axes[0]
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert ticks == ["none", "0.25", "0.5", "1", "4"]
    assert axes.get_xlabel() == "Warm-up noise std"
    assert "At warm-up noise std 1 ECE is still higher than that of the largest (4)" in (
        overhead(study).caption
    )


def test_levels_that_are_not_positive_stand_on_a_linear_axis():
    study = results(field="warmup.noise.mean", levels=(1, 0, -1, 3))
    ticks = figure(study, "overhead-length-curve").axes[0].get_xticks()
    assert np.diff(ticks[1:]) == pytest.approx([1, 1, 2])


def test_ticks_that_stand_too_close_have_no_text():
    levels = (1000, 1010, 4000, 100_000)
    axes = figure(results(levels=levels), "overhead-length-curve").axes[0]
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert ticks == ["0", "1,000", "", "4,000", "100,000"]


def test_examples_may_vary_with_other_fields_of_the_warm_up():
    study = results(also={"warmup.epochs": (1, 2, 4, 8)})
    assert "At 25,600 warm-up examples (and warmup.epochs) ECE is" in overhead(study).caption


@pytest.mark.parametrize(
    "changes",
    [
        {"levels": (102400,), "effects": (-0.1,)},  # one level only
        {"field": "data.examples"},  # what is no part of the warm-up
        {"also": {"model.depth": (2, 3, 4, 5)}},  # nor this, which varies with it
        {"also": {"warmup.noise.std": (1, 2, 3, 4)}, "field": "warmup.epochs"},  # which of the two?
        {"also": {"warmup.examples": (5000, 5000, 6000, 7000)}, "field": "warmup.epochs"},
        {"also": {"warmup.epochs": ("a", "b", "c", "d")}, "field": "warmup.noise.distribution"},
    ],
    ids=lambda changes: str(changes)[:50],
)
def test_only_levels_of_one_number_of_the_warm_up_make_a_curve(changes):
    assert names(results(**changes)) == (["overhead-length"], ["overhead-length"])


def test_one_level_with_pairs_is_drawn_and_compared_with_nothing():
    study = results(
        outcomes={(level, r): "failed" for level in Dose().levels[1:] for r in range(12)}
    )
    assert names(study) == (["overhead-length"], ["overhead-length", "overhead-length-curve"])
    assert (
        "only one level has complete pairs: there is nothing to compare" in overhead(study).caption
    )
    assert overhead(study).figures[1].save("svg")


def test_a_study_without_any_pair_has_a_table_and_no_figure():
    study = results(outcomes={(None, r): "missing" for r in range(12)})
    assert names(study) == (["overhead-length"], [])
    assert overhead(study).caption.startswith("Means over the complete pairs")


@pytest.mark.parametrize(
    "levels",
    [
        (1600, 6400, 25600, 102400),
        (15_000, 30_000, 60_000, 120_000, 240_000, 480_000),
        (512, 1024, 2**20),
        tuple(range(1000, 2400, 100)),
    ],
    ids=len,
)
@pytest.mark.parametrize("own_controls", [False, True])
def test_no_text_of_a_figure_lies_over_another(levels, own_controls):
    study = Dose(levels=levels, effects=(-0.1,) * len(levels), replicates=6)
    for drawing in overhead(results(study, own_controls=own_controls)).figures:
        canvas = FigureCanvasAgg(drawing.figure)
        with paper_style():
            canvas.draw()  # lays it out
        for axes in drawing.figure.axes:
            for group in (axes.get_xticklabels(), axes.get_yticklabels(), axes.texts):
                shown = [text for text in group if text.get_text()]
                boxes = [text.get_window_extent(canvas.get_renderer()) for text in shown]
                for (one, left), (other, right) in pairwise(zip(shown, boxes, strict=True)):
                    assert one.get_rotation() == other.get_rotation()
                    if one.get_rotation():  # slanted lines of 7.5 points, side by side
                        assert right.x1 - left.x1 > 7.5 * drawing.figure.dpi / 72 / np.sin(0.61)
                    else:
                        assert not left.overlaps(right)
