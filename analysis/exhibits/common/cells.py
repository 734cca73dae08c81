"""A comparison as the cells of a table: texts for the eye, numbers for CSV."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from analysis.exhibits.common.text import Bold, number, p_text
from analysis.statistics.comparison import Comparison
from analysis.statistics.paired import MIN_PAIRS

Text = Callable[[float], str]  # a number for the eye

#: For captions: what the interval is, and what P, exact P and Holm P are.
INTERVAL = "95 % interval (Student's t)"
DELTA = "Δ [95 % interval]"  # a column
TEST = "Wilcoxon's signed-rank test of the pairs, two-sided"
EXACT = f"{TEST}, among all signs that the differences could have"
BOTH = (
    f"{TEST}; P is the normal approximation's, as in the paper, and is not given where fewer than "
    f"{MIN_PAIRS} pairs differ; exact P is that among all signs that the differences could have, "
    "Holm P corrects it, and q by the false discovery rate (Benjamini & Hochberg: of the rows with "
    "q < .05 a share of at most 5 % is false), both"
)


def comparison_row(
    row: Comparison, arms: tuple[str, str] = ("without", "with"), moved: str = "As the paper"
) -> dict[str, str]:
    """A comparison as a row of texts: means, difference, pairs that moved as the paper's, test."""
    names = [f"{row.measure.label} {arm}" for arm in arms]
    way = f"{row.moved}/{row.n}" if row.n and row.measure.expected else "—"
    return {"Pairs": pair_count(row)} | compared_cells(row, names, {moved: way})


def compared_cells(
    row: Comparison, arms: Sequence[str], way: Mapping[str, str], text: Text = number
) -> dict[str, str]:
    """Means, difference, how many pairs went which way, and the test.

    arms: the columns of those without and with warm-up; way: the cell that counts pairs.
    """
    return {
        arms[0]: spread(row.without, text),
        arms[1]: spread(row.with_, text),
        DELTA: difference(row, text),
        **way,
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
        "q": row.q,
        "margin": row.measure.margin,
        "p_equivalence": row.p_equivalence,
        "r": test.effect_size if test else None,
        "rank_biserial": test.rank_biserial if test else None,
        "note": test.note if test else "no complete pair",
    }


def p_cells(row: Comparison) -> dict[str, str]:
    """The paper's P, the exact one, and that corrected, by Holm's method and for q."""
    return {
        "P": no_p(row) if row.p_value is None else p_text(row.p_value),
        "Exact P": p_text(row.p_exact),
        "Holm P": p_text(row.p_holm),
        "q": p_text(row.q),
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


def lower(row: Comparison) -> str:
    """In how many of the pairs the number is lower with warm-up."""
    return f"{row.lower}/{row.n}" if row.n else "—"


def difference(row: Comparison, text: Text = number) -> str:
    if not row.n:
        return "—"
    plus = "+" if row.difference > 0 else ""
    return plus + text(row.difference) + in_brackets(row.interval, text)


def in_brackets(interval: tuple[float, float] | None, text: Text = number) -> str:
    """An interval as it stands behind its mean; nothing where there is none."""
    return f" [{', '.join(map(text, interval))}]" if interval else ""


def mean(values: Sequence[float] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def sd(values: Sequence[float] | np.ndarray) -> float:
    """Sample standard deviation (n − 1); NaN for fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def spread(values: np.ndarray, text: Text = number, of_sd: Text | None = None) -> str:
    """Mean ± s.d.; of_sd: as the s.d. is written, where not as the mean."""
    beside = f" ± {(of_sd or text)(sd(values))}" if len(values) > 1 else ""
    return text(mean(values)) + beside


def no_p(row: Comparison) -> str:
    """Why a comparison has no P by the approximation."""
    return "—" if not row.n else f"n < {MIN_PAIRS}" if row.n < MIN_PAIRS else "ties"


def best_in_bold(
    shown: Sequence[dict[str, str]], rows: Sequence[Comparison]
) -> Sequence[dict[str, str]]:
    """A table's rows, the best mean over rows and arms in bold; of equals all."""
    direction = rows[0].measure.expected if rows else 0
    means = np.array([[mean(row.without), mean(row.with_)] for row in rows]) * direction
    if not direction or np.isnan(means).all():
        return shown
    for row, arm in np.argwhere(means == np.nanmax(means)).tolist():
        column = f"{rows[0].measure.label} {('without', 'with')[arm]}"
        shown[row][column] = Bold(shown[row][column])
    return shown
