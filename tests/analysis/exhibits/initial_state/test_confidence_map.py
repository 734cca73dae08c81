"""Confidence before training: against networks on the plane whose every output is known."""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from exhibited import EveryExhibit, assert_legible, heights, lines
from scipy.stats import mannwhitneyu, wilcoxon
from studies import make_study, record_of

from analysis.exhibits.common.exhibit import made_of
from analysis.exhibits.initial_state.confidence_map import class_bias
from analysis.exhibits.initial_state.confidence_map import confidence_map as build

POINTS, GRID = 200, 21
AXIS = np.linspace(-10, 10, GRID, dtype=np.float32)


@dataclass(frozen=True)
class Toy:
    """A study of one grid; lead: of the first logit, by state, before what a replicate adds."""

    replicates: int = 8
    leads: tuple[float, float] = (3.0, 0.2)  # untrained, warmed up
    firsts: tuple[float, float] = (0.9, 0.55)  # share of points predicted in the first class
    step: float = 0.01  # that a replicate adds to both
    conditions: tuple[str, ...] = ("toy",)
    classes: int = 2
    outcomes: dict[tuple[str, int], str] = field(default_factory=dict)  # by (name, replicate)
    bare: tuple[tuple[bool, int], ...] = ()  # (warm, replicate) of those without a map


def point_logits(toy, warm, replicate):
    """(POINTS, classes): the lead is of the first class in the first of the points."""
    lead = toy.leads[warm] + toy.step * replicate
    first = round((toy.firsts[warm] - toy.step * replicate) * POINTS)
    logits = np.zeros((POINTS, toy.classes), np.float32)
    logits[:first, 0] = lead
    logits[first:, 1] = lead
    return logits


def map_logits(toy, warm, replicate):
    """(GRID, GRID, classes): surer to the right, and that more above than below."""
    x, y = np.meshgrid(AXIS, AXIS)
    logits = np.zeros((GRID, GRID, toy.classes), np.float32)
    logits[..., 0] = (x + 10) * (1 + (y > 0)) * (0.01 if warm else 0.1) * (1 + replicate)
    return logits


def confidence_of(toy, warm, replicate):
    """In closed form."""
    lead = toy.leads[warm] + toy.step * replicate
    return np.exp(lead) / (np.exp(lead) + toy.classes - 1)


def bias_of(toy, warm, replicate):
    """By hand, from a count of the predictions."""
    counted = Counter(point_logits(toy, warm, replicate).argmax(axis=1).tolist())
    shares = [counted[c] / POINTS for c in range(toy.classes)]
    return (sum((s - 1 / toy.classes) ** 2 for s in shares) / toy.classes) ** 0.5


def study(toy=None, **changes):
    toy = replace(toy or Toy(), **changes)

    def record(condition, warm, replicate):
        probes = {
            "confidence_map/axis": AXIS,
            "confidence_map/logits": map_logits(toy, warm, replicate),
            "start_outputs/test": point_logits(toy, warm, replicate),
        }
        return record_of(probes={} if (warm, replicate) in toy.bare else probes)

    cells = {condition: {} for condition in toy.conditions}
    return make_study(cells, toy.replicates, record, toy.outcomes, grids={"toy": toy.conditions})


class TestConfidenceMap(EveryExhibit):
    """As every exhibit."""


def numbers(toy, of):
    """(replicates,) untrained and warmed up."""
    return [np.array([of(toy, warm, r) for r in range(toy.replicates)]) for warm in (0, 1)]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((5, 5), 0.0), ((10, 0), 0.5), ((7, 3), 0.2), ((9, 0, 0), np.sqrt(2) / 3), ((4, 4, 4), 0.0)],
)
def test_class_bias_is_the_population_sd_of_the_shares(counts, expected):
    logits = np.eye(len(counts))[np.repeat(np.arange(len(counts)), counts)]
    assert class_bias(logits) == pytest.approx(expected)


@pytest.mark.parametrize("classes", [2, 3])
def test_numbers_of_networks_are_those_they_were_made_with(classes):
    toy = Toy(classes=classes)
    found = build(study(toy)).tables[1].values
    assert len(found) == 16
    for row in found.itertuples():
        warm = row.state == "warmed up"
        assert row.test_confidence == pytest.approx(confidence_of(toy, warm, row.replicate))
        assert row.class_bias == pytest.approx(bias_of(toy, warm, row.replicate))


