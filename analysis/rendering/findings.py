"""What a study found, in sentences computed from its numbers: the report's first words."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from analysis.exhibits.calibration.beyond_chance import chance_sentences
from analysis.exhibits.calibration.confidence_gap import gap_sentence
from analysis.exhibits.common.cells import exact_p
from analysis.exhibits.common.looks_text import how_many_pairs
from analysis.exhibits.common.passing import none_can_pass, pairs_needed, passed
from analysis.exhibits.common.text import label, number
from analysis.exhibits.search.confirmed import sentences
from analysis.exhibits.verdict.remedies import GRID
from analysis.exhibits.verdict.verdict import reached
from analysis.results.equal_start import warning
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import (
    ACCURACY,
    AUROC,
    CONFIDENCE,
    ECE,
    Comparison,
    Measure,
    compare_grid,
    main_measure,
)

_GRIDS = {"distribution": "noise distributions", "std": "noise strengths"}
_NAMES = {ECE: "the mean expected calibration error (ECE)", CONFIDENCE: "mean confidence"}
_OTHERS = {ACCURACY: "Test accuracy", AUROC: "OOD AUROC"}
_UNTRAINED = (
    "No network is trained on the task here: they are measured on unseen examples as they would "
    "start it."
)


@dataclass(frozen=True)
class Finding:
    """A paragraph: what was found, and after the first picture and table what there is to add."""

    said: str
    added: str = ""
    about: str = ""  # what is added, in a word or two

    @property
    def paragraph(self) -> str:
        return _joined(self.said, self.added)


def findings(results: StudyResults) -> list[str]:
    """A paragraph for each grid; one sentence where there is nothing to compare. Where members of
    pairs did not start alike, that comes first, and where pairs were added in looks, those come
    last."""
    return [finding.paragraph for finding in found(results)]


def found(results: StudyResults) -> list[Finding]:
    """The same in two parts each."""
    warned = [Finding(text) for text in warning(results)]
    looked = [Finding("", text, "pairs") for text in how_many_pairs(results)]
    return [*warned, *_found(results), *looked]


def _found(results: StudyResults) -> list[Finding]:
    if "verdict" in results.plan.exhibits and GRID in results.plan.grids:
        return [Finding(reached(results).said)]
    if results.plan.search is not None:
        first, *others = sentences(results) or ["The search has no best yet."]
        return [Finding(first, _joined(*others))]
    if not results.plan.grids:
        return [Finding(_alone(results))]
    measure = main_measure(results.plan.trains)
    grids = [f for grid in results.plan.grids if (f := _grid(results, grid, measure)).said]
    if grids and not results.plan.trains:
        grids[0] = replace(grids[0], said=_joined(_UNTRAINED, grids[0].said))
    return grids or [Finding("No pair is complete yet: there is nothing to compare.")]


def _joined(*sentences: str) -> str:
    return " ".join(filter(None, sentences))


def _alone(results: StudyResults) -> str:
    done = [trial.numbers for trial in results.trials if trial.numbers]
    if done and not results.plan.trains:
        confidence = sum(numbers[CONFIDENCE.key] for numbers in done) / len(done)
        return (
            f"{_UNTRAINED} Mean confidence of {len(done)} of {len(results.trials)} networks, "
            f"without a warm-up to compare them with: {number(confidence)}."
        )
    if not done:
        return "No network is trained yet."
    accuracy, ece = (
        number(sum(numbers[key] for numbers in done) / len(done)) for key in (ACCURACY.key, ECE.key)
    )
    return (
        f"{len(done)} of {len(results.trials)} networks trained, without a warm-up to compare them "
        f"with: mean test accuracy {accuracy}, ECE {ece}."
    )


def _grid(results: StudyResults, grid: str, measure: Measure) -> Finding:
    rows = compare_grid(results, grid, measure)
    measured = [row for row in rows if row.n]
    if not measured:
        return Finding("")
    if len(rows) == 1:
        return _one_condition(results, grid, rows[0])
    what = _GRIDS.get(grid, f"conditions of {grid}")
    lower = [row for row in measured if row.difference < 0]
    always = [row for row in lower if row.moved == row.n]
    said = (
        f"Warm-up lowered {_NAMES[measure]} in {len(lower)} of "
        f"{len(measured)} {what}, in every single pair in {len(always)}."
    )
    added = [_significance(measured), *_beside(results, grid, (_others(results, grid),))]
    if len(measured) < len(rows):
        added.append(f"{len(rows) - len(measured)} more have no complete pair.")
    if any(0 < row.n < row.planned for row in rows):
        added.append("Some conditions have lost pairs, as the table says.")
    return Finding(said, _joined(*added), what)


def _one_condition(results: StudyResults, grid: str, row: Comparison) -> Finding:
    """Where a grid has one condition only: its numbers, in place of counts."""
    before, after = number(float(row.without.mean())), number(float(row.with_.mean()))
    turn = "lowered" if row.difference < 0 else "raised" if row.difference > 0 else "did not move"
    name = _NAMES[row.measure]
    said = (
        f"{label(row.condition)}: warm-up {turn} {name}, {before} without and {after} with it; "
        f"lower in {row.moved} of {row.n} pairs ({exact_p(row.p_exact)})."
    )
    added = _beside(results, grid, (_change(results, grid, measure) for measure in _OTHERS))
    lost = f"{row.planned - row.n} of {row.planned} pairs are lost." if row.n < row.planned else ""
    return Finding(said, _joined(*added, lost), label(row.condition))


def _beside(results: StudyResults, grid: str, others: Iterable[str]) -> list[str]:
    """Of networks that are trained on the task: other measures, whether they are too sure or not
    sure enough, and what chance alone gives."""
    if not results.plan.trains:
        return []
    return [*others, gap_sentence(results, grid), chance_sentences(results, grid)]


def _change(results: StudyResults, grid: str, measure: Measure) -> str:
    row = compare_grid(results, grid, measure)[0]
    if not row.n:
        return ""
    sign = "+" if row.difference > 0 else ""
    return (
        f"{_OTHERS[measure]} changed by {sign}{number(row.difference)}, higher in {row.moved} of "
        f"{row.n} ({exact_p(row.p_exact)})."
    )


def _significance(rows: list[Comparison]) -> str:
    """How many conditions pass Holm's correction, and whether any could."""
    found = passed(rows)
    lower = sum(row.difference < 0 for row in found)
    text = f"Holm-adjusted exact P < .05 in {len(found)} of {len(rows)}"
    text += f", {len(found) - lower} of them higher." if lower < len(found) else "."
    hopeless = none_can_pass(rows)
    if hopeless:
        text += (
            f" {hopeless.capitalize()} nothing can pass this correction, not even differences of "
            f"one sign in every pair: those would pass with {pairs_needed(len(rows))} pairs."
        )
    return text


def _others(results: StudyResults, grid: str) -> str:
    said = (
        _direction(compare_grid(results, grid, measure), name) for measure, name in _OTHERS.items()
    )
    return " ".join(filter(None, said))


def _direction(rows: list[Comparison], name: str) -> str:
    changes = [row.difference for row in rows if row.n]
    if not changes:
        return ""
    higher = sum(change > 0 for change in changes)
    low, high = number(min(changes)), number(max(changes))
    return f"{name} rose in {higher} of {len(changes)} (change {low} to {high})."
