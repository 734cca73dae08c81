"""How sure is a network before it has learnt anything? Maps of the toy network's confidence.

After Fig. 3a–d of Cheon & Paik, Nature Machine Intelligence (2026), DOI 10.1038/s42256-026-01215-x.
(a, b) Confidence over the plane, untrained and warmed up, of a few networks. (c) Mean confidence of
each network over the test points. (d) Class bias of each network: the population s.d. over classes
of the fraction of test points that it predicts in each; 0 where all classes are predicted equally
often. Untrained is a control, and warmed up its partner in the pair, before the first step of the
task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.exhibits.common.by_method import record_pairs
from analysis.exhibits.common.cells import TEST, csv_row, mean, no_p, pair_count, spread
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.passing import ALPHA
from analysis.exhibits.common.text import label, number, p_text, plural
from analysis.exhibits.initial_state import confidence_map_plots as plots
from analysis.exhibits.initial_state.confidence_plots import STATES
from analysis.metrics.classification import softmax
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult
from analysis.statistics.comparison import Comparison, Measure, compare
from analysis.statistics.paired import MIN_PAIRS, RankTest, paired_test, unpaired_test

#: Of each arm. With fewer the exact two-sided P, 2/(2n choose n) at its smallest, cannot fall
#: below 0.05.
MIN_NETWORKS = 4

CONFIDENCE = Measure("test_confidence", "Mean confidence", -1)
CLASS_BIAS = Measure("class_bias", "Class bias", -1)

_NEEDED = ("confidence_map/axis", "confidence_map/logits", "start_outputs/test")
_HOW = (
    "Untrained is the control and warmed up its partner, which began with the same weights, each "
    "before the first step of the task and in eval mode. In the maps the colour is the confidence, "
    "from chance to 1 for all of them. Mean confidence is that of one network over the test "
    "points. It is compared by the Mann–Whitney U test, two-sided, normal approximation, over the "
    "networks, n + n, and not over their points, since the points of one network are not "
    "independent; as in the paper the test leaves out of account that the networks are pairs. "
    "Class bias is the population s.d. over classes of the fraction of test points predicted in "
    f"each, compared pair by pair: {TEST}, by the normal approximation as in the paper, and "
    "exact P among all signs that the differences could have. Mean ± s.d. over the networks; “As "
    "the paper” counts the pairs in which the number fell; r = |Z|/√n over all networks, or over "
    "the pairs; no P by approximation is given for fewer than "
    f"{MIN_NETWORKS} + {MIN_NETWORKS} networks, or where fewer than {MIN_PAIRS} pairs differ; ★ is "
    "P < 0.001 and NS P > 0.05; all are uncorrected."
)


@dataclass(frozen=True, eq=False)
class Tested:
    """A number of every network, and the test that is made of it."""

    row: Comparison
    test: RankTest
    statistic: str  # U: over all networks; W: over the pairs

    @property
    def p_value(self) -> float | None:
        """The paper's; None: too few."""
        few = self.statistic == "U" and self.row.n < MIN_NETWORKS
        return None if few else self.test.p_value

    @property
    def sure(self) -> str:
        """In words: of pairs the exact P, which counts, of networks the only one."""
        name, p = ("P", self.p_value) if self.statistic == "U" else ("exact P", self.test.p_exact)
        if p is None:
            return "no P can be given"
        return f"{name} = {p_text(p)}" + ("" if p < ALPHA else ", not significant")


@dataclass(frozen=True, eq=False)
class Plane:
    """A condition's pairs that have maps, and what is compared over them."""

    condition: str
    both: Sequence[tuple[int, tuple[Record, Record]]]  # replicate, (untrained, warmed up)
    confidence: Tested
    class_bias: Tested

    @property
    def chance(self) -> float:
        return 1 / int(self.both[0][1][0].probes["start_outputs/test"].shape[1])


def confidence_map(results: StudyResults) -> Exhibit:
    """For each condition with maps: the maps, both comparisons, and a table of these."""
    title = "Confidence before training"
    found = [plane for c in results.plan.conditions() if (plane := _plane(results, c))]
    if not found:
        none = (
            "No complete pair has a map of its confidence: that takes two-dimensional inputs and "
            "the probes confidence_map and start_outputs."
        )
        return exhibit(results, "confidence_map", title, [none])
    figures = [drawing for place, plane in enumerate(found) for drawing in _drawn(place, plane)]
    tables = (_table(found), _networks(found))
    return exhibit(results, "confidence_map", title, (*map(_said, found), _HOW), tables, figures)


def class_bias(logits: NDArray[np.floating]) -> float:
    """Population s.d. over classes of the fraction of points predicted in each.

    logits: (n, classes). 0 where all are predicted equally often, √(k − 1)/k where one always is.
    """
    predicted = np.bincount(logits.argmax(axis=1), minlength=logits.shape[1])
    return float((predicted / len(logits)).std())


def _numbers(trial: TrialResult) -> Mapping[str, float]:
    """Of one network at the start of the task; empty without a map."""
    if trial.record is None or not _has_map(trial.record):
        return {}
    logits = trial.record.probes["start_outputs/test"]
    confidence = float(softmax(logits).max(axis=1).mean())
    return {CONFIDENCE.key: confidence, CLASS_BIAS.key: class_bias(logits)}