def test_confidence_is_tested_over_networks_and_class_bias_over_pairs(exhibit):
    confidence, bias = exhibit.tables[0].values.to_dict("records")
    before, after = numbers(Toy(), confidence_of)
    test = mannwhitneyu(before, after, method="asymptotic")
    assert (confidence["statistic"], confidence["networks_or_pairs"]) == (test.statistic, 16)
    assert confidence["p"] == pytest.approx(test.pvalue)
    assert confidence["paired_p"] == pytest.approx(wilcoxon(before, after, method="approx").pvalue)
    before, after = numbers(Toy(), bias_of)
    test = wilcoxon(before, after, method="approx", correction=False)
    assert (bias["statistic"], bias["networks_or_pairs"]) == (test.statistic, 8)
    assert bias["p"] == pytest.approx(test.pvalue)
    assert bias["r"] == pytest.approx(abs(bias["z"]) / 8**0.5)
    assert confidence["r"] == pytest.approx(abs(confidence["z"]) / 16**0.5)
    assert bias["with_mean"] == pytest.approx(after.mean())


def test_the_shown_table_has_a_row_for_each(exhibit):
    shown = exhibit.tables[0].shown
    before, after = numbers(Toy(), confidence_of)
    assert list(shown.columns) == [
        "Of each network", "Pairs", "Untrained", "Warmed up", "Statistic", "P", "Exact P", "r",
        "As the paper",
    ]  # fmt: skip
    first, second = shown.to_dict("records")
    assert first["Untrained"] == f"{before.mean():.3f} ± {before.std(ddof=1):.3f}"
    assert first["Warmed up"] == f"{after.mean():.3f} ± {after.std(ddof=1):.3f}"
    assert (first["Statistic"], second["Statistic"]) == ("U = 64", "W = 0")
    assert (first["As the paper"], second["As the paper"]) == ("8/8", "8/8")


def test_the_caption_says_what_fell_and_how_sure_that_is(exhibit):
    caption = exhibit.caption
    before, after = numbers(Toy(), confidence_of)
    p = mannwhitneyu(before, after, method="asymptotic").pvalue
    assert caption.startswith(
        "Condition “toy”, 8 pairs: with warm-up, before any training, mean confidence falls from "
        f"{before.mean():.3f} to {after.mean():.3f} (down in 8 of 8; P = {p:.1e}".replace(
            "e-0", "e-"
        )
    )
    assert "chance is 0.500; class bias falls from 0.365 to 0.0" in caption
    assert "over the networks, n + n, and not over their points" in caption


def test_an_effect_the_other_way_is_said_to_be_one():
    caption = build(study(leads=(0.2, 3.0), firsts=(0.6, 0.9))).caption
    assert "mean confidence rises from 0.5" in caption
    assert "class bias rises from 0.0" in caption
    assert caption.count("(down in 0 of 8; P = ") == 1
    assert "(down in 0 of 8; exact P = 0.008)" in caption  # 2 of 2⁸ patterns
    assert "not significant" not in caption


def test_no_effect_is_said_to_be_none():
    toy = Toy(leads=(1.0, 1.0), firsts=(0.7, 0.7))
    found = build(study(toy))
    for name, of, p in (
        ("mean confidence", confidence_of, "P"),
        ("class bias", bias_of, "exact P"),
    ):
        mean = numbers(toy, of)[0].mean()
        said = f"{name} stays at {mean:.3f} (down in 0 of 8; {p} = 1.000, not significant)"
        assert said in found.caption
    titles = [axes.get_title() for axes in found.figures[1].figure.axes]
    assert titles == ["Mean confidence, NS", "Class bias, NS"]


@pytest.mark.parametrize(
    ("pairs", "confidence", "bias"), [(1, 4, 6), (3, 4, 6), (4, None, 6), (5, None, 6)]
)
def test_too_few_networks_have_no_p(pairs, confidence, bias):
    exhibit = build(study(replicates=pairs))
    shown = exhibit.tables[0].shown["P"].tolist()
    assert shown[1] == f"n < {bias}"
    assert (shown[0] == f"n < {confidence}") == (confidence is not None)
    assert ("no P can be given" in exhibit.caption) == (confidence is not None)
    assert f"exact P = {2 / 2**pairs:.3f}, not significant" in exhibit.caption
    noun = "1 pair:" if pairs == 1 else f"{pairs} pairs:"
    assert exhibit.caption.startswith(f"Condition “toy”, {noun} with warm-up")
    assert ("±" in exhibit.tables[0].shown["Untrained"][0]) == (pairs > 1)


