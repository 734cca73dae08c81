"""Is the loss around a warmed-up network smoother, and is the network calibrated there?

After Supplementary Figs 19, 20 and 22 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x, with the directions of Li et al., Visualizing the loss landscape of
neural nets, NeurIPS (2018): random ones in which each filter is as long as the network's own, so
that a step of 1 moves every filter by its length. Probe `slices` follows two of them at moments of
the task, `plane` crosses them at its start and end, and `path` shows the plane in which the weights
moved. What was not measured is left out. Shown is the first condition of the first grid.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from analysis.comparison import Measure
from analysis.exhibits.curvature import (
    MOMENTS,
    TABLE,
    at,
    compare_moments,
    counted,
    moment,
    moments,
    moments_table,
    not_measured,
    passed_holm,
    said,
    significant,
)
from analysis.exhibits.exhibit import Drawing, Exhibit, Table, label, made_of
from analysis.exhibits.landscape_plots import (
    Map,
    MapRow,
    Slices,
    draw_maps,
    draw_slices,
    in_drawing,
    scales_in_words,
)
from analysis.exhibits.methods import shown_condition, shown_pairs
from analysis.exhibits.overhead import percent
from analysis.records import Record
from analysis.results import StudyResults

Values = NDArray[np.float64]
Found = TypeVar("Found", bound="Slice | Plane")

CENTRE = Measure("centre", "Loss at the centre", -1)
HALF = Measure("rise_half", "Mean rise at |step| = 0.5", -1)
ONE = Measure("rise_one", "Mean rise at |step| = 1", -1)
NONCONVEX = Measure("nonconvex", "Share not convex", -1)
ON_SLICES = (CENTRE, HALF, ONE, NONCONVEX)

PLANE_LOSS = Measure("plane_loss", "Mean loss on the plane", -1)
PLANE_ECE = Measure("plane_ece", "Mean ECE on the plane", -1)
AGREEMENT = Measure("agreement", "Rank correlation of loss and ECE on the plane", -1)
ON_PLANES = (PLANE_LOSS, PLANE_ECE, AGREEMENT)

_ROUNDING = 4 * float(np.finfo(np.float32).eps)  # of a second difference, for a loss of 1
_ARMS = ("without warm-up", "with warm-up")

_SLICES = (
    "Slices: mean loss of training examples, each panel on its own scale, along random directions "
    "that are drawn alike for both networks of a pair; thin: single directions of {networks}, cut "
    "off where they leave the means far behind; thick: mean over networks and directions. Rises "
    "are above the centre, means of directions and both signs; a slice is not convex where its "
    "second difference is negative by more than rounding."
)
_PLANES = (
    "Planes: of two such directions, means over networks of the loss of training and the ECE of "
    "test examples, the network at the cross. {scales}"
)
_PATH = (
    "Path: weights at the start and after every epoch; axes are principal components, in units of "
    "the weights, each arm's own, with the share of variance in brackets; the statistics of "
    "normalisation are those of the end on the whole plane, so that values are the network's own "
    "at the end alone. {scales}"
)
_COLOURS = "Colours mean the same in both maps of a row."


class Slice(NamedTuple):
    """Loss along straight lines through the weights of one moment."""

    steps: Values  # (steps,), ascending and equally spaced
    loss: Values  # (directions, steps)


class Plane(NamedTuple):
    """Loss and ECE around the weights of one moment; row: second direction, column: first."""

    steps: Values  # (steps,)
    loss: Values  # (steps, steps)
    ece: Values  # (steps, steps)


class Part(NamedTuple):
    """What one probe adds to the exhibit."""

    said: str
    how: str
    tables: tuple[Table, ...]
    figures: tuple[Drawing, ...]
    shared: tuple[str, ...]  # how to read it, what others say too


def landscape(results: StudyResults) -> Exhibit:
    """Slices, planes and the path of one pair: whichever have been measured."""
    title = "The loss around the weights"
    parts = [part for find in (_slices, _planes, _path) if (part := find(results))]
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


def _by_epoch(record: Record, probe: str, kind: type[Found]) -> dict[int, Found]:
    """What a probe measured, by epoch of the task; no moment that has a number that is not finite,
    and nothing where the trial has no such probe."""
    names = [f"{probe}/{name}" for name in ("epoch", *kind._fields)]
    if not all(name in record.probes for name in names):
        return {}
    epochs, *arrays = (record.probes[name] for name in names)
    found = {
        int(epoch): kind(*(array.astype(np.float64) for array in at_epoch))
        for epoch, *at_epoch in zip(epochs, *arrays, strict=True)
    }
    return {e: of for e, of in found.items() if all(np.isfinite(array).all() for array in of)}


def _alike(
    results: StudyResults, find: Callable[[Record], dict[int, Found]], epoch: int
) -> list[tuple[Found, Found]]:
    """(without, with) of the complete pairs measured at an epoch, at the steps of the first."""
    both = [(find(a).get(epoch), find(b).get(epoch)) for _, (a, b) in shown_pairs(results)]
    found = [(a, b) for a, b in both if a and b]
    return [pair for pair in found if all(np.array_equal(m.steps, found[0][0].steps) for m in pair)]


# --- slices ------------------------------------------------------------------------------------


def slices_of(record: Record) -> dict[int, Slice]:
    """By epoch of the task."""
    return _by_epoch(record, "slices", Slice)


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


def _slices(results: StudyResults) -> Part | None:
    rows = compare_moments(results, ON_SLICES, slice_numbers)
    if not rows:
        return None
    condition, epochs = label(shown_condition(results)), moments(rows)
    drawn = []
    for epoch in epochs:
        both = _alike(results, slices_of, epoch)
        arms = (np.stack([a.loss for a, _ in both]), np.stack([b.loss for _, b in both]))
        drawn.append(Slices(moment(epoch, epochs), epoch, both[0][0].steps, arms))
    sentences = (
        f"Slices: {counted(results, rows)}.",
        said(ONE, rows, "the mean rise of the loss at |step| = 1"),
        said(NONCONVEX, rows, "the share of a slice that is not convex"),
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
        for arm, name in enumerate(_ARMS)
    ]
    return pd.concat(frames, ignore_index=True)


# --- planes ------------------------------------------------------------------------------------


def planes_of(record: Record) -> dict[int, Plane]:
    """By epoch of the task."""
    return _by_epoch(record, "plane", Plane)


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


def _planes(results: StudyResults) -> Part | None:
    rows = compare_moments(results, ON_PLANES, plane_numbers)
    if not rows:
        return None
    condition, epochs = label(shown_condition(results)), moments(rows)
    means = {epoch: _mean_planes(_alike(results, planes_of, epoch)) for epoch in epochs}
    lower = (
        f"{at(epoch, epochs)} at {percent(float((with_.loss < without.loss).mean()))} of the "
        f"points for the loss and {percent(float((with_.ece < without.ece).mean()))} for ECE"
        for epoch, (without, with_) in means.items()
    )
    sentences = (
        f"Planes: {counted(results, rows)}.",
        *(said(measure, rows) for measure in (PLANE_LOSS, PLANE_ECE, AGREEMENT)),
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
    return Part(" ".join(sentences), how, (table,), figures, (_COLOURS, MOMENTS, TABLE))


def _mean_planes(both: list[tuple[Plane, Plane]]) -> tuple[Plane, Plane]:
    """Over networks, without and with."""
    without, with_ = (
        Plane(*(np.mean(arrays, axis=0) for arrays in zip(*planes, strict=True)))
        for planes in zip(*both, strict=True)
    )
    return without, with_


def _map(plane: Plane, of: str) -> Map:
    return Map(plane.steps, plane.steps, getattr(plane, of))


# --- the path ----------------------------------------------------------------------------------


class Path(NamedTuple):
    """The weights' way in the plane of their two principal components."""

    coordinates: Values  # (epochs + 1, 2), from the start to the end
    share: Values  # (2,), of the variance
    x: Values  # (columns,)
    y: Values  # (rows,)
    loss: Values  # (rows, columns)
    ece: Values  # (rows, columns)

    def map(self, of: str) -> Map:
        return Map(self.x, self.y, getattr(self, of), self.coordinates, self.share)

    def ends(self, of: str) -> tuple[float, float]:
        """Values at the points of the plane that are nearest to the start and to the end."""
        start, end = (
            getattr(self, of)[np.abs(self.y - y).argmin(), np.abs(self.x - x).argmin()]
            for x, y in self.coordinates[[0, -1]]
        )
        return float(start), float(end)


