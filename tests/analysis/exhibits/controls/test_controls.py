"""Arms that keep one part of the warm-up: against studies whose every number is known.

A network here is right in a known share of its predictions and equally sure of all, so that its ECE
is the confidence − the accuracy that it was made with.
"""

import doctest
from dataclasses import replace

import numpy as np
import pytest
from drawings import assert_neighbours_apart, assert_within
from exhibited import EveryExhibit, holm_of, lines, table, ticks
from scipy.stats import bootstrap, ttest_1samp, wilcoxon
from studies import make_study, sure_record

from analysis.exhibits.common import text
from analysis.exhibits.common.exhibit import made_of
from analysis.exhibits.controls.arms import full_warmup, share_of
from analysis.exhibits.controls.controls import controls as build
from analysis.rendering.table_formats import to_html, to_latex, to_markdown

PREDICTIONS = 1000
SHARE = "Share of the full warm-up's effect"
WARM = "everything"  # the full warm-up is found by its fields, not by a name
PARTS = {  # arm → (warmup.keep, warmup.train)
    "statistics only": (None, "statistics"),
    "weights in disorder": ("shuffled", "all"),
    "norms": ("norms", "all"),
    WARM: (None, "all"),
    "smaller steps": ("step_size", "all"),
}
EFFECTS = {"statistics only": -0.01, "weights in disorder": -0.05, "norms": 0.0, WARM: -0.1,
           "smaller steps": 0.03}  # fmt: skip
LEARNT = {"smaller steps": -100}  # right predictions, more than the control's


def ece(arm, replicate, effects=EFFECTS):
    """Of the control (None) and of each arm, whose effect differs a little between networks."""
    base = 0.25 + 0.01 * np.sin(replicate)
    if arm is None:
        return base
    place = list(effects).index(arm)
    return base + effects[arm] + 0.004 * np.cos(7 * place + 3 * replicate)


def right(arm, replicate):
    return 600 + replicate + (0 if arm is None else LEARNT.get(arm, 2))


def study(
    effects=EFFECTS, replicates=12, own_controls=False, outcomes=None, parts=PARTS, recorded=True
):
    """effects: on ECE by arm; outcomes: (arm or control, replicate) → fate; recorded: the trial's
    fields are in its record."""
    settings = {
        arm: dict(zip(("keep", "train"), parts.get(arm, (None, "all")), strict=True))
        for arm in effects
    }

    def record(name, warm, replicate):
        arm = name if warm else None
        warmup = {"examples": 1000} | settings[arm] if warm else None
        trial = {"warmup": warmup} if recorded else {}
        own = {"test": ece(arm, replicate, effects)}
        return sure_record(right(arm, replicate), own, trial=trial)

    return make_study(
        {arm: {f"warmup.{name}": x for name, x in settings[arm].items()} for arm in effects},
        replicates,
        record,
        outcomes,
        control_of=lambda arm: arm if own_controls else "",
        base={"model": {"name": "mlp"}, "warmup": {"examples": 1000}},
        grids={"arm": list(effects)},
    )


class TestControls(EveryExhibit):
    """As every exhibit."""


def numbers(exhibit, name="ece"):
    return table(exhibit, f"controls-arm-{name}").values.set_index(["metric", "arm"])


def eces(arm, replicates=range(12)):
    """(replicates,)"""
    return np.array([ece(arm, r) for r in replicates])


def caption(**changes):
    return build(study(**changes)).caption


# --- which condition is the full warm-up ----------------------------------------------------------


@pytest.mark.parametrize("recorded", [True, False])
def test_the_full_warm_up_is_found_by_its_fields(recorded):
    assert full_warmup(study(recorded=recorded), "arm") == WARM


def test_the_full_warm_up_is_found_where_it_never_finished():
    lost = {(WARM, r): "missing" for r in range(12)}
    assert full_warmup(study(outcomes=lost), "arm") == WARM


def test_records_say_what_was_run_where_the_plan_says_something_else():
    results = study()
    cells = [replace(trial, cell={}) for trial in results.plan.trials]
    results = replace(results, plan=replace(results.plan, trials=tuple(cells)))
    assert full_warmup(results, "arm") == WARM


