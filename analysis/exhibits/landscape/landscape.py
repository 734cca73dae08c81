"""Is the loss around a warmed-up network smoother, and is the network calibrated there?

After Supplementary Figs 19, 20 and 22 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x: slices, planes and the path of the weights. What was not measured is
left out. Shown is the first condition of the first grid.
"""

from analysis.exhibits.common.by_epoch import not_measured
from analysis.exhibits.common.by_method import shown_condition
from analysis.exhibits.common.exhibit import Exhibit, exhibit
from analysis.exhibits.common.text import label
from analysis.exhibits.landscape.around import planes_part, slices_part
from analysis.exhibits.landscape.path import path_part
from analysis.results.study_results import StudyResults


def landscape(results: StudyResults) -> Exhibit:
    """Slices, planes and the path of one pair: whichever have been measured."""
    title = "The loss around the weights"
    parts = [part for find in (slices_part, planes_part, path_part) if (part := find(results))]
    if not parts:
        none = not_measured(results, ("slices", "plane", "path"))
        return exhibit(results, "landscape", title, [none])
    said = (
        f"Condition “{label(shown_condition(results))}”.",
        *(sentence for part in parts for sentence in part.said),
        *(part.how for part in parts),
        *dict.fromkeys(sentence for part in parts for sentence in part.shared),
    )
    tables = (table for part in parts for table in part.tables)
    figures = (figure for part in parts for figure in part.figures)
    return exhibit(results, "landscape", title, said, tables, figures)