def path_of(record: Record) -> Path | None:
    """None without the probe, where a value is not finite, and where the weights did not move."""
    names = [f"path/{name}" for name in Path._fields]
    if not all(name in record.probes for name in names):
        return None
    found = Path(*(record.probes[name].astype(np.float64) for name in names))
    moved = np.ptp(found.coordinates, axis=0).any()
    return found if moved and all(np.isfinite(array).all() for array in found) else None


def _path(results: StudyResults) -> Part | None:
    """Of the first complete pair that has it."""
    both = ((r, path_of(a), path_of(b)) for r, (a, b) in shown_pairs(results))
    replicate, *found = next(((r, a, b) for r, a, b in both if a and b), (0, None, None))
    arms = [path for path in found if path]
    if not arms:
        return None
    condition = label(shown_condition(results))
    rows = [
        MapRow("", name, (arms[0].map(of), arms[1].map(of)))
        for of, name in (("loss", "loss"), ("ece", "ECE"))
    ]
    name = f"{condition}, replicate {replicate}"
    title = f"The way of the weights on the plane of their principal components, “{name}”"
    table = _path_table(title, replicate, arms)
    how = _PATH.format(scales=scales_in_words(rows[:1]))
    figure = draw_maps("landscape-path", f"{title}, over loss and ECE", rows)
    return Part(_path_said(replicate, arms), how, (table,), (figure,), (_COLOURS,))


