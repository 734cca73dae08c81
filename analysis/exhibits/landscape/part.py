"""A part of the exhibit `landscape`, and how slices and planes are read from the records."""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from analysis.exhibits.common.by_method import shown_pairs
from analysis.exhibits.common.exhibit import Drawing, Table
from analysis.exhibits.landscape.plots import Values
from analysis.results.records import Record
from analysis.results.study_results import StudyResults

COLOURS = "Colours mean the same in both maps of a row."


class Part(NamedTuple):
    """What one probe adds to the exhibit."""

    said: tuple[str, ...]  # sentences, of which some may be empty
    how: str
    tables: tuple[Table, ...]
    figures: tuple[Drawing, ...]
    shared: tuple[str, ...]  # how to read it, what others say too


class Around(Protocol):
    """What is measured at steps from the weights of one moment."""

    @property
    def steps(self) -> Values: ...


Found = TypeVar("Found", bound=NamedTuple)
Stepped = TypeVar("Stepped", bound=Around)


def at_moments(record: Record, probe: str, kind: type[Found]) -> dict[int, Found]:
    """What a probe measured, by epoch of the task; no moment that has a number that is not finite,
    and nothing where the trial has no such probe."""
    names = [f"{probe}/{name}" for name in ("epoch", *kind._fields)]
    if not all(name in record.probes for name in names):
        return {}
    epochs, *arrays = (record.probes[name] for name in names)
    found = {
        int(epoch): kind._make(array.astype(np.float64) for array in at_epoch)
        for epoch, *at_epoch in zip(epochs, *arrays, strict=True)
    }
    return {e: of for e, of in found.items() if all(np.isfinite(array).all() for array in of)}


def alike(
    results: StudyResults, find: Callable[[Record], dict[int, Stepped]], epoch: int
) -> list[tuple[Stepped, Stepped]]:
    """(without, with) of the complete pairs measured at an epoch, at the steps of the first."""
    both = [(find(a).get(epoch), find(b).get(epoch)) for _, (a, b) in shown_pairs(results)]
    found = [(a, b) for a, b in both if a and b]
    return [pair for pair in found if all(np.array_equal(m.steps, found[0][0].steps) for m in pair)]
