"""The path: the way of one pair's weights, over loss and ECE on the plane in which they moved."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.exhibits.common.by_method import shown_condition, shown_pairs
from analysis.exhibits.common.exhibit import Table, table
from analysis.exhibits.common.panels import ARMS
from analysis.exhibits.common.text import label, percent, significant
from analysis.exhibits.landscape.plots import (
    COLOURS,
    Map,
    MapRow,
    Part,
    Values,
    draw_maps,
    scales_in_words,
)
from analysis.results.records import Record
from analysis.results.study_results import StudyResults

_PATH = (
    "Path: weights at the start and after every epoch; axes are principal components, in units of "
    "the weights, each arm's own, with the share of variance in brackets; the statistics of "
    "normalisation are those of the end on the whole plane, so that values are the network's own "
    "at the end alone. {scales}"
)


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


def path_part(results: StudyResults) -> Part | None:
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
    tables = (_path_table(title, replicate, arms),)
    how = _PATH.format(scales=scales_in_words(rows[:1]))
    figure = draw_maps("landscape-path", f"{title}, over loss and ECE", rows)
    return Part((_path_said(replicate, arms),), how, tables, (figure,), (COLOURS,))


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
    shown, ways = [], []
    for (arm, _), path in zip(ARMS, arms, strict=True):
        shown.append(
            {
                "Weights": arm,
                "First component": percent(float(path.share[0])),
                "Second component": percent(float(path.share[1])),
                "Start to end": significant(_distance(path)),
                "Loss, start → end": " → ".join(map(significant, path.ends("loss"))),
                "ECE, start → end": " → ".join(map(significant, path.ends("ece"))),
            }
        )
        way = pd.DataFrame(path.coordinates, columns=["first", "second"])
        ways.append(way.rename_axis("epoch").reset_index().assign(arm=arm, replicate=replicate))
    return table("landscape-path", title, shown, pd.concat(ways, ignore_index=True))
