"""The coverage of the slice of input space in which prediction sets cover least.

A slab is what lies between two parallel planes: a ≤ v · x ≤ b. Sets that cover 1 − α of all inputs
may cover far less of those in some slab; sets that cover 1 − α whatever the input, in none. The
worst-slab coverage of Cauchois, Gupta & Duchi (JMLR 22, 2021) is the least over all v, a
and b of a slab with at least a given share of the inputs, its mass. Sought and measured on the same
examples it is too low by what chance makes of so many slabs. So one part of the examples seeks the
slab here and the other measures it, as in Romano, Sesia & Candès (NeurIPS 2020, supplement).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.metrics import checks
from analysis.metrics.conformal import covered

_BLOCK = 64  # directions


class EmptySlice(ValueError):
    """No measured example is in the slab that was found."""


def worst_slice_coverage(
    sets: ArrayLike,
    labels: ArrayLike,
    features: ArrayLike,
    seed: int,
    mass: float = 0.1,
    directions: int = 1000,
    searched: float = 0.25,
) -> float:
    """Share of the sets that hold the label within the worst slab, in [0, 1].

    sets: (n, classes) boolean; labels: (n,); features: (n, width), any coordinates of the inputs,
    such as logits. mass: least share of the searched examples that a slab must hold; directions:
    how many v are tried, uniform on the sphere; searched: share of the examples that seek, the
    others measure. The defaults are those of Romano et al. The seed decides the parts and the
    directions, and both arms of a pair share them.

    Of sets that cover 1 − α everywhere it is 1 − α in the mean, for the slab is found without
    looking at what measures it. Of others it is above the least there is: no thousand directions
    are all, in high dimensions least of all. A coordinate of large scale dominates, and what lies
    in no slab, such as a ring, is not seen. About mass · (1 − searched) · n examples measure it.

    ValueError where an argument does not fit; `EmptySlice`, which is one, where no measured example
    is in the slab.
    """
    holds = covered(sets, labels)[1]
    points = checks.matrix(features, "features", "(n, width)")
    checks.same_length(("sets", "features"), (holds.size, len(points)))
    checks.fraction(mass, "mass")
    checks.whole(directions, "directions")
    checks.fraction(searched, "searched")
    generator = np.random.default_rng(checks.whole(seed, "seed", least=0))
    first = round(searched * holds.size)
    if not 0 < first < holds.size:
        raise ValueError(f"sets are {holds.size}: too few to seek a slab and to measure it")
    seeking, measuring = np.split(generator.permutation(holds.size), [first])
    drawn = generator.normal(size=(directions, points.shape[1]))

    direction, within = _worst_slab(holds[seeking], points[seeking], drawn, mass)
    along = points @ direction  # all at once, so that equal rows stay equal
    found = along[seeking[within]]
    measured = along[measuring]
    inside = (measured >= found.min()) & (measured <= found.max())
    if not inside.any():
        raise EmptySlice("sets: no measured example is in the slab; take more of them, or mass")
    return float(holds[measuring][inside].mean())


def _worst_slab(
    holds: NDArray[np.bool_],
    points: NDArray[np.float64],
    directions: NDArray[np.float64],
    mass: float,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Direction and members of a slab whose coverage is the least of all, by exact arithmetic.

    Along a direction a slab is a run of the sorted examples. Against the best one so far, with h
    covered of c, one with fewer covered of its length l is a run whose c · covered − h · l is below
    zero: a difference of two prefix sums, whose least is found by one running maximum. It becomes
    the best, until there is none below; some rounds do for all directions (Dinkelbach, Management
    Science 13, 492–498, 1967). Examples that tie along a direction are in a slab together.
    """
    n = holds.size
    least = int(np.argmax(np.arange(1, n + 1) / n >= mass)) + 1
    counted, beyond = np.arange(n + 1), np.iinfo(np.int64).max // 4
    hits, length = int(holds.sum()), n
    best, members = directions[0], np.arange(n)
    for start in range(0, len(directions), _BLOCK):
        block = directions[start : start + _BLOCK]
        along = block @ points.T  # (block, n)
        order = np.argsort(along, axis=1)
        along = np.take_along_axis(along, order, axis=1)
        sums = np.zeros((len(block), n + 1), dtype=np.int64)
        np.cumsum(holds[order], axis=1, out=sums[:, 1:])
        shut = np.zeros(sums.shape, dtype=bool)  # no slab ends between two that tie
        shut[:, 1:-1] = along[:, 1:] == along[:, :-1]
        while True:
            excess = length * sums - hits * counted
            begins = np.where(shut, -beyond, excess)[:, : n + 1 - least]
            ends = np.where(shut, beyond, excess)[:, least:]
            gains = ends - np.maximum.accumulate(begins, axis=1)
            row, last = np.unravel_index(gains.argmin(), gains.shape)
            if gains[row, last] >= 0:
                break
            begin, end = int(begins[row, : last + 1].argmax()), int(last) + least
            hits, length = int(sums[row, end] - sums[row, begin]), end - begin
            best, members = block[row], order[row, begin:end]
    return best, members
