"""A table shows exactly the text of its cells in every format."""

import csv
import html
import io
import re

import pandas as pd
import pytest

from analysis.rendering.table_formats import latex_escape, to_csv, to_html, to_latex, to_markdown

HOSTILE = r"""a|b <script>alert("1")</script> & 50% of $x_1^2$ {#~} \end{table} *b* `c`"""
FRAME = pd.DataFrame({"Name": [HOSTILE, "[0, 1]"], "Δ [95 %]": ["−0.1 ± 0.2", None]})


def unescaped_latex(text: str) -> str:
    """What LaTeX prints: an inverse made independently of the table of escapes."""
    named = {
        "textbackslash": "\\",
        "textasciitilde": "~",
        "textasciicircum": "^",
        "textless": "<",
        "textgreater": ">",
        "textbar": "|",
        "textquotedbl": '"',
    }
    text = re.sub(r"\\(text\w+)\{\}", lambda m: f"\0{list(named).index(m[1])}\0", text)
    assert not re.search(r"(?<!\\)[#%&_{}~^]", text), "a special character is left"
    text = re.sub(r"\\([#$%&_{}])", r"\1", text)
    return re.sub("\0(\\d)\0", lambda m: list(named.values())[int(m[1])], text)


def test_latex_prints_hostile_text_as_it_is():
    assert unescaped_latex(latex_escape(HOSTILE)) == HOSTILE


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("50 %", r"50 \%"), ("a_b", r"a\_b"), ("−1 → ±2", r"$-$1 $\rightarrow$ $\pm$2"),
     ("\\", r"\textbackslash{}"), ("a\nb", "a b")],
)  # fmt: skip
def test_latex_escapes(text, escaped):
    assert latex_escape(text) == escaped


def test_latex_is_a_booktabs_table():
    text = to_latex(FRAME, "50 % of it", "a b_c")
    assert r"\caption{50 \% of it}" in text
    assert r"\label{tab:a-b-c}" in text
    assert r"\begin{tabular}{lr}" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == 1
    assert text.count(r"\end{table}") == 1  # the hostile one is escaped
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [1, 1, 1]
    assert not [row for row in rows if row.strip().startswith("[")]


def test_markdown_keeps_its_columns():
    lines = to_markdown(FRAME).splitlines()
    assert len(lines) == 4
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {3}
    assert r"a\|b \<script\>" in lines[2]
    assert lines[3].endswith("| — |")


def test_html_shows_markup_as_text():
    text = str(to_html(FRAME))
    assert "<script" not in text
    cells = [html.unescape(c) for c in re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", text, re.DOTALL)]
    assert cells == ["Name", "Δ [95 %]", HOSTILE, "−0.1 ± 0.2", "[0, 1]", "—"]


def test_csv_is_read_back_as_it_was():
    rows = list(csv.reader(io.StringIO(to_csv(FRAME))))
    assert rows == [["Name", "Δ [95 %]"], [HOSTILE, "−0.1 ± 0.2"], ["[0, 1]", ""]]
