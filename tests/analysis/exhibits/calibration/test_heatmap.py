"""Cells hold the means of their pairs and SciPy's tests, in the order of their levels.

The studies here have an ECE that is known by construction: each network says the same confidence
everywhere, so that its ECE is confidence − accuracy.
"""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from drawings import assert_apart
from exhibited import (
    EveryExhibit,
    assert_compared,
    assert_nothing_shown,
    figure,
    holm_of,
    panels,
    table,
    ticks,
)
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_rgb
from scipy.stats import spearmanr
from studies import Spec, make_results, make_study, sure_record

from analysis.exhibits.calibration.heatmap import heatmap as build
from analysis.exhibits.calibration.heatmap import planes
from analysis.exhibits.common.exhibit import made_of
from analysis.results.plan import parse_plan
from sweep.plan.plan import make_plan
from sweep.plan.study import Study
from trainables.config.trial import DataFacts

DEPTH, EXAMPLES = "model.depth", "data.examples"
NETWORK_EXAMPLES, CLASSES = 400, 10


def crossed_study(cells, replicates, numbers, outcomes=None, grids=None):
    """cells: condition → levels; numbers: (levels, replicate, warm) → ECE, accuracy."""

    def record(condition, warm, replicate):
        ece, accuracy = numbers(cells[condition], replicate, warm)
        right = round(accuracy * NETWORK_EXAMPLES)
        return sure_record(right, {"test": ece}, NETWORK_EXAMPLES, CLASSES)

    return make_study(
        cells,
        replicates,
        record,
        outcomes,
        control_of=lambda condition: condition,
        base={"model": {"name": "mlp", "depth": 2}, "data": {"examples": 500}},
        grids=grids or {"size": list(cells)},
    )


def sizes(depths, examples):
    return {
        f"depth {d}, examples {n}": {DEPTH: d, EXAMPLES: n} for d, n in product(depths, examples)
    }


def paper_like(cell, replicate, warm):
    """ECE rises with depth and falls with data; warm-up helps most where ECE is high."""
    rng = np.random.default_rng([cell[DEPTH], cell[EXAMPLES], replicate, warm])
    data = np.log2(cell[EXAMPLES] / 500)
    ece = 0.05 + 0.03 * cell[DEPTH] - 0.014 * data
    ece = ece * (0.35 if warm else 1) + rng.normal(0, 0.004)
    return abs(ece), 0.3 + 0.03 * data + 0.01 * warm + rng.normal(0, 0.01)


def study(outcomes=None, depths=(2, 4, 6), examples=(500, 2000, 8000, 32000)):
    return crossed_study(sizes(depths, examples), 7, paper_like, outcomes)


class TestHeatmap(EveryExhibit):
    """As every exhibit."""


@pytest.fixture(scope="module")
def truth(results):
    """Every network's ECE and accuracy by construction, with its cell's levels and its arm."""
    rows = []
    for trial in results.plan.trials:
        warm = trial.arm != "control"
        ece, accuracy = paper_like(trial.cell, trial.replicate, warm)
        accuracy = round(accuracy * NETWORK_EXAMPLES) / NETWORK_EXAMPLES
        levels = {"depth": trial.cell[DEPTH], "examples": trial.cell[EXAMPLES]}
        rows.append(levels | {"replicate": trial.replicate, "warm": warm, "ece": ece,
                              "accuracy": accuracy})  # fmt: skip
    return pd.DataFrame(rows)


def by_cell(truth, measure):
    """(depth, examples) × replicates without, and with."""
    wide = truth.pivot_table(measure, ["depth", "examples"], ["warm", "replicate"])
    return wide[False], wide[True]


def maps(exhibit, name="heatmap-size-ece"):
    """(axes, mesh) of without, with, and the difference."""
    return [
        (axes, next(c for c in axes.collections if isinstance(c, QuadMesh)))
        for axes in panels(figure(exhibit, name))
    ]