def _has_map(record: Record) -> bool:
    return all(name in record.probes for name in _NEEDED)


def _plane(results: StudyResults, condition: str) -> Plane | None:
    complete = record_pairs(results, condition)
    both = [(replicate, pair) for replicate, pair in complete if all(map(_has_map, pair))]
    if not both:
        return None
    confidence = compare(results, condition, CONFIDENCE, _numbers)
    bias = compare(results, condition, CLASS_BIAS, _numbers)
    over_networks = unpaired_test(confidence.without, confidence.with_)
    over_pairs = paired_test(bias.without, bias.with_)
    return Plane(
        condition, both, Tested(confidence, over_networks, "U"), Tested(bias, over_pairs, "W")
    )


def _said(plane: Plane) -> str:
    n = len(plane.both)
    return (
        f"Condition “{label(plane.condition)}”, {plural(n, 'pair')}: with warm-up, "
        f"before any training, mean confidence {_moved(plane.confidence)}, where chance is "
        f"{number(plane.chance)}; class bias {_moved(plane.class_bias)}."
    )


def _moved(tested: Tested) -> str:
    """From where to where, in how many pairs down, and how sure that is."""
    row = tested.row
    before, after = number(mean(row.without)), number(mean(row.with_))
    verb = "falls" if row.difference < 0 else "rises"
    path = f"stays at {before}" if before == after else f"{verb} from {before} to {after}"
    return f"{path} (down in {row.moved} of {row.n}; {tested.sure})"


def _drawn(place: int, plane: Plane) -> list[Drawing]:
    name, condition, chance = f"-{place + 1}" if place else "", plane.condition, plane.chance
    confidence = plots.Panel(plane.confidence.row, _verdict(plane.confidence), joined=False)
    bias = plots.Panel(plane.class_bias.row, _verdict(plane.class_bias), joined=True)
    return [
        plots.draw_maps(f"confidence-map{name}", condition, plane.both[: plots.MAPS], chance),
        plots.draw_networks(f"confidence-map-networks{name}", condition, confidence, bias, chance),
    ]


def _verdict(tested: Tested) -> str:
    p_value = tested.p_value
    if p_value is None:
        return _few(tested)
    return "★" if p_value < 0.001 else "NS" if p_value > ALPHA else f"P = {p_text(p_value)}"


def _few(tested: Tested) -> str:
    return no_p(tested.row) if tested.statistic == "W" else f"n < {MIN_NETWORKS}"


def _table(found: Sequence[Plane]) -> Table:
    """Two rows a condition, which is named where there are several."""
    shown, numbers = [], []
    for plane in found:
        named = {"Condition": label(plane.condition)} if len(found) > 1 else {}
        for tested in (plane.confidence, plane.class_bias):
            shown.append({"Of each network": tested.row.measure.label} | named | _cells(tested))
            numbers.append(_values(tested))
    title = "Mean confidence and class bias before training"
    if len(found) == 1:
        title += f", condition “{label(found[0].condition)}”"
    return table("confidence-map", title, shown, numbers)


def _cells(tested: Tested) -> dict[str, str]:
    row, test, p_value = tested.row, tested.test, tested.p_value
    return {
        "Pairs": pair_count(row),
        "Untrained": spread(row.without),
        "Warmed up": spread(row.with_),
        "Statistic": f"{tested.statistic} = {test.statistic:g}",
        "P": _few(tested) if p_value is None else p_text(p_value),
        "Exact P": p_text(test.p_exact),
        "r": "—" if p_value is None else number(test.effect_size, 2),
        "As the paper": f"{row.moved}/{row.n}",
    }


def _values(tested: Tested) -> dict[str, object]:
    """For CSV; the test of the pairs stands beside the paper's where that is another."""
    paired, test = csv_row(tested.row), tested.test
    kept = {key: found for key, found in paired.items() if key not in ("w", "p_holm", "note")}
    return kept | {
        "test": "Mann-Whitney" if tested.statistic == "U" else "Wilcoxon",
        "statistic": test.statistic,
        "networks_or_pairs": test.n,
        "z": test.z,
        "p": tested.p_value,
        "p_exact": test.p_exact,
        "r": test.effect_size,
        "rank_biserial": test.rank_biserial,
        "paired_w": paired["w"],
        "paired_p": paired["p"],
    }


def _networks(found: Sequence[Plane]) -> Table:
    rows = [
        {
            "condition": plane.condition,
            "replicate": replicate,
            "state": state,
            CONFIDENCE.key: confidence,
            CLASS_BIAS.key: bias,
        }
        for plane in found
        for state, *numbers in zip(
            STATES,
            (plane.confidence.row.without, plane.confidence.row.with_),
            (plane.class_bias.row.without, plane.class_bias.row.with_),
            strict=True,
        )
        for (replicate, _), confidence, bias in zip(plane.both, *numbers, strict=True)
    ]
    return table("confidence-map-networks", "Networks", (), rows)
