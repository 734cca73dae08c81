"""The curvature's tables and sentences hold what SciPy and a count by hand find in the probes."""

import json
from functools import partial

import numpy as np
import pytest
from exhibited import ExhibitOfProbes, assert_compared, assert_legible, heights, holm_of, lines
from scipy.stats import wilcoxon
from studies import make_pairs

from analysis.exhibits.common.panels import WITH, WITHOUT
from analysis.exhibits.common.text import significant
from analysis.exhibits.landscape.curvature import curvature as build
from analysis.exhibits.landscape.curvature import curvatures

EPOCHS = (0, 5, 10, 20)


def measured(replicate, warm, lower=True):
    """Eigenvalue, trace and its error, (moments,) each; lower or higher with warm-up."""
    rng = np.random.default_rng([replicate, warm])
    factor = (0.5 if lower else 2.0) if warm else 1.0
    levels = {"eigenvalue": [8, 3, 5, 40], "trace": [300, 90, 100, 700]}
    found = {
        name: np.float32(factor * np.array(level) * rng.uniform(0.9, 1.1, len(EPOCHS)))
        for name, level in levels.items()
    }
    error = np.full(len(EPOCHS), 2 + replicate + 10 * warm, np.float32)
    return found | {"epoch": np.array(EPOCHS), "trace_error": error}


def study(replicates=8, probe=measured, **changes):
    """Pairs whose records have the probe that (replicate, warm) gives."""

    def probes(replicate, warm):
        arrays = probe(replicate, warm)
        return {"probes": {f"curvature/{name}": array for name, array in arrays.items()}}

    return make_pairs(probes, replicates, **changes)


def values(exhibit, key):
    (table,) = exhibit.tables
    return table.values.query(f"metric == '{key}'").set_index("epoch")


def arms(key, place, replicates=range(8), probe=measured):
    return [np.array([probe(r, warm)[key][place] for r in replicates]) for warm in (False, True)]


class TestCurvature(ExhibitOfProbes):
    no_pair = "No complete pair of condition “gaussian” has finite numbers of curvature."
    no_probe = "No trial has the probe curvature."


def axes_of(exhibit):
    """The panels of the eigenvalue and of the trace."""
    return exhibit.figures[0].figure.axes


@pytest.mark.parametrize("key", ["eigenvalue", "trace"])
def test_every_moment_is_compared_pair_by_pair(exhibit, key):
    found = values(exhibit, key)
    assert found.index.tolist() == list(EPOCHS)
    for place, epoch in enumerate(EPOCHS):
        assert_compared(found.loc[epoch], *arms(key, place))
        assert found.loc[epoch, "lower"] == 8


def test_holm_is_over_both_numbers_and_all_moments():
    """Of eight tests, with P that differ: one pair of eight goes the other way at the start."""

    def probe(replicate, warm):
        found = measured(replicate, warm)
        if replicate == 7 and warm:
            found["trace"] = found["trace"] * np.float32([9, 1, 1, 1])
        return found

    table = build(study(probe=probe)).tables[0].values
    assert len(table) == 8
    assert len(set(table["p"])) == 2
    assert table["p_holm"].to_numpy() == pytest.approx(holm_of(table["p_exact"]))


def test_the_measuring_error_stands_beside_the_trace_alone(exhibit):
    shown = exhibit.tables[0].shown
    assert list(shown.columns) == [
        "Moment", "Number", "Pairs", "Without", "With", "Error without", "Error with",
        "Δ [95 % interval]", "Lower", "W", "P", "Exact P", "Holm P", "q", "r",
    ]  # fmt: skip
    assert shown["Error without"].tolist() == ["—", "5.50"] * 4  # 2 + the mean replicate
    assert shown["Error with"].tolist() == ["—", "15.5"] * 4
    assert values(exhibit, "trace")["with_error_mean"].tolist() == [15.5] * 4
    before, after = arms("trace", 3)
    apart = significant(np.abs(after - before).mean())
    said = "The mean standard error of a trace is at the start 5.50 without and 15.5 with warm-up"
    assert said in exhibit.caption
    assert (
        f"at the end, epoch 20, 5.50 without and 15.5 with warm-up, where the two of a pair differ "
        f"by {apart} on average." in exhibit.caption
    )


def test_a_trace_without_an_error_is_shown_all_the_same():
    def probe(replicate, warm):
        return measured(replicate, warm) | {"trace_error": np.full(4, np.nan, np.float32)}

    exhibit = build(study(probe=probe))
    assert set(exhibit.tables[0].shown["Error with"]) == {"—"}
    assert "No standard error of the traces is known." in exhibit.caption
    assert values(exhibit, "trace")["pairs"].tolist() == [8] * 4