@pytest.mark.parametrize(
    "changes",
    [
        {"effects": {"norms": 0.0, "statistics only": 0.1}},  # none
        {"effects": {WARM: -0.1, "another one": -0.2, "norms": 0.1}},  # two
        {"effects": {WARM: -0.1}},  # nothing beside it
        {"own_controls": True},
    ],
    ids=["none", "two", "alone", "own controls"],
)
def test_only_a_grid_of_arms_makes_a_table(changes):
    results = study(**changes)
    exhibit = build(results)
    assert (exhibit.tables, exhibit.figures) == ((), ())
    assert exhibit.caption.startswith("No grid of this study sets other arms beside one full")
    assert exhibit.caption.endswith(made_of(results))


# --- numbers --------------------------------------------------------------------------------------


def truth(first, second):
    """Mean, P and W of second − first by SciPy."""
    test = wilcoxon(first, second, zero_method="wilcox", correction=False, method="approx")
    return (second - first).mean(), test.pvalue, test.statistic


@pytest.mark.parametrize("arm", EFFECTS)
def test_each_arm_is_compared_with_control_and_full_warm_up(exhibit, arm):
    row = numbers(exhibit).loc["test_ece", arm]
    assert row["mean"] == pytest.approx(eces(arm).mean(), abs=1e-6)
    assert row["sd"] == pytest.approx(eces(arm).std(ddof=1), abs=1e-6)
    assert row["control_mean"] == pytest.approx(eces(None).mean(), abs=1e-6)
    for name, other in (("control", None), ("full", WARM)):
        if arm == other:
            assert row.filter(like="_against_full").isna().all()
            continue
        difference, p, w = truth(eces(other), eces(arm))
        assert row[f"difference_against_{name}"] == pytest.approx(difference, abs=1e-6)
        assert row[f"p_against_{name}"] == pytest.approx(p)
        assert row[f"w_against_{name}"] == w
        low, high = row[f"interval_low_against_{name}"], row[f"interval_high_against_{name}"]
        assert low < difference < high
        reach = 1.96 * (eces(arm) - eces(other)).std(ddof=1) / 12**0.5
        assert high - low == pytest.approx(2 * reach, rel=0.25)


@pytest.mark.parametrize(("reference", "tests"), [("control", 5), ("full", 4)])
def test_holm_s_correction_is_over_the_arms_of_one_reference(exhibit, reference, tests):
    rows = numbers(exhibit).loc["test_ece"]
    p = rows[f"p_exact_against_{reference}"].dropna()
    assert len(p) == tests
    corrected = rows.loc[p.index, f"p_holm_against_{reference}"].to_numpy()
    assert corrected == pytest.approx(holm_of(p))


@pytest.mark.parametrize("arm", EFFECTS)
def test_the_share_is_that_of_the_mean_changes(exhibit, arm):
    row = numbers(exhibit).loc["test_ece", arm]
    part, whole = eces(arm) - eces(None), eces(WARM) - eces(None)
    assert row["share"] == pytest.approx(part.mean() / whole.mean(), abs=1e-5)
    assert row["share_networks"] == 12
    if arm != WARM:
        assert row["share_low"] < row["share"] < row["share_high"]


def test_the_interval_of_a_share_is_near_the_bootstrap_s_with_many_networks():
    rng = np.random.default_rng(3)
    whole = rng.normal(-0.1, 0.03, 40)
    part = 0.6 * whole + rng.normal(0, 0.02, 40)
    share = share_of(part, whole)
    expected = bootstrap(
        (part, whole),
        lambda a, b, axis: a.mean(axis=axis) / b.mean(axis=axis),
        paired=True, method="percentile", n_resamples=50_000, random_state=rng,
    ).confidence_interval  # fmt: skip
    assert share.interval == pytest.approx((expected.low, expected.high), abs=0.006)
    assert share_of(part, whole) == share


def test_the_interval_of_a_share_covers_it():
    rng = np.random.default_rng(4)
    covered = []
    for _ in range(200):
        whole = rng.normal(-0.1, 0.02, 30)
        low, high = share_of(0.4 * whole + rng.normal(0, 0.02, 30), whole).interval
        covered.append(low <= 0.4 <= high)
    assert 0.89 <= np.mean(covered) <= 0.99


