"""What warm-up costs, and how much is enough: against studies whose every number is known.

A network here is right in a known share of its predictions and equally sure of all, so that its ECE
is the confidence − the accuracy that it was made with.
"""

import numpy as np
import pandas as pd
import pytest
from drawings import assert_neighbours_apart
from exhibited import EveryExhibit, figure, heights, table, ticks
from scipy.stats import ttest_1samp, wilcoxon
from studies import make_study, sure_record

from analysis.exhibits.common.text import percent
from analysis.exhibits.cost.overhead import overhead as build

PREDICTIONS = 1000
ACCURACY = 0.6
ENDS = ("interval_low", "interval_high")
LEVELS, EFFECTS = (1600, 6400, 25600, 102400), (-0.03, -0.07, -0.11, -0.112)  # on ECE
TASK = {"examples": 15_000, "seconds": 4.0}


def condition(level):
    return f"level {level:g}"


def ece(level, replicate, levels=LEVELS, effects=EFFECTS):
    """Of the control (None) and of each level, whose effect differs a little between pairs."""
    base = 0.25 + 0.01 * np.sin(replicate)
    if level is None:
        return base
    place = levels.index(level)
    return base + effects[place] + 0.004 * np.cos(7 * place + 3 * replicate)


def seconds(level, replicate):
    warmup = {} if level is None else {"warmup": level / 10_000 + 0.01 * replicate}
    evaluation = 1.0 if level is None else 1.5
    task = TASK["seconds"] + 0.1 * replicate
    return warmup | {"task": task, "evaluation": evaluation, "probes": 100.0, "total": 999.0}


def study(
    levels=LEVELS,
    effects=EFFECTS,
    field="warmup.examples",
    replicates=12,
    own_controls=False,
    also=None,
    outcomes=None,
):
    """Levels of a field, and of fields that vary also with it.

    outcomes: (level or None, replicate) → the trial's fate.
    """
    named = {condition(level): level for level in levels}
    cells = {
        name: {field: level} | {other: values[place] for other, values in (also or {}).items()}
        for place, (name, level) in enumerate(named.items())
    }
    fates = {
        ("control" if level is None else condition(level), replicate): fate
        for (level, replicate), fate in (outcomes or {}).items()
    }

    def record(name, warm, replicate):
        level = named[name] if warm else None
        right = round(ACCURACY * PREDICTIONS) + replicate + 2 * warm
        return sure_record(
            right,
            {"test": ece(level, replicate, levels, effects)},
            examples={"warmup": int(level or 0), "task": TASK["examples"]},
            seconds=seconds(level, replicate),
        )

    return make_study(
        cells,
        replicates,
        record,
        fates,
        control_of=lambda name: name if own_controls else "",
        grids={"length": list(cells)},
    )


class TestOverhead(EveryExhibit):
    """As every exhibit."""


def costs(exhibit):
    return table(exhibit, "overhead-length").values.set_index("condition")


def shown(exhibit):
    return table(exhibit, "overhead-length").shown.set_index("Condition")


def names(exhibit):
    return [found.name for found in exhibit.tables], [found.name for found in exhibit.figures]


def eces(level, replicates=range(12), effects=EFFECTS):
    """(replicates,)"""
    return np.array([ece(level, r, effects=effects) for r in replicates])


# --- costs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [1600, 102400])
def test_costs_are_means_over_the_records_of_the_warmed_up_networks(exhibit, level):
    row = costs(exhibit).loc[condition(level)]
    spent = pd.DataFrame([seconds(level, r) for r in range(12)]).mean()
    unwarmed = pd.DataFrame([seconds(None, r) for r in range(12)]).mean()
    assert (row["warmup_examples"], row["task_examples"]) == (level, 15_000)
    for name in ("warmup", "task", "evaluation", "probes"):
        assert row[f"{name}_seconds"] == pytest.approx(spent[name])
    for name in ("task", "evaluation"):
        assert row[f"control_{name}_seconds"] == pytest.approx(unwarmed[name])
    assert row["overhead_examples"] == pytest.approx(level / 15_000)
    assert row["overhead_seconds"] == pytest.approx(spent["warmup"] / spent["task"])


