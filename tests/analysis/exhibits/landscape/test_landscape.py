"""Slices, planes and paths: against losses in closed form, SciPy, and means taken by hand."""

import numpy as np
import pytest
from exhibited import (
    ExhibitOfProbes,
    assert_compared,
    assert_legible,
    figure,
    heights,
    lines,
    panels,
    table,
)
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from scipy.stats import spearmanr
from studies import make_pairs

from analysis.exhibits.common.exhibit import made_of
from analysis.exhibits.common.panels import WITH, WITHOUT
from analysis.exhibits.common.text import significant
from analysis.exhibits.landscape.around import Slice, plane_numbers, roughness
from analysis.exhibits.landscape.landscape import landscape as build
from analysis.exhibits.landscape.plots import Map, MapRow, scales_in_words

EPOCHS = (0, 5, 10, 20)
MOMENTS = ["start", "epoch 5", "epoch 10", "end, epoch 20"]
STEPS = np.linspace(-1, 1, 21)
X, Y = np.linspace(-1, 9, 11), np.linspace(-3, 5, 9)


def steep(replicate, warm, place):
    """The second derivative of the loss, by network and moment; lower with warm-up."""
    rng = np.random.default_rng([replicate, warm, place])
    return (1.0 if warm else 2.0) * (2 + place) * rng.uniform(0.8, 1.2)


def slices(replicate, warm):
    """Parabolas c + a·s², the second direction twice as steep as the first."""
    loss = [
        [1 + place + factor * steep(replicate, warm, place) * STEPS**2 for factor in (1, 2)]
        for place in range(4)
    ]
    return {
        "slices/epoch": np.array(EPOCHS),
        "slices/steps": np.float32(np.tile(STEPS, (4, 1))),
        "slices/loss": np.float32(loss),
    }


def plane(replicate, warm):
    """A bowl at the start; at the end one of a thousand times its loss, and ECE that falls in x."""
    right, up = np.meshgrid(STEPS, STEPS)
    bowl = steep(replicate, warm, 0) * (right**2 + 0.5 * up**2)
    end = 0.01 + 10 * bowl
    ece = [0.1 + 0.01 * bowl, 0.3 - 0.1 * right - 0.02 * warm + 0.001 * up * replicate]
    return {
        "plane/epoch": np.array([0, 20]),
        "plane/steps": np.float32(np.tile(STEPS, (2, 1))),
        "plane/loss": np.float32([1 + bowl, end]),
        "plane/ece": np.float32(ece),
    }


def path(replicate, warm):
    """From (8, 4) to the origin; loss is x² + y² + 1, ECE 0.01·x + 0.1, higher without."""
    way = np.linspace(1, 0, 6)[:, None] * [8.0, 4.0]
    right, up = np.meshgrid(X, Y)
    return {
        "path/coordinates": np.float32(way + [0, 0.1 * replicate] * (way > 0)),
        "path/share": np.float32([0.75, 0.15 if warm else 0.2]),
        "path/x": np.float32(X),
        "path/y": np.float32(Y),
        "path/loss": np.float32(right**2 + up**2 + 1),
        "path/ece": np.float32(0.01 * right + (0.1 if warm else 0.2)),
    }


def everything(replicate, warm):
    return slices(replicate, warm) | plane(replicate, warm) | path(replicate, warm)


def study(replicates=8, probes=everything, **changes):
    """Pairs whose records have the probes that (replicate, warm) gives."""
    return make_pairs(lambda r, w: {"probes": probes(r, w)}, replicates, **changes)


class TestLandscape(ExhibitOfProbes):
    no_pair = (
        "No complete pair of condition “gaussian” has finite numbers of slices, plane or path."
    )
    no_probe = "No trial has the probes slices, plane or path."


def values(exhibit, name, key):
    return table(exhibit, name).values.query(f"metric == '{key}'").set_index("epoch")


def axes_of(exhibit, name):
    return panels(figure(exhibit, name))


def mesh(axes):
    (found,) = [c for c in axes.collections if isinstance(c, QuadMesh)]
    return found


def heights_of_map(axes, rows):
    """(rows, columns)"""
    return np.asarray(mesh(axes).get_array()).reshape(rows, -1)


def of_networks(probe, key, place, replicates=range(8)):
    """Without and with warm-up: (replicates, …) of a probe's array at a moment."""
    return [np.array([probe(r, w)[key][place] for r in replicates]) for w in (False, True)]


def numbers_of(loss, steps=STEPS):
    """What `roughness` finds, by key."""
    found = roughness(Slice(steps, np.atleast_2d(loss)))
    return {measure.key: value for measure, value in found.items()}