def test_of_what_is_no_effect_there_is_no_share():
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 1, 30)
    assert wilcoxon(noise).pvalue > 0.05
    assert share_of(noise, noise) is None
    assert share_of(np.ones(5), np.ones(5)) is None  # no P of five
    # the interval leaves out zero, the test does not tell it from nothing
    few = np.array([4.0, 4.5, 5, 5.5, 6, -0.5])
    assert ttest_1samp(few, 0).confidence_interval().low > 0
    assert wilcoxon(few, method="exact").pvalue == 0.0625
    assert wilcoxon(few, method="approx").pvalue < 0.05  # which only the exact test can tell
    assert share_of(few, few) is None
    # ranks say it is lower, the mean does not
    skewed = np.array([-0.1] * 11 + [2.0])
    assert wilcoxon(skewed, method="approx").pvalue < 0.05
    assert share_of(skewed, skewed) is None


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_share_is_of_an_effect_in_either_direction(sign):
    whole = sign * np.linspace(0.1, 0.2, 10)
    assert share_of(0.5 * whole, whole).value == pytest.approx(0.5)
    assert share_of(-0.5 * whole, whole).value == pytest.approx(-0.5)


def test_accuracy_and_nll_stand_in_a_second_table(exhibit):
    rows = numbers(exhibit, "others")
    assert rows.index.get_level_values("metric").unique().tolist() == ["test_accuracy", "test_nll"]
    for arm in EFFECTS:
        accuracy = np.array([right(arm, r) / PREDICTIONS for r in range(12)])
        confidence = accuracy + eces(arm)
        nll = -accuracy * np.log(confidence) - (1 - accuracy) * np.log(1 - confidence)
        assert rows.loc[("test_accuracy", arm), "mean"] == pytest.approx(accuracy.mean())
        assert rows.loc[("test_nll", arm), "mean"] == pytest.approx(nll.mean(), abs=1e-5)


def test_trials_that_did_not_finish_are_left_out_where_they_are_needed():
    lost = {("norms", 0): "diverged", ("control", 1): "failed", (WARM, 2): "missing"}
    exhibit = build(study(outcomes=lost))
    row = numbers(exhibit).loc["test_ece", "norms"]
    kept = list(range(2, 12))
    difference, p, _ = truth(eces(None, kept), eces("norms", kept))
    assert (row["pairs"], row["pairs_planned"]) == (10, 12)
    assert row["lost"] == "1 diverged, 1 control failed"
    assert row["difference_against_control"] == pytest.approx(difference, abs=1e-6)
    assert row["p_against_control"] == pytest.approx(p)
    # a lost control takes nothing from what needs none
    kept = [1, *range(3, 12)]
    difference, _, _ = truth(eces(WARM, kept), eces("norms", kept))
    assert row["pairs_against_full"] == 10
    assert row["difference_against_full"] == pytest.approx(difference, abs=1e-6)
    assert row["share_networks"] == 9
    shown = table(exhibit, "controls-arm-ece").shown
    texts = dict(zip(shown["Arm", ""], shown["Networks", ""], strict=True))
    assert texts["norms"] == "10 of 12 (1 diverged, 1 control failed)"
    assert texts["control"] == "11 of 12"


# --- the table as it is shown ---------------------------------------------------------------------


def test_the_table_starts_with_the_control_and_has_a_row_for_each_arm(exhibit):
    shown = table(exhibit, "controls-arm-ece").shown
    assert shown["Arm", ""].tolist() == ["control", *EFFECTS]
    control, full = shown.iloc[0], shown.iloc[4]
    assert control["Mean ± s.d.", ""] == f"{eces(None).mean():.3f} ± {eces(None).std(ddof=1):.3f}"
    assert set(control.iloc[3:]) == {"—"}
    assert set(full["Arm − full warm-up"]) == {"—"}
    assert full[SHARE, ""] == "100 %"
    assert full["Mean ± s.d.", ""] == f"{eces(WARM).mean():.3f} ± {eces(WARM).std(ddof=1):.3f}"
    share = 100 * (eces("norms") - eces(None)).mean() / (eces(WARM) - eces(None)).mean()
    assert shown.iloc[3][SHARE, ""].startswith(f"{share:.0f} % [".replace("-", "−"))


