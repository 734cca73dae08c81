"""Weights and outputs by layer: against distributions whose quantiles and spreads are known."""

import warnings

import numpy as np
import pytest
from drawings import assert_neighbours_apart, assert_within, shown_texts
from exhibited import ExhibitOfProbes, assert_compared, assert_legible, heights, holm_of, ticks
from matplotlib.colors import to_rgb
from scipy.stats import norm
from studies import make_pairs

from analysis.exhibits.common.panels import GAP, WITH, WITHOUT
from analysis.exhibits.dynamics.layers import layers as build

NAMES = ("0", "3", "6", "9")
FACTORS = (1.1, 0.7, 0.5, 0.25)  # what warm-up does to the spread of a layer's outputs
SHARES = np.linspace(0, 1, 101)


def wobble(replicate, place, scale=0.03):
    """A factor near 1, known to the test too."""
    return 1 + scale * np.sin(5 * replicate + 3 * place)


def spreads(replicate, warm, place, factors=FACTORS):
    """(weights', outputs') s.d."""
    weights = 0.02 * (place + 1) * (1 + 0.01 * warm * wobble(replicate, place, 1))
    outputs = (2 + place) * wobble(replicate, place)
    return weights, outputs * (factors[place] * wobble(replicate, place + 7) if warm else 1.0)


def change(replicate, place):
    return 0.05 * (place + 1) * wobble(replicate, place, 0.1)


def normal(mean, sd):
    """(101,): a normal distribution's quantiles, its ends at 0.1 % and 99.9 %."""
    return norm.ppf(np.clip(SHARES, 0.001, 0.999), mean, sd).astype(np.float32)


def probes(replicate, warm, names=NAMES, factors=FACTORS):
    found = {}
    for place, name in enumerate(names):
        weights, outputs = spreads(replicate, warm, place, factors)
        found |= {
            f"layers/{name}/weights": normal(0, weights),
            f"layers/{name}/outputs": normal(1, outputs),
            f"layers/{name}/moments": np.array([0, weights, 1, outputs]),
            f"layers/{name}/change": np.array(change(replicate, place) if warm else 0.0),
        }
    return found


def study(replicates=8, measured=probes, **changes):
    """Pairs whose records have the probes (replicate, warm), and another."""
    other = {"odin/epsilons": np.ones(3)}
    return make_pairs(lambda r, w: {"probes": other | measured(r, w)}, replicates, **changes)


def numbers(exhibit, metric="output_std"):
    values = exhibit.tables[0].values
    return values[values["metric"] == metric].reset_index(drop=True)


def known(replicates, warm, part=1, factors=FACTORS):
    """(replicates, layers)"""
    places = range(len(NAMES))
    return np.array([[spreads(r, warm, p, factors)[part] for p in places] for r in replicates])


def axes_of(exhibit):
    """The panels of weights, of outputs, and of their ratios."""
    return exhibit.figures[0].figure.axes


class TestLayers(ExhibitOfProbes):
    no_pair = "No pair of condition “gaussian” is complete."
    no_probe = "No complete pair of condition “gaussian” has been measured by the probe layers."
    described = ("lower with warm-up in 3 of 4 layers", "changed the weights")


@pytest.mark.parametrize(("part", "metric"), [(0, "weight_std"), (1, "output_std")])
def test_spreads_are_compared_pair_by_pair_and_corrected_over_the_layers(exhibit, part, metric):
    found = numbers(exhibit, metric)
    before, after = known(range(8), False, part), known(range(8), True, part)
    assert found["layer"].tolist() == list(NAMES)
    assert found["number"].tolist() == [1, 2, 3, 4]
    for place, row in found.iterrows():
        assert_compared(row, before[:, place], after[:, place])
    assert found["p_holm"].to_numpy() == pytest.approx(holm_of(found["p_exact"]))
    ratio = np.exp(np.log(after / before).mean(axis=0))
    assert found["ratio"].to_numpy() == pytest.approx(ratio)


def test_the_change_of_weights_is_the_warmed_up_networks_mean(exhibit):
    expected = np.array([[change(r, place) for place in range(4)] for r in range(8)])
    found = numbers(exhibit)
    assert found["change_mean"].to_numpy() == pytest.approx(expected.mean(axis=0))
    assert found["change_sd"].to_numpy() == pytest.approx(expected.std(axis=0, ddof=1))
    last = 100 * expected[:, 3]
    shown = exhibit.tables[0].shown["Weights", "change"]
    assert shown[3] == f"{last.mean():.0f} % ± {last.std(ddof=1):.1f} %"


def test_the_shown_table_has_every_layer_in_the_records_order():
    names = ("z", "a", "m.1", "b")
    exhibit = build(study(measured=lambda r, w: probes(r, w, names)))
    shown = exhibit.tables[0].shown
    assert shown["Layer", ""].tolist() == list(names)
    assert shown["Outputs", "fell"].tolist() == ["0/8", "8/8", "8/8", "8/8"]
    assert shown["Pairs", ""].tolist() == ["8"] * 4
    assert ticks(axes_of(exhibit)[2].xaxis) == list(names)


