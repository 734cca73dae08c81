"""The page needs nothing but itself, shows names as they are, and the command errs in one line."""

import json
import os
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from studies import Spec, make_plan, make_results
from support import ROOT, run_python

from analysis.process.several import each
from analysis.rendering.report import default_folder, publish_report, write_report
from analysis.report import main
from analysis.results import cached
from analysis.results.loading import load_study
from analysis.results.plan import parse_plan

HOSTILE = '<script>alert(1)</script> "$\\frac" & `x`'


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    outcomes = {("gaussian", 1): "failed", ("uniform", 0): "diverged", ("uniform", 2): "missing"}
    results = make_results(Spec(outcomes=outcomes))
    return write_report(results, tmp_path_factory.mktemp("report"))


def test_every_table_and_figure_has_its_files(report):
    tables = {path.name for path in (report.parent / "tables").iterdir()}
    for grid in ("distribution", "std"):
        for kind in ("ece", "accuracy", "nll", "ood_auroc"):
            for ending in ("md", "csv", "tex"):
                assert f"pairs-{grid}-{kind}.{ending}" in tables
    assert {"reliability-bins.csv", "curves.csv"} <= tables
    names = ["pairs-distribution", "pairs-std", "pairs-std-curve"]
    names += ["reliability-distribution", "reliability-std", "curves"]
    figures = {path.name for path in (report.parent / "figures").iterdir()}
    assert figures == {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
    for path in (report.parent / "figures").glob("*.svg"):
        ElementTree.parse(path)
    assert report.read_text("utf-8").count("<svg") == len(names)


def test_several_processes_find_what_one_finds(tmp_path, monkeypatch):
    """Every table and figure is the same to the byte; each has records of its own."""
    exhibits = (
        "reliability", "corp", "curves", "posthoc", "selective", "detection", "conformal",
        "protocols", "posthoc_by_condition", "detection_by_condition",
    )  # fmt: skip
    # one network has diverged: its record has no logits
    spec = Spec(exhibits=exhibits, outcomes={("gaussian", 1): "diverged"})
    found, asked = [], []
    for few in (10_000, 1):
        monkeypatch.setattr(cached, "_FEW", few)
        shared = lambda find, some: asked.append((find.__name__, some)) or each(find, some)  # noqa: E731
        monkeypatch.setattr(cached, "each", shared)
        folder = write_report(make_results(spec), tmp_path / str(few)).parent
        files = [path for path in folder.rglob("*") if path.suffix in (".csv", ".md", ".png")]
        found.append({path.relative_to(folder): path.read_bytes() for path in files})
    assert found[0] == found[1]
    assert len(found[0]) > 40
    kinds = {"_diagram", "_parts", "measured", "_measured", "detections", "_conformal"}
    assert {name for name, _ in asked} == kinds | {"_untrained"}
    for name, some in asked:  # a control is of many pairs, and found once
        assert len(set(some)) == len(some), name


def test_the_page_needs_nothing_but_itself(report):
    page = report.read_text("utf-8")
    assert not re.search(r"https?:|file:|@import|<script|<link|<iframe|<img|\bsrc\s*=", page)
    assert set(re.findall(r'href="(.)', page)) <= {"#"}
    assert set(re.findall(r"url\((.)", page)) <= {"#"}
    assert len(page) < 2_000_000


def test_the_page_says_what_it_found_and_what_was_lost(report):
    page = report.read_text("utf-8")
    first = re.search(r'<p class="finding">(.*?)</p>', page, re.DOTALL)
    assert "Warm-up lowered the mean expected calibration error" in first[1]
    assert "Of 30 planned trials 1 failed, 1 diverged, 1 missing" in " ".join(page.split())
    rows = re.findall(r"<tr><td>(\w+)</td><td>warmup</td><td>(\d)</td><td>(\w+)</td>", page)
    lost = {("gaussian", "1", "failed"), ("uniform", "0", "diverged"), ("uniform", "2", "missing")}
    assert set(rows) == lost
    for said in ("0123456789abcdef", "torch 2.14", "2027-01-15", "<dd>cpu</dd>"):
        assert said in page


def test_the_page_begins_with_a_sentence_a_grid_one_picture_and_one_table(report):
    page = report.read_text("utf-8")
    body = page[page.index("<body>") :]
    sentences, picture, table, folded = map(
        body.index, ('<p class="finding">', "<svg", "<table", "<details")
    )
    assert sentences < picture < table < folded
    assert body[:table].count('<p class="finding">') == 2
    assert body[:folded].count("<svg") == body[:folded].count("<table") == 1
    assert "Holm" not in body[:table]  # what there is to add comes after
    assert "Holm-adjusted exact P" in body[table:folded]
    first = body[table : body.index("</table>")]
    for name in ("Condition", "ECE", "Accuracy", "NLL", "OOD AUROC"):
        assert f'<th scope="col">{name}</th>' in first
    values = pd.read_csv(report.parent / "tables/pairs-distribution-ece.csv").set_index("condition")
    gaussian = values.loc["gaussian"]
    means = f"{gaussian.without_mean:.3f} → {gaussian.with_mean:.3f} Δ −{-gaussian.difference:.3f} "
    assert means in first.replace("\N{NO-BREAK SPACE}", " ")


def test_all_other_tables_are_folded_and_every_figure_is_shown_once(report):
    page = report.read_text("utf-8")
    files = len(list((report.parent / "tables").glob("*.md")))
    assert page.count("<details>") == page.count("<summary>") == files - 1
    assert len(re.findall(r"<details>(?:(?!</details>).)*<table", page, re.DOTALL)) == files - 1
    unfinished = 1  # a list, under its own heading
    assert page.count("<table") == files + unfinished
    assert page.count('<a href="#first">') == 1


@pytest.mark.parametrize("outcome", ["finished", "failed"])
def test_a_study_without_pairs_begins_with_its_sentence_and_speaks_of_none(tmp_path, outcome):
    spec = Spec(replicates=2, exhibits=(), outcomes={("", 0): outcome})
    results = make_results(spec)
    controls = tuple(trial for trial in results.trials if trial.arm == "control")
    plan = replace(results.plan, grids={})
    page = write_report(replace(results, plan=plan, trials=controls), tmp_path).read_text("utf-8")
    done = 2 if outcome == "finished" else 1
    assert f'<p class="finding">{done} of 2 networks trained, without a warm-up to' in page
    body = page[page.index("<body>") :]
    for nothing in ("<svg", "<details", "pairs of networks", "pairs planned", "<h3"):
        assert nothing not in body


def test_the_page_says_below_its_first_table_what_was_found_in_the_data(tmp_path):
    results = make_results(Spec(replicates=2))
    says = ("Data folder:<pets>: 40 training images", "5 of 12 test images are in training too")
    results = replace(results, plan=replace(results.plan, found=says))
    page = write_report(results, tmp_path).read_text("utf-8")
    head = page[page.index("</table>") : page.index("<h2>")]
    assert "<li>Data folder:&lt;pets&gt;: 40 training images</li>" in head
    assert "<li>5 of 12 test images are in training too</li>" in head


def test_a_plan_says_once_what_several_data_sets_have_in_common():
    plan = make_plan(Spec())
    assert parse_plan(json.dumps(plan)).found == ()  # of a launch before this was said
    both = [{"sentences": ["one", "two"]}, {"sentences": ["two", "three"]}]
    assert parse_plan(json.dumps(plan | {"found": both})).found == ("one", "two", "three")


def test_reports_of_other_data_never_share_a_folder():
    def folder(data):
        plan = SimpleNamespace(study="s", scale="l", data=data)
        return default_folder(SimpleNamespace(plan=plan))

    names = ["photos", "npz:a.npz", "npz/a.npz", "npz-a.npz"]
    names += ["npz:日.npz", "npz:本.npz", "日", "本", *(f"npz:{'x' * 300}{end}" for end in "ab")]
    folders = [folder(name) for name in names]
    assert len({str(path).casefold() for path in folders}) == len(names)
    assert folders[0] == Path("reports/s/l-photos")
    assert max(len(path.name) for path in folders) < 120
    assert all(str(path).isascii() for path in folders)


def test_hostile_names_are_shown_not_obeyed(tmp_path):
    spec = Spec(
        distributions=(HOSTILE, "x" * 80), stds=(), replicates=2, study=HOSTILE, data="../../etc"
    )
    results = make_results(spec)
    folder = tmp_path / default_folder(results)
    assert tmp_path in folder.resolve().parents
    page = write_report(results, folder).read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    drawings = list(folder.rglob("*.svg"))
    assert len(drawings) == 3
    for path in drawings:
        shown = "".join(ElementTree.parse(path).getroot().itertext())
        assert "".join(HOSTILE.split()) in "".join(shown.split())


def test_the_same_study_gives_the_same_files(tmp_path):
    results = make_results(Spec(replicates=2))
    first, again = tmp_path / "a", tmp_path / "b"
    for folder in (first, again):
        write_report(results, folder)
    for path in first.rglob("*.*"):
        if path.name != "index.html":  # which says when it was made
            assert path.read_bytes() == (again / path.relative_to(first)).read_bytes()


def test_the_command_writes_the_report_and_prints_where(store, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    assert main(["synthetic"]) == 0
    assert capsys.readouterr().out == "reports/synthetic/smoke-photos/index.html\n"
    assert (tmp_path / "reports/synthetic/smoke-photos/index.html").is_file()


def test_a_published_report_is_among_the_parents_artifacts(store, tmp_path):
    results = load_study(store.client, "synthetic")
    write_report(results, tmp_path)
    publish_report(store.client, results, tmp_path)
    listed = {item.path for item in store.client.list_artifacts(store.parent, "report")}
    names = ("index.html", "contents.json", "tables", "figures")
    assert listed == {f"report/{name}" for name in names}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nothing"], "no study 'nothing'"),
        (["synthetic", "--scale", "paper"], "at scale paper; there is smoke on photos"),
        (["synthetic", "--tracking-uri", "sqlite:///absent.db"], "nothing here"),
        (["synthetic", "--tracking-uri", "sqlite:///text.db"], "not a database"),
        (["synthetic", "--tracking-uri", "gopher://x"], "gopher"),
        (["synthetic", "--out", "text.db"], "text.db"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    store, tmp_path, monkeypatch, capsys, arguments, says
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.db").write_text("this is a text, and no database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert says in err
    assert [path.name for path in tmp_path.iterdir()] == ["text.db"]


def test_a_folder_without_mlflow_stays_empty(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
    done = run_python(
        *("-m", "analysis.report", "noise_ablation"),
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "nothing here" in done.stderr
    assert list(tmp_path.iterdir()) == []