@pytest.mark.parametrize("write", [to_markdown, to_latex, to_html])
def test_tables_can_be_written(exhibit, write):
    extra = ("A caption.", "a-label") if write is to_latex else ()
    assert len(exhibit.tables) == 2
    for found in exhibit.tables:
        assert "weights in disorder" in write(found.shown, *extra)


# --- sentences ------------------------------------------------------------------------------------


def test_the_caption_says_what_the_arms_show(exhibit):
    said = exhibit.caption
    whole = (eces(WARM) - eces(None)).mean()
    assert said.startswith(f"The full warm-up (“{WARM}”) lowered mean ECE: Δ −{-whole:.3f} [")
    share = 100 * (eces("weights in disorder") - eces(None)).mean() / whole
    assert f"“weights in disorder” {share:.0f} % [" in said
    assert (
        "ECE differs from that of the control (Holm P < 0.05): lower in “statistics only” and "
        "“weights in disorder”, higher in “smaller steps”." in said
    )
    assert "No difference from the control was found for “norms” (" in said
    assert "which does not show that there is none" in said
    assert (
        "that of the full warm-up (Holm P < 0.05): higher in “statistics only”, “weights in "
        "disorder”, “norms” and “smaller steps”." in said
    )


def test_an_arm_as_good_as_the_full_warm_up_is_no_proof_of_equality():
    said = caption(effects=EFFECTS | {"norms": -0.1})
    assert "No difference from the full warm-up was found for “norms” (" in said
    assert "higher in “statistics only”, “weights in disorder” and “smaller steps”." in said


def test_accuracies_say_which_arm_has_learnt_less(exhibit):
    control, few, many = (
        np.mean([right(arm, r) for r in range(12)]) / PREDICTIONS
        for arm in (None, "smaller steps", WARM)
    )
    said = f"{control:.3f} in the control, and in the arms from {few:.3f} (“smaller steps”) to"
    assert f"Mean test accuracy is {said} {many:.3f} (" in exhibit.caption
    alike = {arm: effect for arm, effect in EFFECTS.items() if arm not in LEARNT}
    said = f"{control:.3f} in the control, and {many:.3f} in every arm."
    assert f"Mean test accuracy is {said}" in caption(effects=alike)


def test_arms_are_told_by_what_they_start_from(exhibit):
    said = exhibit.caption
    assert "“weights in disorder”, the warmed-up weights at random places" in said
    assert "“statistics only”, batch normalisation's statistics as the warm-up moves them" in said
    parts = PARTS | {"norms": ("something new", "all")}
    assert "“norms”, something new" in caption(parts=parts)


def test_a_warm_up_that_raises_ece_is_said_to():
    said = caption(effects={arm: -effect for arm, effect in EFFECTS.items()})
    assert said.startswith(f"The full warm-up (“{WARM}”) raised mean ECE: Δ +")
    assert "lower in “smaller steps”, " not in said.split("that of the full")[0].split("differs")[0]
    assert "lower in “smaller steps”, higher in “statistics only”" in said
    assert "Share of this effect: “statistics only”" in said


def test_of_a_warm_up_without_effect_no_share_is_said():
    exhibit = build(study(effects=EFFECTS | {WARM: 0.0}))
    said = exhibit.caption
    assert said.startswith(f"No effect on ECE was found of the full warm-up (“{WARM}”), which does")
    assert "For any other arm no share is given" in said
    assert "Share of this effect" not in said
    assert set(table(exhibit, "controls-arm-ece").shown[SHARE, ""]) == {"—"}


def test_a_share_may_be_unknown_for_one_arm_only():
    lost = {("norms", r): "failed" for r in range(7)}
    said = caption(outcomes=lost)
    assert "Share of this effect: “statistics only”" in said
    assert "For “norms” no share is given: over the networks they have in common" in said
    assert "Not tested against the control, for fewer than 6 pairs differ: “norms”." in said
    assert "Not tested against the full warm-up, for fewer than 6 pairs differ: “norms”." in said


@pytest.mark.parametrize(("replicates", "pairs"), [(1, "1 pair"), (5, "5 pairs")])
def test_too_few_pairs_are_said(replicates, pairs):
    said = caption(replicates=replicates)
    assert said.startswith(f"Whether the full warm-up (“{WARM}”) changes ECE cannot be tested")
    assert f"{pairs}." in said
    for reference in ("control", "full warm-up"):
        few = "for fewer than 6 pairs differ: all other arms."
        assert f"Not tested against the {reference}, {few}" in said
    for wrong in ("No difference", "differs from", "none can pass", "Share of this"):
        assert wrong not in said


