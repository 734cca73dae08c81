"""A table of texts, as Markdown, CSV, LaTeX and HTML.

All four take any text there can be in a cell, such as a condition named by a user, and show exactly
that: what means something to the format is escaped. The first column is text, left-aligned; the
others are numbers, right-aligned. LaTeX needs the package booktabs, nothing else.

Columns may have names of two levels, (group, name), such as ("isotonic", "without"): a group stands
over its columns in LaTeX and HTML, and before each name in Markdown, which has one line of header.
A column of no group is (name, "").
"""

import re
from collections.abc import Iterator
from itertools import groupby

import pandas as pd
from markupsafe import Markup

from analysis.exhibits.common.text import Bold
from analysis.rendering import template

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": "$-$",
    "→": r"$\rightarrow$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "σ": r"$\sigma$",
    "α": r"$\alpha$",
    "ε": r"$\varepsilon$",
    "Δ": r"$\Delta$",
    "√": r"$\surd$",
    "★": r"$\star$",
    "†": r"$\dagger$",
    "“": "``",
    "”": "''",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    **{character: f"\\{character}" for character in "#$%&_"},
}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|~#])")


def to_markdown(frame: pd.DataFrame) -> str:
    """A table as GitHub renders it."""
    rule = [":---"] + ["---:"] * (frame.shape[1] - 1)
    header = [markdown_escape(", ".join(filter(None, column))) for column in _columns(frame)]
    body = [[_bold("**{}**", markdown_escape(cell), cell) for cell in row] for row in _body(frame)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [header, rule, *body])


def to_csv(frame: pd.DataFrame) -> str:
    """Comma-separated, with a header; NaN and None are empty fields."""
    return frame.to_csv(index=False, lineterminator="\n")


def to_latex(frame: pd.DataFrame, caption: str, label: str) -> str:
    """A `table` environment with booktabs' rules."""
    body = [[_bold(r"\textbf{{{}}}", latex_escape(c), c) for c in row] for row in _body(frame)]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering\\footnotesize",
        f"  \\caption{{{latex_escape(caption)}}}",
        f"  \\label{{tab:{re.sub('[^A-Za-z0-9-]+', '-', label)}}}",
        f"  \\begin{{tabular}}{{l{'r' * (frame.shape[1] - 1)}}}",
        "    \\toprule",
        *(f"    {line}" for line in _latex_header(frame)),
        "    \\midrule",
        # a row that begins with [ would be read as \\'s optional argument
        *(f"    {{}}{' & '.join(row)} \\\\" for row in body),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_html(frame: pd.DataFrame) -> Markup:
    """A `table` element without styles."""
    grouped = frame.columns.nlevels > 1
    html = template("table.html.j2").render(
        groups=list(_groups(frame)) if grouped else [],
        names=[name for _, name in _columns(frame)],
        rows=_body(frame),
        is_bold=lambda cell: isinstance(cell, Bold),
    )
    return Markup(html)


def markdown_escape(text: str) -> str:
    """Text as Markdown shows it literally, in a cell or a paragraph."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def latex_escape(text: str) -> str:
    """Text as LaTeX prints it literally."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _columns(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """(group, name) of each; "" where it has no group."""
    levels = [map(str, frame.columns.get_level_values(n)) for n in range(frame.columns.nlevels)]
    if len(levels) == 1:
        return [("", name) for name in levels[0]]
    return [(group, name) if name else ("", group) for group, name in zip(*levels, strict=True)]


def _groups(frame: pd.DataFrame) -> Iterator[tuple[str, int]]:
    """The groups, and how many neighbouring columns each has; one of no group is by itself."""
    placed = enumerate(group for group, _ in _columns(frame))
    for _, members in groupby(placed, lambda at: at[1] or at[0]):
        found = [group for _, group in members]
        yield found[0], len(found)


def _latex_header(frame: pd.DataFrame) -> list[str]:
    names = " & ".join(latex_escape(name) for _, name in _columns(frame)) + r" \\"
    if frame.columns.nlevels == 1:
        return [names]
    cells, rules, first = [], [], 1
    for group, width in _groups(frame):
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{latex_escape(group)}}}" if group else "")
        if group:
            rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    return [" & ".join(cells) + r" \\", " ".join(rules), names]


def _body(frame: pd.DataFrame) -> list[list[str]]:
    """The cells as texts; a missing value is a dash."""
    rows = frame.astype(object).where(frame.notna(), "—").to_numpy().tolist()
    return [[cell if isinstance(cell, str) else str(cell) for cell in row] for row in rows]


def _bold(mark: str, escaped: str, cell: str) -> str:
    return mark.format(escaped) if isinstance(cell, Bold) else escaped
