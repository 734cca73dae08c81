"""The tables and figures a study ends in: a registry, exhibit name → function of its results.

An exhibit reads results and returns values and drawings; it writes no file and trains nothing. A
study file lists the exhibits it ends in by these names, which are known without waiting for
Matplotlib: an exhibit is imported when it is made.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.exhibits.exhibit import Exhibit
    from analysis.results import StudyResults


def _make(module: str, name: str, results: "StudyResults") -> "Exhibit":
    made: Exhibit = getattr(import_module(f"analysis.exhibits.{module}"), name)(results)
    return made


_MODULES = {  # exhibit → the module that makes it, by a function of the exhibit's name
    "pairs": "pairs",
    "reliability": "reliability",
    "curves": "curves",
    "trajectories": "trajectories",
    "heatmap": "heatmap",
    "posthoc": "posthoc",
    "posthoc_by_condition": "supplement",
    "detection": "detection",
    "detection_by_condition": "supplement",
    "protocols": "protocols",
    "conformal": "conformal",
    "overhead": "overhead",
    "confidence_map": "confidence_map",
    "initial_confidence": "initial_confidence",
    "warmup_curves": "warmup_curves",
    "layers": "layers",
    "gradients": "gradients",
    "landscape": "landscape",
    "curvature": "curvature",
    "controls": "controls",
    "search": "search",
    "search_confirmed": "search_confirmed",
}

EXHIBITS: Mapping[str, "Callable[[StudyResults], Exhibit]"] = {
    name: partial(_make, module, name) for name, module in _MODULES.items()
}


def build_exhibits(results: "StudyResults") -> "Iterator[Exhibit]":
    """The exhibits the study's plan names, in its order, each made when it is asked for."""
    from analysis.results import ResultsError

    unknown = [name for name in results.plan.exhibits if name not in EXHIBITS]
    if unknown:
        raise ResultsError(f"no exhibit {unknown[0]!r}; there is {', '.join(EXHIBITS)}")
    return (EXHIBITS[name](results) for name in results.plan.exhibits)
