"""A comparison as the cells of a table: texts for the eye, numbers for CSV."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.exhibits.common.text import Bold, number, p_text
from analysis.statistics.comparison import Comparison
from analysis.statistics.paired import MIN_PAIRS

#: For captions: what the interval is, and what P, exact P and Holm P are.
INTERVAL = "95 % interval (Student's t)"
TEST = "Wilcoxon's signed-rank test of the pairs, two-sided"
EXACT = f"{TEST}, among all signs that the differences could have"
BOTH = (
    f"{TEST}; P is the normal approximation's, as in the paper, and is not given where fewer than "
    f"{MIN_PAIRS} pairs differ; exact P is that among all signs that the differences could have, "
    "and Holm P corrects it"
)


def comparison_row(row: Comparison) -> dict[str, str]:
    """A comparison as a row of texts: means, difference, test."""
    name = row.measure.label
    return {
        "Pairs": pair_count(row),
        f"{name} without": spread(row.without),
        f"{name} with": spread(row.with_),
        "Δ [95 % interval]": difference(row),
        "As the paper": f"{row.moved}/{row.n}" if row.n and row.measure.expected else "—",
        "W": f"{row.test.statistic:g}" if row.test else "—",
        **p_cells(row),
        "r": effect(row),
    }


def csv_row(row: Comparison) -> dict[str, object]:
    """Every number of one comparison, for CSV; None where there is none."""
    test, (low, high) = row.test, row.interval or (None, None)
    return {
        "condition": row.condition,
        "metric": row.measure.key,
        "pairs": row.n,
        "pairs_planned": row.planned,
        "lost": row.lost,
        "without_mean": mean(row.without),
        "without_sd": sd(row.without),
        "with_mean": mean(row.with_),
        "with_sd": sd(row.with_),
        "difference": row.difference,
        "interval_low": low,
        "interval_high": high,
        "moved_as_the_paper": row.moved if row.n and row.measure.expected else None,
        "w": test.statistic if test else None,
        "z": test.z if test else None,
        "p": row.p_value,
        "p_exact": row.p_exact,
        "p_holm": row.p_holm,
        "r": test.effect_size if test else None,
        "rank_biserial": test.rank_biserial if test else None,
        "note": test.note if test else "no complete pair",
    }


def p_cells(row: Comparison) -> dict[str, str]:
    """The paper's P, the exact one, and that corrected."""
    return {
        "P": no_p(row) if row.p_value is None else p_text(row.p_value),
        "Exact P": p_text(row.p_exact),
        "Holm P": p_text(row.p_holm),
    }


def exact_p(p_exact: float | None) -> str:
    """In a sentence."""
    return "no P" if p_exact is None else f"exact P = {p_text(p_exact)}"


def effect(row: Comparison) -> str:
    """r; none where too few pairs differ for it to mean something."""
    return number(row.test.effect_size, 2) if row.test and row.p_value is not None else "—"


def pair_count(row: Comparison) -> str:
    if row.n == row.planned:
        return str(row.n)
    return f"{row.n} of {row.planned}" + (f" ({row.lost})" if row.lost else "")


def difference(row: Comparison) -> str:
    if not row.n:
        return "—"
    interval = f" [{', '.join(number(v) for v in row.interval)}]" if row.interval else ""
    return ("+" if row.difference > 0 else "") + number(row.difference) + interval


def mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def sd(values: Sequence[float] | np.ndarray) -> float:
    """Sample standard deviation (n − 1); NaN for fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def spread(values: np.ndarray) -> str:
    if not len(values):
        return "—"
    return number(mean(values)) + (f" ± {number(sd(values))}" if len(values) > 1 else "")


def no_p(row: Comparison) -> str:
    """Why a comparison has no P by the approximation."""
    return "—" if not row.n else f"n < {MIN_PAIRS}" if row.n < MIN_PAIRS else "ties"


def best_in_bold(shown: pd.DataFrame, rows: Sequence[Comparison]) -> pd.DataFrame:
    """The table with its best mean, over rows and arms, in bold; of equals all."""
    direction = rows[0].measure.expected if rows else 0
    means = np.array([[mean(row.without), mean(row.with_)] for row in rows]) * direction
    if not direction or np.isnan(means).all():
        return shown
    marked = shown.astype(object)  # a column of texts would make plain texts of them
    for row, arm in np.argwhere(means == np.nanmax(means)).tolist():
        column = f"{rows[0].measure.label} {('without', 'with')[arm]}"
        marked.loc[row, column] = Bold(marked.loc[row, column])
    return marked
