"""Slices: the loss along straight lines through the weights, at moments of the task.

Their directions are those of Li et al., Visualizing the loss landscape of neural nets, NeurIPS
(2018): random ones in which each filter is as long as the network's own, so that a step of 1 moves
every filter by its length.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.exhibits.common.by_epoch import (
    MOMENTS,
    TABLE,
    compare_moments,
    moment,
    moments,
    moments_table,
    pairs_measured,
    passed_holm,
    sentence,
)
from analysis.exhibits.common.by_method import shown_condition
from analysis.exhibits.common.exhibit import Table
from analysis.exhibits.common.text import label
from analysis.exhibits.landscape.curvature_plots import ARMS
from analysis.exhibits.landscape.part import Part, alike, by_epoch
from analysis.exhibits.landscape.plots import Slices, Values, draw_slices, in_drawing
from analysis.results.records import Record
from analysis.results.study_results import StudyResults
from analysis.statistics.comparison import Measure

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


def slices_of(record: Record) -> dict[int, Slice]:
    """By epoch of the task."""
    return by_epoch(record, "slices", Slice)


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
    rows = compare_moments(results, ON_SLICES, slice_numbers)
    if not rows:
        return None
    condition, epochs = label(shown_condition(results)), moments(rows)
    drawn = []
    for epoch in epochs:
        both = alike(results, slices_of, epoch)
        arms = (np.stack([a.loss for a, _ in both]), np.stack([b.loss for _, b in both]))
        drawn.append(Slices(moment(epoch, epochs), epoch, both[0][0].steps, arms))
    sentences = (
        f"Slices: {pairs_measured(results, rows)}.",
        sentence(ONE, rows, "the mean rise of the loss at |step| = 1"),
        sentence(NONCONVEX, rows, "the share of a slice that is not convex"),
        *passed_holm(rows),
    )
    title = f"Loss along random directions by moment of the task, “{condition}”"
    tables = (
        moments_table("landscape-roughness", title, rows, ON_SLICES),
        Table("landscape-slices", "Mean slices", pd.DataFrame(), _mean_slices(drawn)),
    )
    how = _SLICES.format(networks=in_drawing(max(len(slices.arms[0]) for slices in drawn)))
    return Part(
        " ".join(sentences), how, tables, (draw_slices(drawn, condition),), (MOMENTS, TABLE)
    )


def _mean_slices(drawn: list[Slices]) -> pd.DataFrame:
    """The thick lines, for CSV."""
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