def test_where_nothing_can_pass_the_correction_this_is_said():
    said = caption(replicates=6)
    assert "With 6 pairs and 5 tests against the control none can pass Holm's correction." in said
    assert "differs from" not in said
    assert "Undecided against the control, for the interval leaves out zero but Holm P" in said
    undecided, alike = said.split("No difference from the control was found for ")
    assert "“weights in disorder” (−0.05" in undecided
    assert alike.startswith("“norms” (")
    assert "none can pass" not in caption(replicates=12)


def test_an_arm_without_a_pair_is_said_and_drawn():
    exhibit = build(study(outcomes={("norms", r): "diverged" for r in range(12)}))
    assert "Without a pair with the control: “norms”." in exhibit.caption
    axes = exhibit.figures[0].figure.axes[0]
    assert "no complete pair" in [text.get_text() for text in axes.texts]


def test_without_the_full_warm_up_the_others_are_still_held_against_the_control():
    exhibit = build(study(outcomes={(WARM, r): "failed" for r in range(12)}))
    assert exhibit.caption.startswith(f"The full warm-up (“{WARM}”) has no complete pair")
    assert "ECE differs from that of the control" in exhibit.caption
    assert "Share of this effect" not in exhibit.caption
    assert exhibit.figures[0].save("svg")


def test_without_any_pair_there_is_a_table_and_no_figure():
    exhibit = build(study(outcomes={("control", r): "missing" for r in range(12)}))
    assert len(exhibit.tables) == 2
    assert exhibit.figures == ()
    assert exhibit.caption.startswith("The full warm-up (“everything”) has no complete pair")
    assert "nan" not in exhibit.caption


def test_examples_in_docstrings_hold():
    assert doctest.testmod(text).attempted == 1
    assert doctest.testmod(text).failed == 0


# --- the figure -----------------------------------------------------------------------------------


def test_the_figure_shows_means_intervals_every_network_and_the_full_warm_up(exhibit):
    axes = exhibit.figures[0].figure.axes[0]
    assert ticks(axes.yaxis) == list(EFFECTS)
    for place, (arm, bars) in enumerate(zip(EFFECTS, axes.containers, strict=True)):
        point, _, (reach,) = bars.lines
        change = eces(arm) - eces(None)
        assert point.get_xdata() == pytest.approx([change.mean()], abs=1e-6)
        assert abs(point.get_ydata()[0] - place) < 0.5
        row = numbers(exhibit).loc["test_ece", arm]
        (segment,) = reach.get_segments()
        ends = [row["interval_low_against_control"], row["interval_high_against_control"]]
        assert segment[:, 0] == pytest.approx(ends)
    networks = [line.get_xdata() for line in lines(axes, marker="|")]
    networks = [x for x in networks if len(x) == 12]
    for arm, x in zip(EFFECTS, networks, strict=True):
        assert x == pytest.approx(eces(arm) - eces(None), abs=1e-6)
    (dashed,) = lines(axes, linestyle="--")
    assert dashed.get_xdata() == pytest.approx([(eces(WARM) - eces(None)).mean()] * 2, abs=1e-6)


def test_the_figure_is_described_by_its_numbers(exhibit):
    described = exhibit.figures[0].description
    for arm in EFFECTS:
        change = (eces(arm) - eces(None)).mean()
        text = f"{arm} {change:+.3f} [" if round(change, 3) else f"{arm} 0.000 ["
        assert text.replace("-", "−") in described.replace("+0.000", "0.000")


@pytest.mark.parametrize("effects", [EFFECTS, {WARM: -0.1, "a name that is long " * 4: -0.05}])
@pytest.mark.parametrize("replicates", [1, 12])
def test_no_text_of_the_figure_lies_over_another(effects, replicates):
    parts = {arm: PARTS.get(arm, ("norms", "all")) for arm in effects}
    (drawing,) = build(study(effects=effects, parts=parts, replicates=replicates)).figures
    assert_neighbours_apart(drawing.figure)
    assert_within(drawing.figure)
