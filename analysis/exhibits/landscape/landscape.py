"""Is the loss around a warmed-up network smoother, and is the network calibrated there?

After Supplementary Figs 19, 20 and 22 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x: slices, planes and the path of the weights. What was not measured is
left out. Shown is the first condition of the first grid.
"""

from analysis.exhibits.common.by_epoch import not_measured
from analysis.exhibits.common.by_method import shown_condition
from analysis.exhibits.common.exhibit import Exhibit, made_of
from analysis.exhibits.common.text import label
from analysis.exhibits.landscape.path import path_part
from analysis.exhibits.landscape.planes import planes_part
from analysis.exhibits.landscape.slices import slices_part
from analysis.results.study_results import StudyResults


def landscape(results: StudyResults) -> Exhibit:
    """Slices, planes and the path of one pair: whichever have been measured."""
    title = "The loss around the weights"
    parts = [part for find in (slices_part, planes_part, path_part) if (part := find(results))]
    if not parts:
        caption = f"{not_measured(results, ('slices', 'plane', 'path'))} {made_of(results)}"
        return Exhibit("landscape", title, caption)
    caption = " ".join(
        (
            f"Condition “{label(shown_condition(results))}”.",
            *(part.said for part in parts),
            *(part.how for part in parts),
            *dict.fromkeys(sentence for part in parts for sentence in part.shared),
            made_of(results),
        )
    )
    tables = tuple(table for part in parts for table in part.tables)
    figures = tuple(figure for part in parts for figure in part.figures)
    return Exhibit("landscape", title, caption, tables, figures)
