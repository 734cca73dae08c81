"""Gradients by layer at the start of the task: against norms and variances that are known."""

import warnings

import numpy as np
import pytest
from drawings import assert_apart, assert_plain
from scipy.stats import wilcoxon

from analysis.exhibits.common.exhibit import made_of
from analysis.exhibits.common.panels import WITH, WITHOUT
from analysis.exhibits.dynamics.gradients import gradients
from analysis.rendering.table_formats import to_html, to_latex

NAMES = ("0", "3", "6")
BATCHES = 5
STEEP, FLAT = (0.1, 1.0, 20.0), (0.5, 0.8, 2.0)  # mean norm by layer, without and with warm-up


def norms(replicate, warm, place, levels=(STEEP, FLAT)):
    """(BATCHES,)"""
    wobble = 1 + 0.1 * np.sin(5 * replicate + 3 * place + 2 * warm + np.arange(BATCHES))
    return levels[warm][place] * wobble


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


def study(synthetic, replicates=8, measured=probes, **changes):
    """Pairs whose records have the probes (replicate, warm)."""
    return synthetic.pairs(lambda r, w: {"probes": measured(r, int(w))}, replicates, **changes)


def known(warm, replicates=range(8), of=lambda *at: norms(*at).mean()):
    """(replicates, layers)"""
    return np.array([[of(r, warm, place) for place in range(len(NAMES))] for r in replicates])


def table(exhibit, name="gradients"):
    return next(t for t in exhibit.tables if t.name == name)


@pytest.fixture(scope="module")
def results(synthetic):
    return study(synthetic)


@pytest.fixture(scope="module")
def exhibit(results):
    return gradients(results)


# --- numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "of"),
    [("gradient_norm", lambda *at: norms(*at).mean()), ("gradient_variance", variance)],
)
def test_each_layer_is_compared_pair_by_pair_and_corrected_over_the_layers(exhibit, metric, of):
    values = table(exhibit).values
    found = values[values["metric"] == metric]
    before, after = known(0, of=of), known(1, of=of)
    assert found["layer"].tolist() == list(NAMES)
    assert found["without_mean"].to_numpy() == pytest.approx(before.mean(axis=0), rel=1e-9, abs=0)
    assert found["with_sd"].to_numpy() == pytest.approx(after.std(axis=0, ddof=1), rel=1e-9, abs=0)
    ratio = np.exp(np.log(after / before).mean(axis=0))
    assert found["ratio"].to_numpy() == pytest.approx(ratio)
    tests = [
        wilcoxon(a, b, method="approx", correction=False).pvalue
        for a, b in zip(before.T, after.T, strict=True)
    ]
    assert found["p"].to_numpy() == pytest.approx(tests)
    assert found["p_holm"].min() == 3 * 2 / 2**8  # of this measure alone


def test_evenness_is_each_networks_largest_layer_over_its_smallest(exhibit):
    values = table(exhibit, "gradients-evenness").values.set_index("metric")
    for key, of in (("norm", lambda *at: norms(*at).mean()), ("variance", variance)):
        row = values.loc[f"gradient_{key}_evenness"]
        ratios = [known(w, of=of).max(axis=1) / known(w, of=of).min(axis=1) for w in (0, 1)]
        assert row["without_mean"] == pytest.approx(ratios[0].mean())
        assert row["with_mean"] == pytest.approx(ratios[1].mean())
        test = wilcoxon(*ratios, method="approx", correction=False)
        assert row["p"] == pytest.approx(test.pvalue)
        assert row["p_holm"] == 2 * 2 / 2**8  # all pairs fell in both


def test_the_smallest_layer_may_be_another_in_each_network(synthetic):
    def measured(replicate, warm):
        levels = (1.0, 4.0) if replicate % 2 else (4.0, 1.0)
        return {f"gradients/{n}/norms": np.full(3, v) for n, v in zip("ab", levels, strict=True)}

    values = table(gradients(study(synthetic, 2, measured)), "gradients-evenness").values
    assert values["without_mean"][0] == pytest.approx(4)  # not that of mean norms, which is 1


