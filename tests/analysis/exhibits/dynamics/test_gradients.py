"""Gradients by layer at the start of the task: against norms and variances that are known."""

import warnings
from types import MappingProxyType

import numpy as np
import pytest
from exhibited import ExhibitOfProbes, assert_compared, assert_legible, heights, lines, table
from studies import make_pairs

from analysis.exhibits.common.panels import WITH, WITHOUT
from analysis.exhibits.dynamics.gradients import gradients as build
from analysis.rendering.table_formats import to_html

NAMES = ("0", "3", "6")
BATCHES = 5
STEEP, FLAT = (0.1, 1.0, 20.0), (0.5, 0.8, 2.0)  # mean norm by layer, without and with warm-up


def norms(replicate, warm, place, levels=(STEEP, FLAT)):
    """(BATCHES,)"""
    wobble = 1 + 0.1 * np.sin(5 * replicate + 3 * place + 2 * warm + np.arange(BATCHES))
    return levels[warm][place] * wobble


def mean_norm(*at):
    return norms(*at).mean()


def variance(replicate, warm, place):
    return 1e-9 * norms(replicate, warm, place)[0] ** 2


def probes(replicate, warm, names=NAMES, levels=(STEEP, FLAT)):
    found = {}
    for place, name in enumerate(names):
        found[f"gradients/{name}/norms"] = norms(replicate, warm, place, levels)
        found[f"gradients/{name}/variance"] = np.array(
            1e-9 * found[f"gradients/{name}/norms"][0] ** 2
        )
    return found


def study(replicates=8, measured=probes, **changes):
    """Pairs whose records have the probes (replicate, warm)."""
    return make_pairs(lambda r, w: {"probes": measured(r, int(w))}, replicates, **changes)


def known(warm, replicates=range(8), of=mean_norm):
    """(replicates, layers)"""
    return np.array([[of(r, warm, place) for place in range(len(NAMES))] for r in replicates])


class TestGradients(ExhibitOfProbes):
    no_pair = "No pair of condition “gaussian” is complete."
    no_probe = "No complete pair of condition “gaussian” has been measured by the probe gradients."
    described = ("more even over the layers",)
    others = MappingProxyType({"layers/0/change": np.array(0.0)})


@pytest.mark.parametrize(
    ("metric", "of"),
    [("gradient_norm", mean_norm), ("gradient_variance", variance)],
)
def test_each_layer_is_compared_pair_by_pair_and_corrected_over_the_layers(exhibit, metric, of):
    values = table(exhibit, "gradients").values
    found = values[values["metric"] == metric]
    before, after = known(0, of=of), known(1, of=of)
    assert found["layer"].tolist() == list(NAMES)
    ratio = np.exp(np.log(after / before).mean(axis=0))
    assert found["ratio"].to_numpy() == pytest.approx(ratio)
    for (_, row), *samples in zip(found.iterrows(), before.T, after.T, strict=True):
        assert_compared(row, *samples, rel=1e-9, abs=0)
    assert found["p_holm"].min() == 3 * 2 / 2**8  # of this measure alone


def test_evenness_is_each_networks_largest_layer_over_its_smallest(exhibit):
    values = table(exhibit, "gradients-evenness").values.set_index("metric")
    for key, of in (("norm", mean_norm), ("variance", variance)):
        row = values.loc[f"gradient_{key}_evenness"]
        ratios = [known(w, of=of).max(axis=1) / known(w, of=of).min(axis=1) for w in (0, 1)]
        assert_compared(row, *ratios)
        assert row["p_holm"] == 2 * 2 / 2**8  # all pairs fell in both


def test_the_smallest_layer_may_be_another_in_each_network():
    def measured(replicate, warm):
        levels = (1.0, 4.0) if replicate % 2 else (4.0, 1.0)
        return {f"gradients/{n}/norms": np.full(3, v) for n, v in zip("ab", levels, strict=True)}

    values = table(build(study(2, measured)), "gradients-evenness").values
    assert values["without_mean"][0] == pytest.approx(4)  # not that of mean norms, which is 1


def test_the_shown_table_has_measures_beside_each_other_and_small_numbers_in_full(exhibit):
    shown = table(exhibit, "gradients").shown
    assert shown["Layer", ""].tolist() == list(NAMES)
    assert shown["Norm", "fell"].tolist() == ["0/8", "8/8", "8/8"]
    digits = f"{known(0, of=variance)[:, 0].mean():.2e}"[:4]
    assert shown["Variance", "without"][0].startswith(f"{digits}e−12 ± ")
    evenness = table(exhibit, "gradients-evenness").shown
    assert evenness["Gradient", ""].tolist() == ["Norm", "Variance"]
    for found in exhibit.tables:
        assert "Holm P" in to_html(found.shown)


def test_the_caption_says_where_gradients_fall_and_that_they_are_more_even(exhibit):
    even = [(known(w).max(axis=1) / known(w).min(axis=1)).mean() for w in (0, 1)]
    assert exhibit.caption.startswith(
        "Condition “gaussian”, 8 pairs. At the start of the task, over 5 mini-batches, the mean "
        "norm of the gradient is lower with warm-up in 2 of 3 layers (Holm P < 0.05 in 2) and "
        "higher in 1 (in 1); its variance over them is lower with warm-up in 2 of 3 layers "
        f"(Holm P < 0.05 in 2) and higher in 1 (in 1). The largest layer's norm is the "
        f"smallest's {even[0]:.0f} times without warm-up and {even[1]:.2f} times with it: on "
        "average more even over the layers; smaller in 8 of 8 pairs (exact P = 0.008). "
    )


