"""Of the page: the rows of a claim over many conditions, one by one, folded away."""

from collections.abc import Sequence

from analysis.exhibits.common.text import number, p_text, plural
from analysis.rendering.table_formats import markdown_escape
from analysis.replication.evidence import Row
from analysis.replication.rules import pair_count

_HEAD = ("Condition", "Without", "With", "Δ [95 % interval]", "As the paper", "W", "P", "Exact P")
_SIDES = (":---", *["---:"] * (len(_HEAD) - 1))


def every_row(rows: Sequence[Row]) -> str:
    """A table of comparisons, in HTML's fold, which Markdown takes as it is."""
    lines = [_HEAD, _SIDES, *([markdown_escape(cell) for cell in _cells(row)] for row in rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    title = f"ECE of each of {plural(len(rows), 'condition')}, with its test"
    return f"<details><summary>{title}</summary>\n\n{table}\n</details>\n"


def _cells(row: Row) -> tuple[str, ...]:
    ends = ""
    if "interval_low" in row:
        ends = f" [{number(row['interval_low'])}, {number(row['interval_high'])}]"
    plus = "+" if row["difference"] > 0 else ""
    return (
        str(row["condition"]),
        number(row["without_mean"]),
        number(row["with_mean"]),
        f"{plus}{number(row['difference'])}{ends}",
        f"{row['moved_as_the_paper']}/{pair_count(row)}",
        f"{row['w']:g}" if "w" in row else "—",
        p_text(row.get("p")),
        p_text(row.get("p_exact")),
    )