# --- numbers of one slice ----------------------------------------------------------------------


def test_a_parabolas_rises_are_its_second_derivative():
    found = numbers_of([2 + 3 * STEPS**2 + 0.7 * STEPS, 1 + 5 * STEPS**2 - 2 * STEPS])
    expected = {"centre": 1.5, "rise_half": 4 / 4, "rise_one": 4}  # odd parts cancel out
    assert found == pytest.approx(expected | {"nonconvex": 0}, abs=0)


def test_between_steps_the_loss_is_linear():
    steps = np.linspace(-1, 1, 6)  # neither 0 nor ±0.5 is among them
    found = numbers_of(np.abs(steps), steps)
    expected = {"centre": 0.2, "rise_half": 0.3, "rise_one": 0.8}
    assert {key: found[key] for key in expected} == pytest.approx(expected)


def test_a_slice_is_not_convex_where_its_second_difference_is_negative():
    """A cosine bends down where it is positive; a parabola nowhere."""
    wave = 5 + np.cos(7 * STEPS)
    down = sum(wave[i - 1] - 2 * wave[i] + wave[i + 1] < 0 for i in range(1, STEPS.size - 1))
    assert down == (np.cos(7 * STEPS[1:-1]) > 0).sum()
    assert numbers_of([wave, STEPS**2])["nonconvex"] == pytest.approx(down / (2 * 19))


def test_rounding_is_no_roughness():
    rng = np.random.default_rng(0)
    flat = np.float32(2.3) * (1 + rng.integers(-1, 2, (2, 41)) * np.finfo(np.float32).eps / 2)
    bent = 2.3 - 1e-3 * np.linspace(-1, 1, 41) ** 2
    for loss, share in ((flat, 0), (bent, 1)):
        found = numbers_of(loss.astype(np.float32).astype(float), np.linspace(-1, 1, 41))
        assert found["nonconvex"] == pytest.approx(share, abs=0.1)


# --- slices ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "factor"), [("rise_half", 0.25), ("rise_one", 1.0)])
def test_rises_are_compared_pair_by_pair_at_every_moment(exhibit, key, factor):
    found = values(exhibit, "landscape-roughness", key)
    assert found.index.tolist() == list(EPOCHS)
    for place, epoch in enumerate(EPOCHS):
        before, after = (
            np.array([factor * 1.5 * steep(r, warm, place) for r in range(8)])
            for warm in (False, True)
        )
        row = found.loc[epoch]
        assert_compared(row, before, after, rel=1e-5)
        assert row["lower"] == (after < before).sum()
        assert row["p_holm"] >= row["p_exact"]


def test_the_table_of_slices_names_moments_and_numbers(exhibit):
    shown = table(exhibit, "landscape-roughness").shown
    assert shown["Moment"].tolist() == [name for start in MOMENTS for name in (start, "", "", "")]
    rises = ["Mean rise at |step| = 0.5", "Mean rise at |step| = 1"]
    assert shown["Number"].tolist()[:4] == ["Loss at the centre", *rises, "Share not convex"]
    assert values(exhibit, "landscape-roughness", "centre")["with_mean"].tolist() == [1, 2, 3, 4]


def test_every_direction_is_drawn_and_the_mean_over_all(exhibit):
    shown = axes_of(exhibit, "landscape-slices")
    assert [axes.get_title() for axes in shown] == MOMENTS
    for place, axes in enumerate(shown):
        networks = lines(axes, linewidth=0.5)
        means = lines(axes, linewidth=2.2)
        assert [line.get_color() for line in networks] == [WITHOUT] * 16 + [WITH] * 16
        assert [line.get_color() for line in means] == [WITHOUT, WITH]
        known = np.array(of_networks(slices, "slices/loss", place))  # (arms, pairs, 2, steps)
        drawn = np.array(heights(axes, linewidth=0.5))
        assert drawn == pytest.approx(known.reshape(32, -1))
        drawn = np.array(heights(axes, linewidth=2.2))
        assert drawn == pytest.approx(known.mean(axis=(1, 2)), rel=1e-6)
    means = table(exhibit, "landscape-slices").values
    assert len(means) == 4 * 2 * 21
    row = means.query("epoch == 20 and arm == 'with warm-up' and step > 0.99").iloc[0]
    steepest = np.mean([steep(r, True, 3) for r in range(8)])
    assert row["loss"] == pytest.approx(4 + 1.5 * steepest, rel=1e-5)
    assert row["networks"] == 8


