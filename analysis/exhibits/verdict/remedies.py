"""What can be done about a network's calibration, from the simplest on, and what each makes of it.

A study that asks has a grid `remedy`, whose cells are told apart by what they change: of the
warm-up what is kept or trained, or the loss of the task. A remedy without a warm-up is what the
control of its cell shows, and temperature scaling (Guo et al., ICML 2017) what the plain control
does with its logits divided by the temperature that is the likeliest on the validation set.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.exhibits.calibration import shift
from analysis.exhibits.calibration.shift_text import PLAIN, SCALED, key
from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.calibrations import NoOptimum
from analysis.metrics.classification import (
    confidence_and_correct,
    negative_log_likelihood,
    softmax,
)
from analysis.metrics.likelihood import fit_temperature_nll
from analysis.metrics.ood import auroc
from analysis.metrics.shift import WORST
from analysis.results.cached import cached
from analysis.results.records import Record
from analysis.results.study_results import StudyResults, TrialResult, planned_pairs
from analysis.statistics.comparison import ACCURACY, AUROC, ECE, NLL, Measure

GRID = "remedy"

DRIFTED = Measure("drifted_ece", "ECE drifted", -1, ECE.margin)
SECONDS = Measure("seconds", "Seconds", 0)
MEASURES = (ECE, ACCURACY, NLL, AUROC, DRIFTED, SECONDS)


@dataclass(frozen=True)
class Remedy:
    name: str
    takes: str  # from who uses it


NOTHING = Remedy("nothing", "nothing")
TEMPERATURE = Remedy("temperature scaling", "labelled data that the network was not trained on")
SMOOTHING = Remedy("label smoothing", "another loss")
FOCAL = Remedy("focal loss", "another loss")
SHRUNK = Remedy("smaller first logits", "a last layer scaled before training")
STATISTICS = Remedy("batch statistics alone", "noise, and no training on it")
WARM_UP = Remedy("warm-up", "training on noise")

#: The simplest first.
REMEDIES = (NOTHING, TEMPERATURE, SMOOTHING, FOCAL, SHRUNK, STATISTICS, WARM_UP)

_LOSSES = {"label_smoothing": SMOOTHING, "focal": FOCAL}

Members = Mapping[Remedy, Mapping[int, TrialResult]]  # by replicate
Networks = Mapping[Remedy, Mapping[int, Mapping[str, float]]]  # numbers by replicate and key


def members(results: StudyResults) -> Members:
    """The finished networks that show what each remedy does, of several cells that try it the
    first's; temperature scaling's are those of nothing. None of a study that asks something else.
    """
    found: dict[Remedy, dict[int, TrialResult]] = {remedy: {} for remedy in REMEDIES}
    cells = results.plan.cells(GRID) if GRID in results.plan.grids else {}
    first: dict[Remedy, str] = {}
    for condition, cell in cells.items():
        remedy = remedy_of(cell)
        if remedy is None or first.setdefault(remedy, condition) != condition:
            continue
        for without, with_ in planned_pairs(results, condition):
            shows = {remedy: without if remedy in _LOSSES.values() else with_}
            if remedy is WARM_UP:
                shows |= {NOTHING: without, TEMPERATURE: without}
            for kind, trial in shows.items():
                if trial.outcome == "finished" and trial.record is not None:
                    found[kind][trial.replicate] = trial
    return found


def networks(of: Members) -> Networks:
    """Every network's numbers, by the keys of `MEASURES`; some may be absent."""
    return {
        remedy: {replicate: _numbers(trial, remedy) for replicate, trial in trials.items()}
        for remedy, trials in of.items()
    }


def remedy_of(cell: Mapping[str, Any]) -> Remedy | None:
    """What a cell of the grid tries; None: something else, of which no verdict speaks."""
    loss, kept, trained = (cell.get(f) for f in ("task.loss", "warmup.keep", "warmup.train"))
    if loss:
        return _LOSSES.get(str(loss)) if not kept else None
    if kept:
        return SHRUNK if kept == "logit_variance" else None
    return {None: WARM_UP, "all": WARM_UP, "statistics": STATISTICS}.get(trained)


def _numbers(trial: TrialResult, remedy: Remedy) -> dict[str, float]:
    record = trial.record
    assert record is not None
    seconds = record.seconds.get("task", 0.0)
    if remedy in (STATISTICS, WARM_UP):
        seconds += record.seconds.get("warmup", 0.0)
    drifted = key("ece", SCALED if remedy is TEMPERATURE else PLAIN, WORST)
    shifted = cached(shift.numbers, record)
    own = cached(_scaled, record) if remedy is TEMPERATURE else trial.numbers
    numbers = {measure.key: own[measure.key] for measure in MEASURES if measure.key in own}
    if drifted in shifted:
        numbers[DRIFTED.key] = shifted[drifted]
    return numbers | {SECONDS.key: float(seconds)}


def _scaled(record: Record) -> dict[str, float]:
    """Empty where no temperature is the likeliest."""
    try:
        fitted = fit_temperature_nll(record.logits["validation"], record.labels["validation"])
    except NoOptimum:
        return {}
    logits = fitted.logits(record.logits["test"])
    confidence, correct = confidence_and_correct(logits, record.labels["test"])
    numbers = {
        ECE.key: expected_calibration_error(confidence, correct),
        ACCURACY.key: float(correct.mean()),
        NLL.key: negative_log_likelihood(logits, record.labels["test"]),
    }
    if "ood" in record.logits:
        unknown = softmax(fitted.logits(record.logits["ood"])).max(axis=1)
        numbers[AUROC.key] = auroc(confidence, unknown)
    return numbers