def test_the_table_shows_costs_beside_what_they_buy(exhibit):
    without, with_ = eces(None), eces(25600)
    exact = wilcoxon(without, with_, method="exact")
    low, high = costs(exhibit).loc["level 25600", [*ENDS]]
    assert shown(exhibit).loc["level 25600"].to_dict() == {
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
    exhibit = build(study(outcomes=lost))
    row = costs(exhibit).loc["level 1600"]
    left = [r for r in range(12) if r not in (0, 5)]
    assert (row["pairs"], row["pairs_planned"]) == (10, 12)
    assert row["warmup_seconds"] == pytest.approx(np.mean([0.16 + 0.01 * r for r in left]))
    assert row["control_task_seconds"] == pytest.approx(np.mean([4 + 0.1 * r for r in left]))
    assert row["with_mean"] == pytest.approx(eces(1600, left).mean(), abs=1e-6)
    assert shown(exhibit).loc["level 1600", "Pairs"] == "10 of 12 (1 failed, 1 control diverged)"


def test_a_condition_without_a_pair_has_no_costs():
    exhibit = build(study(outcomes={(6400, r): "failed" for r in range(12)}))
    row = shown(exhibit).loc["level 6400"]
    assert row["Pairs"] == "0 of 12 (12 failed)"
    assert set(row.drop("Pairs")) == {"—"}
    assert "no complete pair" in texts(figure(exhibit, "overhead-length"))


def texts(figure):
    return [text.get_text().strip() for axes in figure.axes for text in axes.texts]


def drawn_bars(figure):
    """Name → widths of the bar's parts."""
    (axes,) = figure.axes
    labels = [text.replace("\n", " ") for text in ticks(axes.yaxis)]
    bars = {name: [] for name in labels}
    for patch in axes.patches:
        place = round(patch.get_y() + patch.get_height() / 2)
        assert patch.get_x() == pytest.approx(sum(bars[labels[place]]))
        bars[labels[place]].append(patch.get_width())
    return bars


def test_bars_stack_warm_up_task_and_evaluation_of_both_arms(exhibit):
    bars = drawn_bars(figure(exhibit, "overhead-length"))
    assert list(bars) == ["without warm-up", *(condition(level) for level in LEVELS)]
    assert bars["without warm-up"] == pytest.approx([0, 4.55, 1.0])
    for level in LEVELS:
        assert bars[condition(level)] == pytest.approx([level / 10_000 + 0.055, 4.55, 1.5])
    assert "+57 %" in texts(figure(exhibit, "overhead-length"))


def test_conditions_with_controls_of_their_own_have_a_bar_for_each():
    two = {"field": "data.examples", "levels": (50, 60), "effects": (-0.1, -0.1)}
    bars = drawn_bars(figure(build(study(own_controls=True, **two)), "overhead-length"))
    controls = [f"without warm-up, {condition(level)}" for level in (50, 60)]
    assert list(bars) == [controls[0], condition(50), controls[1], condition(60)]


def test_the_caption_says_the_overhead_and_what_the_seconds_are(exhibit):
    caption = exhibit.caption
    assert "takes 11 to 683 % of the task's examples and 4.7 to 226 % of its seconds" in caption
    assert "measured on cpu" in caption
    assert "share one that is lived once, and each carries its seconds" in caption


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0314, "3.1 %"), (0.0994, "9.9 %"), (0.0995, "10 %"), (12.34, "1,234 %"), (-0.5, "−50 %")],
)
def test_shares_have_a_decimal_below_ten_per_cent(share, text):
    assert percent(share) == text


# --- how much is enough ------------------------------------------------------------------------


