"""The curvature's tables and sentences hold what SciPy and a count by hand find in the probes."""

import json

import numpy as np
import pytest
from drawings import assert_apart, assert_plain
from scipy.stats import wilcoxon

from analysis.exhibits.common.exhibit import made_of
from analysis.exhibits.common.panels import WITH, WITHOUT
from analysis.exhibits.common.text import significant
from analysis.exhibits.landscape.curvature import curvature, curvatures
from analysis.rendering.table_formats import to_latex
from analysis.statistics.paired import holm

EPOCHS = (0, 5, 10, 20)


def measured(replicate, warm, lower=True):
    """Eigenvalue, trace and its error, (moments,) each; lower or higher with warm-up."""
    rng = np.random.default_rng([replicate, warm])
    factor = (0.5 if lower else 2.0) if warm else 1.0
    moments = len(EPOCHS)
    return {
        "epoch": np.array(EPOCHS),
        "eigenvalue": np.float32(factor * np.array([8, 3, 5, 40]) * rng.uniform(0.9, 1.1, moments)),
        "trace": np.float32(
            factor * np.array([300, 90, 100, 700]) * rng.uniform(0.9, 1.1, moments)
        ),
        "trace_error": np.float32(2 + replicate + 10 * warm + np.zeros(moments)),
    }


def study(synthetic, replicates=8, probe=measured, **changes):
    """Pairs whose records have the probe that (replicate, warm) gives; None: none."""

    def probes(replicate, warm):
        arrays = probe(replicate, warm) or {}
        return {"probes": {f"curvature/{name}": array for name, array in arrays.items()}}

    return synthetic.pairs(probes, replicates, **changes)


def values(exhibit, key):
    (table,) = exhibit.tables
    return table.values.query(f"metric == '{key}'").set_index("epoch")


def arms(key, place, replicates=range(8), probe=measured):
    return [np.array([probe(r, warm)[key][place] for r in replicates]) for warm in (False, True)]


@pytest.fixture(scope="module")
def results(synthetic):
    return study(synthetic)


@pytest.fixture(scope="module")
def exhibit(results):
    return curvature(results)


def panels(exhibit):
    return exhibit.figures[0].figure.axes


def thick(axes):
    return [line for line in axes.lines if line.get_linewidth() == 2.2]


def thin(axes):
    return [line for line in axes.lines if line.get_linewidth() == 0.5]


@pytest.mark.parametrize("key", ["eigenvalue", "trace"])
def test_every_moment_is_compared_pair_by_pair(exhibit, key):
    found = values(exhibit, key)
    assert found.index.tolist() == list(EPOCHS)
    for place, epoch in enumerate(EPOCHS):
        before, after = arms(key, place)
        row = found.loc[epoch]
        assert row["without_mean"] == pytest.approx(before.mean())
        assert row["with_mean"] == pytest.approx(after.mean())
        assert row["with_sd"] == pytest.approx(after.std(ddof=1))
        assert row["difference"] == pytest.approx((after - before).mean())
        assert row["lower"] == 8
        test = wilcoxon(before, after, method="approx", correction=False)
        assert (row["w"], row["p"]) == (test.statistic, pytest.approx(test.pvalue))


def test_holm_is_over_both_numbers_and_all_moments(synthetic):
    """Of eight tests, with P that differ: one pair of eight goes the other way at the start."""

    def probe(replicate, warm):
        found = measured(replicate, warm)
        if replicate == 7 and warm:
            found["trace"] = found["trace"] * np.float32([9, 1, 1, 1])
        return found

    table = curvature(study(synthetic, probe=probe)).tables[0].values
    assert len(table) == 8
    assert len(set(table["p"])) == 2
    assert table["p_holm"].to_numpy() == pytest.approx(holm(table["p_exact"]))


