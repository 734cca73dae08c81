"""Conditions × methods × arms: the cells are the metrics' own numbers, the best bold, P marked."""

import re
import sys
import zlib
from collections import Counter
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from exhibited import assert_compared, holm_of
from scipy.special import softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score
from studies import make_study, record_of
from threadpoolctl import threadpool_limits

from analysis.exhibits.by_condition import detection_by_condition, posthoc_by_condition
from analysis.exhibits.calibration.posthoc import posthoc
from analysis.exhibits.common.text import Bold
from analysis.exhibits.ood import detectors
from analysis.exhibits.ood.detection import detection
from analysis.exhibits.ood.protocols import protocols
from analysis.metrics.posthoc import METHODS
from analysis.rendering.table_formats import to_html, to_latex, to_markdown
from analysis.results.study_results import pairs

# condition → the network's sharpness without and with warm-up: 1 is calibrated
CONDITIONS = {"resnet18": (2.5, 1.2), "vit": (1.0, 2.2), "densenet121": (1.5, 1.5)}
EXAMPLES, CLASSES = 200, 4
ARMS = ("without", "with")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small matrices gain nothing from several threads, which wait for each other on busy cores."""
    with threadpool_limits(1):
        yield


# A study in memory


def member(trial_id, sharpness, ood):
    """Logits that are calibrated at a sharpness of 1: labels are drawn from their own softmax."""
    rng = np.random.default_rng(zlib.crc32(trial_id.encode()))
    logits = 2 * rng.normal(size=(EXAMPLES, CLASSES))
    cumulative = softmax(logits, axis=1).cumsum(axis=1)
    labels = (rng.uniform(size=(EXAMPLES, 1)) > cumulative[:, :-1]).sum(axis=1)
    found = {"test": sharpness * logits}
    if ood:
        found["ood"] = sharpness * rng.normal(size=(EXAMPLES, CLASSES)) * rng.uniform(0.5, 1.5)
    trial = {"data": {"ood_normalised": True}}
    return record_of(trial=trial, logits=found, labels={"test": labels})


def study(replicates=7, ood=True, outcomes=None, conditions=CONDITIONS):
    """outcomes: (condition, replicate) → what became of the warmed-up trial."""

    def record(condition, warm, replicate):
        trial_id = f"{condition} {'warmup' if warm else 'control'} {replicate}"
        return member(trial_id, conditions[condition][warm], ood)

    return make_study(
        {condition: {} for condition in conditions},
        replicates,
        record,
        outcomes,
        control_of=lambda condition: f"{condition}, no noise",
        study="architectures",
        ood="svhn" if ood else None,
        grids={"model": list(conditions)},
    )


@pytest.fixture(scope="module")
def exhibits(results):
    found = (posthoc_by_condition(results), detection_by_condition(results))
    return {exhibit.name: exhibit for exhibit in found}


def all_values(exhibit):
    return pd.concat([t.values for t in exhibit.tables], ignore_index=True)


# An independent truth for one method of either table


def ece(confidence, correct):
    bins = np.digitize(confidence, np.arange(1, 10) / 10)
    return sum(
        abs(correct[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean()
        for b in set(bins)
    )


def isotonic_ece(found, seed):
    order = np.random.default_rng(seed).permutation(EXAMPLES)
    fitting, reporting = np.split(order, [EXAMPLES // 2])
    logits = found.logits["test"]
    confidence = softmax(logits, axis=1).max(axis=1)
    correct = (logits.argmax(axis=1) == found.labels["test"]).astype(float)
    curve = IsotonicRegression(out_of_bounds="clip").fit(confidence[fitting], correct[fitting])
    return ece(curve.predict(confidence[reporting]), correct[reporting])


def softmax_auroc(found, seed):
    rng = np.random.default_rng(seed)
    scores = [softmax(found.logits[name], axis=1).max(axis=1) for name in ("test", "ood")]
    halves = [rng.permutation(EXAMPLES)[EXAMPLES // 2 :] for _ in scores]
    inside, outside = (s[half] for s, half in zip(scores, halves, strict=True))
    labels = np.repeat([1, 0], [len(inside), len(outside)])
    return roc_auc_score(labels, np.concatenate([inside, outside]))


@pytest.mark.parametrize(
    ("name", "method", "truth"),
    [
        ("posthoc_by_condition", "isotonic", isotonic_ece),
        ("detection_by_condition", "maximum softmax", softmax_auroc),
    ],
)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_numbers_are_those_of_scikit_learn_pair_by_pair(
    results, exhibits, name, method, truth, condition
):
    known = [
        [truth(trial.record, trial.replicate) for trial in pair]
        for pair in pairs(results, condition)
    ]
    before, after = np.array(known).T
    values = all_values(exhibits[name]).set_index(["condition", "method"])
    row = values.loc[condition, method]
    assert row["pairs"] == 7
    assert_compared(row, before, after)
    shown = exhibits[name].tables[0].shown.set_index(("Condition", "")).loc[condition]
    assert shown[method, "without"] == f"{before.mean():.3f} ± {before.std(ddof=1):.3f}"
    assert shown[method, "with"].startswith(f"{after.mean():.3f} ± {after.std(ddof=1):.3f}")


def test_r_is_z_over_the_root_of_the_pairs_and_holm_runs_over_all_tables(exhibits):
    for exhibit in exhibits.values():
        values = all_values(exhibit)
        assert values["r"].to_numpy() == pytest.approx(values["z"].abs().to_numpy() / 7**0.5)
        assert values["p_holm"].to_numpy() == pytest.approx(holm_of(values["p_exact"]))


def test_the_paper_s_methods_stand_first_and_all_others_after_them(exhibits):
    first, *further = exhibits["posthoc_by_condition"].tables
    groups = list(dict.fromkeys(first.shown.columns.get_level_values(0)))
    assert groups == [
        "Condition", "Pairs", "none", "temperature, of eight by ECE", "vector scaling", "isotonic",
    ]  # fmt: skip
    others = {method for table in further for method in table.values["method"]}
    assert len(others) == len(METHODS) - 4
    assert {"matrix scaling (ODIR)", "histogram binning"} <= others
    first, further = exhibits["detection_by_condition"].tables
    assert set(first.values["method"]) == set(detectors.PAPERS) - {"ODIN, ε and T tuned"}
    for exhibit in exhibits.values():
        for table in exhibit.tables:
            arms = list(table.shown.columns)[2:]
            assert [arm for _, arm in arms] == list(ARMS) * (len(arms) // 2)
            assert len(arms) // 2 <= 4
            assert table.shown["Condition", ""].tolist() == list(CONDITIONS)


def test_a_mark_stands_beside_the_mean_with_warm_up_and_says_how_small_p_is():
    # 14 pairs of one sign have P = .00098, 7 have .018
    for replicates, mark in ((7, "†"), (14, "★")):
        results = study(replicates, conditions={"resnet18": (4.0, 1.0)})
        table = posthoc_by_condition(results).tables[0]
        cells = table.shown.iloc[0]
        assert cells["none", "with"].endswith(f" {mark}")
        for (method, arm), cell in cells.items():
            if method in ("Condition", "Pairs"):
                continue
            p = table.values.set_index("method").loc[method, "p"]
            expected = "" if arm == "without" or p >= 0.05 else "†" if p >= 0.001 else "★"
            assert re.sub(r"[0-9. ±]", "", cell) == expected


def test_the_best_of_a_row_is_bold_and_its_equals_too(exhibits):
    for exhibit in exhibits.values():
        best = min if exhibit.name.startswith("posthoc") else max
        for table in exhibit.tables:
            for _, _, *cells in table.shown.to_numpy().tolist():
                means = [float(cell.split(" ")[0]) for cell in cells]
                bold = [isinstance(cell, Bold) for cell in cells]
                assert bold == [found == best(means) for found in means]


def test_means_that_differ_in_no_digit_that_is_shown_are_bold_together():
    results = study(3, conditions={"vit": (1.0, 1.0)})
    for without, with_ in pairs(results, "vit"):
        with_.record.logits.update({k: z.copy() for k, z in without.record.logits.items()})
        with_.record.logits["ood"][:2] *= 1.1
    first, further = detection_by_condition(results).tables
    for table in (first, further):
        assert (table.values["difference"].abs() < 0.0005).all()
        assert (table.values["difference"] != 0).any()
        bold = {key for key, cell in table.shown.iloc[0].items() if isinstance(cell, Bold)}
        assert bold == {(method, arm) for method, _ in bold for arm in ARMS} != set()


def test_the_caption_counts_what_the_tables_show(exhibits):
    for exhibit in exhibits.values():
        values = all_values(exhibit)
        lower, higher = values[values["difference"] < 0], values[values["difference"] > 0]
        said = [
            f"{word} in {len(rows)}"
            + f" (P < 0.05 in {(rows['p'] < 0.05).sum()})" * (len(rows) > 0)
            for word, rows in (("lower", lower), ("higher", higher))
        ]
        if exhibit.name.startswith("detection"):
            said.reverse()
        name = "ECE" if exhibit.name.startswith("posthoc") else "AUROC"
        expected = f"Of {len(values)} means over the pairs of a condition and method, {name} with "
        assert exhibit.caption.startswith(f"{expected}warm-up is {' and '.join(said)}.")
        marks = "★ P < 0.001 and † P < 0.05. The CSV has every W, P, exact P and r: Wilcoxon's"
        assert marks in exhibit.caption


def test_the_best_of_all_methods_is_named_with_its_arm(exhibits):
    exhibit = exhibits["detection_by_condition"]
    values = all_values(exhibit)
    wins: Counter[str] = Counter()
    for _, rows in values.groupby("condition"):
        means = rows[["without_mean", "with_mean"]].round(3).to_numpy()
        wins.update(
            f"{rows['method'].iloc[place]} {ARMS[arm]} warm-up"
            for place, arm in np.argwhere(means == means.max())
        )
    said = re.search(r"Best mean of all methods in the 3 conditions: (.*?)\.", exhibit.caption)[1]
    assert set(said.split("; ")) == {f"{name} ({count})" for name, count in wins.items()}


def test_lost_pairs_are_said_and_a_condition_without_any_has_dashes():
    lost = {("vit", 0): "diverged"} | {("densenet121", r): "failed" for r in range(7)}
    exhibit = posthoc_by_condition(study(outcomes=lost))
    rows = exhibit.tables[0].shown.set_index(("Condition", ""))
    assert rows.loc["vit", ("Pairs", "")] == "6 of 7 (1 diverged)"
    assert rows.loc["densenet121", ("Pairs", "")] == "0 of 7 (7 failed)"
    assert set(rows.loc["densenet121"].iloc[1:]) == {"—"}
    assert "Best mean of all methods in the 2 conditions" in exhibit.caption
    values = exhibit.tables[0].values.set_index(["condition", "method"])
    assert values.loc[("vit", "none"), "pairs"] == 6
    assert np.isnan(values.loc[("densenet121", "none"), "with_mean"])


def test_few_pairs_have_no_mark():
    exhibit = posthoc_by_condition(study(5, conditions={"resnet18": (4.0, 1.0)}))
    assert not re.search("[★†]", " ".join(exhibit.tables[0].shown.iloc[0]))
    assert re.search(r"is lower in \d and higher in \d\. Best mean of all", exhibit.caption)


def test_without_pairs_or_out_of_distribution_images_there_is_no_table():
    bare = detection_by_condition(study(2, ood=False))
    assert bare.tables == ()
    assert bare.caption.startswith("No complete pair has out-of-distribution images. Study arch")
    assert posthoc_by_condition(study(2, ood=False)).tables
    gone = {(condition, r): "missing" for condition in CONDITIONS for r in range(2)}
    empty = posthoc_by_condition(study(2, outcomes=gone))
    assert empty.tables == ()
    assert empty.caption.startswith("No pair is complete yet. Study architectures")


def test_the_caption_says_how_the_out_of_distribution_images_are_prepared():
    results = study(2)
    said = "Out-of-distribution images are normalised as the in-distribution ones."
    assert said in detection_by_condition(results).caption
    for trial in results.trials:
        if trial.condition.startswith("vit"):
            trial.record.trial["data"]["ood_normalised"] = False
    both = "normalised as the in-distribution ones, or raw, as pixels in [0, 1], as the trial's"
    assert both in detection_by_condition(results).caption


def test_nothing_is_measured_twice_for_a_trial(monkeypatch):
    results = study(3)
    module = sys.modules["analysis.exhibits.calibration.posthoc"]
    slow = {detectors: "ood_detection", module: "posthoc_calibration"}
    calls = {name: Mock(wraps=getattr(where, name)) for where, name in slow.items()}
    for where, name in slow.items():
        monkeypatch.setattr(where, name, calls[name])
    for build in (posthoc_by_condition, posthoc, detection_by_condition, detection, protocols):
        build(results)
    assert {call.call_count for call in calls.values()} == {len(results.trials)}


# Headers of two levels


def test_groups_of_columns_stand_over_them_in_latex_and_html(exhibits):
    exhibit = exhibits["posthoc_by_condition"]
    table = exhibit.tables[0]
    latex = to_latex(table.shown, f"{table.title}. {exhibit.caption}", table.name)
    assert latex.isascii()
    assert r"\begin{tabular}{lrrrrrrrrr}" in latex
    above, rules, names = latex.split("\\toprule\n")[1].split("\n    \\midrule")[0].splitlines()
    assert above.split(" & ")[:4] == [
        "    ", "", r"\multicolumn{2}{c}{none}",
        r"\multicolumn{2}{c}{temperature, of eight by ECE}",
    ]  # fmt: skip
    assert rules.split() == [rf"\cmidrule(lr){{{n}-{n + 1}}}" for n in (3, 5, 7, 9)]
    assert names.split(" & ") == ["    Condition", "Pairs", *["without", "with"] * 3, "without",
                                  r"with \\"]  # fmt: skip
    assert r"$\dagger$" in latex

    html = str(to_html(table.shown))
    head = html.split("</thead>")[0]
    above, below = head.split("</tr>\n<tr>")
    spans = [int(n) for n in re.findall(r'colspan="(\d)"', above)]
    assert above.count("<td></td>") + sum(spans) == below.count("<th") == table.shown.shape[1]
    assert re.findall(r">([^<>]+)</th>", above)[0] == "none"

    header, rule, *_ = to_markdown(table.shown).splitlines()
    assert header.startswith("| Condition | Pairs | none, without | none, with | temperature, of")
    assert header.count("|") == rule.count("|") == table.shown.shape[1] + 1


def test_a_group_is_one_only_while_its_columns_are_neighbours():
    columns = [("a", ""), ("g_1", "x"), ("g_1", "y"), ("b", ""), ("c", ""), ("g_1", "z")]
    frame = pd.DataFrame([list("123456")], columns=pd.MultiIndex.from_tuples(columns))
    above, rules, names = to_latex(frame, "", "").split("\\toprule\n")[1].splitlines()[:3]
    assert above == (
        r"     & \multicolumn{2}{c}{g\_1} &  &  & \multicolumn{1}{c}{g\_1} \\"
    )  # fmt: skip
    assert rules == r"    \cmidrule(lr){2-3} \cmidrule(lr){6-6}"
    assert names == r"    a & x & y & b & c & z \\"
