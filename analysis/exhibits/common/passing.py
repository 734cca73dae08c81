"""Which of several comparisons pass Holm's correction, and whether any could.

The correction is of the exact P, whose least value, where all differences are of one sign, is 2/2ⁿ
for n pairs. No multiple of it is .05 itself: it does not matter on which side that would count.
"""

from collections.abc import Sequence

from analysis.exhibits.common.text import plural
from analysis.statistics.comparison import Comparison
from analysis.statistics.paired import smallest_exact_p

ALPHA = 0.05


def passed(rows: Sequence[Comparison]) -> list[Comparison]:
    return [row for row in rows if row.p_holm is not None and row.p_holm < ALPHA]


def none_can_pass(rows: Sequence[Comparison]) -> str:
    """Where not even differences of one sign in every pair would pass: with how many pairs, and of
    how many tests. Such as: “with 6 pairs and 13 tests”; empty where one could pass.

    rows: all that were corrected together.
    """
    pairs = [row.n for row in rows if row.p_exact is not None]
    if not pairs or smallest_exact_p(max(pairs)) * len(pairs) < ALPHA:
        return ""
    return f"with {plural(max(pairs), 'pair')} and {plural(len(pairs), 'test')}"


def passed_in_words(rows: Sequence[Comparison]) -> str:
    """Such as: “Holm P < 0.05 in 0 of 13 tests: with 6 pairs and 13 tests none can pass”."""
    hopeless = none_can_pass(rows)
    none = f": {hopeless} none can pass" if hopeless else ""
    return f"Holm P < {ALPHA:g} in {len(passed(rows))} of {len(rows)} tests{none}"


def pairs_needed(tests: int) -> int:
    """Pairs from which a difference of one sign in every pair passes Holm's correction."""
    return next(n for n in range(1, 1000) if smallest_exact_p(n) * tests < ALPHA)