def test_one_steep_direction_does_not_flatten_the_means():
    def probes(replicate, warm):
        found = slices(replicate, warm)
        if (replicate, warm) == (0, False):
            found["slices/loss"][0, 0] *= 100
        return found

    panel = axes_of(build(study(8, probes)), "landscape-slices")[0]
    mean, highest = np.max(heights(panel, linewidth=2.2)), np.max(heights(panel))
    assert mean < panel.get_ylim()[1] < 2 * mean < highest


@pytest.mark.parametrize(
    ("replicates", "words"), [(8, "each network"), (12, "the networks of the first 10 pairs")]
)
def test_up_to_ten_pairs_are_drawn_one_by_one(replicates, words):
    exhibit = build(study(replicates, slices))
    assert len(axes_of(exhibit, "landscape-slices")[0].lines) == 4 * min(replicates, 10) + 2
    assert f"single directions of {words}, cut off" in exhibit.caption


@pytest.mark.parametrize(("swapped", "word"), [(False, "lower"), (True, "higher")])
def test_the_caption_says_which_way_it_went(swapped, word):
    exhibit = build(study(8, lambda r, warm: everything(r, warm ^ swapped)))
    said = "Condition “gaussian”. Slices: 8 pairs measured. The mean rise of the loss at |step| = 1"
    assert exhibit.caption.startswith(f"{said} is at the start ")
    means = [
        significant(np.mean([1.5 * steep(r, warm, 3) for r in range(8)]))
        for warm in (swapped, not swapped)
    ]
    assert (
        f"at the end, epoch 20, {means[0]} without and {means[1]} with warm-up ({word} with it in "
        "8 of 8 pairs; exact P = 0.008)" in exhibit.caption
    )
    assert (
        "The share of a slice that is not convex is at the start 0 without and 0 with warm-up "
        "(the same in all 8 pairs; exact P = 1.000, no difference shown)" in exhibit.caption
    )


# --- planes ------------------------------------------------------------------------------------


def test_numbers_of_a_plane_are_means_and_spearmans_correlation(results):
    record = next(t.record for t in results.trials if t.replicate == 3 and t.arm != "control")
    found = plane_numbers(record)
    probes = plane(3, True)
    for place, epoch in enumerate((0, 20)):
        loss, ece = probes["plane/loss"][place], probes["plane/ece"][place]
        assert found["plane_loss", epoch] == pytest.approx(loss.mean(), rel=1e-5)
        assert found["plane_ece", epoch] == pytest.approx(ece.mean(), rel=1e-5)
        rank = spearmanr(loss.ravel(), ece.ravel()).statistic
        assert found["agreement", epoch] == pytest.approx(rank)
    assert found["agreement", 0] > 0.99
    assert abs(found["agreement", 20]) < 0.2


def test_an_ece_that_is_the_same_everywhere_ranks_nothing():
    def probes(replicate, warm):
        found = plane(replicate, warm)
        return found | {"plane/ece": np.full_like(found["plane/ece"], 0.25)}

    exhibit = build(study(2, probes))
    assert values(exhibit, "landscape-plane", "agreement")["pairs"].tolist() == [0, 0]
    for said in (
        "The rank correlation of loss and ECE on the plane is known of no pair.",
        "The mean ECE on the plane is at the start 0.250 without and 0.250 with",
    ):
        assert said in exhibit.caption


@pytest.mark.parametrize("of", ["loss", "ece"])
def test_planes_are_means_over_networks_on_one_scale_a_row(exhibit, of):
    shown = axes_of(exhibit, f"landscape-plane-{of}")
    assert [axes.get_title() for axes in shown] == [
        "start, without warm-up", "start, with warm-up",
        "end, epoch 20, without warm-up", "end, epoch 20, with warm-up",
    ]  # fmt: skip
    for place in (0, 1):
        row = shown[2 * place : 2 * place + 2]
        means = np.mean(of_networks(plane, f"plane/{of}", place), axis=1)
        for axes, mean in zip(row, means, strict=True):
            assert heights_of_map(axes, 21) == pytest.approx(mean)
            assert len(axes.lines) == 1  # the cross
        first, second = (mesh(axes).norm for axes in row)
        assert (first.vmin, first.vmax) == (second.vmin, second.vmax)
        assert (first.vmin, first.vmax) == pytest.approx((means.min(), means.max()))
        assert isinstance(first, LogNorm) == (of == "loss" and place == 1)
    assert "Colours of the loss are logarithmic (end, epoch 20), for" in exhibit.caption


