"""Outputs before training: against networks whose logits are known, and theory drawn at random."""

from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
import pytest
from drawings import assert_within
from exhibited import (
    EveryExhibit,
    assert_compared,
    assert_legible,
    assert_nothing_shown,
    figure,
    heights,
    lines,
    table,
    ticks,
)
from studies import make_study, record_of

from analysis.exhibits.common.panels import WITH, WITHOUT
from analysis.exhibits.initial_state.confidence import initial_confidence as build
from analysis.statistics.theory import initial_confidence as expected_by_theory
from analysis.statistics.theory import logit_variance_bounds

EXAMPLES = 400
HE = {"name": "mlp", "init": "he", "width": 50, "weights": None}


@dataclass(frozen=True)
class Outputs:
    """A study of grids of conditions; a condition is (field, level), its field the grid's."""

    grids: dict[str, tuple[object, ...]] = field(default_factory=lambda: {"depth": (2, 4, 10)})
    classes: int = 5
    replicates: int = 7
    spreads: tuple[float, float] = (1.4, 0.2)  # s.d. of logits, untrained and warmed up
    model: dict[str, object] = field(default_factory=lambda: HE)
    outcomes: dict[tuple[str, int], str] = field(default_factory=dict)
    bare: tuple[tuple[str, bool, int], ...] = ()  # (condition, warm, replicate) without the probe


FIELDS = {"depth": "model.depth", "classes": "data.classes", "network": "model.name"}


def condition(grid, level):
    return f"{grid} {level}"


def train_logits(outputs, grid, level, warm, replicate):
    """(EXAMPLES, classes), float32."""
    seed = [warm, replicate, sum(map(ord, condition(grid, level)))]
    spread = outputs.spreads[warm] * (1 + 0.02 * replicate)
    size = (EXAMPLES, level if grid == "classes" else outputs.classes)
    return np.random.default_rng(seed).normal(0, spread, size).astype(np.float32)


def mean_square(replicate):
    """(EXAMPLES,)"""
    return np.random.default_rng(replicate).uniform(0.2, 1.8, EXAMPLES).astype(np.float32)


def confidence_of(logits):
    """By hand."""
    powers = np.exp(logits.astype(float))
    return float((powers / powers.sum(axis=1, keepdims=True)).max(axis=1).mean())


def study(outputs=None, **changes):
    outputs = replace(outputs or Outputs(), **changes)
    cells = {
        condition(grid, level): (grid, level)
        for grid, levels in outputs.grids.items()
        for level in levels
    }

    def record(name, warm, replicate):
        grid, level = cells[name]
        probes = {
            "start_outputs/train": train_logits(outputs, grid, level, warm, replicate),
            "start_outputs/train_mean_square": mean_square(replicate),
        }
        bare = (name, warm, replicate) in outputs.bare
        model = {"depth": 3} | outputs.model
        if grid != "classes":
            model |= {FIELDS[grid].removeprefix("model."): level}
        return record_of(trial={"model": model}, probes={} if bare else probes)

    return make_study(
        {name: {FIELDS[grid]: level} for name, (grid, level) in cells.items()},
        outputs.replicates,
        record,
        outputs.outcomes,
        control_of=lambda name: name,
        base={"model": outputs.model},
        grids={
            grid: [condition(grid, x) for x in levels] for grid, levels in outputs.grids.items()
        },
    )


def samples(outputs, grid, level, of):
    """(replicates,) untrained and warmed up."""
    return [
        np.array([of(train_logits(outputs, grid, level, w, r)) for r in range(outputs.replicates)])
        for w in (0, 1)
    ]


def squares_of(replicates=range(7)):
    """Mean squares of all inputs of these networks."""
    return np.concatenate([mean_square(replicate) for replicate in replicates])


class TestInitialConfidence(EveryExhibit):
    """As every exhibit."""


# --- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "of"),
    [("", confidence_of), ("-logits", lambda logits: float(np.var(logits.astype(float))))],
)
def test_conditions_are_compared_by_the_outputs_of_their_networks(exhibit, suffix, of):
    found = table(exhibit, f"initial-confidence-depth{suffix}").values
    for row, level in zip(found.to_dict("records"), (2, 4, 10), strict=True):
        assert row["condition"] == condition("depth", level)
        assert_compared(row, *samples(Outputs(), "depth", level, of))
        assert row["moved_as_the_paper"] == 7
        assert row["p_holm"] == 3 * 2 / 2**7  # all seven pairs fell, in all three
        assert (row["classes"], row["chance"]) == (5, 0.2)
        assert row["chance_loss"] == pytest.approx(np.log(5))