def texts(axes):
    """The numbers and the marks in a panel's cells, by (row, column)."""
    found = [(*map(int, reversed(t.get_position())), t.get_text()) for t in axes.texts]
    marks = {(row, column): text for row, column, text in found if text in ("★", "n.s.")}
    numbers = {(row, column): text for row, column, text in found if text not in ("★", "n.s.")}
    assert len(marks) + len(numbers) == len(found)
    return numbers, marks


def shown_number(text):
    return float(text.replace("−", "-"))


def of_one_size(exhibit, depth, examples, name="heatmap-size-ece"):
    shown = table(exhibit, name).shown
    return shown[(shown["depth"] == depth) & (shown["training examples"] == examples)].iloc[0]


@pytest.mark.parametrize("measure", ["ece", "accuracy"])
def test_the_table_holds_the_numbers_of_every_cell(exhibit, truth, measure):
    values = table(exhibit, f"heatmap-size-{measure}").values.set_index([DEPTH, EXAMPLES])
    before, after = by_cell(truth, measure)
    assert list(values.index) == list(before.index)  # by levels, ascending
    assert (values["pairs"] == 7).all()
    change = after - before
    moved = (change < 0 if measure == "ece" else change > 0).sum(axis=1)
    assert values["moved_as_the_paper"].tolist() == moved.tolist()
    for cell, row in values.iterrows():
        samples = (arm.loc[cell].to_numpy() for arm in (before, after))
        assert_compared(row, *samples, abs=1e-6)  # logits are float32


def test_holm_runs_over_the_cells_of_a_grid_and_one_measure(exhibit):
    for measure in ("ece", "accuracy"):
        values = table(exhibit, f"heatmap-size-{measure}").values
        given = values["p_exact"].dropna()
        assert len(given) > 10
        assert values["p_holm"].dropna().to_numpy() == pytest.approx(holm_of(given))


def test_the_shown_table_names_the_levels_and_says_everything(exhibit):
    shown = table(exhibit, "heatmap-size-ece").shown
    assert list(shown.columns) == [
        "depth", "training examples", "Pairs", "ECE without", "ECE with", "Δ [95 % interval]",
        "As the paper", "W", "P", "Exact P", "Holm P", "q", "r",
    ]  # fmt: skip
    assert len(shown) == 12
    row = of_one_size(exhibit, "6", "32000")
    assert row["As the paper"] == "7/7"
    assert " ± " in row["ECE without"]


@pytest.mark.parametrize("measure", ["ece", "accuracy"])
def test_panels_show_the_means_and_their_difference_in_the_order_of_the_levels(
    exhibit, truth, measure
):
    before, after = (arm.mean(axis=1).unstack() for arm in by_cell(truth, measure))
    drawn = maps(exhibit, f"heatmap-size-{measure}")
    assert len(drawn) == 3
    for (axes, mesh), expected in zip(drawn, (before, after, after - before), strict=True):
        expected = expected.sort_index().sort_index(axis=1).to_numpy()
        assert np.asarray(mesh.get_array()) == pytest.approx(expected, abs=1e-6)
        numbers, _ = texts(axes)
        assert len(numbers) == 12
        for cell, text in numbers.items():
            assert shown_number(text) == pytest.approx(expected[cell], abs=6e-4)
        assert ticks(axes.xaxis) == ["500", "2k", "8k", "32k"]
        assert axes.get_xlabel() == "training examples"
        assert axes.get_ylim() == (0, 3)  # depth rises
    first = drawn[0][0]
    assert first.get_ylabel() == "depth"
    assert ticks(first.yaxis) == ["2", "4", "6"]


def test_both_arms_share_a_colour_scale_and_the_difference_is_centred_on_zero(exhibit):
    for measure, sign in (("ece", -1), ("accuracy", +1)):
        (_, before), (_, after), (_, change) = maps(exhibit, f"heatmap-size-{measure}")
        both = np.concatenate([before.get_array().ravel(), after.get_array().ravel()])
        for mesh in (before, after):
            assert (mesh.norm.vmin, mesh.norm.vmax) == (both.min(), both.max())
        assert change.norm.vmin == -change.norm.vmax
        assert change.norm.vmax == np.abs(change.get_array()).max()
        red, _, blue, _ = change.cmap(change.norm(sign * change.norm.vmax / 2))
        assert blue > red  # the paper's way is blue
        shown = figure(exhibit, f"heatmap-size-{measure}")
        assert len(shown.axes) - len(panels(shown)) == 2  # bars of colours