def test_the_measuring_error_stands_beside_the_trace_alone(exhibit):
    shown = exhibit.tables[0].shown
    assert list(shown.columns) == [
        "Moment", "Number", "Pairs", "Without", "With", "Error without", "Error with",
        "Δ [95 % interval]", "Lower", "W", "P", "Exact P", "Holm P", "r",
    ]  # fmt: skip
    assert shown["Error without"].tolist() == ["—", "5.50"] * 4  # 2 + the mean replicate
    assert shown["Error with"].tolist() == ["—", "15.5"] * 4
    assert values(exhibit, "trace")["with_error_mean"].tolist() == [15.5] * 4
    before, after = arms("trace", 3)
    apart = significant(np.abs(after - before).mean())
    assert (
        "The mean standard error of a trace is at the start 5.50 without and 15.5 with warm-up"
        in exhibit.caption
    )
    assert (
        f"at the end, epoch 20, 5.50 without and 15.5 with warm-up, where the two of a pair differ "
        f"by {apart} on average." in exhibit.caption
    )


def test_a_trace_without_an_error_is_shown_all_the_same(synthetic):
    def probe(replicate, warm):
        return measured(replicate, warm) | {"trace_error": np.full(4, np.nan, np.float32)}

    exhibit = curvature(study(synthetic, probe=probe))
    assert set(exhibit.tables[0].shown["Error with"]) == {"—"}
    assert "No standard error of the traces is known." in exhibit.caption
    assert values(exhibit, "trace")["pairs"].tolist() == [8] * 4


def test_moments_are_named_once(exhibit):
    shown = exhibit.tables[0].shown
    names = [name for start in ("start", "epoch 5", "epoch 10", "end, epoch 20") for name in
             (start, "")]  # fmt: skip
    assert shown["Moment"].tolist() == names
    assert shown["Number"].tolist() == ["Largest eigenvalue", "Trace"] * 4


@pytest.mark.parametrize(("lower", "word"), [(True, "lower"), (False, "higher")])
def test_the_caption_says_which_way_it_went(synthetic, lower, word):
    results = study(synthetic, probe=lambda r, warm: measured(r, warm, lower))
    exhibit = curvature(results)
    assert exhibit.caption.startswith(
        "Condition “gaussian”, 8 pairs measured. The largest eigenvalue is at the start "
    )
    for place, when in ((0, "at the start"), (3, "at the end, epoch 20,")):
        means = [
            significant(arm.mean())
            for arm in arms("eigenvalue", place, probe=lambda r, warm: measured(r, warm, lower))
        ]
        assert (
            f"{when} {means[0]} without and {means[1]} with warm-up ({word} with it in 8 of 8 "
            "pairs; exact P = 0.008)" in exhibit.caption
        )
    other = "higher" if lower else "lower"
    assert f"{other} with it" not in exhibit.caption
    assert "with 8 pairs and 8 tests none can pass" in exhibit.caption
    assert exhibit.caption.endswith(made_of(results))


def test_enough_pairs_can_pass_holms_correction(synthetic):
    assert "Holm P < 0.05 in 8 of 8 tests." in curvature(study(synthetic, 12)).caption