def test_rows_of_a_map_are_the_second_direction(exhibit):
    """The bowl rises twice as much along the first direction, to the right."""
    axes = axes_of(exhibit, "landscape-plane-loss")[0]
    drawn = heights_of_map(axes, 21)
    assert drawn[10, 20] - 1 == pytest.approx(2 * (drawn[20, 10] - 1), rel=1e-5)
    corners = mesh(axes).get_coordinates()
    assert corners[0, -1, 0] > 0.99
    assert corners[-1, 0, 1] > 0.99


def test_the_caption_says_where_on_the_plane_warm_up_is_lower():
    """ECE on the right alone, 10 of 21 columns, and the loss above the middle but for one row."""

    def probes(replicate, warm):
        right, up = np.float32(np.meshgrid(STEPS, STEPS))
        found = plane(replicate, warm)
        return found | {
            "plane/ece": np.stack([0.3 - 0.1 * warm * right] * 2),
            "plane/loss": np.stack([3 - warm * np.where(up < 0.95, up, 0)] * 2),
        }

    exhibit = build(study(2, probes))
    assert (
        "On the plane, means over networks are lower with warm-up at the start at 43 % of the "
        "points for the loss and 48 % for ECE; at the end, epoch 20, at 43 % of the points for the "
        "loss and 48 % for ECE." in exhibit.caption
    )  # 9/21 and 10/21


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1.0, 19.0, "Colours of the loss are linear."),
        (1.0, 21.0, "for the highest is more than 20 times the lowest."),
        (0.0, 21.0, "below 1/1,000,000 of the highest they are those of it."),
        (0.0, 0.0, "Colours of the loss are linear."),
    ],
)
def test_colours_of_a_wide_loss_are_logarithmic(low, high, words):
    axis = np.array([0.0, 1.0])
    maps = (np.full((2, 2), low), np.array([[low, low], [low, high]]))
    row = MapRow("start", "loss", tuple(Map(axis, axis, values) for values in maps))
    assert scales_in_words([row]).endswith(words)
    assert row.logarithmic == ("linear" not in words)
    assert row.scale.vmax == high
    assert row.scale.vmin == (high / 1e6 if row.logarithmic and not low else low)
    assert not row._replace(number="ECE").logarithmic


# --- the path ----------------------------------------------------------------------------------


def test_the_path_is_drawn_over_loss_and_ece_with_its_ends_marked(exhibit):
    shown = axes_of(exhibit, "landscape-path")
    assert len(shown) == 4
    for place, axes in enumerate(shown):
        found = path(0, place % 2 == 1)
        of = "loss" if place < 2 else "ece"
        assert heights_of_map(axes, 9) == pytest.approx(found[f"path/{of}"])
        way, dots, start, end = axes.lines
        assert way.get_xydata() == pytest.approx(found["path/coordinates"])
        assert dots.get_xydata() == pytest.approx(found["path/coordinates"])
        assert start.get_xydata()[0].tolist() == [8, 4]
        assert end.get_xydata()[0].tolist() == [0, 0]
        assert start.get_markerfacecolor() == "white"
        assert axes.get_xlabel() == "First component (75 %)"
        assert axes.get_ylabel() == f"Second component ({15 if place % 2 else 20} %)"


def test_the_caption_and_the_table_tell_the_path(exhibit):
    assert "Path: one pair, replicate 0." in exhibit.caption
    assert (
        "of their first two principal components is 95 % without and 90 % with warm-up, the "
        "distance from start to end on it 8.94 without and 8.94 with warm-up, and ECE at its "
        "points nearest to start → end 0.280 → 0.200 without and 0.180 → 0.100 with warm-up. "
        "One pair allows no test." in exhibit.caption
    )  # √80 = 8.94; 0.2 + 0.08, and 0.1 + 0.08
    found = table(exhibit, "landscape-path")
    assert found.shown["Loss, start → end"].tolist() == ["81.0 → 1.00"] * 2  # 8² + 4² + 1
    assert found.shown["First component"].tolist() == ["75 %", "75 %"]
    ways = found.values
    assert ways["epoch"].tolist() == [0, 1, 2, 3, 4, 5] * 2
    assert ways[["first", "second"]].to_numpy()[:6] == pytest.approx(
        path(0, False)["path/coordinates"]
    )


def test_the_first_complete_pair_that_has_a_path_is_shown():
    def probes(replicate, warm):
        found = path(replicate, warm)
        if (replicate, warm) == (1, True):
            found["path/ece"][0, 0] = np.nan
        return {} if (replicate, warm) == (2, False) else found

    exhibit = build(study(5, probes, outcomes={("gaussian", 0): "failed"}))
    assert "Path: one pair, replicate 3." in exhibit.caption
    way = axes_of(exhibit, "landscape-path")[0].lines[0]
    assert way.get_xydata() == pytest.approx(path(3, False)["path/coordinates"])
    assert "replicate 3" in exhibit.figures[0].title