def test_the_shown_table_has_measures_beside_each_other_and_small_numbers_in_full(exhibit):
    shown = table(exhibit).shown
    assert shown["Layer", ""].tolist() == list(NAMES)
    assert shown["Norm", "fell"].tolist() == ["0/8", "8/8", "8/8"]
    assert shown["Variance", "without"][0].startswith(
        f"{known(0, of=variance)[:, 0].mean():.2e}"[:4]
    )
    assert "e−12 ± " in shown["Variance", "without"][0]
    evenness = table(exhibit, "gradients-evenness").shown
    assert evenness["Gradient", ""].tolist() == ["Norm", "Variance"]


# --- words -------------------------------------------------------------------------------------


def test_the_caption_says_where_gradients_fall_and_that_they_are_more_even(results, exhibit):
    even = [(known(w).max(axis=1) / known(w).min(axis=1)).mean() for w in (0, 1)]
    assert exhibit.caption.startswith(
        "Condition “gaussian”, 8 pairs. At the start of the task, over 5 mini-batches, the mean "
        "norm of the gradient is lower with warm-up in 2 of 3 layers (Holm P < 0.05 in 2) and "
        "higher in 1 (in 1); its variance over them is lower with warm-up in 2 of 3 layers "
        f"(Holm P < 0.05 in 2) and higher in 1 (in 1). The largest layer's norm is the "
        f"smallest's {even[0]:.0f} times without warm-up and {even[1]:.2f} times with it: on "
        "average more even over the layers; smaller in 8 of 8 pairs (exact P = 0.008). "
    )
    assert exhibit.caption.endswith(made_of(results))


def test_the_caption_is_right_where_gradients_become_less_even(synthetic):
    swapped = (FLAT, STEEP)
    exhibit = gradients(study(synthetic, measured=lambda r, w: probes(r, w, levels=swapped)))
    assert "on average less even over the layers; larger in 8 of 8 pairs" in exhibit.caption
    assert "lower with warm-up in 1 of 3 layers" in exhibit.caption


def test_the_caption_is_right_where_nothing_changes(synthetic):
    exhibit = gradients(study(synthetic, measured=lambda r, w: probes(r, 0)))
    assert "times with it: equally even over the layers." in exhibit.caption
    assert "is lower with warm-up in 0 of 3 layers (Holm P < 0.05 in 0); its" in exhibit.caption


def test_one_pair_has_no_test(synthetic):
    exhibit = gradients(study(synthetic, 1))
    assert exhibit.caption.startswith("Condition “gaussian”, 1 pair. ")
    assert "smaller in 1 of 1 pair (exact P = 1.000)." in exhibit.caption
    assert exhibit.caption.count("where with 1 pair and 3 tests none can pass") == 2
    assert table(exhibit).shown["Norm", "Exact P"].tolist() == ["1.000"] * 3


def test_one_layer_has_no_evenness(synthetic):
    exhibit = gradients(study(synthetic, measured=lambda r, w: probes(r, w, ("head",))))
    assert [t.name for t in exhibit.tables] == ["gradients"]
    assert "even over" not in exhibit.caption


def test_a_single_mini_batch_has_no_variance(synthetic):
    """Its variance is not a number in the record, and its norms are one."""

    def measured(replicate, warm):
        return {
            key: array[:1] if key.endswith("norms") else np.array(np.nan)
            for key, array in probes(replicate, warm).items()
        }

    exhibit = gradients(study(synthetic, measured=measured))
    assert "over 1 mini-batch, the mean norm" in exhibit.caption
    assert "its variance over them is measured in no layer." in exhibit.caption
    assert table(exhibit).shown["Variance", "without"].tolist() == ["—"] * 3
    assert [axes.get_ylabel() for axes in exhibit.figures[0].figure.axes] == [
        "Norm of the gradient"
    ]


def test_a_layer_without_gradient_has_no_share_in_evenness(synthetic):
    def measured(replicate, warm):
        found = probes(replicate, warm)
        if replicate < 2:
            found["gradients/3/norms"] = np.zeros(BATCHES)
        return found

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exhibit = gradients(study(synthetic, measured=measured))
        exhibit.figures[0].save("svg")
    assert table(exhibit, "gradients-evenness").values["pairs"].tolist() == [6, 8]
    assert table(exhibit).shown["Norm", "ratio"][1] == "—"

    def none(replicate, warm):
        return {key: 0 * array for key, array in probes(replicate, warm).items()}

    exhibit = gradients(study(synthetic, measured=none))
    assert exhibit.figures == ()  # on a logarithmic axis nothing has no place
    assert "In no pair does every layer have a gradient" in exhibit.caption