def test_theory_is_that_of_each_conditions_own_depth_and_examples(exhibit):
    found = table(exhibit, "initial-confidence-depth").values
    squares = squares_of()
    for row, depth in zip(found.to_dict("records"), (2, 4, 10), strict=True):
        confidence = expected_by_theory(squares, 5, depth, 50)
        assert row["theory_confidence"] == pytest.approx(confidence)
        infinite = expected_by_theory(squares, 5)
        assert row["theory_confidence_infinite_width"] == pytest.approx(infinite)
        assert row["theory_variance_over_networks"] == pytest.approx(2 * squares.mean(), rel=1e-5)
        bounds = row["theory_variance_low"], row["theory_variance_high"]
        assert bounds == pytest.approx(logit_variance_bounds(squares, 5, depth))


@pytest.mark.parametrize(
    "model",
    [
        {"name": "resnet18", "init": "he"},
        HE | {"init": "xavier"},
        HE | {"weights": "trained.pt"},
        {},
    ],
    ids=["another network", "another initialisation", "trained weights", "unknown"],
)
def test_a_network_that_the_theory_does_not_know_has_dashes(model):
    exhibit = build(study(model=model))
    confidence = table(exhibit, "initial-confidence-depth")
    assert set(confidence.shown["Theory"]) == {"—"}
    assert set(confidence.shown["Theory, infinite width"]) == {"—"}
    assert set(confidence.shown["Chance"]) == {"0.200"}
    assert confidence.values["theory_confidence"].isna().all()
    assert set(table(exhibit, "initial-confidence-depth-logits").shown["Theory, bounds"]) == {"—"}
    assert "of theory" not in exhibit.caption
    key = [text.get_text() for text in exhibit.figures[0].figure.legends[0].get_texts()]
    assert key == ["untrained", "warmed up", "chance"]
    (left, *_) = figure(exhibit, "initial-confidence-depth-outputs").axes
    assert not lines(left, linestyle="--")


def test_the_shown_tables_say_untrained_and_warmed_up():
    outputs = Outputs(grids={"classes": (2, 10)})
    exhibit = build(study(outputs))
    confidence = table(exhibit, "initial-confidence-classes").shown
    assert list(confidence.columns) == [
        "Condition", "k", "Pairs", "Confidence untrained", "Confidence warmed up",
        "Δ [95 % interval]", "As the paper", "W", "P", "Exact P", "Holm P", "q", "r",
        "Theory", "Theory, infinite width", "Chance",
    ]  # fmt: skip
    before, _ = samples(outputs, "classes", 10, confidence_of)
    last = confidence.iloc[1]
    assert last["Confidence untrained"] == f"{before.mean():.3f} ± {before.std(ddof=1):.3f}"
    assert (last["k"], last["Chance"], last["As the paper"]) == ("10", "0.100", "7/7")
    logits = table(exhibit, "initial-confidence-classes-logits").shown
    squares = squares_of()
    low, high = logit_variance_bounds(squares, 2, 3)
    assert logits["Theory, bounds"][0] == f"{low:.3f} to {high:.3f}"


# --- words -------------------------------------------------------------------------------------


def test_the_caption_says_how_far_above_chance_and_in_how_many_pairs():
    outputs = Outputs(grids={"classes": (10, 2)})
    caption = build(study(outputs)).caption
    above = {
        k: [sample.mean() - 1 / k for sample in samples(outputs, "classes", k, confidence_of)]
        for k in (2, 10)
    }
    words = {k: f"{u:.3f} (untrained) and {w:.3f} (warmed up)" for k, (u, w) in above.items()}
    both = np.mean([above[2], above[10]], axis=0)
    assert caption.startswith(
        "Grid classes, 14 complete pairs in 2 conditions: before training, mean confidence is "
        f"{both[0]:.3f} (untrained) and {both[1]:.3f} (warmed up) above chance on average over the "
        f"conditions, {words[2]} at classes 2, and {words[10]} at classes 10. "
        "Warm-up lowered confidence in 14 of 14 pairs, with exact P < 0.05 in 2 of 2 conditions. "
        "Warm-up lowered logit variance in 14 of 14 pairs, with exact P < 0.05 in 2 of 2 "
        "conditions. "
    )