def test_numbers_can_be_read_on_their_cells(exhibit):
    """WCAG's contrast ratio of large text is 3."""

    def luminance(colour):
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return np.dot(linear, (0.2126, 0.7152, 0.0722))

    for axes, mesh in maps(exhibit) + maps(exhibit, "heatmap-size-accuracy"):
        cells = mesh.get_array()
        for text in axes.texts:
            column, row = map(int, text.get_position())
            ground = mesh.cmap(mesh.norm(cells[row, column]))[:3]
            light, dark = sorted(map(luminance, (ground, to_rgb(text.get_color()))), reverse=True)
            assert (light + 0.05) / (dark + 0.05) > 3


def test_stars_and_ns_mark_the_differences_as_their_p_says():
    rng = np.random.default_rng(0)

    def numbers(cell, replicate, warm):
        change = {
            (2, 500): -0.05,  # all 14 pairs fell: P < 0.001
            (2, 1000): 0.05 * (-1) ** replicate,  # as many rose: n.s.
            (6, 500): -0.05 if replicate > 1 else 0.01,  # two small ones rose: between
            (6, 1000): -0.05,  # five pairs left: no P
        }[cell[DEPTH], cell[EXAMPLES]]
        return 0.2 + warm * (change + rng.uniform(0, 0.001)), 0.3

    lost = {("depth 6, examples 1000", r): "failed" for r in range(9)}
    exhibit = build(crossed_study(sizes((2, 6), (500, 1000)), 14, numbers, lost))
    (before, _), (after, _), (change, _) = maps(exhibit)
    p = table(exhibit, "heatmap-size-ece").values["p"].tolist()
    assert p[0] < 0.001 < p[2] < 0.05 < p[1]
    assert np.isnan(p[3])
    assert texts(change)[1] == {(0, 0): "★", (0, 1): "n.s."}
    assert len(texts(change)[0]) == 4
    assert texts(before)[1] == texts(after)[1] == {}
    assert of_one_size(exhibit, "6", "1000")["P"] == "n < 6"


def test_lost_pairs_are_counted_out_and_an_empty_cell_is_hatched():
    lost = {("depth 4, examples 8000", r): "diverged" for r in range(7)}
    lost[("control depth 2, examples 500", 0)] = "missing"
    lost[("depth 2, examples 500", 3)] = "failed"
    exhibit = build(study(lost))
    row = of_one_size(exhibit, "2", "500")
    assert row["Pairs"] == "5 of 7 (1 control missing, 1 failed)"
    kept = [r for r in range(7) if r not in (0, 3)]
    cell = {DEPTH: 2, EXAMPLES: 500}
    expected = [np.mean([paper_like(cell, r, warm)[0] for r in kept]) for warm in (False, True)]
    expected.append(expected[1] - expected[0])
    row = of_one_size(exhibit, "4", "8000")
    assert row["Pairs"] == "0 of 7 (7 diverged)"
    assert set(row.drop(["depth", "training examples", "Pairs"])) == {"—"}
    for (axes, mesh), mean in zip(maps(exhibit), expected, strict=True):
        assert mesh.get_array()[0, 0] == pytest.approx(mean, abs=1e-6)
        assert mesh.get_array().mask.sum() == 1
        (patch,) = axes.patches
        assert patch.get_hatch()
        assert patch.get_xy() == (2, 1)  # column 8000, row 4
        assert (1, 2) not in texts(axes)[0]
        assert len(texts(axes)[0]) == 11
    assert "1 cell has no complete pair" in exhibit.caption
    assert "in 11 of 11 cells" in exhibit.caption


def test_a_cell_that_was_never_planned_is_hatched_and_in_no_table():
    cells = sizes((2, 4), (500, 2000, 8000))
    del cells["depth 4, examples 2000"]
    exhibit = build(crossed_study(cells, 2, paper_like))
    assert len(table(exhibit, "heatmap-size-ece").shown) == 5
    for axes, _ in maps(exhibit):
        assert [patch.get_xy() for patch in axes.patches] == [(1, 1)]
        assert len(texts(axes)[0]) == 5
    assert "no complete pair." not in exhibit.caption


