"""Of the page: the rows of a claim over many conditions, one by one, folded away."""

from collections.abc import Sequence

import pandas as pd

from analysis.exhibits.common.text import number, p_text, plural
from analysis.rendering.table_formats import to_markdown
from analysis.replication.evidence import Row
from analysis.replication.rules import change, pair_count


def every_row(rows: Sequence[Row]) -> str:
    """A table of comparisons, in HTML's fold, which Markdown takes as it is."""
    title = f"ECE of each of {plural(len(rows), 'condition')}, with its test"
    table = to_markdown(pd.DataFrame([_cells(row) for row in rows]))
    return f"<details><summary>{title}</summary>\n\n{table}\n</details>\n"


def _cells(row: Row) -> dict[str, str]:
    return {
        "Condition": str(row["condition"]),
        "Without": number(row["without_mean"]),
        "With": number(row["with_mean"]),
        "Δ [95 % interval]": change(row),
        "As the paper": f"{row['moved_as_the_paper']}/{pair_count(row)}",
        "W": f"{row['w']:g}" if "w" in row else "—",
        "P": p_text(row.get("p")),
        "Exact P": p_text(row.get("p_exact")),
    }