PLATEAU = (-0.03, -0.11, -0.11, -0.11)


def test_every_level_is_tested_against_the_largest_over_common_pairs():
    lost = {(1600, 2): "failed", (102400, 4): "missing", (None, 7): "diverged"}
    exhibit = build(study(outcomes=lost))
    rows = table(exhibit, "overhead-length-enough").values.set_index("level")
    assert list(rows.index) == [1600, 6400, 25600]
    common = {1600: {2, 4, 7}, 6400: {4, 7}, 25600: {4, 7}}
    for level, gone in common.items():
        left = [r for r in range(12) if r not in gone]
        own = [r for r in range(12) if r not in gone - {4}]
        none, here, top = (eces(of, left) for of in (None, level, 102400))
        row = rows.loc[level]
        assert row["pairs"] == len(left)
        assert row["ece"] == pytest.approx(eces(level, own).mean(), abs=1e-6)
        assert row["more_than_at_largest"] == pytest.approx((here - top).mean(), abs=1e-6)
        assert row["p"] == pytest.approx(wilcoxon(here, top, method="approx").pvalue)
        share = (here - none).mean() / (top - none).mean()
        assert row["share_of_effect"] == pytest.approx(share, rel=1e-4)
        assert row["interval_low"] < (here - top).mean() < row["interval_high"]


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
    caption = build(study(effects=effects)).caption
    assert f"{level} warm-up examples {said} that of the longest (102,400): exact P " in caption


def test_the_least_of_the_p_values_from_there_on_is_given():
    samples = (eces(level, effects=PLATEAU) for level in (6400, 25600))
    top = eces(102400, effects=PLATEAU)
    least = min(wilcoxon(sample, top, method="exact").pvalue for sample in samples)
    assert f"exact P ≥ {least:.3f}, which does not show" in build(study(effects=PLATEAU)).caption


def test_the_caption_says_what_share_of_the_effect_the_shortest_has():
    none, first, last = (eces(level, effects=PLATEAU).mean() for level in (None, 1600, 102400))
    share = 100 * (first - none) / (last - none)
    said = f"The shortest (1,600) has {share:.0f} % of the longest's effect."
    assert said in build(study(effects=PLATEAU)).caption


@pytest.mark.parametrize("effects", [(-0.03, 0.0, 0.0, 0.0), (0.03, 0.05, 0.08, 0.1)])
def test_of_what_is_no_lower_ece_no_share_is_said(effects):
    exhibit = build(study(effects=effects))
    said = "What share of its effect the shortest (1,600) has is not said: over their common pairs"
    assert said in exhibit.caption
    assert set(table(exhibit, "overhead-length-enough").shown.iloc[:, -1]) == {"—"}


def test_too_few_pairs_for_a_test_are_said():
    caption = build(study(effects=PLATEAU, replicates=5)).caption
    assert "Whether ECE at 25,600 warm-up examples differs from that of the longest" in caption
    assert "cannot be tested: fewer than 6 pairs differ" in caption
    assert "no longer differs" not in caption


def test_the_largest_level_is_the_largest_that_has_pairs():
    exhibit = build(study(outcomes={(102400, r): "failed" for r in range(12)}))
    assert "that of the longest (25,600)" in exhibit.caption
    assert list(table(exhibit, "overhead-length-enough").values["level"]) == [1600, 6400]