def test_the_caption_says_how_far_theory_is_off(exhibit):
    squares = squares_of()
    off = {}
    for depth in (2, 4, 10):
        before, _ = samples(Outputs(), "depth", depth, confidence_of)
        theory = expected_by_theory(squares, 5, depth, 50)
        off[abs(before.mean() - theory)] = before.std(ddof=1) / 7**0.5
    assert (
        f"Untrained, mean confidence is within {max(off):.3f} of theory; the mean's standard error "
        f"there is {off[max(off)]:.3f}." in exhibit.caption
    )


def test_an_effect_the_other_way_is_said_to_be_one():
    caption = build(study(spreads=(0.2, 1.4))).caption
    for name in ("confidence", "logit variance"):
        assert (
            f"Warm-up lowered {name} in 0 of 21 pairs, with exact P < 0.05 in 0 of 3 conditions, "
            "and raised it in 3." in caption
        )


def test_one_condition_and_one_pair_have_no_test_and_no_ends():
    exhibit = build(study(grids={"depth": (2,)}, replicates=1))
    assert exhibit.caption.startswith("Grid depth, 1 complete pair in one condition: before ")
    said = "(warmed up) above chance. Warm-up lowered confidence in 1 of 1 pairs; fewer than 6"
    assert said in exhibit.caption
    assert "of theory. Measured" in exhibit.caption  # without a standard error
    row = table(exhibit, "initial-confidence-depth").shown.iloc[0]
    assert (row["P"], row["r"]) == ("n < 6", "—")
    assert "±" not in row["Confidence untrained"]
    assert [drawing.save("png")[:4] for drawing in exhibit.figures] == [b"\x89PNG"] * 2


def test_lost_pairs_and_those_without_the_probe_are_left_out():
    lost = {("depth 2", 0): "failed", ("control depth 2", 3): "diverged"}
    exhibit = build(study(outcomes=lost, bare=(("depth 2", False, 5),)))
    shown = table(exhibit, "initial-confidence-depth").shown
    assert shown["Pairs"].tolist() == ["4 of 7 (1 failed, 1 control diverged)", "7", "7"]
    kept = [1, 2, 4, 6]
    expected = [confidence_of(train_logits(Outputs(), "depth", 2, 1, r)) for r in kept]
    values = table(exhibit, "initial-confidence-depth").values
    assert values["with_mean"][0] == pytest.approx(np.mean(expected))
    squares = squares_of(kept)
    assert values["theory_confidence"][0] == pytest.approx(expected_by_theory(squares, 5, 2, 50))
    assert "18 complete pairs in 3 conditions" in exhibit.caption
    assert "with exact P < 0.05 in 2 of 2 conditions" in exhibit.caption


def test_a_condition_without_a_pair_has_a_row_of_dashes_and_no_place_in_the_figure():
    lost = {("depth 2", r): "missing" for r in range(7)}
    exhibit = build(study(outcomes=lost))
    row = table(exhibit, "initial-confidence-depth").shown.iloc[0]
    assert row["Pairs"] == "0 of 7 (7 missing)"
    assert {row[name] for name in ("k", "Confidence untrained", "P", "Theory", "Chance")} == {"—"}
    assert "14 complete pairs in 2 conditions" in exhibit.caption
    assert [drawing.name for drawing in exhibit.figures] == ["initial-confidence-depth"]
    axes = exhibit.figures[0].figure.axes[0]
    assert ticks(axes.xaxis) == ["4", "10"]


@pytest.mark.parametrize("why", ["no probe", "no pair"])
def test_without_outputs_it_says_so(why):
    conditions = [f"depth {level}" for level in (2, 4, 10)]
    changes = (
        {"bare": tuple(product(conditions, [False], range(7)))}
        if why == "no probe"
        else {"outcomes": {(f"control {c}", r): "failed" for c in conditions for r in range(7)}}
    )
    results = study(**changes)
    assert_nothing_shown(
        build(results),
        results,
        "No complete pair of grid depth has the outputs before training. "
        "That takes the probe start_outputs.",
    )


# --- figures -----------------------------------------------------------------------------------


