"""The tables and figures a study ends in: a registry, exhibit name → function of its results.

An exhibit reads results and returns values and drawings; it writes no file and trains nothing. A
study file lists the exhibits it ends in by these names, which are known without waiting for
Matplotlib: an exhibit is imported when it is made.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from analysis.late import late

if TYPE_CHECKING:
    from analysis.exhibits.common.exhibit import Exhibit
    from analysis.results.study_results import StudyResults


_MODULES = {  # exhibit → the module that makes it, by a function of the exhibit's name
    "at_a_glance": "at_a_glance",
    "verdict": "verdict.verdict",
    "pairs": "calibration.pairs",
    "reliability": "calibration.reliability",
    "curves": "calibration.curves",
    "trajectories": "calibration.trajectories",
    "heatmap": "calibration.heatmap",
    "posthoc": "calibration.posthoc",
    "conformal": "calibration.conformal",
    "corp": "calibration.corp",
    "selective": "calibration.selective",
    "shift": "calibration.shift",
    "posthoc_by_condition": "by_condition",
    "detection_by_condition": "by_condition",
    "detection": "ood.detection",
    "protocols": "ood.protocols",
    "confidence_map": "initial_state.confidence_map",
    "initial_confidence": "initial_state.confidence",
    "warmup_curves": "dynamics.warmup_curves",
    "layers": "dynamics.layers",
    "gradients": "dynamics.gradients",
    "landscape": "landscape.landscape",
    "curvature": "landscape.curvature",
    "controls": "controls.controls",
    "overhead": "cost.overhead",
    "looks": "looks",
    "search": "search.history",
    "search_confirmed": "search.confirmed",
}

EXHIBITS: Mapping[str, "Callable[[StudyResults], Exhibit]"] = {
    name: late(f"analysis.exhibits.{module}:{name}") for name, module in _MODULES.items()
}


def build_exhibits(results: "StudyResults") -> "Iterator[Exhibit]":
    """The exhibits the study's plan names, in its order, each made when it is asked for. Before
    them that of the looks, where pairs were added in such, and the table that a report begins with,
    where there are pairs and a verdict does not begin with its own."""
    from analysis.results.study_results import ResultsError
    from analysis.results.tags import LOOKS

    asked = results.plan.exhibits
    unknown = [name for name in asked if name not in EXHIBITS]
    if unknown:
        raise ResultsError(f"no exhibit {unknown[0]!r}; there is {', '.join(EXHIBITS)}")
    looked, pairs = LOOKS in results.tags, results.plan.grids and "verdict" not in asked
    first = [name for name, due in (("looks", looked), ("at_a_glance", pairs)) if due]
    return (EXHIBITS[name](results) for name in dict.fromkeys((*first, *asked)))
