"""The page is made of the numbers beside it, and those of a study's records."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from exhibited import table
from studies import Spec, make_results, one_condition, publish
from support import ROOT

from analysis.exhibits import EXHIBITS
from analysis.exhibits.by_condition import _POSTHOC
from analysis.exhibits.common.text import number
from analysis.exhibits.ood.detectors import PAPERS
from analysis.replication.claim import POSTHOC, SCORES
from analysis.replication.claims import CLAIMS, SECTIONS, asked_of
from analysis.replication.evidence import (
    Evidence,
    Source,
    _kept,
    _named,
    measure,
    read_evidence,
    seconds_spent,
    write_evidence,
)
from analysis.replication.page import render
from analysis.replication.rules import NOT_RUN, VERDICTS, Moves
from analysis.replication.runs import RUNS, SCALE
from analysis.replication.verdict import judged
from analysis.results.loading import load_study

PAGE, FOLDER = ROOT / "docs" / "replication.md", ROOT / "docs" / "replication"


def test_every_number_of_the_page_has_its_source_beside_it():
    kept = read_evidence(FOLDER / "numbers.json")
    assert PAGE.read_text("utf-8") == render(kept)
    scales = {run.key: run.scale for run in RUNS}
    for key, study in kept.studies.items():
        assert study.scale == scales[key]
        assert bool(study.cut) == (study.scale != SCALE)
        assert study.run
        assert study.commits
        assert study.finished
        assert study.seconds > 0
        assert study.tables
        for picture in study.pictures:
            assert (FOLDER / picture).is_file()


def test_the_readme_says_what_the_page_says():
    kept, readme = read_evidence(FOLDER / "numbers.json"), (ROOT / "README.md").read_text("utf-8")
    said, found = " ".join(readme.split()), [judged(claim, kept) for claim in CLAIMS]
    holds, in_part, not_here, not_run = (
        sum(one.verdict == verdict for one in found) for verdict in VERDICTS
    )
    assert (
        f"{holds} of {len(CLAIMS)} claims of the paper hold, {in_part} hold in part, {not_here} do "
        f"not hold here and {not_run} were not run"
    ) in said
    for study in ("calibration", "calibration on svhn"):
        [row] = kept.studies[study].tables["pairs-noise-ece"]
        assert f"from {number(row['without_mean'])} to {number(row['with_mean'])}" in said
    [gap] = kept.studies["calibration on svhn"].tables["pairs-noise-gap"]
    assert (gap["side_without"], gap["side_with"]) == ("overconfident", "underconfident")


def test_the_page_names_no_folder_of_a_machine():
    texts = PAGE.read_text("utf-8") + (FOLDER / "numbers.json").read_text("utf-8")
    assert not re.search(r"npz:/|/home/|/tmp/|/work/", texts)


def test_every_claim_is_of_a_study_that_is_run_and_of_an_exhibit():
    keys = {run.subject for run in RUNS}
    sources = [claim.source for claim in CLAIMS]
    sources += [source for section in SECTIONS for n in section.notes for source in n.sources]
    assert {source.study for source in sources} <= keys
    assert {source.exhibit for source in sources} <= EXHIBITS.keys()
    assert keys == {source.study for source in sources}  # and nothing is run for nothing
    for section in SECTIONS:
        for picture in section.pictures:
            assert picture.study in keys
            assert picture.exhibit in EXHIBITS


def test_a_claim_of_every_pair_says_so():
    for claim in CLAIMS:
        if isinstance(claim.rule, Moves) and claim.rule.every:
            assert "every" in claim.says


def test_the_papers_methods_are_those_that_the_tables_have():
    """One that were called otherwise would leave its claims without a row."""
    assert SCORES == PAPERS
    assert ("none", *POSTHOC) == _POSTHOC


def test_without_a_study_every_claim_is_not_run():
    assert {judged(claim, Evidence()).verdict for claim in CLAIMS} == {NOT_RUN}
    assert f"**{len(CLAIMS)} were not run**" in render(Evidence())


@pytest.fixture(scope="module")
def results(store):
    """A study of six pairs with the conditions of `calibration`."""
    spec = one_condition(study="calibration", replicates=6, data="npz:/folder/cifar10.npz")
    publish(store.client, spec, store.folder)
    return load_study(store.client, "calibration")


@pytest.fixture(scope="module")
def evidence(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    sources, pictures = asked_of("calibration")
    renamed = [replace(s, table=s.table.replace("-noise-", "-distribution-")) for s in sources]
    found = measure(results, renamed, pictures, folder)
    tables = {
        name.replace("-distribution-", "-noise-"): rows for name, rows in found.tables.items()
    }
    known = Evidence({"calibration": replace(found, tables=tables)})
    write_evidence(known, folder / "numbers.json")
    return read_evidence(folder / "numbers.json")


def test_a_small_study_gives_the_page_its_exhibits_numbers(results, evidence):
    shown = table(EXHIBITS["pairs"](results), "pairs-distribution-ece").values.iloc[0]
    [claim] = [
        c for c in CLAIMS if c.source.table == "pairs-noise-ece" and c.source.study == "calibration"
    ]
    [row] = evidence.rows(claim.source)
    assert row["difference"] == pytest.approx(shown["difference"], rel=1e-5)
    assert row["moved_as_the_paper"] == shown["moved_as_the_paper"]
    page = render(evidence)
    line = next(line for line in page.splitlines() if line.startswith(f"| {claim.says} |"))
    assert f"{shown['without_mean']:.3f} → {shown['with_mean']:.3f}" in line
    assert f"{shown['moved_as_the_paper']}/6, W = {shown['w']:g}" in line
    assert f"**{judged(claim, evidence).verdict}**" in line
    assert "Chance line: " in page
    gap = table(EXHIBITS["pairs"](results), "pairs-distribution-gap").values.iloc[0]
    assert f"Mean confidence − accuracy is {number(gap['without_mean'])} (" in page
    assert "Temperature scaling, " in page


def test_of_a_level_that_is_a_file_its_folder_is_not_kept():
    levels = {"gaussian": {"data.source": "npz:/folder/cifar10.npz", "data.ood": "svhn"}}
    found = _kept({"condition": "gaussian", "pairs": 4}, levels)
    assert found == {
        "condition": "gaussian", "pairs": 4, "data.source": "cifar10.npz", "data.ood": "svhn"
    }  # fmt: skip


def test_three_pairs_are_shown_and_get_no_verdict(evidence):
    known = evidence.studies["calibration"]
    rows = known.tables["pairs-noise-ece"]
    for pairs, verdicts in ((3, {NOT_RUN}), (4, set(VERDICTS) - {NOT_RUN})):
        tables = {"pairs-noise-ece": tuple(row | {"pairs": pairs} for row in rows)}
        few = Evidence({"calibration": replace(known, tables=tables)})
        [found] = [judged(c, few) for c in CLAIMS if few.rows(c.source)]
        assert found.verdict in verdicts
        assert "→" in found.here
        assert (found.remark == "fewer than 4 pairs so far: no verdict.") == (pairs < 4)


def test_a_claim_over_several_has_no_verdict_while_one_of_them_has_no_pair(evidence):
    known = evidence.studies["calibration"]
    [row] = known.tables["pairs-noise-ece"]
    rows = {size: row | {"condition": size} for size in ("small", "large")}
    bare = {"condition": "large", "pairs": 0}
    [claim] = [c for c in CLAIMS if c.source.table == "pairs-size-ece"]

    def found(*of):
        study = replace(known, tables={"pairs-size-ece": of})
        return judged(claim, Evidence({"resnet_data": study}))

    assert found(*rows.values()).verdict != NOT_RUN
    lacks = found(rows["small"], bare)
    assert (lacks.verdict, lacks.remark) == (NOT_RUN, "no pair so far of large: no verdict.")
    assert found(bare) == (NOT_RUN, "—", "—", "")


def test_a_method_that_was_not_measured_leaves_a_claim_over_methods_open(evidence):
    known = evidence.studies["calibration"]
    [row] = known.tables["pairs-noise-ece"]
    claim = next(c for c in CLAIMS if c.source.where.get("method") == SCORES[1:])
    methods = {method: row | {"method": method} for method in SCORES[1:]}

    def found(*of):
        study = replace(known, tables={claim.source.table: of})
        return judged(claim, Evidence({claim.source.study: study}))

    assert found(*methods.values()).verdict != NOT_RUN
    few = found(methods["maximum softmax, T tuned"], methods["energy"])
    assert few.verdict == NOT_RUN
    assert few.remark == "no pair so far of ODIN, ε and T tuned: no verdict."


def test_a_condition_without_a_pair_is_kept_in_a_studys_tables(tmp_path):
    failed = {("uniform", replicate): "failed" for replicate in range(6)}
    source = Source("calibration", "pairs", "pairs-distribution-ece")
    found = measure(make_results(Spec(outcomes=failed)), [source], [], tmp_path)
    assert {row["condition"]: row["pairs"] > 0 for row in found.tables[source.table]} == {
        "gaussian": True, "uniform": False
    }  # fmt: skip
    known = Evidence({"calibration": found})
    assert [row["condition"] for row in known.rows(source)] == ["gaussian"]
    assert known.lacking(source) == ["uniform"]


def test_what_is_cut_down_is_said_and_changes_no_verdict(evidence):
    """A ResNet-18 on few images, say; here the rows of another study."""
    assert "Cut down" not in render(evidence)
    known = evidence.studies["calibration"]
    [row] = known.tables["pairs-noise-ece"]
    rows = tuple(row | {"condition": str(size), "data.examples": size} for size in (250, 500))
    cut = replace(
        known,
        scale="laptop",
        tables={"pairs-size-ece": rows},
        cut={"training examples": ("250, 500", "1,000, 49,000")},
    )
    both = Evidence({**evidence.studies, "resnet_data, cut down": cut})
    before, after = render(evidence), render(both)
    assert "| resnet\\_data | training examples | 250, 500 | 1,000, 49,000 |" in after
    [claim] = [c for c in CLAIMS if c.source.table == "pairs-size-ece"]
    found = claim.rule.judge(rows)
    [line] = [line for line in after.splitlines() if f"| {claim.says} | {found.here} | 6 |" in line]
    assert line.endswith(f"| {found.verdict} |")
    few = replace(cut, tables={"pairs-size-ece": tuple(row | {"pairs": 3} for row in rows)})
    page = render(Evidence({"resnet_data, cut down": few}))
    assert "| fewer than 4 pairs so far: no verdict. |" in page
    short = re.compile(r"## In short.*?## The figures", re.DOTALL)
    assert short.search(before)[0] == short.search(after)[0]
    assert f"| {claim.says} | lower | — | — | **not run** |" in after


def test_data_are_named_with_the_digest_of_what_is_in_them():
    def of(name, digest):
        return SimpleNamespace(trial={"data": {"source": name, "facts": {"digest": digest}}})

    here, there = of("npz:/a/images.npz", "0123456789abcdef"), of("npz:/b/images.npz", "ff" * 8)
    assert _named("npz:/a/images.npz", [here, there], "digest") == "images.npz (0123456789ab)"
    assert _named("npz:/c/images.npz", [here], "digest") == "images.npz (0123456789ab)"  # adopted
    assert _named("npz:/c/images.npz", [], "digest") == "images.npz"


def test_what_it_is_made_of_is_named(results, evidence):
    known = evidence.studies["calibration"]
    assert (known.trials, known.finished, known.missing, known.pairs) == (12, 12, 0, 6)
    assert known.run == results.parent_run_id
    assert known.commits == ("0123456789abcdef",)
    assert known.data == "cifar10.npz"
    page = render(evidence)
    assert "| calibration | " in page
    assert "| 12 of 12 | 0, 0, 0 | 0123456789 | 25 |" in page
    assert "Not the paper's scale, but smoke" in page
    assert "| calibration, 30 pairs | pairs 7 to 30 |" in page


def test_the_same_numbers_give_the_same_page(evidence, tmp_path):
    write_evidence(evidence, tmp_path / "numbers.json")
    again = read_evidence(tmp_path / "numbers.json")
    assert render(again) == render(evidence)
    assert json.loads((tmp_path / "numbers.json").read_text("utf-8"))["studies"]


def test_a_warmup_that_trials_share_is_counted_once(results):
    records = [trial.record for trial in results.trials if trial.record]
    assert seconds_spent(records) == pytest.approx(12 * 2.0 + 1.0)  # all have one and the same