def test_moments_are_named_once(exhibit):
    shown = exhibit.tables[0].shown
    moments = ("start", "epoch 5", "epoch 10", "end, epoch 20")
    assert shown["Moment"].tolist() == [name for start in moments for name in (start, "")]
    assert shown["Number"].tolist() == ["Largest eigenvalue", "Trace"] * 4


@pytest.mark.parametrize(("lower", "word"), [(True, "lower"), (False, "higher")])
def test_the_caption_says_which_way_it_went(lower, word):
    probe = partial(measured, lower=lower)
    exhibit = build(study(probe=probe))
    assert exhibit.caption.startswith(
        "Condition “gaussian”, 8 pairs measured. The largest eigenvalue is at the start "
    )
    for place, when in ((0, "at the start"), (3, "at the end, epoch 20,")):
        means = [significant(arm.mean()) for arm in arms("eigenvalue", place, probe=probe)]
        assert (
            f"{when} {means[0]} without and {means[1]} with warm-up ({word} with it in 8 of 8 "
            "pairs; exact P = 0.008)" in exhibit.caption
        )
    other = "higher" if lower else "lower"
    assert f"{other} with it" not in exhibit.caption
    assert "with 8 pairs and 8 tests none can pass" in exhibit.caption


def test_enough_pairs_can_pass_holms_correction():
    assert "Holm P < 0.05 in 8 of 8 tests." in build(study(12)).caption


