"""What a study found, in sentences computed from its numbers: the report's first paragraph."""

import math

from analysis.comparison import ACCURACY, AUROC, ECE, Comparison, compare_grid
from analysis.exhibits.exhibit import number
from analysis.results import StudyResults
from analysis.stats import MIN_PAIRS

ALPHA = 0.05

_GRIDS = {"distribution": "noise distributions", "std": "noise strengths"}


def findings(results: StudyResults) -> list[str]:
    """A paragraph for each grid; one sentence where there is nothing to compare."""
    if not results.plan.grids:
        return [_alone(results)]
    paragraphs = [text for grid in results.plan.grids if (text := _grid(results, grid))]
    return paragraphs or ["No pair is complete yet: there is nothing to compare."]


def _alone(results: StudyResults) -> str:
    """Of a study of controls alone."""
    done = [trial.numbers for trial in results.trials if trial.numbers]
    if not done:
        return "No network is trained yet."
    accuracy, ece = (
        number(sum(numbers[key] for numbers in done) / len(done)) for key in (ACCURACY.key, ECE.key)
    )
    return (
        f"{len(done)} of {len(results.trials)} networks trained, without a warm-up to compare them "
        f"with: mean test accuracy {accuracy}, ECE {ece}."
    )


def _grid(results: StudyResults, grid: str) -> str:
    rows = compare_grid(results, grid, ECE)
    measured = [row for row in rows if row.n]
    if not measured:
        return ""
    what = _GRIDS.get(grid, f"conditions of {grid}")
    lower = [row for row in measured if row.difference < 0]
    always = [row for row in lower if row.moved == row.n]
    sentences = [
        f"Warm-up lowered the mean expected calibration error (ECE) in {len(lower)} of "
        f"{len(measured)} {what}, in every single pair in {len(always)}.",
        _significance(measured),
        _others(results, grid),
    ]
    if len(measured) < len(rows):
        sentences.append(f"{len(rows) - len(measured)} more have no complete pair.")
    if any(0 < row.n < row.planned for row in rows):
        sentences.append("Some conditions have lost pairs, as the table says.")
    return " ".join(filter(None, sentences))


def _significance(rows: list[Comparison]) -> str:
    """How many conditions pass Holm's correction, and whether any could."""
    tests = [row for row in rows if row.p_holm is not None]
    if not tests:
        return f"With fewer than {MIN_PAIRS} pairs a condition, no P is given."
    passed = [row for row in tests if row.p_holm is not None and row.p_holm < ALPHA]
    lower = sum(row.difference < 0 for row in passed)
    text = f"Holm-adjusted P < .05 in {len(passed)} of {len(tests)}"
    text += f", {len(passed) - lower} of them higher." if lower < len(passed) else "."
    most = max(row.n for row in tests)
    if smallest_p(most) * len(tests) >= ALPHA:
        text += (
            f" With {most} pairs and {len(tests)} tests nothing can pass this correction, not even "
            "differences of one sign in every pair: those would pass with "
            f"{pairs_needed(len(tests))} pairs."
        )
    return text


def _others(results: StudyResults, grid: str) -> str:
    parts = [
        text
        for measure, name in ((ACCURACY, "Test accuracy"), (AUROC, "OOD AUROC"))
        if (text := _direction(compare_grid(results, grid, measure), name))
    ]
    return " ".join(parts)


def _direction(rows: list[Comparison], name: str) -> str:
    changes = [row.difference for row in rows if row.n]
    if not changes:
        return ""
    higher = sum(change > 0 for change in changes)
    low, high = number(min(changes)), number(max(changes))
    return f"{name} rose in {higher} of {len(changes)} (change {low} to {high})."


def smallest_p(n: int) -> float:
    """The least P that the paired test can give for n pairs: all differences of one sign."""
    z = (n * (n + 1) / 4) / math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return math.erfc(z / math.sqrt(2))


def pairs_needed(tests: int) -> int:
    """Pairs from which a difference of one sign in every pair passes Holm's correction."""
    return next(n for n in range(MIN_PAIRS, 1000) if smallest_p(n) * tests < ALPHA)
