"""How sure is a network of examples it has not seen? Outputs before training, against theory.

After Fig. 3e–j and Supplementary Figs 14–16 of Cheon & Paik, Nature Machine Intelligence (2026),
DOI 10.1038/s42256-026-01215-x: logits, probabilities and confidence on the training examples,
untrained and warmed up, by number of classes, depth and kind of network. Untrained is a control,
and warmed up its partner in the pair, before the first step of the task. The theory is that of
`analysis.statistics.theory`, which knows the service's MLP with He's initialisation and no other
network.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from analysis.exhibits.common.by_method import record_pairs
from analysis.exhibits.common.cells import BOTH, INTERVAL, comparison_row, csv_row, mean, sd
from analysis.exhibits.common.exhibit import Drawing, Exhibit, Table, exhibit, table
from analysis.exhibits.common.passing import ALPHA
from analysis.exhibits.common.text import label, number, plural
from analysis.exhibits.initial_state import confidence_plots as plots
from analysis.exhibits.initial_state.confidence_plots import STATES, Start
from analysis.metrics.classification import softmax
from analysis.results.cached import cached
from analysis.results.plan import levels
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult
from analysis.statistics.comparison import Comparison, Measure, compare, corrected
from analysis.statistics.paired import MIN_PAIRS
from analysis.statistics.theory import Prediction, predict, uniform_loss

CONFIDENCE = Measure("start_confidence", "Confidence", -1)
VARIANCE = Measure("start_logit_variance", "Logit variance", -1)
MEASURES = (CONFIDENCE, VARIANCE)

_HOW = (
    "Measured on the training examples before the first step of the task, in eval mode; untrained "
    "is the control and warmed up its partner, which began with the same weights. Confidence is "
    "the mean over the examples of the largest softmax probability, logit variance that of all "
    "logits of one network; both as mean ± s.d. over the complete pairs. Δ is the mean of warmed "
    f"up − untrained, with its {INTERVAL}; “As the paper” counts the pairs in which the number "
    f"fell; W, P, exact P and r = |Z|/√pairs: {BOTH} over the grid's conditions. Theory is "
    "what random weights are expected to give for these examples, of an MLP with He's "
    "initialisation; a dash stands where the network is another. For confidence it is given at "
    "the network's own width, which the figures show, and at infinite width, where depth does not "
    "matter; for logit variance as its bounds at infinite width, between which it depends on how "
    "alike the examples are. Chance, 1/k for k classes, is the confidence of the output that is "
    "best where labels do not depend on the input, as in warm-up; its loss is ln k. Histograms are "
    "of all networks together; there the theory is the density of a logit and the mean confidence."
)


def initial_confidence(results: StudyResults) -> Exhibit:
    """For each grid two tables and a figure by level; histograms of each grid's first condition."""
    title = "Outputs before training"
    said: list[str] = []
    tables: list[Table] = []
    figures: list[Drawing] = []
    drawn: set[str] = set()
    for grid, conditions in results.plan.grids.items():
        starts = _starts(results, conditions)
        if not any(start.n for start in starts):
            said.append(f"No complete pair of grid {grid} has the outputs before training.")
            continue
        at = levels(results.plan, grid)
        said.append(_said(grid, [start for start in starts if start.n], at))
        tables += [_table(grid, starts, measure) for measure in MEASURES]
        figures.append(plots.draw_levels(grid, [start for start in starts if start.n], at))
        if starts[0].n and starts[0].condition not in drawn:
            drawn.add(starts[0].condition)
            figures.append(
                plots.draw_outputs(grid, starts[0], _outputs(results, starts[0].condition))
            )
    said.append(_HOW if tables else "That takes the probe start_outputs.")
    return exhibit(results, "initial_confidence", title, said, tables, figures)


def _starts(results: StudyResults, conditions: Sequence[str]) -> list[Start]:
    """Every condition of a grid, with Holm's correction across them."""
    by_measure = [
        corrected([compare(results, condition, measure, _numbers) for condition in conditions])
        for measure in MEASURES
    ]
    return [
        Start(confidence, variance, *_expected(results, confidence.condition))
        for confidence, variance in zip(*by_measure, strict=True)
    ]


def _numbers(trial: TrialResult) -> Mapping[str, float]:
    return cached(_measured, trial.record) if trial.record else {}


def _measured(record: Record) -> Mapping[str, float]:
    """Of one network at the start of the task; empty where that was not measured."""
    logits = record.probes.get(plots.LOGITS)
    if logits is None:
        return {}
    confidence = float(softmax(logits).max(axis=1).mean())
    return {CONFIDENCE.key: confidence, VARIANCE.key: float(logits.var(dtype=np.float64))}


def _outputs(results: StudyResults, condition: str) -> list[tuple[Record, Record]]:
    """(untrained, warmed up) of the condition's complete pairs that have them."""
    both = [pair for _, pair in record_pairs(results, condition)]
    return [pair for pair in both if all(plots.LOGITS in record.probes for record in pair)]


def _expected(results: StudyResults, condition: str) -> tuple[int, Prediction | None]:
    """The number of classes, and what theory expects for the untrained networks' examples."""
    untrained = [record for record, _ in _outputs(results, condition)]
    if not untrained:
        return 0, None
    classes = int(untrained[0].probes[plots.LOGITS].shape[1])
    if not all(map(_known, untrained)):
        return classes, None
    squares = np.concatenate([record.probes[plots.SQUARES] for record in untrained])
    model = untrained[0].trial["model"]
    return classes, predict(squares, classes, int(model["depth"]), int(model["width"]))