def test_levels_are_in_order_whatever_order_they_were_planned_in(exhibit):
    again = build(study(depths=(6, 2, 4), examples=(8000, 32000, 500, 2000)))
    for (_, mesh), (_, other) in zip(maps(exhibit), maps(again), strict=True):
        assert np.array_equal(mesh.get_array(), other.get_array())
    first, second = (table(e, "heatmap-size-ece").shown for e in (exhibit, again))
    assert first.equals(second)


def test_the_caption_counts_cells_pairs_and_trends(exhibit, truth):
    before, after = by_cell(truth, "ece")
    change = after - before
    lower = change.mean(axis=1) < 0
    always = int((change[lower] < 0).all(axis=1).sum())
    said = exhibit.caption
    assert said.startswith("Grid size, depth × training examples: warm-up lowered the mean ECE in")
    assert f"ECE in {lower.sum()} of 12 cells, in every pair in {always} of them" in said
    depth, examples = change.mean(axis=1).abs().idxmax()
    assert f"at depth {depth}, training examples {examples}." in said
    accuracy = [arm.mean(axis=1) for arm in by_cell(truth, "accuracy")]
    rose = int((accuracy[1] > accuracy[0]).sum())
    assert f"The mean accuracy rose in {rose} of 12 cells." in said
    assert "rises with depth at every step (rank correlation +1.00)" in said
    assert "falls with training examples at every step (rank correlation −1.00)" in said


def test_a_change_in_some_cells_or_pairs_only_is_counted_so():
    def numbers(cell, replicate, warm):
        change = {500: 0.02, 1000: -0.03, 2000: -0.01}[cell[EXAMPLES]]
        if cell[EXAMPLES] == 2000 and replicate == 0:
            change = 0.001
        return 0.2 + warm * change, 0.3

    exhibit = build(crossed_study(sizes((2, 6), (500, 1000, 2000)), 3, numbers))
    assert "ECE in 4 of 6 cells, in every pair in 2 of them; the largest" in exhibit.caption
    assert "−0.030 [−0.030, −0.030], at depth 2, training examples 1000." in exhibit.caption
    assert "The mean accuracy rose in 0 of 6 cells." in exhibit.caption


@pytest.mark.parametrize(
    ("by_examples", "words"),
    [
        ((1, 2, 3, 4), "rises with training examples at every step"),
        ((4, 3, 2, 1), "falls with training examples at every step"),
        ((1, 3, 2, 4), "mostly rises with training examples"),
        ((4, 2, 3, 1), "mostly falls with training examples"),
        ((2, 4, 1, 3), "shows no clear trend with training examples"),
        ((2, 2, 2, 2), "shows no clear trend with training examples"),
    ],
)
def test_trends_are_spearmans_over_the_means(by_examples, words):
    levels = (500, 1000, 2000, 4000)

    def numbers(cell, replicate, warm):
        rank = by_examples[levels.index(cell[EXAMPLES])]
        return 0.1 + 0.02 * (5 - rank if warm else rank), 0.3

    exhibit = build(crossed_study(sizes((2, 6), levels), 1, numbers))
    rank = 0.0 if len(set(by_examples)) == 1 else spearmanr(levels, by_examples).statistic
    sign = "+" if rank > 0 else "−" if rank < 0 else ""
    assert f"{words} (rank correlation {sign}{abs(rank):.2f})." in exhibit.caption
    assert "shows no clear trend with depth (rank correlation 0.00)" in exhibit.caption