def test_ratios_of_pairs_average_so_that_doubling_and_halving_cancel():
    def measured(replicate, warm):
        return probes(0, False) | {
            "layers/0/moments": np.array([0, 1, 0, (2.0, 0.5)[replicate] if warm else 1])
        }

    assert numbers(build(study(2, measured)))["ratio"][0] == pytest.approx(1)


def test_the_caption_says_that_outputs_shrink_and_where(exhibit):
    ratio = np.exp(np.log(known(range(8), True) / known(range(8), False)).mean(axis=0))
    assert exhibit.caption.startswith("Condition “gaussian”, 8 pairs. ")
    assert (
        "lower with warm-up in 3 of 4 layers (Holm P < 0.05 in 3) and higher in 1 (in 1); with "
        f"over without warm-up it is {ratio[0]:.2f} in the first, layer 0, and {ratio[3]:.3g} in "
        "the last, layer 9; it falls in 3 of 3 steps from one layer to the next." in exhibit.caption
    )
    moved = 100 * np.mean([[change(r, p) for p in range(4)] for r in range(8)], axis=0)
    assert (
        f"Warm-up has changed the weights by {np.median(moved):.0f} % of their norm in the median "
        f"layer ({moved[0]:.1f} % in layer 0 to {moved[3]:.0f} % in layer 9) and their s.d. by a "
        "factor of 1.01" in exhibit.caption
    )


def test_the_caption_is_right_where_outputs_grow():
    grown = (1.5, 2.0, 2.5, 40.0)
    exhibit = build(study(measured=lambda r, w: probes(r, w, factors=grown)))
    said = "lower with warm-up in 0 of 4 layers (Holm P < 0.05 in 0) and higher in 4 (in 4)"
    assert said in exhibit.caption
    assert "falls in 0 of 3 steps" in exhibit.caption
    assert axes_of(exhibit)[1].get_yscale() == "symlog"  # forty-fold, beside layers of once
    assert axes_of(exhibit)[0].get_yscale() == "linear"
    texts = [text.get_text() for text, _ in shown_texts(exhibit.figures[0].figure)]
    assert {"10", "0", "−1"} <= set(texts)
    assert not any("$" in text for text in texts)


def test_the_caption_is_right_where_nothing_changes():
    exhibit = build(study(measured=lambda r, w: probes(r, False)))
    assert "changed the weights by 0.0 % of their norm" in exhibit.caption
    assert "by a factor of 1.00." in exhibit.caption
    assert "lower with warm-up in 0 of 4 layers (Holm P < 0.05 in 0);" in exhibit.caption
    assert numbers(exhibit)["p"].tolist() == [1.0] * 4


def test_one_pair_has_no_test():
    exhibit = build(study(1))
    assert exhibit.caption.startswith("Condition “gaussian”, 1 pair. ")
    assert (
        "lower with warm-up in 3 of 4 layers (Holm P < 0.05 in 0) and higher in 1 (in 0), where "
        "with 1 pair and 4 tests none can pass;" in exhibit.caption
    )
    assert exhibit.tables[0].shown["Outputs", "Exact P"].tolist() == ["1.000"] * 4
    assert "±" not in exhibit.tables[0].shown["Weights", "change"][0]


def test_one_layer_is_not_compared_with_a_next():
    exhibit = build(study(measured=lambda r, w: probes(r, w, ("head",))))
    said = "in 0 of 1 layer (Holm P < 0.05 in 0) and higher in 1 (in 1); with over without"
    assert said in exhibit.caption
    assert "step" not in exhibit.caption


def test_too_many_layers_for_so_few_pairs_are_said_to_be_so():
    def measured(replicate, warm):
        return probes(replicate, warm, [f"l{n}" for n in range(9)], [0.5] * 9)

    said = "where with 6 pairs and 9 tests none can pass"
    assert said in build(study(6, measured)).caption
    enough = build(study(10, measured)).caption
    assert "in 9 of 9 layers (Holm P < 0.05 in 9); with over" in enough


def test_lost_pairs_and_pairs_without_the_probe_are_counted_out_and_said():
    def measured(replicate, warm):
        return {} if (replicate, warm) in ((1, True), (4, False)) else probes(replicate, warm)

    outcomes = {("gaussian", 0): "diverged", ("", 2): "missing"}
    exhibit = build(study(12, measured, outcomes=outcomes))
    there = [3, 5, 6, 7, 8, 9, 10, 11]
    assert exhibit.caption.startswith(
        "Condition “gaussian”, 8 pairs. 2 more complete pairs have not been measured by the "
        "probe layers. "
    )
    found = numbers(exhibit)
    assert set(found["pairs"]) == {8}
    assert found["with_mean"].to_numpy() == pytest.approx(known(there, True).mean(axis=0))
    pairs_shown = exhibit.tables[0].shown["Pairs", ""][0]
    assert pairs_shown == "8 of 12 (1 diverged, 1 control missing)"