def _known(record: Record) -> bool:
    """Whether the network is one that the theory knows, as it was first drawn."""
    model = record.trial.get("model", {})
    drawn = model.get("init") == "he" and not model.get("weights")
    return model.get("name") == "mlp" and drawn and plots.SQUARES in record.probes


def _said(grid: str, starts: Sequence[Start], at: Mapping[str, float]) -> str:
    n, several = sum(start.n for start in starts), len(starts) > 1
    where = f"{len(starts)} conditions" if several else "one condition"
    average = " on average over the conditions" if several else ""
    above = np.mean([_above_chance(start) for start in starts], axis=0)
    said = (
        f"Grid {grid}, {plural(n, 'complete pair')} in {where}: before training, mean "
        f"confidence is {_both(above)} above chance{average}{_ends(grid, starts, at)}.",
        _lowered([start.confidence for start in starts]),
        _lowered([start.variance for start in starts]),
        _agreement(starts),
    )
    return " ".join(filter(None, said))


def _above_chance(start: Start) -> tuple[float, float]:
    """Mean confidence − 1/k, untrained and warmed up."""
    row = start.confidence
    return mean(row.without) - start.chance, mean(row.with_) - start.chance


def _both(above: Sequence[float] | np.ndarray) -> str:
    return f"{number(float(above[0]))} (untrained) and {number(float(above[1]))} (warmed up)"


def _ends(grid: str, starts: Sequence[Start], at: Mapping[str, float]) -> str:
    """The same at the least and at the greatest level, where conditions are levels."""
    if not plots.are_levels(starts, at):
        return ""
    ordered = sorted(starts, key=lambda start: at[start.condition])
    ends = (
        f"{_both(_above_chance(start))} at {grid} {at[start.condition]:g}"
        for start in (ordered[0], ordered[-1])
    )
    return f", {', and '.join(ends)}"


def _lowered(rows: Sequence[Comparison]) -> str:
    """In how many pairs, and in how many conditions a test can tell; and where it was raised."""
    moved, n = sum(row.moved for row in rows), sum(row.n for row in rows)
    text = f"Warm-up lowered {rows[0].measure.label.lower()} in {moved} of {n} pairs"
    told = [(row, row.p_exact) for row in rows if row.p_value is not None and row.p_exact]
    if not told:
        return f"{text}; fewer than {MIN_PAIRS} pairs differ, and P cannot be small."
    ways = [np.sign(row.difference) for row, p_exact in told if p_exact < ALPHA]
    raised = f", and raised it in {ways.count(1)}" if 1 in ways else ""
    among = plural(len(told), "condition")
    return f"{text}, with exact P < {ALPHA:g} in {ways.count(-1)} of {among}{raised}."


def _agreement(starts: Sequence[Start]) -> str:
    """How far theory is from the untrained networks; nothing where it knows none of them."""
    known = [(s, mean(s.confidence.without) - s.theory.confidence) for s in starts if s.theory]
    if not known:
        return ""
    worst, off = max(known, key=lambda pair: abs(pair[1]))
    error = sd(worst.confidence.without) / worst.n**0.5
    beside = "" if np.isnan(error) else f"; the mean's standard error there is {number(error)}"
    return f"Untrained, mean confidence is within {number(abs(off))} of theory{beside}."


def _table(grid: str, starts: Sequence[Start], measure: Measure) -> Table:
    """A row for each condition: untrained, warmed up, the test, and what theory expects."""
    rows = [(s, s.variance if measure == VARIANCE else s.confidence) for s in starts]
    shown = [
        {"Condition": label(row.condition), "k": str(start.classes or "—")}
        | comparison_row(row, STATES)
        | _beside(start, measure)
        for start, row in rows
    ]
    numbers = [{"grid": grid} | csv_row(row) | _values(start) for start, row in rows]
    name = f"initial-confidence-{grid}" + ("-logits" if measure == VARIANCE else "")
    title = f"{measure.label} before training by {grid}"
    return table(name, title, shown, numbers)


def _beside(start: Start, measure: Measure) -> dict[str, str]:
    """What the measured is to be held against; dashes where the theory does not know it."""
    theory = start.theory
    if measure == VARIANCE:
        bounds = map(number, theory.variance_bounds) if theory else ("—",)
        return {"Theory, bounds": " to ".join(bounds)}
    return {
        "Theory": number(theory.confidence) if theory else "—",
        "Theory, infinite width": number(theory.confidence_wide) if theory else "—",
        "Chance": number(start.chance),
    }


def _values(start: Start) -> dict[str, object]:
    """For CSV; None where the theory does not know the network."""
    theory = start.theory
    low, high = theory.variance_bounds if theory else (None, None)
    return {
        "classes": start.classes or None,
        "chance": start.chance,
        "chance_loss": uniform_loss(start.classes) if start.classes else None,
        "theory_confidence": theory.confidence if theory else None,
        "theory_confidence_infinite_width": theory.confidence_wide if theory else None,
        "theory_variance_over_networks": theory.logit_variance if theory else None,
        "theory_variance_low": low,
        "theory_variance_high": high,
    }
