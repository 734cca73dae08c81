"""Does confidence rank right above wrong? What a network gains by declining to answer, arm by arm.

Not in the paper, whose measures ask whether confidence has the right size. Those here are blind to
its size: a network may be well calibrated and rank badly. After fd-shifts (Jaeger et al., ICLR
2023; Traub et al., NeurIPS 2024) and Geifman, Uziel & El-Yaniv, ICLR 2019.
"""

import numpy as np

from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.exhibit import Drawing, Exhibit, exhibit
from analysis.exhibits.common.panels import ARMS, band, legend_above, panels
from analysis.exhibits.common.side_by_side import HOW, side_by_side
from analysis.exhibits.common.text import label
from analysis.metrics.calibration import aurc, risk_coverage_curve
from analysis.metrics.classification import confidence_and_correct
from analysis.metrics.selective import augrc, coverage_at_risk, excess_aurc, risk_at_coverage
from analysis.results.records import Record
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Measure

COVERAGE, RISK = 0.5, 0.2
_AREAS = (
    Measure("aurc", "AURC", -1),
    Measure("excess_aurc", "excess AURC", -1),
    Measure("augrc", "AUGRC", -1),
)
_POINTS = (
    Measure("risk", f"error rate of the surest {COVERAGE:.0%}", -1),
    Measure("coverage", f"share answered at an error rate of {RISK:.0%}", 1),
)


def selective(results: StudyResults) -> Exhibit:
    """Tables of areas and of single points, and the curves of the shown condition."""
    how = (
        "The network answers the test examples of which it is surest, up to some coverage; risk is "
        "the error rate of these. AURC: the mean risk over all coverages; excess AURC: what of it "
        "the best ranking of as many errors would not have; AUGRC: the share of all examples that "
        "is answered and wrong, in the mean over all coverages. Lower is better. AURC and AUGRC "
        "fall with the error rate too; the share answered is chosen on the examples it is measured "
        f"on, and no promise for others. {HOW}"
    )
    tables = [
        side_by_side(results, f"selective-{name}", title, measures, _measured)
        for name, title, measures in (
            ("areas", "Areas under risk and coverage by condition", _AREAS),
            ("points", "Points of risk and coverage by condition", _POINTS),
        )
    ]
    figures = (_curves(results),) if shown_pairs(results) else ()
    return exhibit(results, "selective", "Declining to answer", (how,), tables, figures)


def _measured(record: Record) -> dict[str, float]:
    confidence, correct = confidence_and_correct(record.logits["test"], record.labels["test"])
    return {
        "aurc": aurc(confidence, correct),
        "excess_aurc": excess_aurc(confidence, correct),
        "augrc": augrc(confidence, correct),
        "risk": risk_at_coverage(confidence, correct, COVERAGE),
        "coverage": coverage_at_risk(confidence, correct, RISK),
    }


def _curves(results: StudyResults) -> Drawing:
    """Risk over coverage, mean ± s.d. over the networks of an arm."""
    along = np.linspace(0.02, 1, 99)  # below, a curve is that of a few examples
    with panels(4.2, 3.0) as (figure, [axes]):
        for arm, ((name, colour), line) in enumerate(zip(ARMS, ("--", "-"), strict=True)):
            records = [pair[arm] for _, pair in shown_pairs(results)]
            both = [confidence_and_correct(r.logits["test"], r.labels["test"]) for r in records]
            risks = np.array([np.interp(along, *risk_coverage_curve(*found)) for found in both])
            sd = risks.std(axis=0, ddof=1 if len(risks) > 1 else 0)
            band(axes, along, risks.mean(axis=0), sd, line, color=colour, label=name)
        axes.set(xlabel="Coverage", ylabel="Risk (error rate)", xlim=(0, 1))
        axes.set_ylim(bottom=0)
        legend_above(axes)
    title = f"Risk over coverage, “{label(shown_condition(results))}”, mean ± s.d."
    description = "Error rate of the surest predictions against the share of them, by arm."
    return Drawing("selective-curves", title, figure, description)
