"""The tables and figures a study ends in: a registry, exhibit name → function of its results.

An exhibit reads results and returns values and drawings; it writes no file and trains nothing. A
study file lists the exhibits it ends in by these names.
"""

from collections.abc import Callable, Mapping

from analysis.exhibits.confidence_map import confidence_map
from analysis.exhibits.conformal import conformal
from analysis.exhibits.controls import controls
from analysis.exhibits.curvature import curvature
from analysis.exhibits.curves import curves
from analysis.exhibits.detection import detection
from analysis.exhibits.exhibit import Drawing, Exhibit, Table
from analysis.exhibits.gradients import gradients
from analysis.exhibits.heatmap import heatmap
from analysis.exhibits.initial_confidence import initial_confidence
from analysis.exhibits.landscape import landscape
from analysis.exhibits.layers import layers
from analysis.exhibits.overhead import overhead
from analysis.exhibits.pairs import pairs
from analysis.exhibits.posthoc import posthoc
from analysis.exhibits.protocols import protocols
from analysis.exhibits.reliability import reliability
from analysis.exhibits.search import search
from analysis.exhibits.search_confirmed import search_confirmed
from analysis.exhibits.supplement import detection_by_condition, posthoc_by_condition
from analysis.exhibits.trajectories import trajectories
from analysis.exhibits.warmup_curves import warmup_curves
from analysis.results import ResultsError, StudyResults

EXHIBITS: Mapping[str, Callable[[StudyResults], Exhibit]] = {
    "pairs": pairs,
    "reliability": reliability,
    "curves": curves,
    "trajectories": trajectories,
    "heatmap": heatmap,
    "posthoc": posthoc,
    "posthoc_by_condition": posthoc_by_condition,
    "detection": detection,
    "detection_by_condition": detection_by_condition,
    "protocols": protocols,
    "conformal": conformal,
    "overhead": overhead,
    "confidence_map": confidence_map,
    "initial_confidence": initial_confidence,
    "warmup_curves": warmup_curves,
    "layers": layers,
    "gradients": gradients,
    "landscape": landscape,
    "curvature": curvature,
    "controls": controls,
    "search": search,
    "search_confirmed": search_confirmed,
}


def build_exhibits(results: StudyResults) -> list[Exhibit]:
    """The exhibits the study's plan names, in its order."""
    unknown = [name for name in results.plan.exhibits if name not in EXHIBITS]
    if unknown:
        raise ResultsError(f"no exhibit {unknown[0]!r}; there is {', '.join(EXHIBITS)}")
    return [EXHIBITS[name](results) for name in results.plan.exhibits]


__all__ = ["EXHIBITS", "Drawing", "Exhibit", "Table", "build_exhibits"]