def test_the_caption_is_right_where_gradients_become_less_even():
    swapped = (FLAT, STEEP)
    exhibit = build(study(measured=lambda r, w: probes(r, w, levels=swapped)))
    assert "on average less even over the layers; larger in 8 of 8 pairs" in exhibit.caption
    assert "lower with warm-up in 1 of 3 layers" in exhibit.caption


def test_the_caption_is_right_where_nothing_changes():
    exhibit = build(study(measured=lambda r, w: probes(r, 0)))
    assert "times with it: equally even over the layers." in exhibit.caption
    assert "is lower with warm-up in 0 of 3 layers (Holm P < 0.05 in 0); its" in exhibit.caption


def test_one_pair_has_no_test():
    exhibit = build(study(1))
    assert exhibit.caption.startswith("Condition “gaussian”, 1 pair. ")
    assert "smaller in 1 of 1 pair (exact P = 1.000)." in exhibit.caption
    assert exhibit.caption.count("where with 1 pair and 3 tests none can pass") == 2
    assert table(exhibit, "gradients").shown["Norm", "Exact P"].tolist() == ["1.000"] * 3


def test_one_layer_has_no_evenness():
    exhibit = build(study(measured=lambda r, w: probes(r, w, ("head",))))
    assert [t.name for t in exhibit.tables] == ["gradients"]
    assert "even over" not in exhibit.caption


def test_a_single_mini_batch_has_no_variance():
    """Its variance is not a number in the record, and its norms are one."""

    def measured(replicate, warm):
        return {
            key: array[:1] if key.endswith("norms") else np.array(np.nan)
            for key, array in probes(replicate, warm).items()
        }

    exhibit = build(study(measured=measured))
    assert "over 1 mini-batch, the mean norm" in exhibit.caption
    assert "its variance over them is measured in no layer." in exhibit.caption
    assert table(exhibit, "gradients").shown["Variance", "without"].tolist() == ["—"] * 3
    (axes,) = exhibit.figures[0].figure.axes
    assert axes.get_ylabel() == "Norm of the gradient"


def test_a_layer_without_gradient_has_no_share_in_evenness():
    def measured(replicate, warm):
        found = probes(replicate, warm)
        if replicate < 2:
            found["gradients/3/norms"] = np.zeros(BATCHES)
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exhibit = build(study(measured=measured))
        exhibit.figures[0].save("svg")
    assert table(exhibit, "gradients-evenness").values["pairs"].tolist() == [6, 8]
    assert table(exhibit, "gradients").shown["Norm", "ratio"][1] == "—"

    def none(replicate, warm):
        return {key: 0 * array for key, array in probes(replicate, warm).items()}

    exhibit = build(study(measured=none))
    assert exhibit.figures == ()  # on a logarithmic axis nothing has no place
    assert "In no pair does every layer have a gradient" in exhibit.caption


def test_lost_pairs_and_pairs_without_the_probe_are_counted_out_and_said():
    def measured(replicate, warm):
        return {} if (replicate, warm) == (1, 1) else probes(replicate, warm)

    exhibit = build(study(9, measured, outcomes={("gaussian", 0): "failed"}))
    assert exhibit.caption.startswith(
        "Condition “gaussian”, 7 pairs. 1 more complete pair has not been measured by the probe "
        "gradients. "
    )
    assert table(exhibit, "gradients").shown["Pairs", ""].tolist() == ["7 of 9 (1 failed)"] * 3
    expected = known(1, range(2, 9)).mean(axis=0)
    values = table(exhibit, "gradients").values
    found = values.loc[values["metric"] == "gradient_norm", "with_mean"].to_numpy()
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(("warm", "colour"), [(0, WITHOUT), (1, WITH)])
@pytest.mark.parametrize(("panel", "of"), [(0, mean_norm), (1, variance)])
def test_lines_are_the_networks_and_their_mean_on_a_logarithmic_axis(
    exhibit, warm, colour, panel, of
):
    axes = exhibit.figures[0].figure.axes[panel]
    (mean,) = heights(axes, color=colour, linewidth=1.8)
    drawn = np.array(heights(axes, color=colour, linewidth=0.5))
    assert drawn == pytest.approx(known(warm, of=of), rel=1e-9, abs=0)
    assert mean == pytest.approx(known(warm, of=of).mean(axis=0), rel=1e-9, abs=0)
    assert axes.get_yscale() == "log"


def test_of_many_pairs_ten_are_drawn():
    axes = build(study(12)).figures[0].figure.axes[0]
    assert len(lines(axes, linewidth=0.5)) == 2 * 10


@pytest.mark.parametrize("count", [3, 21, 121])
def test_no_text_lies_over_another(count):
    names = [f"layer{n}.0.conv" for n in range(count)]
    levels = [[0.8**n for n in range(count)], [0.97**n for n in range(count)]]
    assert_legible(build(study(2, lambda r, w: probes(r, w, names, levels))))