def test_a_trend_is_the_mean_over_the_lines_and_leaves_out_what_is_empty():
    def numbers(cell, replicate, warm):
        sign = 1 if cell[DEPTH] == 2 else -0.5
        return 0.2 + 0.02 * sign * np.log2(cell[EXAMPLES] / 500), 0.3

    cells = sizes((2, 4, 6), (500, 1000, 2000))
    lost = {(f"control {c}", 0): "failed" for c in cells if c.startswith("depth 6")}
    exhibit = build(crossed_study(cells, 1, numbers, lost))
    assert "shows no clear trend with training examples (rank correlation 0.00)" in exhibit.caption
    lost |= {(f"control {c}", 0): "failed" for c in cells if not c.endswith("2000")}
    exhibit = build(crossed_study(cells, 1, numbers, lost))
    assert "cannot be followed along training examples" in exhibit.caption


STD, LR, KIND = "warmup.noise.std", "warmup.optimizer.lr", "warmup.noise.distribution"


def crossed(**factors):
    """Cells of a product; factors: field, with __ for dots → levels."""
    fields = [name.replace("__", ".") for name in factors]
    cells = [dict(zip(fields, levels, strict=True)) for levels in product(*factors.values())]
    return {", ".join(f"{k} {v}" for k, v in cell.items()): cell for cell in cells}


@pytest.mark.parametrize(
    "cells",
    [
        crossed(warmup__noise__distribution=["gaussian", "uniform"], model__depth=[2, 6]),
        crossed(model__depth=[2, 3], data__examples=[50, 60], warmup__noise__std=[1.0, 2.0]),
        crossed(model__depth=[2, 3], data__balanced=[False, True]),
        crossed(model__depth=[2, 3], data__test=[None, 100]),
        crossed(model__depth=[2, 3, 4], data__examples=[500]),
        {f"{d}": {DEPTH: d, "task.epochs": 10 * d} for d in (2, 3, 4)},  # listed, not crossed
    ],
    ids=["a text", "three fields", "a truth value", "none", "one level", "listed"],
)
def test_a_grid_that_does_not_cross_two_numeric_fields_has_no_heat_map(cells):
    results = crossed_study(cells, 1, lambda *_: (0.1, 0.3))
    said = "No grid of this study crosses exactly two numeric fields: there is no heat map."
    assert_nothing_shown(build(results), results, said)


def test_of_several_grids_those_of_two_numbers_are_shown_each_by_itself():
    assert build(make_results(Spec(replicates=1))).figures == ()
    base = {KIND: "gaussian", STD: 1.0, DEPTH: 2, EXAMPLES: 500, LR: 1e-4}
    named = {
        name: {label: base | cell for label, cell in cells.items()}
        for name, cells in {
            "size": crossed(model__depth=[2, 4], data__examples=[500, 1000]),
            "noise": crossed(warmup__noise__distribution=["gaussian", "uniform"]),
            "strength": crossed(warmup__noise__std=[0.5, 2.0], warmup__optimizer__lr=[1e-4, 1e-3]),
        }.items()
    }
    every = {label: cell for cells in named.values() for label, cell in cells.items()}
    grids = {name: list(cells) for name, cells in named.items()}
    exhibit = build(crossed_study(every, 1, lambda *_: (0.1, 0.3), grids=grids))
    assert [f.name for f in exhibit.figures] == [
        f"heatmap-{grid}-{measure}" for grid in ("size", "strength")
        for measure in ("ece", "accuracy")
    ]  # fmt: skip
    assert (
        "Grid strength, std × lr: warm-up lowered the mean ECE in 0 of 4 cells" in exhibit.caption
    )
    axes, _ = maps(exhibit, "heatmap-strength-ece")[0]
    assert ticks(axes.xaxis) == ["0.0001", "0.001"]


def test_fields_that_end_alike_are_named_in_full():
    cells = crossed(warmup__optimizer__lr=[1e-4, 1e-3], task__optimizer__lr=[1e-5, 1e-2])
    (plane,) = planes(crossed_study(cells, 1, lambda *_: (0.1, 0.3)).plan)
    assert plane.names == ("warmup.optimizer.lr", "task.optimizer.lr")
    both = crossed(warmup__examples=[512, 1024], data__examples=[50, 60])
    (plane,) = planes(crossed_study(both, 1, lambda *_: (0.1, 0.3)).plan)
    assert plane.names == ("warm-up examples", "training examples")


