"""What do prediction sets cost without and with warm-up? Scores and α × arms.

After Supplementary Fig. 27 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x, which states neither score nor α: the usual three of each.
"""

from collections.abc import Mapping

import numpy as np

from analysis.exhibits.common.by_method import (
    HOW,
    find_of_pairs,
    method_tables,
    shown_condition,
    shown_pairs,
)
from analysis.exhibits.common.exhibit import Drawing, Exhibit, exhibit
from analysis.exhibits.common.panels import ARMS, panels
from analysis.exhibits.common.text import label, listed, number
from analysis.metrics.conformal import SCORES
from analysis.metrics.split_conformal import ConformalResult, conformal_prediction
from analysis.results.cached import cached
from analysis.results.records import Record
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Measure

Conformed = Mapping[tuple[str, float], ConformalResult]  # by (kind, α)

ALPHAS = (0.05, 0.1, 0.2)
MEASURES = (
    Measure("coverage", "Coverage", 0),
    Measure("mean_set_size", "Set size", 0),
    Measure("size_stratified_violation", "Violation", -1),
    Measure("covgap", "CovGap", -1),
    Measure("worst_slice", "Coverage of the worst slice", 0),
    Measure("ood_auroc_set_size", "AUROC by set size", 1),
    Measure("ood_auroc_p_value", "AUROC by p-value", 1),
)


_NAMES = {"lac_by_class": "LAC by class", "lac_clustered": "LAC by cluster of classes"}


def conformal(results: StudyResults) -> Exhibit:
    """A table for each measure, and set size against coverage."""
    find_of_pairs(results, [shown_condition(results)], _conformal)
    how = (
        "Split conformal prediction: calibrated on a random half of the test set, measured on the "
        "other half. Coverage of 1 − α is promised in both arms; set size is in classes. Violation "
        "is the largest gap between coverage and 1 − α over sets of one size, and CovGap the mean "
        f"gap over the classes{_by_chance(results)}. The worst slice is what lies between "
        "two parallel planes of the logits' space, sought on a quarter of the measured half. "
        "By class, or by cluster of classes that are alike, 1 − α is promised of each. AUROC tells "
        "the test from the out-of-distribution images; by p-value only LAC orders inputs as their "
        "confidence does."
    )
    tables = method_tables(results, "conformal", MEASURES, _numbers)
    figures = (_set_sizes(results),) if shown_pairs(results) else ()
    return exhibit(results, "conformal", "Conformal prediction", (how, HOW), tables, figures)


def _numbers(record: Record, seed: int) -> Mapping[tuple[str, str], float]:
    return {
        (measure.key, _method(measure, kind, alpha)): float(value)
        for (kind, alpha), found in _conform(record, seed).items()
        for measure in MEASURES
        if (value := getattr(found, measure.key)) is not None
    }


def _method(measure: Measure, kind: str, alpha: float) -> str:
    """A p-value knows of no α."""
    name = _NAMES.get(kind, kind.upper())
    return name if measure.key.endswith("p_value") else f"{name}, α = {alpha:g}"


def _by_chance(results: StudyResults) -> str:
    """What of a CovGap even coverage would show too, in words."""
    shown = [_conform(without, seed) for seed, (without, _) in shown_pairs(results)]
    if not shown:
        return ""
    gaps = (np.mean([found["lac", alpha].covgap_by_chance for found in shown]) for alpha in ALPHAS)
    return (
        f", of which chance alone gives {listed(number(float(gap)) for gap in gaps)} at an α of "
        f"{listed(f'{alpha:g}' for alpha in ALPHAS)}"
    )


def _conform(record: Record, seed: int) -> Conformed:
    return cached(_conformal, record, seed)


def _conformal(record: Record, seed: int) -> Conformed:
    logits, labels = record.logits["test"], record.labels["test"]
    return conformal_prediction(logits, labels, record.logits.get("ood"), ALPHAS, seed)


def _set_sizes(results: StudyResults) -> Drawing:
    """Mean set size against coverage, a score a panel, mean ± s.d. over networks."""
    both = [
        tuple(_conform(record, replicate) for record in pair)
        for replicate, pair in shown_pairs(results)
    ]
    with panels(6.8, 2.5, len(SCORES), sharey=True) as (figure, drawn):
        for axes, score in zip(drawn, SCORES, strict=True):
            for arm, (name, colour) in enumerate(ARMS):
                found = [[pair[arm][score, alpha] for alpha in ALPHAS] for pair in both]
                coverage = np.array([[r.coverage for r in row] for row in found])
                size = np.array([[r.mean_set_size for r in row] for row in found])
                spread = size.std(axis=0, ddof=1 if len(both) > 1 else 0)
                axes.errorbar(
                    coverage.mean(axis=0), size.mean(axis=0), spread,
                    fmt=("o--", "o-")[arm], color=colour, capsize=2, elinewidth=0.8, label=name,
                )  # fmt: skip
            axes.set(title=score.upper(), xlabel="Coverage")
        drawn[0].set_ylim(bottom=0)
        drawn[0].set_ylabel("Classes in a set")
        drawn[0].legend(loc="upper left")
    title = f"Set size against coverage, “{label(shown_condition(results))}”, mean ± s.d."
    description = "Mean size of prediction sets against their coverage, by score and arm."
    return Drawing("conformal-set-size", title, figure, description)
