"""Does a warmed-up network stay calibrated when the data drift? ECE by severity of corruptions.

The question of Ovadia et al., NeurIPS 2019, asked of warm-up and of temperature scaling: test
images under corruptions after Hendrycks & Dietterich, ICLR 2019, at five severities, as the probe
`shift` has measured them. Temperature scaling (Guo et al., ICML 2017) is fitted on the clean
validation examples, as it would be by someone who does not know what is to come. Shown is the first
condition of the first grid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from analysis.exhibits.calibration import shift_plots, shift_text
from analysis.exhibits.calibration.shift_text import (
    ACCURACY,
    CONFIDENCE,
    ECE,
    PLAIN,
    SCALED,
    STATES,
    Rows,
    key,
)
from analysis.exhibits.common import by_layer
from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.cells import compared_cells, comparison_row, csv_row, pair_count
from analysis.exhibits.common.exhibit import Exhibit, Table, exhibit, table
from analysis.exhibits.common.text import label
from analysis.metrics.calibrations import NoOptimum
from analysis.metrics.likelihood import fit_temperature_nll
from analysis.metrics.shift import (
    CORRUPTIONS,
    OF_TEXT,
    SEVERITIES,
    WORST,
    calibration_under_shift,
)
from analysis.results.cached import cached
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult
from analysis.statistics.comparison import Comparison, Measure, compare, corrected_by

Numbers = Mapping[str, float]  # of one network, by `shift_text.key`

_MEASURES = {ECE: STATES, ACCURACY: (PLAIN,), CONFIDENCE: STATES}  # no T changes a prediction


def shift(results: StudyResults) -> Exhibit:
    """Tables of ECE, accuracy and confidence by severity, of ECE by corruption, and what follows;
    a figure of them all."""
    title = "Calibration under shift"
    found = [(a, b) for _, (a, b) in shown_pairs(results) if _probed(a) and _probed(b)]
    if not found:
        return exhibit(results, "shift", title, [by_layer.nothing(results, "shift")])
    condition = label(shown_condition(results))
    rows = {m: _by_severity(results, m, states) for m, states in _MEASURES.items()}
    kinds = _kinds(found[0][0])
    corruptions = _by_corruption(results, kinds)
    answers = shift_text.answers(
        [(cached(numbers, a), cached(numbers, b)) for a, b in found], rows[ECE][PLAIN, 0]
    )
    findings = shift_text.findings(rows, answers)
    measured = shift_text.how(len(found[0][0].probes["shift/labels"]), kinds)
    said = (by_layer.pairs_said(results, found, "shift"), *findings, measured)
    tables = (
        *(_severity_table(measure, condition, of) for measure, of in rows.items()),
        _corruption_table(condition, corruptions),
        _answer_table(condition, answers),
    )
    figure = shift_plots.by_severity(rows, condition, " ".join(findings))
    return exhibit(results, "shift", title, said, tables, [figure])


def numbers(record: Record) -> Numbers:
    """Of one network ECE, accuracy and mean confidence: by severity, means over the corruptions,
    and by corruption at the highest severity. Empty where it was not probed; without those after
    temperature scaling where no temperature is the most likely one."""
    if not _probed(record):
        return {}
    shifted, labels = (record.probes[f"shift/{name}"] for name in ("logits", "labels"))
    clean = record.logits["test"][: len(labels)]
    # the corruptions' numbers are those at the highest severity
    places: tuple[int | str, ...] = (0, *SEVERITIES, *_kinds(record))
    found: dict[str, float] = {}
    for state, temperature in _temperatures(record).items():
        for measure, by in calibration_under_shift(clean, shifted, labels, temperature).items():
            values = (*by.mean(axis=0), *by[:, WORST])
            at = zip(places, values, strict=True)
            found |= {key(measure, state, place): float(value) for place, value in at}
    return found


def _probed(record: Record) -> bool:
    return "shift/logits" in record.probes


def _kinds(record: Record) -> tuple[str, ...]:
    """The corruptions that the probe has measured, of images or of text."""
    of_text = len(record.probes["shift/logits"]) == len(OF_TEXT)
    return OF_TEXT if of_text else CORRUPTIONS


def _temperatures(record: Record) -> dict[str, float]:
    """By state what the logits are divided by."""
    try:
        fitted = fit_temperature_nll(record.logits["validation"], record.labels["validation"])
    except NoOptimum:
        return {PLAIN: 1.0}
    return {PLAIN: 1.0, SCALED: fitted.temperature}


def _by_severity(results: StudyResults, measure: Measure, states: Sequence[str]) -> Rows:
    """A measure by (state, severity), with Holm's correction over all of them."""
    places = [(state, severity) for state in states for severity in (0, *SEVERITIES)]
    return corrected_by({place: _compare(results, measure, *place) for place in places})


def _by_corruption(results: StudyResults, kinds: Sequence[str]) -> dict[str, Comparison]:
    """ECE as trained at the highest severity, with Holm's correction over the corruptions."""
    return corrected_by({name: _compare(results, ECE, PLAIN, name) for name in kinds})


def _compare(results: StudyResults, measure: Measure, state: str, place: int | str) -> Comparison:

    def of(trial: TrialResult) -> Numbers:
        return cached(numbers, trial.record) if trial.record else {}

    named = replace(measure, key=key(measure.key, state, place))
    return compare(results, shown_condition(results), named, of)


def _severity_table(measure: Measure, condition: str, rows: Rows) -> Table:
    """A block of severities for each state, which is named once."""
    shown = [
        {"Network": state if not severity else "", "Severity": str(severity or "clean")}
        | comparison_row(row)
        for (state, severity), row in rows.items()
    ]
    values = [
        {"network": state, "severity": severity} | csv_row(row) | {"metric": measure.key}
        for (state, severity), row in rows.items()
    ]
    title = f"{measure.label} by severity, mean over the corruptions, “{condition}”"
    return table(f"shift-{measure.key}", title, shown, values)


def _corruption_table(condition: str, rows: Mapping[str, Comparison]) -> Table:
    shown = [{"Corruption": name} | comparison_row(row) for name, row in rows.items()]
    values = [
        {"corruption": name, "severity": WORST} | csv_row(row) | {"metric": ECE.key}
        for name, row in rows.items()
    ]
    title = f"ECE as trained at severity {WORST} by corruption, “{condition}”"
    return table("shift-corruptions", title, shown, values)


def _answer_table(condition: str, rows: Mapping[str, Comparison]) -> Table:
    """What the caption's sentences are made of."""
    shown = [
        {"Of ECE": name, "Pairs": pair_count(row)}
        | compared_cells(row, ("First", "Second"), {"Lower": f"{row.lower}/{row.n}"})
        for name, row in rows.items()
        if row.n
    ]
    values = [{"compared": name} | csv_row(row) | {"metric": ECE.key} for name, row in rows.items()]
    names = {"without_mean": "first_mean", "without_sd": "first_sd"}
    names |= {"with_mean": "second_mean", "with_sd": "second_sd", "moved_as_the_paper": "lower"}
    renamed = [{names.get(name, name): value for name, value in row.items()} for row in values]
    return table("shift-answers", f"ECE on clean and drifted images, “{condition}”", shown, renamed)