def test_curves_show_the_control_every_pair_the_mean_and_its_interval():
    exhibit = build(study(effects=PLATEAU, outcomes={(6400, 3): "failed"}))
    drawn = figure(exhibit, "overhead-length-curve").axes
    assert [axes.get_title() for axes in drawn] == ["Test ECE", "Test accuracy"]
    axes = drawn[0]
    assert ticks(axes.xaxis) == ["0", "1,600", "6,400", "25,600", "102,400"]
    x = axes.get_xticks()
    assert np.diff(x[1:]) == pytest.approx([np.log10(4)] * 3)
    assert x[0] < x[1]
    *of_pairs, mean = (drawn for drawn in heights(axes, linestyle="-") if len(drawn) == 4)
    expected = np.array([eces(level, effects=PLATEAU) for level in LEVELS])
    expected[1, 3] = np.nan
    assert np.transpose(of_pairs) == pytest.approx(expected, abs=1e-6, nan_ok=True)
    assert mean == pytest.approx(np.nanmean(expected, axis=1), abs=1e-6)
    warm, control = (bars.lines for bars in axes.containers)
    assert control[0].get_ydata() == pytest.approx([eces(None).mean()], abs=1e-6)
    (segment,) = control[2][0].get_segments()
    assert segment[0, 1] < eces(None).mean() < segment[1, 1]
    segments = warm[2][0].get_segments()
    for (below, above), column in zip(segments, expected, strict=True):
        column = column[~np.isnan(column)]
        reach = 1.96 * column.std(ddof=1) / len(column) ** 0.5
        assert above[1] - below[1] == pytest.approx(2 * reach, rel=0.25)
    # shaded from the level on that no longer differs
    (shade,) = axes.patches
    assert (shade.get_x(), shade.get_x() + shade.get_width()) == pytest.approx((x[2], x[4]))


def test_nothing_is_shaded_where_the_next_to_the_largest_differs(exhibit):
    for axes in figure(exhibit, "overhead-length-curve").axes:
        assert not axes.patches


def test_other_numbers_of_the_warm_up_are_no_amounts():
    exhibit = build(study(field="warmup.noise.std", levels=(0.25, 0.5, 1, 4)))
    axes = figure(exhibit, "overhead-length-curve").axes[0]
    assert ticks(axes.xaxis) == ["none", "0.25", "0.5", "1", "4"]
    assert axes.get_xlabel() == "Warm-up noise std"
    said = "At warm-up noise std 1 ECE is still higher than that of the largest (4)"
    assert said in exhibit.caption


def test_levels_that_are_not_positive_stand_on_a_linear_axis():
    exhibit = build(study(field="warmup.noise.mean", levels=(1, 0, -1, 3)))
    at = figure(exhibit, "overhead-length-curve").axes[0].get_xticks()
    assert np.diff(at[1:]) == pytest.approx([1, 1, 2])


def test_ticks_that_stand_too_close_have_no_text():
    exhibit = build(study(levels=(1000, 1010, 4000, 100_000)))
    axes = figure(exhibit, "overhead-length-curve").axes[0]
    assert ticks(axes.xaxis) == ["0", "1,000", "", "4,000", "100,000"]


def test_examples_may_vary_with_other_fields_of_the_warm_up():
    caption = build(study(also={"warmup.epochs": (1, 2, 4, 8)})).caption
    assert "At 25,600 warm-up examples (and warmup.epochs) ECE is" in caption


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
    assert names(build(study(**changes))) == (["overhead-length"], ["overhead-length"])


def test_one_level_with_pairs_is_drawn_and_compared_with_nothing():
    lost = {(level, r): "failed" for level in LEVELS[1:] for r in range(12)}
    exhibit = build(study(outcomes=lost))
    assert names(exhibit) == (["overhead-length"], ["overhead-length", "overhead-length-curve"])
    assert "only one level has complete pairs: there is nothing to compare" in exhibit.caption
    assert exhibit.figures[1].save("svg")


def test_a_study_without_any_pair_has_a_table_and_no_figure():
    exhibit = build(study(outcomes={(None, r): "missing" for r in range(12)}))
    assert names(exhibit) == (["overhead-length"], [])
    assert exhibit.caption.startswith("Means over the complete pairs")


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
    results = study(levels, (-0.1,) * len(levels), replicates=6, own_controls=own_controls)
    for drawing in build(results).figures:
        assert_neighbours_apart(drawing.figure)