def _path_said(replicate: int, arms: list[Path]) -> str:
    def each(words: Callable[[Path], str]) -> str:
        return f"{words(arms[0])} without and {words(arms[1])} with warm-up"

    def ece(path: Path) -> str:
        start, end = path.ends("ece")
        return f"{significant(start)} → {significant(end)}"

    return (
        f"Path: one pair, replicate {replicate}. The share of the weights' variance from the start "
        "to the end that lies in the plane of their first two principal components is "
        f"{each(lambda path: percent(float(path.share.sum())))}, the distance from start to end on "
        f"it {each(lambda path: significant(_distance(path)))}, and ECE at its points nearest to "
        f"start → end {each(ece)}. One pair allows no test."
    )


def _distance(path: Path) -> float:
    return float(np.linalg.norm(path.coordinates[-1] - path.coordinates[0]))


def _path_table(title: str, replicate: int, arms: list[Path]) -> Table:
    """What the sentence says, and the way, for CSV."""
    shown = pd.DataFrame(
        [
            {
                "Weights": arm,
                "First component": percent(float(path.share[0])),
                "Second component": percent(float(path.share[1])),
                "Start to end": significant(_distance(path)),
            }
            | {
                f"{name}, start → end": " → ".join(map(significant, path.ends(of)))
                for of, name in (("loss", "Loss"), ("ece", "ECE"))
            }
            for arm, path in zip(_ARMS, arms, strict=True)
        ]
    )
    ways = [
        pd.DataFrame(path.coordinates, columns=["first", "second"])
        .rename_axis("epoch")
        .reset_index()
        .assign(arm=arm, replicate=replicate)
        for arm, path in zip(_ARMS, arms, strict=True)
    ]
    return Table("landscape-path", title, shown, pd.concat(ways, ignore_index=True))
