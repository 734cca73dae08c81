"""The index of several reports: every figure shown, every link to something that is there."""

import json
import re

import pytest
from studies import Spec, make_results

from analysis.rendering.index import write_index
from analysis.rendering.report import CONTENTS, write_report

HOSTILE = '<script>alert(1)</script> & "quotes"'


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    for name in ("one", "two"):
        results = make_results(Spec(study=name))
        write_report(results, folder / name / "smoke-photos")
    return [folder / name / "smoke-photos" for name in ("one", "two")]


def test_contents_name_every_table_and_figure_of_the_report(reports):
    contents = json.loads((reports[0] / CONTENTS).read_text("utf-8"))
    assert contents["study"] == "one"
    assert contents["trials"] == contents["finished"] == 30
    figures = {f["file"] for exhibit in contents["exhibits"] for f in exhibit["figures"]}
    tables = {t["file"] for exhibit in contents["exhibits"] for t in exhibit["tables"]}
    there = {str(path.relative_to(reports[0])) for path in reports[0].rglob("*.*")}
    assert figures == {path for path in there if path.endswith(".svg")}
    assert tables == {path for path in there if path.endswith(".md")}


def test_the_index_shows_every_figure_and_leads_to_every_report(reports, tmp_path):
    page = write_index("The paper", "What of it can be seen?", reports, tmp_path / "index")
    text = page.read_text("utf-8")
    for path in re.findall(r'(?:href|src)="([^"#]+)"', text):
        assert (page.parent / path).is_file(), path
    shown = set(re.findall(r'src="([^"]+)"', text))
    assert shown == {
        str(path.relative_to(page.parent)) for path in (tmp_path / "index").rglob("*.svg")
    }
    for name in ("one", "two"):
        assert f'href="{name}/index.html"' in text
        assert f'<section id="{name}">' in text
    assert text.count("Warm-up lowered the mean expected calibration error") == 4
    assert not re.search(r"https?:|<script", text)


def test_names_are_shown_and_not_obeyed(reports, tmp_path):
    page = write_index(HOSTILE, HOSTILE, reports, tmp_path / "index")
    assert "<script" not in page.read_text("utf-8")
    assert "&lt;script&gt;" in page.read_text("utf-8")


def test_writing_it_again_leaves_the_same_page(reports, tmp_path):
    pages = [write_index("A", "B?", reports, tmp_path / "index").read_bytes() for _ in range(2)]
    assert pages[0] == pages[1]