def test_lost_pairs_and_those_without_a_map_are_left_out():
    exhibit = build(
        study(outcomes={("control", 0): "failed", ("toy", 2): "diverged"}, bare=((True, 5),))
    )
    assert sorted(set(exhibit.tables[1].values["replicate"])) == [1, 3, 4, 6, 7]
    pairs = exhibit.tables[0].shown["Pairs"]
    assert set(pairs) == {"5 of 8 (1 control failed, 1 diverged)"}
    assert exhibit.caption.startswith("Condition “toy”, 5 pairs:")
    panels = exhibit.figures[0].figure.axes[:3]
    assert [axes.get_title() for axes in panels] == ["pair 2", "pair 4", "pair 5"]


@pytest.mark.parametrize(
    "changes",
    [
        {"bare": tuple((False, r) for r in range(8))},
        {"outcomes": {("toy", r): "missing" for r in range(8)}},
    ],
    ids=["no probe", "no pair"],
)
def test_without_a_map_it_says_so(changes):
    results = study(**changes)
    exhibit = build(results)
    assert (exhibit.tables, exhibit.figures) == ((), ())
    assert exhibit.caption.startswith("No complete pair has a map of its confidence: ")
    assert exhibit.caption.endswith(made_of(results))


def test_several_conditions_each_have_their_figures_and_rows():
    exhibit = build(study(conditions=("toy", "toy, gaussian noise")))
    assert [drawing.name for drawing in exhibit.figures] == [
        "confidence-map", "confidence-map-networks",
        "confidence-map-2", "confidence-map-networks-2",
    ]  # fmt: skip
    assert (
        exhibit.tables[0].shown["Condition"].tolist() == ["toy"] * 2 + ["toy, gaussian noise"] * 2
    )
    assert "Condition “toy, gaussian noise”, 8 pairs:" in exhibit.caption


@pytest.mark.parametrize("classes", [2, 4])
def test_maps_show_the_confidence_of_three_pairs_on_one_scale(classes):
    toy = Toy(classes=classes)
    panels = build(study(toy)).figures[0].figure.axes[:6]  # the seventh is the scale
    for place, axes in enumerate(panels):
        (image,) = axes.images
        warm, replicate = divmod(place, 3)
        lead = map_logits(toy, warm, replicate)[..., 0].astype(float)
        expected = np.exp(lead) / (np.exp(lead) + classes - 1)
        assert np.allclose(image.get_array(), expected, atol=1e-6)
        assert image.get_clim() == (1 / classes, 1)
        assert image.origin == "lower"
        assert image.get_extent() == [-10.5, 10.5, -10.5, 10.5]
    names = [panels[0].get_ylabel(), panels[3].get_ylabel()]
    assert names == ["untrained\ny", "warmed up\ny"]


def test_every_network_is_a_point_and_pairs_are_joined_where_they_are_tested_as_pairs(exhibit):
    left, right = exhibit.figures[1].figure.axes
    for axes, of in ((left, confidence_of), (right, bias_of)):
        assert np.array(heights(axes, marker="o")) == pytest.approx(np.array(numbers(Toy(), of)))
    assert not lines(left, linewidth=0.4)
    joined = np.array(heights(right, linewidth=0.4))
    assert joined == pytest.approx(np.transpose(numbers(Toy(), bias_of)))
    (chance,) = heights(left, linestyle=":")
    assert set(chance) == {0.5}


def test_figures_are_told_in_words(exhibit):
    maps, boxes = exhibit.figures
    largest = np.exp(4) / (1 + np.exp(4))  # at the right end, above
    warmed = np.exp(0.4) / (1 + np.exp(0.4))
    assert f"pair 1, untrained 0.500 to {largest:.3f}, mean 0." in maps.description
    assert f"and warmed up 0.500 to {warmed:.3f}, mean 0." in maps.description
    before, after = (sample.mean() for sample in numbers(Toy(), confidence_of))
    assert f"mean confidence {before:.3f} untrained, {after:.3f} warmed up" in boxes.description


@pytest.mark.parametrize("replicates", [1, 2, 30])
def test_no_text_lies_over_another(replicates):
    assert_legible(build(study(replicates=replicates)))
