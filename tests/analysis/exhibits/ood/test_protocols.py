"""Detection under both protocols: numbers against scikit-learn's, and signs in words."""

import doctest
import re
import zlib

import exhibited
import numpy as np
import pandas as pd
import pytest
from exhibited import EveryExhibit, assert_compared, figure, holm_of, ticks
from scipy.special import logsumexp, softmax
from sklearn.metrics import auc, roc_auc_score
from studies import make_study, record_of

from analysis.exhibits.common.text import Bold
from analysis.exhibits.ood import sign_changes as signs
from analysis.exhibits.ood.protocols import protocols as build
from analysis.exhibits.ood.sign_changes import count_and_names, named, sentence
from analysis.rendering.table_formats import to_html, to_latex, to_markdown
from analysis.results.study_results import pairs
from analysis.statistics.comparison import Comparison, Measure

NORMALISED, RAW = "normalised", "raw"
OTHER = {NORMALISED: RAW, RAW: NORMALISED}
SHALLOW_FEW, SHALLOW_MANY = "depth 2, examples 500", "depth 2, examples 2000"
DEEP_FEW, DEEP_MANY = "depth 6, examples 500", "depth 6, examples 2000"
CONDITIONS = [SHALLOW_FEW, SHALLOW_MANY, DEEP_FEW, DEEP_MANY]
# how warm-up moves the confidence on OOD images, by condition: normalised, raw; down is AUROC up
MIXED = dict(zip(CONDITIONS, [(1, 1), (-1, -1), (1, -1), (1, -1)], strict=True))
EPSILONS, TEMPERATURES = (0.0, 0.5), (1.5, 10.0)
METHODS = ("maximum softmax", "maximum softmax, T tuned", "ODIN, ε and T tuned", "energy")
EXAMPLES, CLASSES = 120, 5


def odin(logits):
    """Scores (e, t, n) of a made-up perturbation that sharpens the logits by ε."""
    perturbed = [[logits * (1 + e) / t for t in TEMPERATURES] for e in EPSILONS]
    return {
        "confidence": softmax(perturbed, axis=-1).max(axis=-1),
        "energy": logsumexp(perturbed, axis=-1),
    }


def member(condition, warm, replicate, moves, own, probe):
    """The test logits of a pair are the same; its OOD logits warm-up moves by about 40 %."""
    rng = np.random.default_rng(zlib.crc32(f"{condition} {replicate}".encode()))
    labels = rng.integers(0, CLASSES, EXAMPLES)
    test = rng.normal(size=(EXAMPLES, CLASSES)) + 2.0 * np.eye(CLASSES)[labels]
    outside = {name: rng.normal(size=(EXAMPLES, CLASSES)) * 1.3 for name in (NORMALISED, RAW)}
    factors = 1 + np.array(moves) * rng.uniform(0.3, 0.5, 2)
    if warm:
        outside = {name: z * f for (name, z), f in zip(outside.items(), factors, strict=True)}
    probes = {"odin/epsilons": np.array(EPSILONS), "odin/temperatures": np.array(TEMPERATURES)}
    scored = {"odin/test_": test, "odin/ood_": outside[own]}
    if probe:
        probes["other_protocol/logits"] = outside[OTHER[own]]
        scored["other_protocol/"] = outside[OTHER[own]]
    for prefix, logits in scored.items():
        probes |= {prefix + kind: scores for kind, scores in odin(logits).items()}
    return record_of(
        trial={"data": {"ood_normalised": own == NORMALISED}},
        logits={"test": test, "ood": outside[own]},
        labels={"test": labels},
        probes=probes,
    )


def study(moves=MIXED, replicates=7, own=NORMALISED, probe=True, outcomes=None):
    """outcomes: (condition, replicate) → what became of the warmed-up trial."""
    return make_study(
        {condition: {} for condition in moves},
        replicates,
        lambda name, warm, replicate: member(name, warm, replicate, moves[name], own, probe),
        outcomes,
        control_of=lambda name: f"{name}, no noise",
        study="ood",
        ood="svhn",
        grids={"size": list(moves)},
    )


