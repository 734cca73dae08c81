"""Is warm-up better than calibrating afterwards, and do they add up? {none, each method} × arms.

After Supplementary Fig. 9 and Tables 2 and 3 of Cheon & Paik, Nature Machine Intelligence (2026),
DOI 10.1038/s42256-026-01215-x, with 10 bins for all methods where the authors take 15 for isotonic.
"""

from collections.abc import Mapping, Sequence

from analysis.exhibits.common.by_method import HOW, find_of_pairs, method_tables, shown_condition
from analysis.exhibits.common.exhibit import Exhibit, exhibit
from analysis.metrics.posthoc import posthoc_calibration
from analysis.results.records import Record
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Measure

MEASURES = (
    Measure("ece", "ECE", -1),
    Measure("nll", "NLL", -1),
    Measure("accuracy", "Accuracy", 1),
)

_NAMES = {
    "none": "none",
    "temperature": "temperature, of eight by ECE",
    "temperature_nll": "temperature by likelihood",
    "temperature_ensemble": "ensemble temperature scaling",
    "vector": "vector scaling",
    "vector_penalised": "vector scaling, penalised",
    "matrix": "matrix scaling (ODIR)",
    "dirichlet": "Dirichlet calibration (ODIR)",
    "isotonic": "isotonic",
    "histogram": "histogram binning",
    "beta": "beta calibration",
}


def posthoc(results: StudyResults) -> Exhibit:
    """A table each for ECE, NLL and accuracy."""
    how = (
        "Each method is fitted on a random half of the test set and measured on the other half; "
        "matrix scaling and Dirichlet calibration are left out beyond 100 classes, and these, "
        "temperature by likelihood and its ensemble, and penalised vector scaling where no "
        "temperature is the best on that half, which is either predicted without an error or its "
        "labels have nothing to do with the logits; isotonic, histogram binning and beta "
        "calibration calibrate the top confidence alone, beta where no confidence parts all right "
        "predictions from all wrong ones."
    )
    find(results, [shown_condition(results)])
    tables = method_tables(results, "posthoc", MEASURES, measured)
    return exhibit(results, "posthoc", "Calibration afterwards", (how, HOW), tables)


def find(results: StudyResults, conditions: Sequence[str]) -> None:
    """What is `measured` of each trial, before tables ask for it one by one."""
    find_of_pairs(results, conditions, measured)


def measured(record: Record, seed: int) -> Mapping[tuple[str, str], float]:
    """Every method's numbers of one trial."""
    found = posthoc_calibration(record.logits["test"], record.labels["test"], seed)
    numbers: dict[tuple[str, str], float] = {}
    for method, result in found.items():
        name = _NAMES[method]
        numbers |= {("ece", name): result.ece, ("accuracy", name): result.accuracy}
        if result.nll is not None:
            numbers["nll", name] = result.nll
    return numbers
