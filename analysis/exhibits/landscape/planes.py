"""Planes: loss and ECE around the weights, across two random directions, at start and end.

The directions are such as those of the slices.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from analysis.exhibits.common.by_epoch import (
    MOMENTS,
    TABLE,
    at,
    compare_moments,
    moment,
    moments,
    moments_table,
    pairs_measured,
    passed_holm,
    sentence,
)
from analysis.exhibits.common.by_method import shown_condition
from analysis.exhibits.common.text import label, percent
from analysis.exhibits.landscape.part import COLOURS, Part, alike, by_epoch
from analysis.exhibits.landscape.plots import Map, MapRow, Values, draw_maps, scales_in_words
from analysis.results.records import Record
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Measure

PLANE_LOSS = Measure("plane_loss", "Mean loss on the plane", -1)
PLANE_ECE = Measure("plane_ece", "Mean ECE on the plane", -1)
AGREEMENT = Measure("agreement", "Rank correlation of loss and ECE on the plane", -1)
ON_PLANES = (PLANE_LOSS, PLANE_ECE, AGREEMENT)

_PLANES = (
    "Planes: of two such directions, means over networks of the loss of training and the ECE of "
    "test examples, the network at the cross. {scales}"
)


class Plane(NamedTuple):
    """Loss and ECE around the weights of one moment; row: second direction, column: first."""

    steps: Values  # (steps,)
    loss: Values  # (steps, steps)
    ece: Values  # (steps, steps)


def planes_of(record: Record) -> dict[int, Plane]:
    """By epoch of the task."""
    return by_epoch(record, "plane", Plane)


def plane_numbers(record: Record) -> dict[tuple[str, int], float]:
    """By measure and epoch: means over the plane, and Spearman's correlation over its points."""
    found: dict[tuple[str, int], float] = {}
    for epoch, plane in planes_of(record).items():
        found[PLANE_LOSS.key, epoch] = float(plane.loss.mean())
        found[PLANE_ECE.key, epoch] = float(plane.ece.mean())
        if np.ptp(plane.loss) and np.ptp(plane.ece):  # else there is nothing to rank
            ranks = rankdata(plane.loss), rankdata(plane.ece)
            found[AGREEMENT.key, epoch] = float(np.corrcoef(*ranks)[0, 1])
    return found


def planes_part(results: StudyResults) -> Part | None:
    """Of every moment at which a complete pair has planes; None where none has."""
    rows = compare_moments(results, ON_PLANES, plane_numbers)
    if not rows:
        return None
    condition, epochs = label(shown_condition(results)), moments(rows)
    means = {epoch: _mean_planes(alike(results, planes_of, epoch)) for epoch in epochs}
    lower = (
        f"{at(epoch, epochs)} at {percent(float((with_.loss < without.loss).mean()))} of the "
        f"points for the loss and {percent(float((with_.ece < without.ece).mean()))} for ECE"
        for epoch, (without, with_) in means.items()
    )
    sentences = (
        f"Planes: {pairs_measured(results, rows)}.",
        *(sentence(measure, rows) for measure in (PLANE_LOSS, PLANE_ECE, AGREEMENT)),
        f"On the plane, means over networks are lower with warm-up {'; '.join(lower)}.",
        *passed_holm(rows),
    )
    title = f"Loss and ECE on the plane of two random directions, “{condition}”"
    table = moments_table("landscape-plane", title, rows, ON_PLANES)
    losses, eces = (
        [
            MapRow(moment(epoch, epochs), name, (_map(without, of), _map(with_, of)))
            for epoch, (without, with_) in means.items()
        ]
        for of, name in (("loss", "loss"), ("ece", "ECE"))
    )
    figures = tuple(
        draw_maps(f"landscape-plane-{of}", f"{name} on the plane of two random directions, "
        f"condition “{condition}”, mean over networks", found)
        for of, name, found in (("loss", "Loss", losses), ("ece", "ECE", eces))
    )  # fmt: skip
    how = _PLANES.format(scales=scales_in_words(losses))
    return Part(" ".join(sentences), how, (table,), figures, (COLOURS, MOMENTS, TABLE))


def _mean_planes(both: list[tuple[Plane, Plane]]) -> tuple[Plane, Plane]:
    """Over networks, without and with."""
    without, with_ = (
        Plane(*(np.mean(arrays, axis=0) for arrays in zip(*planes, strict=True)))
        for planes in zip(*both, strict=True)
    )
    return without, with_


def _map(plane: Plane, of: str) -> Map:
    return Map(plane.steps, plane.steps, getattr(plane, of))