def test_no_effect_is_called_none():
    """The arms change places from pair to pair."""

    def probe(replicate, warm):
        return measured(replicate // 2, warm ^ replicate % 2)

    exhibit = build(study(probe=probe))
    p = wilcoxon(*arms("eigenvalue", 0, probe=probe), method="exact").pvalue
    assert p > 0.9
    assert f"in 4 of 8 pairs; exact P = {p:.3f}, no difference shown)" in exhibit.caption


def test_equal_arms_are_the_same():
    exhibit = build(study(probe=lambda r, warm: measured(r, False)))
    assert "(the same in all 8 pairs; exact P = 1.000, no difference shown)" in exhibit.caption
    one = build(study(1, lambda r, warm: measured(r, False)))
    assert "(the same in the one pair; exact P = 1.000, no difference shown)" in one.caption


def test_one_pair_has_a_difference_and_no_test():
    exhibit = build(study(1))
    assert exhibit.caption.startswith("Condition “gaussian”, 1 pair measured. ")
    said = "(lower with it in the one pair; exact P = 1.000, no difference shown)"
    assert said in exhibit.caption
    assert "Holm P < 0.05 in 0 of 8 tests: with 1 pair and 8 tests none can" in exhibit.caption
    shown = exhibit.tables[0].shown
    assert set(shown["P"]) == {"n < 6"}
    assert set(shown["r"]) == {"—"}
    assert not shown["With"].str.contains("±").any()


def test_lost_pairs_and_trials_without_the_probe_are_counted_out():
    def probe(replicate, warm):
        return {} if (replicate, warm) == (3, True) else measured(replicate, warm)

    outcomes = {("gaussian", 0): "diverged", ("", 5): "failed"}
    exhibit = build(study(probe=probe, outcomes=outcomes))
    assert "Condition “gaussian”, 5 of 6 complete pairs measured." in exhibit.caption
    assert set(exhibit.tables[0].shown["Pairs"]) == {"5 of 8 (1 diverged, 1 control failed)"}
    left = [1, 2, 4, 6, 7]
    expected = arms("eigenvalue", 3, left)[1].mean()
    assert values(exhibit, "eigenvalue")["with_mean"][20] == pytest.approx(expected)
    assert heights(axes_of(exhibit)[0], linewidth=2.2)[1][3] == pytest.approx(expected)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_number_that_is_not_finite_leaves_its_pair_out_at_that_moment(broken):
    def probe(replicate, warm):
        found = measured(replicate, warm)
        if (replicate, warm) == (2, False):
            found["trace"][1] = broken
        return found

    exhibit = build(study(probe=probe))
    assert values(exhibit, "trace")["pairs"].tolist() == [8, 7, 8, 8]
    assert values(exhibit, "eigenvalue")["pairs"].tolist() == [8] * 4
    kept = [r for r in range(8) if r != 2]
    for arm, mean in enumerate(heights(axes_of(exhibit)[1], linewidth=2.2)):
        assert mean[1] == pytest.approx(arms("trace", 1, kept)[arm].mean())


def test_a_task_of_no_epochs_has_one_moment():
    def probe(replicate, warm):
        return {name: array[:1] for name, array in measured(replicate, warm).items()}

    exhibit = build(study(probe=probe))
    assert exhibit.tables[0].shown["Moment"].tolist() == ["start", ""]
    assert "at the end" not in exhibit.caption
    without, with_ = lines(axes_of(exhibit)[0], linewidth=2.2)
    assert without.get_xdata()[0] < 0 < with_.get_xdata()[0]


def test_each_network_is_drawn_and_the_mean_of_its_arm(exhibit):
    for axes, key in zip(axes_of(exhibit), ("eigenvalue", "trace"), strict=True):
        colours = [line.get_color() for line in lines(axes, linewidth=0.5)]
        assert colours == [WITHOUT] * 8 + [WITH] * 8
        known = np.array([[measured(r, warm)[key] for r in range(8)] for warm in (False, True)])
        assert np.array(heights(axes, linewidth=0.5)) == pytest.approx(np.concatenate(known))
        assert np.array(heights(axes, linewidth=2.2)) == pytest.approx(known.mean(axis=1))
        assert axes.get_xticks().tolist() == list(EPOCHS)


@pytest.mark.parametrize(
    ("lowest", "scale", "words"),
    [
        (1.0, "log", "The axis of the trace is logarithmic."),
        (-50.0, "symlog", "The axis of the trace is linear up to ±10 and logarithmic beyond"),
        (0.0, "symlog", "The axis of the trace is linear up to ±10 and logarithmic beyond"),
    ],
)
def test_the_axis_is_logarithmic_where_all_are_positive(lowest, scale, words):
    def probe(replicate, warm):
        trace = np.float32([1000.0, 20.0, 30.0, lowest if warm else 40.0])
        return measured(replicate, warm) | {"trace": trace}

    exhibit = build(study(2, probe))
    eigenvalue, trace = axes_of(exhibit)
    assert (eigenvalue.get_yscale(), trace.get_yscale()) == ("log", scale)
    assert words in exhibit.caption
    if scale == "symlog":
        assert trace.yaxis.get_transform().linthresh == pytest.approx(10)


def test_a_flat_loss_has_a_linear_axis():
    nothing = {name: np.zeros(4, np.float32) for name in ("eigenvalue", "trace", "trace_error")}
    exhibit = build(study(6, lambda r, warm: measured(r, warm) | nothing))
    assert {axes.get_yscale() for axes in axes_of(exhibit)} == {"linear"}
    assert "The axis of the trace is linear." in exhibit.caption
    assert "0 without and 0 with warm-up (the same in all 6 pairs" in exhibit.caption


def test_the_figure_is_told_in_words(exhibit):
    before = [np.mean(arms("eigenvalue", place)[0]) for place in range(4)]
    means = ", ".join(f"{m:.3g} after epoch {e}" for m, e in zip(before, EPOCHS, strict=True))
    said = f"Mean largest eigenvalue: without warm-up {means}; with"
    assert exhibit.figures[0].description.startswith(said)


@pytest.mark.parametrize("scale", [1e-4, 1.0, 3e5])
@pytest.mark.parametrize("negative", [False, True])
def test_no_text_lies_over_another(scale, negative):
    def probe(replicate, warm):
        found = measured(replicate, warm)
        sign = np.float32([1, -1, 1, 1]) if negative else 1
        return found | {key: found[key] * scale * sign for key in ("eigenvalue", "trace")}

    assert_legible(build(study(3, probe)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (1.0, "1.00"), (-12.34, "−12.3"), (123.4, "123"), (999.4, "999"),
        (999.6, "1,000"), (-65432.1, "−65,432"), (2.5e7, "2.50e7"), (0.00123, "0.00123"),
        (1.234e-6, "1.23e−6"), (float("nan"), "—"),
    ],
)  # fmt: skip
def test_numbers_of_any_size_have_three_figures(value, text):
    assert significant(value) == text


def test_the_probe_is_read_by_number_and_epoch():
    record = study(1).trials[0].record
    found = curvatures(record)
    assert set(found) == {(k, e) for k in ("eigenvalue", "trace", "trace_error") for e in EPOCHS}
    assert found["trace", 10] == measured(0, False)["trace"][2]
    assert json.dumps(sorted(found.values()))  # plain numbers
