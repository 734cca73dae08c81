"""The loss around the weights of a moment of the task: slices along lines, and planes.

Their directions are those of Li et al., Visualizing the loss landscape of neural nets, NeurIPS
(2018): random ones in which each filter is as long as the network's own, so that a step of 1 moves
every filter by its length. Planes have ECE too, and are measured at start and end.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from analysis.exhibits.common import by_epoch
from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.exhibit import table
from analysis.exhibits.common.panels import ARMS, one_by_one
from analysis.exhibits.common.text import label, percent
from analysis.exhibits.landscape import plots
from analysis.exhibits.landscape.plots import Part, Values
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

CENTRE = Measure("centre", "Loss at the centre", -1)
HALF = Measure("rise_half", "Mean rise at |step| = 0.5", -1)
ONE = Measure("rise_one", "Mean rise at |step| = 1", -1)
NONCONVEX = Measure("nonconvex", "Share not convex", -1)
ON_SLICES = (CENTRE, HALF, ONE, NONCONVEX)

_ROUNDING = 4 * float(np.finfo(np.float32).eps)  # of a second difference, for a loss of 1
_SLICES = (
    "Slices: mean loss of training examples, each panel on its own scale, along random directions "
    "that are drawn alike for both networks of a pair; thin: single directions of {networks}, cut "
    "off where they leave the means far behind; thick: mean over networks and directions. Rises "
    "are above the centre, means of directions and both signs; a slice is not convex where its "
    "second difference is negative by more than rounding."
)


class Slice(NamedTuple):
    """Loss along straight lines through the weights of one moment."""

    steps: Values  # (steps,), ascending and equally spaced
    loss: Values  # (directions, steps)


class Plane(NamedTuple):
    """Loss and ECE around the weights of one moment; row: second direction, column: first."""

    steps: Values  # (steps,)
    loss: Values  # (steps, steps)
    ece: Values  # (steps, steps)


Found = TypeVar("Found", bound=NamedTuple)
Stepped = TypeVar("Stepped", Slice, Plane)


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


def slices_of(record: Record) -> dict[int, Slice]:
    """By epoch of the task."""
    return at_moments(record, "slices", Slice)


def slice_numbers(record: Record) -> dict[tuple[str, int], float]:
    """By measure and epoch: loss at the centre, its rises, and where it is not convex."""
    return {
        (measure.key, epoch): number
        for epoch, found in slices_of(record).items()
        for measure, number in roughness(found).items()
    }


def roughness(found: Slice) -> dict[Measure, float]:
    """Means over directions; between steps the loss is taken to be linear."""

    def loss_at(step: float) -> float:
        return float(np.mean([np.interp(step, found.steps, line) for line in found.loss]))

    centre, rounding = loss_at(0), _ROUNDING * np.abs(found.loss).max(axis=1, keepdims=True)
    return {
        CENTRE: centre,
        HALF: (loss_at(-0.5) + loss_at(0.5)) / 2 - centre,
        ONE: (loss_at(-1) + loss_at(1)) / 2 - centre,
        NONCONVEX: float((np.diff(found.loss, n=2, axis=1) < -rounding).mean()),
    }


def slices_part(results: StudyResults) -> Part | None:
    """Of every moment at which a complete pair has slices; None where none has."""
    rows = by_epoch.compare_moments(results, ON_SLICES, slice_numbers)
    if not rows:
        return None
    condition, epochs = label(shown_condition(results)), by_epoch.moments(rows)
    drawn = []
    for epoch in epochs:
        both = alike(results, slices_of, epoch)
        arms = (np.stack([a.loss for a, _ in both]), np.stack([b.loss for _, b in both]))
        drawn.append(plots.Slices(by_epoch.moment(epoch, epochs), epoch, both[0][0].steps, arms))
    said = (
        f"Slices: {by_epoch.pairs_measured(results, rows)}.",
        by_epoch.sentence(ONE, rows, "the mean rise of the loss at |step| = 1"),
        by_epoch.sentence(NONCONVEX, rows, "the share of a slice that is not convex"),
        by_epoch.passed_holm(rows),
    )
    title = f"Loss along random directions by moment of the task, “{condition}”"
    tables = (
        by_epoch.moments_table("landscape-roughness", title, rows, ON_SLICES),
        table("landscape-slices", "Mean slices", (), _mean_slices(drawn)),
    )
    how = _SLICES.format(networks=one_by_one(max(len(slices.arms[0]) for slices in drawn)))
    figures = (plots.draw_slices(drawn, condition),)
    return Part(said, how, tables, figures, (by_epoch.MOMENTS, by_epoch.TABLE))


def _mean_slices(drawn: list[plots.Slices]) -> pd.DataFrame:
    frames = [
        pd.DataFrame(
            {
                "epoch": slices.epoch,
                "arm": name,
                "networks": len(slices.arms[arm]),
                "step": slices.steps,
                "loss": slices.mean(arm),
            }
        )
        for slices in drawn
        for arm, (name, _) in enumerate(ARMS)
    ]
    return pd.concat(frames, ignore_index=True)


def planes_of(record: Record) -> dict[int, Plane]:
    """By epoch of the task."""
    return at_moments(record, "plane", Plane)


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
    rows = by_epoch.compare_moments(results, ON_PLANES, plane_numbers)
    if not rows:
        return None
    condition, epochs = label(shown_condition(results)), by_epoch.moments(rows)
    means = {epoch: _mean_planes(alike(results, planes_of, epoch)) for epoch in epochs}
    lower = (
        f"{by_epoch.at(epoch, epochs)} at {percent(float((with_.loss < without.loss).mean()))} of "
        f"the points for the loss and {percent(float((with_.ece < without.ece).mean()))} for ECE"
        for epoch, (without, with_) in means.items()
    )
    said = (
        f"Planes: {by_epoch.pairs_measured(results, rows)}.",
        *(by_epoch.sentence(measure, rows) for measure in ON_PLANES),
        f"On the plane, means over networks are lower with warm-up {'; '.join(lower)}.",
        by_epoch.passed_holm(rows),
    )
    title = f"Loss and ECE on the plane of two random directions, “{condition}”"
    tables = (by_epoch.moments_table("landscape-plane", title, rows, ON_PLANES),)
    losses, eces = (
        [
            plots.MapRow(by_epoch.moment(epoch, epochs), name, (_map(without, of), _map(with_, of)))
            for epoch, (without, with_) in means.items()
        ]
        for of, name in (("loss", "loss"), ("ece", "ECE"))
    )
    where = f"on the plane of two random directions, condition “{condition}”, mean over networks"
    figures = (
        plots.draw_maps("landscape-plane-loss", f"Loss {where}", losses),
        plots.draw_maps("landscape-plane-ece", f"ECE {where}", eces),
    )
    how = _PLANES.format(scales=plots.scales_in_words(losses))
    return Part(said, how, tables, figures, (plots.COLOURS, by_epoch.MOMENTS, by_epoch.TABLE))


def _mean_planes(both: list[tuple[Plane, Plane]]) -> tuple[Plane, Plane]:
    without, with_ = (
        Plane(*(np.mean(arrays, axis=0) for arrays in zip(*planes, strict=True)))
        for planes in zip(*both, strict=True)
    )
    return without, with_


def _map(plane: Plane, of: str) -> plots.Map:
    return plots.Map(plane.steps, plane.steps, getattr(plane, of))
