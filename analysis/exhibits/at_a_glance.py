"""The report's first table: a row for each condition, ECE, accuracy, NLL and AUROC in columns.

It needs no more of a trial than the numbers that MLflow has, and so is there before all others.
"""

from analysis.exhibits.common.exhibit import Exhibit, exhibit
from analysis.exhibits.common.side_by_side import in_one_column_each
from analysis.results.study_results import StudyResults
from analysis.results.tags import LOOKS
from analysis.statistics.comparison import AUROC, CONFIDENCE, ECE, MEASURES, NLL

_HOW = (
    "Means over the complete pairs, without → with warm-up; Δ is the mean of with − without, with "
    "its 95 % interval (Student's t), bold where that leaves out zero. ECE and NLL are better "
    "lower, accuracy and OOD AUROC (maximum softmax probability) higher."
)
_LOOKED = (
    "The intervals suppose that the number of pairs was fixed beforehand; those that hold at all "
    "looks are in the table of how many pairs."
)


def at_a_glance(results: StudyResults) -> Exhibit:
    """One table, or none without a complete pair."""
    measures = MEASURES if results.plan.trains else (CONFIDENCE, ECE, NLL, AUROC)
    title = "Without → with warm-up, by condition"
    found = in_one_column_each(results, "conditions", title, measures)
    if found.shown.empty:
        return exhibit(results, "at_a_glance", "At a glance", ["No pair is complete yet."])
    said = (_HOW, _LOOKED if LOOKS in results.tags else "")
    return exhibit(results, "at_a_glance", "At a glance", said, [found])