def test_levels_stand_in_order_with_theory_chance_and_bounds():
    outputs = Outputs(grids={"classes": (10, 2, 5)})
    left, right = figure(build(study(outputs)), "initial-confidence-classes").axes
    assert ticks(left.xaxis) == ["2", "5", "10"]
    assert left.get_xlabel() == "Classes"
    for arm, colour in enumerate((WITHOUT, WITH)):
        (drawn,) = heights(left, color=colour, linestyle="-")
        means = [samples(outputs, "classes", k, confidence_of)[arm].mean() for k in (2, 5, 10)]
        assert drawn == pytest.approx(means)
    squares = squares_of()
    (theory,) = heights(left, color="black", linestyle="--")
    expected = [expected_by_theory(squares, k, 3, 50) for k in (2, 5, 10)]
    assert theory == pytest.approx(expected)
    (chance,) = heights(left, color="black", linestyle=":")
    assert list(chance) == [0.5, 0.2, 0.1]
    corners = right.collections[0].get_paths()[0].vertices
    for k in (2, 5, 10):
        ends = corners[corners[:, 0] == k, 1]
        bounds = logit_variance_bounds(squares, k, 3)
        assert (ends.min(), ends.max()) == pytest.approx(bounds)


def test_conditions_that_are_no_numbers_stand_side_by_side():
    names = ("mlp", "resnet18", "vit")
    exhibit = build(study(grids={"network": names}))
    left, right = figure(exhibit, "initial-confidence-network").axes
    assert ticks(left.xaxis) == ["network mlp", "network resnet18", "network vit"]
    assert not lines(left, color=WITH, linestyle="-")
    assert [len(line.get_xdata()) for line in lines(left, color=WITH, marker="o")] == [3]
    first, *others = (bar.get_height() for bar in right.patches)
    assert first > 0  # the theory knows that alone
    assert np.isnan(others).all()
    shown = table(exhibit, "initial-confidence-network").shown["Theory"]
    assert (shown == "—").tolist() == [False, True, True]
    assert "(warmed up) above chance on average over the conditions. Warm-up" in exhibit.caption


def test_histograms_are_densities_of_all_networks_together(exhibit):
    shown = figure(exhibit, "initial-confidence-depth-outputs").axes
    stairs = [[p for p in axes.patches if not p.get_fill()] for axes in shown]
    for arm in (0, 1):
        logits = np.concatenate([train_logits(Outputs(), "depth", 2, arm, r) for r in range(7)])
        powers = np.exp(logits.astype(float))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
        for drawn, sample in zip(
            stairs, (logits, probabilities, probabilities.max(axis=1)), strict=True
        ):
            density, edges, _ = drawn[arm].get_data()
            counts = np.histogram(sample, edges)[0]
            assert density == pytest.approx(counts / sample.size / np.diff(edges), abs=1e-9)
            assert 0.98 < (density * np.diff(edges)).sum() < 1 + 1e-9


def test_the_theory_over_the_logits_is_that_of_the_condition(exhibit):
    left, _, right = figure(exhibit, "initial-confidence-depth-outputs").axes
    (drawn,) = lines(left, linestyle="--")
    x, y = drawn.get_xydata().T
    random = np.random.default_rng(0)
    squares = squares_of()
    squares = random.choice(squares, 200_000)
    active = 2 * np.square(np.maximum(random.normal(size=(squares.size, 50)), 0)).mean(axis=1)
    logits = random.normal(size=squares.size) * np.sqrt(2 * squares * active)
    width = x[1] - x[0]
    edges = np.append(x - width / 2, x[-1] + width / 2)
    assert y == pytest.approx(np.histogram(logits, edges)[0] / squares.size / width, abs=0.01)
    (mean,) = lines(right, linestyle="--")
    assert mean.get_xdata()[0] == pytest.approx(expected_by_theory(squares, 5, 2, 50), abs=1e-3)


def test_a_condition_of_several_grids_is_drawn_once():
    results = study(grids={"depth": (2, 4), "classes": (3,)})
    plan = replace(results.plan, grids={"depth": ("depth 2", "depth 4"), "again": ("depth 2",)})
    exhibit = build(replace(results, plan=plan))
    assert [drawing.name for drawing in exhibit.figures] == [
        "initial-confidence-depth", "initial-confidence-depth-outputs", "initial-confidence-again",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "grids",
    [
        {"depth": (2,)},
        {"depth": (2, 3, 4, 5, 6, 7, 8, 9, 10)},
        {"classes": (2, 100)},
        {"network": ("mlp", "resnet18", "a network of the user's own: with a long name")},
    ],
    ids=str,
)
def test_no_text_lies_over_another_or_leaves_the_page(grids):
    exhibit = build(study(grids=grids, replicates=2))
    assert_legible(exhibit)
    for drawing in exhibit.figures:
        assert_within(drawing.figure)


def test_the_figure_is_told_in_words(exhibit):
    before, after = (sample.mean() for sample in samples(Outputs(), "depth", 10, confidence_of))
    assert f"depth 10, {before:.3f} to {after:.3f}." in exhibit.figures[0].description