def test_no_effect_is_called_none(synthetic):
    """The arms change places from pair to pair."""
    exhibit = curvature(study(synthetic, probe=lambda r, warm: measured(r // 2, warm ^ r % 2)))
    before, after = arms("eigenvalue", 0, probe=lambda r, warm: measured(r // 2, warm ^ r % 2))
    p = wilcoxon(before, after, method="exact").pvalue
    assert p > 0.9
    assert f"in 4 of 8 pairs; exact P = {p:.3f}, no difference shown)" in exhibit.caption


def test_equal_arms_are_the_same(synthetic):
    exhibit = curvature(study(synthetic, probe=lambda r, warm: measured(r, False)))
    assert "(the same in all 8 pairs; exact P = 1.000, no difference shown)" in exhibit.caption
    one = curvature(study(synthetic, 1, lambda r, warm: measured(r, False)))
    assert "(the same in the one pair; exact P = 1.000, no difference shown)" in one.caption


def test_one_pair_has_a_difference_and_no_test(synthetic):
    exhibit = curvature(study(synthetic, 1))
    assert exhibit.caption.startswith("Condition “gaussian”, 1 pair measured. ")
    assert (
        "(lower with it in the one pair; exact P = 1.000, no difference shown)" in exhibit.caption
    )
    assert "Holm P < 0.05 in 0 of 8 tests: with 1 pair and 8 tests none can" in exhibit.caption
    shown = exhibit.tables[0].shown
    assert set(shown["P"]) == {"n < 6"}
    assert set(shown["r"]) == {"—"}
    assert not shown["With"].str.contains("±").any()


def test_lost_pairs_and_trials_without_the_probe_are_counted_out(synthetic):
    def probe(replicate, warm):
        return None if (replicate, warm) == (3, True) else measured(replicate, warm)

    outcomes = {("gaussian", 0): "diverged", ("", 5): "failed"}
    exhibit = curvature(study(synthetic, probe=probe, outcomes=outcomes))
    assert "Condition “gaussian”, 5 of 6 complete pairs measured." in exhibit.caption
    assert set(exhibit.tables[0].shown["Pairs"]) == {"5 of 8 (1 diverged, 1 control failed)"}
    left = [1, 2, 4, 6, 7]
    expected = arms("eigenvalue", 3, left)[1].mean()
    assert values(exhibit, "eigenvalue")["with_mean"][20] == pytest.approx(expected)
    assert thick(panels(exhibit)[0])[1].get_ydata()[3] == pytest.approx(expected)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_number_that_is_not_finite_leaves_its_pair_out_at_that_moment(synthetic, broken):
    def probe(replicate, warm):
        found = measured(replicate, warm)
        if (replicate, warm) == (2, False):
            found["trace"][1] = broken
        return found

    exhibit = curvature(study(synthetic, probe=probe))
    assert values(exhibit, "trace")["pairs"].tolist() == [8, 7, 8, 8]
    assert values(exhibit, "eigenvalue")["pairs"].tolist() == [8] * 4
    kept = [r for r in range(8) if r != 2]
    drawn = thick(panels(exhibit)[1])
    for arm, line in enumerate(drawn):
        assert line.get_ydata()[1] == pytest.approx(arms("trace", 1, kept)[arm].mean())


def test_a_task_of_no_epochs_has_one_moment(synthetic):
    def probe(replicate, warm):
        return {name: array[:1] for name, array in measured(replicate, warm).items()}

    exhibit = curvature(study(synthetic, probe=probe))
    assert exhibit.tables[0].shown["Moment"].tolist() == ["start", ""]
    assert "at the end" not in exhibit.caption
    without, with_ = thick(panels(exhibit)[0])
    assert without.get_xdata()[0] < 0 < with_.get_xdata()[0]


@pytest.mark.parametrize("fate", ["missing", "diverged"])
def test_without_a_complete_pair_it_says_so(synthetic, fate):
    results = study(synthetic, 2, outcomes={("gaussian", r): fate for r in range(2)})
    exhibit = curvature(results)
    assert (exhibit.tables, exhibit.figures) == ((), ())
    assert exhibit.caption == (
        "No complete pair of condition “gaussian” has finite numbers of curvature. "
        + made_of(results)
    )


def test_without_the_probe_it_says_so(synthetic):
    results = study(synthetic, 2, lambda r, warm: None)
    exhibit = curvature(results)
    assert (exhibit.tables, exhibit.figures) == ((), ())
    assert exhibit.caption == f"No trial has the probe curvature. {made_of(results)}"


def test_each_network_is_drawn_and_the_mean_of_its_arm(exhibit):
    for axes, key in zip(panels(exhibit), ("eigenvalue", "trace"), strict=True):
        lines = thin(axes)
        assert [line.get_color() for line in lines] == [WITHOUT] * 8 + [WITH] * 8
        for place, line in enumerate(lines):
            assert np.allclose(line.get_ydata(), measured(place % 8, place >= 8)[key])
        for warm, line in enumerate(thick(axes)):
            mean = np.mean([measured(r, bool(warm))[key] for r in range(8)], axis=0)
            assert line.get_ydata() == pytest.approx(mean)
        assert axes.get_xticks().tolist() == list(EPOCHS)


@pytest.mark.parametrize(
    ("lowest", "scale", "words"),
    [
        (1.0, "log", "The axis of the trace is logarithmic."),
        (-50.0, "symlog", "The axis of the trace is linear up to ±10 and logarithmic beyond"),
        (0.0, "symlog", "The axis of the trace is linear up to ±10 and logarithmic beyond"),
    ],
)
def test_the_axis_is_logarithmic_where_all_are_positive(synthetic, lowest, scale, words):
    def probe(replicate, warm):
        trace = np.float32([1000.0, 20.0, 30.0, lowest if warm else 40.0])
        return measured(replicate, warm) | {"trace": trace}

    exhibit = curvature(study(synthetic, 2, probe))
    eigenvalue, trace = panels(exhibit)
    assert (eigenvalue.get_yscale(), trace.get_yscale()) == ("log", scale)
    assert words in exhibit.caption
    if scale == "symlog":
        assert trace.yaxis.get_transform().linthresh == pytest.approx(10)


def test_a_flat_loss_has_a_linear_axis(synthetic):
    nothing = {name: np.zeros(4, np.float32) for name in ("eigenvalue", "trace", "trace_error")}
    exhibit = curvature(study(synthetic, 6, lambda r, warm: measured(r, warm) | nothing))
    assert {axes.get_yscale() for axes in panels(exhibit)} == {"linear"}
    assert "The axis of the trace is linear." in exhibit.caption
    assert "0 without and 0 with warm-up (the same in all 6 pairs" in exhibit.caption


def test_the_figure_is_told_in_words_and_the_table_is_plain_latex(exhibit):
    (drawing,) = exhibit.figures
    before = [np.mean([measured(r, False)["eigenvalue"][place] for r in range(8)]) for place in
              range(4)]  # fmt: skip
    means = ", ".join(f"{m:.3g} after epoch {e}" for m, e in zip(before, EPOCHS, strict=True))
    assert drawing.description.startswith(f"Mean largest eigenvalue: without warm-up {means}; with")
    table = exhibit.tables[0]
    assert to_latex(table.shown, f"{table.title}. {exhibit.caption}", table.name).isascii()


def test_the_same_results_give_the_same_files(results):
    first, again = (curvature(results).figures[0].save("svg") for _ in range(2))
    assert first == again


@pytest.mark.parametrize("scale", [1e-4, 1.0, 3e5])
@pytest.mark.parametrize("negative", [False, True])
def test_no_text_lies_over_another(synthetic, scale, negative):
    def probe(replicate, warm):
        found = measured(replicate, warm)
        sign = np.float32([1, -1, 1, 1]) if negative else 1
        return found | {key: found[key] * scale * sign for key in ("eigenvalue", "trace")}

    figures = [drawing.figure for drawing in curvature(study(synthetic, 3, probe)).figures]
    assert_plain(figures)
    for figure in figures:
        assert_apart(figure)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1.00"),
        (-12.34, "−12.3"),
        (123.4, "123"),
        (999.4, "999"),
        (999.6, "1,000"),
        (-65432.1, "−65,432"),
        (2.5e7, "2.50e7"),
        (0.00123, "0.00123"),
        (1.234e-6, "1.23e−6"),
        (float("nan"), "—"),
    ],
)
def test_numbers_of_any_size_have_three_figures(value, text):
    assert significant(value) == text


def test_the_probe_is_read_by_number_and_epoch(synthetic):
    record = study(synthetic, 1).trials[0].record
    found = curvatures(record)
    assert set(found) == {(k, e) for k in ("eigenvalue", "trace", "trace_error") for e in EPOCHS}
    assert found["trace", 10] == measured(0, False)["trace"][2]
    assert json.dumps(sorted(found.values()))  # plain numbers