class TestProtocols(EveryExhibit):
    """As every exhibit."""


def table(exhibit, name):
    return exhibited.table(exhibit, f"protocols-{name}")


# An independent truth: AUROC by scikit-learn on the halves that the seed draws


def area(inside, outside):
    return roc_auc_score(np.repeat([1, 0], [len(inside), len(outside)]), [*inside, *outside])


def truth(found, outside, seed):
    """AUROC of one record by method, of OOD logits."""
    rng = np.random.default_rng(seed)
    halves = [np.split(rng.permutation(EXAMPLES), [EXAMPLES // 2]) for _ in ("id", "ood")]
    test = found.logits["test"]

    def areas(candidates, half):  # 0: to tune on; 1: to report
        inside, outside = halves[0][half], halves[1][half]
        return [area(known[inside], unknown[outside]) for known, unknown in candidates]

    def reported(candidates):
        best = int(np.argmax(np.round(areas(candidates, 0), 9)))  # the first of equals
        return areas(candidates, 1)[best]

    def at(temperature):
        return tuple(softmax(z / temperature, axis=1).max(axis=1) for z in (test, outside))

    scored = odin(test)["confidence"], odin(outside)["confidence"]
    perturbed = [(scored[0][e, t], scored[1][e, t]) for e in (0, 1) for t in (0, 1)]
    candidates = (
        [at(1.0)],
        [at(t) for t in (1.5, 2, 5, 10, 20)],
        perturbed,
        [(logsumexp(test, axis=1), logsumexp(outside, axis=1))],
    )
    return dict(zip(METHODS, map(reported, candidates), strict=True))


@pytest.mark.parametrize("protocol", [NORMALISED, RAW])
def test_the_numbers_are_those_of_scikit_learn_pair_by_pair(results, exhibit, protocol):
    rows = table(exhibit, protocol).values.set_index(["method", "condition"])
    name = {NORMALISED: "ood", RAW: "other_protocol/logits"}[protocol]
    for condition in CONDITIONS:
        known = [
            [truth(t.record, (t.record.logits | t.record.probes)[name], t.replicate) for t in pair]
            for pair in pairs(results, condition)
        ]
        for method in METHODS:
            before, after = (np.array([pair[arm][method] for pair in known]) for arm in (0, 1))
            row = rows.loc[method, condition]
            assert_compared(row, before, after)
            assert row["moved_as_the_paper"] == (after > before).sum()


def test_holm_runs_over_all_rows_of_a_table(exhibit):
    for protocol in (NORMALISED, RAW):
        rows = table(exhibit, protocol).values
        assert rows["p_holm"].to_numpy() == pytest.approx(holm_of(rows["p_exact"]))
        assert len(rows) == 4 * 8  # methods without features
    said = "Holm P < 0.05 in 0 of 32 tests: with 7 pairs and 32 tests none can pass."
    assert exhibit.caption.count(said) == 2


def test_with_enough_pairs_it_is_not_said_that_none_can_pass():
    caption = build(study({DEEP_FEW: (1, 1)}, replicates=12)).caption
    assert "Under the raw protocol Holm P < 0.05 in 8 of 8 tests. Both protocols show" in caption


def test_the_trial_s_own_protocol_does_not_matter_where_both_are_measured(exhibit):
    other = build(study(own=RAW))
    for name in (NORMALISED, RAW, "signs"):
        pd.testing.assert_frame_equal(table(exhibit, name).values, table(other, name).values)
        pd.testing.assert_frame_equal(table(exhibit, name).shown, table(other, name).shown)


@pytest.mark.parametrize("own", [NORMALISED, RAW])
def test_without_the_probe_the_trial_s_own_protocol_is_shown_alone(exhibit, own):
    alone = build(study(own=own, probe=False))
    assert [t.name for t in alone.tables] == [f"protocols-{own}", "protocols-signs"]
    pd.testing.assert_frame_equal(table(alone, own).values, table(exhibit, own).values)
    assert f"The {OTHER[own]} protocol was not measured; a trial without" in alone.caption
    assert OTHER[own] not in str(to_html(table(alone, "signs").shown))
    assert len(figure(alone, "protocols-roc").axes) == 1
    assert "depends on the protocol" not in alone.caption


def test_where_the_sign_changes_is_said_in_words(exhibit):
    expected = (
        "Maximum softmax: AUROC rose with warm-up under the normalised protocol in 1 of 4 "
        "conditions (depth 2, examples 2000) and under the raw one in 3 of 4 (all but depth 2, "
        "examples 500). The effect's sign depends on the protocol at depth 6, with both intervals "
        "clear of zero in each; under both protocols it depends on the condition."
    )
    assert exhibit.caption.startswith(expected)
    assert expected.replace("Maximum softmax", "Energy") in exhibit.caption
    delta = next(d for d in exhibit.figures if d.name == "protocols-delta")
    assert expected in delta.description


def test_the_table_of_signs_counts_what_the_others_show(exhibit):
    shown = table(exhibit, "signs").shown
    assert shown["Method", ""].tolist()[:4] == list(METHODS)
    row = shown.iloc[0]
    assert row[NORMALISED, "Rose"] == "1 of 4 (depth 2, examples 2000)"
    assert row[RAW, "Rose"] == "3 of 4 (all but depth 2, examples 500)"
    assert row[NORMALISED, "Clear of zero"] == "1 up, 3 down"
    assert row["Sign changes with the protocol", ""] == "2 of 4 (depth 6)"
    values = table(exhibit, "signs").values
    for protocol in (NORMALISED, RAW):
        of = table(exhibit, protocol).values
        merged = values.merge(of, on=["method", "condition"])
        assert len(merged) == len(values) == len(of)
        assert (merged[f"difference_{protocol}"] == merged["difference"]).all()
    turned = values["difference_normalised"] * values["difference_raw"] < 0
    assert values["sign_changes"].tolist() == turned.tolist()


# Sentences, on made-up effects


def effect(difference, clear=True):
    width = abs(difference) / 2 if clear else 1.0
    return Comparison(
        condition="", measure=Measure("auroc", "AUROC", 1), planned=2, lost="",
        without=np.zeros(2), with_=np.full(2, difference), test=None,
        interval=(difference - width, difference + width),
    )  # fmt: skip


def effects(**by_protocol):
    """protocol → differences in the order of the conditions; None: not measured, 0.1j: not clear
    of zero."""
    return {
        protocol: {
            condition: effect(d.imag, clear=False) if isinstance(d, complex) else effect(d)
            for condition, d in zip(CONDITIONS, differences, strict=False)
            if d is not None
        }
        for protocol, differences in by_protocol.items()
    }


def both(normalised, raw, sign, dependent=""):
    """In which conditions it rose under either protocol, and on what the sign depends."""
    condition = f"; {dependent} it depends on the condition" if dependent else ""
    return (
        f"under the normalised protocol in {normalised} and under the raw one in {raw}. The "
        f"effect's sign {sign}{condition}."
    )


SAME, CLEAR = "is the same under both protocols", "with both intervals clear of zero"
NEITHER = "under neither protocol"
SAID = {
    "all rise": (
        effects(normalised=[0.1] * 4, raw=[0.2] * 4),
        both("all 4 conditions", "all 4", SAME, NEITHER),
    ),
    "all fall": (
        effects(normalised=[-0.1] * 4, raw=[-0.2] * 4),
        both("none of 4 conditions", "none of 4", SAME, NEITHER),
    ),
    "by protocol alone": (
        effects(normalised=[-0.1] * 4, raw=[0.2] * 4),
        both(
            *("none of 4 conditions", "all 4"),
            f"depends on the protocol in every condition, {CLEAR} in each",
            NEITHER,
        ),
    ),
    "by condition alone": (
        effects(normalised=[0.1, 0.1, -0.1, -0.1], raw=[0.1, 0.1, -0.1, -0.1]),
        both("2 of 4 conditions (depth 2)", "2 of 4 (depth 2)", SAME, "under both protocols"),
    ),
    "mixed, and not sure": (
        effects(normalised=[-0.1, -0.1, -0.1j, -0.1], raw=[-0.1, -0.1, 0.1, 0.1]),
        both(
            *("none of 4 conditions", "2 of 4 (depth 6)"),
            f"depends on the protocol at depth 6, {CLEAR} in 1 of 2",
            "under the raw protocol",
        ),
    ),
    "never sure": (
        effects(normalised=[0.1, -0.1j, 0.1, 0.1], raw=[0.1] * 4),
        both(
            *("3 of 4 conditions (all but depth 2, examples 2000)", "all 4"),
            f"depends on the protocol at depth 2, examples 2000, but never {CLEAR}",
            "under the normalised protocol",
        ),
    ),
    "one protocol, mixed": (
        effects(raw=[0.1, -0.1, 0.1, 0.1]),
        "under the raw protocol in 3 of 4 conditions (all but depth 2, examples 2000). The "
        "effect's sign depends on the condition.",
    ),
    "one protocol, all rise": (
        effects(raw=[0.1] * 4),
        "under the raw protocol in all 4 conditions. The effect's sign is the same in every "
        "condition.",
    ),
    "one condition": (
        effects(normalised=[-0.1], raw=[0.1]),
        both("none", "the one condition", f"depends on the protocol, {CLEAR}"),
    ),
    "one condition and protocol": (
        effects(normalised=[0.1]),
        "under the normalised protocol in the one condition.",
    ),
    "no condition under both": (
        effects(normalised=[0.1, None], raw=[None, -0.1]),
        both(
            *("the one condition", "none"),
            "cannot be compared between protocols, which no condition shares",
        ),
    ),
    "two conditions": (
        effects(normalised=[0.1, 0.1], raw=[0.1, -0.1]),
        both(
            *("both conditions", "1 of 2 (depth 2, examples 500)"),
            f"depends on the protocol at depth 2, examples 2000, {CLEAR}",
            "under the raw protocol",
        ),
    ),
    "no change at all": (
        effects(normalised=[0.0, 0.0], raw=[0.1, 0.0]),
        both("none of 2 conditions", "1 of 2 (depth 2, examples 500)", SAME, NEITHER),
    ),
}


@pytest.mark.parametrize(("found", "said"), SAID.values(), ids=SAID)
def test_sentences_say_on_what_the_sign_depends(found, said):
    assert sentence("GEN", found) == f"GEN: AUROC rose with warm-up {said}"


@pytest.mark.parametrize(
    ("chosen", "among", "said"),
    [
        ([DEEP_FEW, DEEP_MANY], CONDITIONS, "depth 6"),
        ([SHALLOW_MANY, DEEP_MANY], CONDITIONS, "examples 2000"),
        ([SHALLOW_FEW, DEEP_MANY], CONDITIONS, f"{SHALLOW_FEW}; {DEEP_MANY}"),
        ([SHALLOW_FEW, DEEP_FEW, DEEP_MANY], CONDITIONS, f"examples 500; {DEEP_MANY}"),
        (["gaussian"], ["gaussian", "uniform"], "gaussian"),
        ([""], ["", "uniform"], "control"),
        # “gaussian” alone is a condition here, and no level of both
        (["gaussian", "gaussian, std 2"], ["gaussian", "gaussian, std 2", "pink"],
         "gaussian; gaussian, std 2"),
        (list("abcdefgh"), list("abcdefghijklmnopq"), "a; b; c; d; e; f; 2 more"),
    ],
)  # fmt: skip
def test_conditions_are_named_by_the_level_they_share(chosen, among, said):
    assert named(chosen, among) == said


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([], "0 of 4"),
        (CONDITIONS, "4 of 4"),
        ([DEEP_FEW], f"1 of 4 ({DEEP_FEW})"),
        ([SHALLOW_FEW, SHALLOW_MANY], "2 of 4 (depth 2)"),
        ([SHALLOW_FEW, SHALLOW_MANY, DEEP_FEW], f"3 of 4 (all but {DEEP_MANY})"),
    ],
)
def test_conditions_are_counted_and_the_shorter_list_is_given(chosen, said):
    assert count_and_names(chosen, CONDITIONS) == said


def test_the_examples_in_the_docstrings_are_right():
    assert doctest.testmod(signs) == (0, 2)  # failed, attempted


# What is missing


def test_lost_pairs_are_said_and_counted_out():
    lost = {(DEEP_FEW, 0): "diverged", (DEEP_FEW, 1): "failed"}
    lost |= {(DEEP_MANY, replicate): "missing" for replicate in range(7)}
    exhibit = build(study(outcomes=lost))
    shown = table(exhibit, RAW).shown
    block = shown[: len(CONDITIONS) - 1]
    assert block["Method"].tolist() == ["maximum softmax", "", ""]
    assert block["Condition"].tolist() == [SHALLOW_FEW, SHALLOW_MANY, DEEP_FEW]
    assert block["Pairs"].tolist() == ["7", "7", "5 of 7 (1 diverged, 1 failed)"]
    assert block["P"].tolist()[2] == "n < 6"
    assert f"Without a complete pair: {DEEP_MANY}." in exhibit.caption
    assert "in 2 of 3 (all but depth 2, examples 500)" in exhibit.caption
    values = table(exhibit, RAW).values
    assert set(values[values["condition"] == DEEP_MANY]["note"]) == {"no complete pair"}


def test_conditions_that_a_protocol_lacks_are_named():
    both = study()
    for trial in both.trials:
        if trial.condition.startswith("depth 2"):
            for name in [n for n in trial.record.probes if n.startswith("other_protocol/")]:
                del trial.record.probes[name]
    exhibit = build(both)
    assert "The raw protocol was not measured at depth 2; a trial without" in exhibit.caption
    assert set(table(exhibit, RAW).shown["Condition"]) == {DEEP_FEW, DEEP_MANY}
    signs_shown = table(exhibit, "signs").shown.iloc[0]
    assert signs_shown["Sign changes with the protocol", ""] == "2 of 2"
    assert "The effect's sign depends on the protocol in every condition" in exhibit.caption
    values = table(exhibit, "signs").values
    compared = values["condition"].isin([DEEP_FEW, DEEP_MANY])
    assert values["sign_changes"].notna().tolist() == compared.tolist()
    (axes,) = figure(exhibit, "protocols-roc").axes
    assert axes.get_title() == "normalised out-of-distribution images"


def test_without_out_of_distribution_images_there_is_nothing_to_show():
    bare = study()
    for trial in bare.trials:
        del trial.record.logits["ood"]
        trial.record.probes.clear()
    exhibit = build(bare)
    assert exhibit.tables == exhibit.figures == ()
    assert exhibit.caption.startswith("No complete pair has out-of-distribution images. Study ood,")


def test_methods_of_features_are_of_the_trial_s_own_protocol_alone():
    results = study(replicates=6)
    rng = np.random.default_rng(0)
    for trial in results.trials:
        kept = {name: rng.normal(size=(EXAMPLES, 6)) for name in ("train", "test", "ood")}
        kept |= {"labels": rng.integers(0, CLASSES, EXAMPLES)}
        kept |= {"weight": rng.normal(size=(CLASSES, 6)), "bias": rng.normal(size=CLASSES)}
        trial.record.probes.update({f"features/{name}": array for name, array in kept.items()})
    exhibit = build(results)
    methods = {p: set(table(exhibit, p).values["method"]) for p in (NORMALISED, RAW)}
    of_features = {method for method in methods[NORMALISED] if method.endswith(", features")}
    assert len(of_features) == 7
    assert methods[NORMALISED] - methods[RAW] == of_features
    last = table(exhibit, "signs").shown.iloc[-1]
    assert (last[RAW, "Rose"], last["Sign changes with the protocol", ""]) == ("—", "—")


# What is shown


def test_what_is_bold_is_clear_of_zero(exhibit):
    still = build(study({SHALLOW_FEW: (0, 0), DEEP_FEW: (1, 0.02)}))
    for found in [table(e, p) for e in (exhibit, still) for p in (NORMALISED, RAW)]:
        bold = [isinstance(cell, Bold) for cell in found.shown["Δ [95 % interval]"]]
        low, high = found.values["interval_low"], found.values["interval_high"]
        assert bold == ((low > 0) | (high < 0)).tolist()
        assert found.shown["Rose"].tolist() == [
            f"{n}/7" for n in found.values["moved_as_the_paper"]
        ]
    assert not any(isinstance(cell, Bold) for cell in table(still, RAW).shown.loc[0])


def test_dots_stand_at_the_differences_and_a_line_at_zero(exhibit):
    delta = figure(exhibit, "protocols-delta")
    assert [axes.get_title() for axes in delta.axes] == ["maximum softmax", "energy"]
    for axes in delta.axes:
        zero, *_ = axes.lines
        assert list(zero.get_xdata()) == [0, 0]
        for container, protocol in zip(axes.containers, (NORMALISED, RAW), strict=True):
            rows = table(exhibit, protocol).values.set_index(["method", "condition"])
            expected = rows.loc[axes.get_title()].loc[CONDITIONS]
            dots, _, (bars,) = container.lines
            assert dots.get_xdata() == pytest.approx(expected["difference"].to_numpy())
            ends = np.array([segment[:, 0] for segment in bars.get_segments()])
            assert ends == pytest.approx(expected[["interval_low", "interval_high"]].to_numpy())
            assert np.rint(np.array(dots.get_ydata(), float)).tolist() == [0, 1, 2, 3]
    assert ticks(delta.axes[0].yaxis) == CONDITIONS


def test_roc_curves_and_histograms_are_of_the_first_condition_under_each_protocol(results, exhibit):
    found = {d.name: d for d in exhibit.figures}
    records = [pair[1].record for pair in pairs(results, SHALLOW_FEW)]
    for axes, protocol in zip(found["protocols-roc"].figure.axes, (NORMALISED, RAW), strict=True):
        name = {NORMALISED: "ood", RAW: "other_protocol/logits"}[protocol]
        areas = [
            area(*(softmax(z, axis=1).max(axis=1) for z in (r.logits["test"], outside)))
            for r in records
            for outside in [(r.logits | r.probes)[name]]
        ]
        said = axes.get_legend().get_texts()[1].get_text()
        assert said == f"with warm-up, AUROC {np.mean(areas):.3f}"
        curve = axes.lines[2]
        drawn = auc(curve.get_xdata(), curve.get_ydata())
        assert drawn == pytest.approx(np.mean(areas), abs=0.01)
        assert f"{protocol}: without warm-up 0." in found["protocols-roc"].description
    titles = [axes.get_title() for axes in found["protocols-confidence"].figure.axes]
    assert titles == [
        f"{protocol} images, {arm} warm-up"
        for protocol in (NORMALISED, RAW)
        for arm in ("without", "with")
    ]


def test_tables_are_whole_in_every_format(exhibit):
    for found in exhibit.tables:
        latex = to_latex(found.shown, f"{found.title}. {exhibit.caption}", found.name)
        columns = len(re.search(r"begin\{tabular\}\{(l r*|lr*)\}", latex)[1])
        assert columns == found.shown.shape[1]
        for line in latex.split(r"\toprule")[1].split(r"\bottomrule")[0].splitlines():
            if line.endswith(r"\\"):
                spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
                cells = len(re.findall(r"(?<!\\)&", line)) + 1
                assert cells + sum(spans) - len(spans) == columns
        assert latex.count("{") == latex.count("}")
        lines = to_markdown(found.shown).splitlines()
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {columns + 1}
