"""A table of texts, as Markdown, CSV, LaTeX and HTML.

All four take any text there can be in a cell, such as a condition named by a user, and show exactly
that: what means something to the format is escaped. The first column is text, left-aligned; the
others are numbers, right-aligned. LaTeX needs the package booktabs, nothing else.
"""

import re

import pandas as pd
from markupsafe import Markup

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


class Bold(str):
    """A cell's text, to be shown in bold."""


def to_markdown(frame: pd.DataFrame) -> str:
    """A table as GitHub renders it."""
    rule = [":---"] + ["---:"] * (frame.shape[1] - 1)
    rows = [[_bold("**{}**", markdown_escape(cell), cell) for cell in row] for row in _rows(frame)]
    return "".join(f"| {' | '.join(row)} |\n" for row in [rows[0], rule, *rows[1:]])


def to_csv(frame: pd.DataFrame) -> str:
    """Comma-separated, with a header; NaN and None are empty fields."""
    return frame.to_csv(index=False, lineterminator="\n")


def to_latex(frame: pd.DataFrame, caption: str, label: str) -> str:
    """A `table` environment with booktabs' rules."""
    texts = _rows(frame)
    header, *body = [[_bold(r"\textbf{{{}}}", latex_escape(c), c) for c in row] for row in texts]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "  \\centering\\footnotesize",
        f"  \\caption{{{latex_escape(caption)}}}",
        f"  \\label{{tab:{re.sub('[^A-Za-z0-9-]+', '-', label)}}}",
        f"  \\begin{{tabular}}{{l{'r' * (len(header) - 1)}}}",
        "    \\toprule",
        f"    {' & '.join(header)} \\\\",
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
    header, *body = _rows(frame)
    head = Markup().join(Markup('<th scope="col">{}</th>').format(cell) for cell in header)
    rows = Markup().join(
        Markup('<tr><th scope="row">{}</th>{}</tr>\n').format(
            row[0],
            Markup().join(
                Markup("<td>{}</td>").format(
                    Markup("<b>{}</b>").format(cell) if isinstance(cell, Bold) else cell
                )
                for cell in row[1:]
            ),
        )
        for row in body
    )
    return Markup("<table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table>").format(
        head, rows
    )


def markdown_escape(text: str) -> str:
    """Text as Markdown shows it literally, in a cell or a paragraph."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def latex_escape(text: str) -> str:
    """Text as LaTeX prints it literally."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


def _rows(frame: pd.DataFrame) -> list[list[str]]:
    """Header and body as texts; a missing value is a dash."""
    body = frame.astype(object).where(frame.notna(), "—").to_numpy().tolist()
    texts = [list(frame.columns), *body]
    return [[cell if isinstance(cell, str) else str(cell) for cell in row] for row in texts]


def _bold(mark: str, escaped: str, cell: str) -> str:
    return mark.format(escaped) if isinstance(cell, Bold) else escaped