def test_cells_are_found_in_the_plan_that_a_launch_writes():
    """Controls' cells lack the warm-up's fields; the base's own levels are in every cell."""
    facts = DataFacts(digest="0" * 64, ood_digest="1" * 64, shape=(3, 32, 32), classes=10,
                      mean=(0.5,), std=(0.2,))  # fmt: skip
    sized = Study.model_validate(
        {
            "name": "sizes", "title": "Sizes", "answers": "Where?", "exhibits": ["pairs"],
            "base": {DEPTH: 4, "warmup.examples": 512, "warmup.epochs": 2, "warmup.batch": 32},
            "grids": {
                "size": {DEPTH: [2, 4], EXAMPLES: [64, 500, 128]},
                "strength": {STD: [0.5, 1.0], "data.test": [50, 100, 70]},
                "std": {STD: [0.5, 1.0, 2.0]},
            },
            "scales": {"laptop": {"replicates": 2}},
        }
    )  # fmt: skip

    def look(trial):
        return trial.model_copy(update={"data": trial.data.model_copy(update={"facts": facts})})

    plan = parse_plan(json.dumps(make_plan(sized, look).as_json("abc")))
    size, strength = planes(plan)
    assert (size.grid, size.fields) == ("size", (DEPTH, EXAMPLES))
    assert set(size.places) == set(plan.grids["size"])
    assert sorted(size.places.values()) == sorted(product((2, 4), (64, 500, 128)))
    assert (strength.grid, strength.fields) == ("strength", (STD, "data.test"))
    assert strength.levels == ([0.5, 1.0], [50, 70, 100])
    assert planes(replace(plan, trials=plan.trials[::-1])) == [size, strength]
    laid_out = size.laid_out({condition: condition for condition in size.places})
    for condition, (depth, examples) in size.places.items():
        assert laid_out[(2, 4).index(depth), (64, 128, 500).index(examples)] == condition


def test_one_pair_a_cell_has_a_difference_and_no_test():
    exhibit = build(crossed_study(sizes((2, 6), (500, 4000)), 1, paper_like))
    row = of_one_size(exhibit, "6", "500")
    assert (row["Pairs"], row["P"], row["Exact P"]) == ("1", "n < 6", "1.000")
    assert "±" not in row["ECE without"]
    assert "[" not in row["Δ [95 % interval]"]
    for axes, _ in maps(exhibit):
        numbers, marks = texts(axes)
        assert (len(numbers), marks) == (4, {})


def test_cells_without_any_difference_are_drawn_too():
    exhibit = build(crossed_study(sizes((2, 6), (500, 4000)), 6, lambda *_: (0.1, 0.3)))
    axes, mesh = maps(exhibit)[2]
    assert set(texts(axes)[0].values()) == {".000"}
    assert set(texts(axes)[1].values()) == {"n.s."}
    assert mesh.norm(0.0) == 0.5
    assert {text.get_color() for text in axes.texts} == {"black"}
    assert all(drawing.save("svg") for drawing in exhibit.figures)


def test_without_any_complete_pair_the_table_says_what_was_lost(results):
    lost = {(condition, r): "diverged" for condition in results.plan.conditions() for r in range(7)}
    results = study(lost)
    exhibit = build(results)
    assert exhibit.figures == ()
    assert set(table(exhibit, "heatmap-size-ece").shown["Pairs"]) == {"0 of 7 (7 diverged)"}
    assert exhibit.caption.startswith("Grid size, depth × training examples: no pair is complete.")
    assert exhibit.caption.endswith(made_of(results))


def test_figures_are_told_in_words(exhibit, truth):
    before, _ = (arm.mean(axis=1) for arm in by_cell(truth, "ece"))
    said = f"without warm-up {before.min():.3f} to {before.max():.3f}"
    assert said in exhibit.figures[0].description


@pytest.mark.parametrize("examples", [(500, 4000), (500, 1000, 2000, 4000, 8000, 16000, 32000)])
def test_no_text_lies_over_another(examples):
    for drawing in build(crossed_study(sizes((2, 3, 6), examples), 6, paper_like)).figures:
        assert_apart(drawing.figure, 0.9, 0.8)