def test_weights_that_did_not_move_have_no_path():
    def probes(replicate, warm):
        return path(replicate, warm) | {"path/coordinates": np.zeros((1, 2), np.float32)}

    assert build(study(1, probes)).figures == ()


# --- what there is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probes", "figures", "unsaid"),
    [
        (slices, ["landscape-slices"], ("Plane", "Path", "Colours")),
        (plane, ["landscape-plane-loss", "landscape-plane-ece"], ("Slice", "Path")),
        (path, ["landscape-path"], ("Slice", "Plane", "Holm", "Start is")),
    ],
)
def test_what_was_not_measured_is_neither_shown_nor_spoken_of(probes, figures, unsaid):
    results = study(6, probes)
    exhibit = build(results)
    assert [drawing.name for drawing in exhibit.figures] == figures
    for words in unsaid:
        assert words not in exhibit.caption.removesuffix(made_of(results))
    assert all("nan" not in text for text in (exhibit.caption, exhibit.figures[0].description))


def test_lost_pairs_and_losses_that_are_not_finite_are_counted_out():
    def probes(replicate, warm):
        found = everything(replicate, warm)
        if (replicate, warm) == (4, True):
            found["slices/loss"][1, 0, 3] = np.inf
            found["plane/ece"][0, 2, 2] = np.nan
        return found if (replicate, warm) != (5, False) else {}

    exhibit = build(study(8, probes, outcomes={("", 1): "diverged"}))
    assert "Slices: 6 of 7 complete pairs measured." in exhibit.caption
    found = values(exhibit, "landscape-roughness", "rise_one")
    assert found["pairs"].tolist() == [6, 5, 6, 6]
    assert found["lost"].tolist() == ["1 control diverged"] * 4
    assert values(exhibit, "landscape-plane", "plane_loss")["pairs"].tolist() == [5, 6]
    kept = [0, 2, 3, 6, 7]
    _, expected = of_networks(slices, "slices/loss", 1, kept)
    _, mean = heights(axes_of(exhibit, "landscape-slices")[1], linewidth=2.2)
    assert mean == pytest.approx(expected.mean(axis=(0, 1)), rel=1e-6)
    _, expected = of_networks(plane, "plane/loss", 0, kept)
    drawn = heights_of_map(axes_of(exhibit, "landscape-plane-loss")[1], 21)
    assert drawn == pytest.approx(expected.mean(axis=0))


def test_one_pair_has_differences_and_no_test():
    exhibit = build(study(1))
    assert "Slices: 1 pair measured." in exhibit.caption
    assert "lower with it in the one pair; exact P = 1.000, no difference shown)" in exhibit.caption
    assert "none can pass" in exhibit.caption
    for name in ("landscape-roughness", "landscape-plane"):
        assert set(table(exhibit, name).shown["P"]) == {"n < 6"}


def test_a_task_of_no_epochs_has_one_moment():
    def probes(replicate, warm):
        found = {key: array[:1] for key, array in slices(replicate, warm).items()}
        both = {key: array[[0, 0]] for key, array in plane(replicate, warm).items()}
        return found | both

    exhibit = build(study(6, probes))
    assert [axes.get_title() for axes in axes_of(exhibit, "landscape-slices")] == ["start"]
    assert len(axes_of(exhibit, "landscape-plane-loss")) == 2
    assert "at the end" not in exhibit.caption


def test_figures_are_told_in_words(exhibit):
    assert len({drawing.name for drawing in exhibit.figures}) == 4
    first = np.mean([slices(r, False)["slices/loss"][0, :, 0] for r in range(8)])
    said = f"start: without warm-up 1 at the centre, {first:.3g} and"
    assert said in exhibit.figures[0].description
    assert "without warm-up, ECE 0.190 to 0.290" in exhibit.figures[3].description


def flat(replicate, warm):
    """All losses and errors the same."""
    return {
        key: np.full_like(array, 0.5) if key.endswith(("loss", "ece")) else array
        for key, array in everything(replicate, warm).items()
    }


def huge(replicate, warm):
    """Losses of millions, some of zero."""
    return {
        key: np.maximum(array - 2, 0) * 1e6 if key.endswith("loss") else array
        for key, array in everything(replicate, warm).items()
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("probes", [everything, flat, huge])
def test_no_text_lies_over_another(probes):
    assert_legible(build(study(2, probes)))