def test_what_is_not_finite_or_zero_is_left_out():
    """A layer that the network does not run, and one whose weights start at zero."""

    def measured(replicate, warm):
        found = probes(replicate, warm)
        found["layers/3/moments"] = np.array([0, 1, np.nan, np.nan])
        found["layers/3/outputs"] = np.full(101, np.nan)
        found["layers/6/moments"][1] = 0.5 * warm
        found["layers/6/change"] = np.array(np.inf if warm else 0.0)
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exhibit = build(study(measured=measured))
        exhibit.figures[0].save("svg")
    assert "in 2 of 3 layers" in exhibit.caption
    assert "(4.9 % in layer 0 to 20 % in layer 9)" in exhibit.caption
    shown = exhibit.tables[0].shown.set_index(("Layer", ""))
    assert shown.loc["3", ("Outputs", "ratio")] == "—"
    assert shown.loc["6", ("Weights", "change")] == "—"
    assert shown.loc["6", ("Weights", "ratio")] == "—"
    assert numbers(exhibit)["pairs"].tolist() == [8, 0, 8, 8]


def segments(axes, colour):
    """(low, high) of the vertical lines of a colour: 5–95 %, quartiles."""
    return [
        np.array(lines.get_segments())[:, :, 1]
        for lines in axes.collections
        if np.allclose(lines.get_colors()[0][:3], to_rgb(colour))
    ]


@pytest.mark.parametrize(("warm", "colour"), [(False, WITHOUT), (True, WITH)])
def test_bars_are_mean_quantiles_in_units_of_the_layers_sd_without_warmup(exhibit, warm, colour):
    unit = known(range(8), False).mean(axis=0)
    sd = known(range(8), warm).mean(axis=0)  # a normal's quantiles are linear in its s.d.
    thin, thick = segments(axes_of(exhibit)[1], colour)
    for bars, share in ((thin, 0.05), (thick, 0.25)):
        for end, z in ((0, norm.ppf(share)), (1, norm.ppf(1 - share))):
            assert bars[:, end] == pytest.approx((1 + z * sd) / unit, rel=1e-5)
    medians = heights(axes_of(exhibit)[1], marker="_")
    assert medians[int(warm)] == pytest.approx(1 / unit, rel=1e-5)


def test_the_quantiles_drawn_are_in_a_table_as_they_are(exhibit):
    table = exhibit.tables[1].values
    rows = table[(table["of"] == "outputs") & (table["arm"] == "with")]
    sd = known(range(8), True).mean(axis=0)
    assert rows["q05"].to_numpy() == pytest.approx(1 + norm.ppf(0.05) * sd, rel=1e-5)
    assert rows["q75"].to_numpy() == pytest.approx(1 + norm.ppf(0.75) * sd, rel=1e-5)
    assert exhibit.tables[1].shown.empty  # for CSV alone


@pytest.mark.parametrize(("part", "colour"), [(0, GAP), (1, WITH)])
def test_the_lowest_panel_shows_every_pairs_ratio_and_their_mean(exhibit, part, colour):
    ratios = known(range(8), True, part) / known(range(8), False, part)
    axes = axes_of(exhibit)[2]
    (mean,) = heights(axes, color=colour, linewidth=1.8)
    assert np.array(heights(axes, color=colour, linewidth=0.5)) == pytest.approx(ratios)
    assert mean == pytest.approx(np.exp(np.log(ratios).mean(axis=0)))
    assert axes.get_yscale() == "log"


def deep(count, name="features.block{}.conv"):
    names = [name.format(n) for n in range(count)]

    def measured(replicate, warm):
        return probes(replicate, warm, names, [0.98**n for n in range(count)])

    return measured


def test_many_layers_are_numbered_and_drawn_as_bands():
    exhibit = build(study(2, deep(121)))
    axes = axes_of(exhibit)[2]
    assert [int(text) for text in ticks(axes.xaxis)] == list(range(10, 121, 10))
    assert axes.get_xticks().tolist() == list(range(10, 121, 10))
    assert len(axes_of(exhibit)[1].collections) == 4  # two bands an arm
    assert len(exhibit.tables[0].shown) == 121


@pytest.mark.parametrize(
    "measured",
    [probes, deep(21), deep(24, "layer{}.0.downsample"), deep(60), deep(4, "x" * 60 + "{}")],
)
@pytest.mark.parametrize("replicates", [1, 6])
def test_no_text_lies_over_another_nor_outside(measured, replicates):
    exhibit = build(study(replicates, measured))
    assert_legible(exhibit)
    (drawing,) = exhibit.figures
    assert len(shown_texts(drawing.figure)) > 15
    assert_within(drawing.figure, slack=1)


def test_slanted_names_keep_a_lines_distance():
    figure = build(study(1, deep(24, "layer{}.0.downsample"))).figures[0].figure
    assert len(figure.axes[2].get_xticklabels()) == 24
    assert_neighbours_apart(figure)