def test_lost_pairs_and_pairs_without_the_probe_are_counted_out_and_said(synthetic):
    def measured(replicate, warm):
        return {} if (replicate, warm) == (1, 1) else probes(replicate, warm)

    exhibit = gradients(study(synthetic, 9, measured, outcomes={("gaussian", 0): "failed"}))
    assert exhibit.caption.startswith(
        "Condition “gaussian”, 7 pairs. 1 more complete pair has not been measured by the probe "
        "gradients. "
    )
    assert table(exhibit).shown["Pairs", ""].tolist() == ["7 of 9 (1 failed)"] * 3
    expected = known(1, range(2, 9)).mean(axis=0)
    values = table(exhibit).values
    found = values.loc[values["metric"] == "gradient_norm", "with_mean"].to_numpy()
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("outcome", ["missing", "failed", "diverged"])
def test_without_a_complete_pair_it_says_so(synthetic, outcome):
    results = study(synthetic, 2, outcomes={("gaussian", r): outcome for r in range(2)})
    exhibit = gradients(results)
    assert (exhibit.tables, exhibit.figures) == ((), ())
    expected = f"No pair of condition “gaussian” is complete. {made_of(results)}"
    assert exhibit.caption == expected


def test_without_the_probe_it_says_so(synthetic):
    exhibit = gradients(study(synthetic, 2, lambda r, w: {"layers/0/change": np.array(0.0)}))
    assert (exhibit.tables, exhibit.figures) == ((), ())
    assert "has been measured by the probe gradients. Study" in exhibit.caption


# --- figure ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("warm", "colour"), [(0, WITHOUT), (1, WITH)])
@pytest.mark.parametrize(("panel", "of"), [(0, lambda *at: norms(*at).mean()), (1, variance)])
def test_lines_are_the_networks_and_their_mean_on_a_logarithmic_axis(
    exhibit, warm, colour, panel, of
):
    axes = exhibit.figures[0].figure.axes[panel]
    drawn = [line for line in axes.lines if line.get_color() == colour]
    thin = np.array([line.get_ydata() for line in drawn if line.get_linewidth() == 0.5])
    (thick,) = [line.get_ydata() for line in drawn if line.get_linewidth() == 1.8]
    assert thin == pytest.approx(known(warm, of=of), rel=1e-9, abs=0)
    assert thick == pytest.approx(known(warm, of=of).mean(axis=0), rel=1e-9, abs=0)
    assert axes.get_yscale() == "log"


def test_of_many_pairs_ten_are_drawn(synthetic):
    axes = gradients(study(synthetic, 12)).figures[0].figure.axes[0]
    thin = [line for line in axes.lines if line.get_linewidth() == 0.5]
    assert len(thin) == 2 * 10


@pytest.mark.parametrize("count", [3, 21, 121])
def test_no_text_lies_over_another(synthetic, count):
    names = [f"layer{n}.0.conv" for n in range(count)]
    levels = [[0.8**n for n in range(count)], [0.97**n for n in range(count)]]
    exhibit = gradients(study(synthetic, 2, lambda r, w: probes(r, w, names, levels)))
    figure = exhibit.figures[0].figure
    assert_apart(figure)
    assert_plain([figure])


def test_the_figure_is_told_in_words_and_the_tables_are_plain_latex(exhibit):
    drawing = exhibit.figures[0]
    assert "gaussian" in drawing.title
    assert "more even over the layers" in drawing.description
    for each in exhibit.tables:
        assert to_latex(each.shown, f"{each.title}. {exhibit.caption}", each.name).isascii()
        assert "Holm P" in to_html(each.shown)


def test_the_same_results_give_the_same_file(results):
    first, again = (gradients(results).figures[0].save("svg") for _ in range(2))
    assert first == again
