"""How far must Student's t go at each of several looks, that all looks together err as promised?

The recursion is that of Armitage, McPherson & Rowe (J. R. Stat. Soc. A 132, 235–244, 1969): the law
of the statistic at a look, among the studies that have not stopped before, follows from that at the
look before. They give it for a known spread. Here it is exact for a spread that is estimated, as
Jennison & Turnbull have it (Biometrika 78, 133–141, 1991), but in one dimension. The usual way, to
take the nominal levels of the normal recursion to Student's t, errs in 5.3 % of all studies in
place of 5 %, at looks of 6, 10, 16 and 30 pairs.

With n normal differences of mean zero, sum S and sum of squares Q, let sin θ = S/√(nQ): then
t = √(n − 1)·tan θ. θ and all its earlier values do not depend on Q, and with m pairs more

    √(n + m)·sin θ′ = √n·sin θ·√B + √m·U·√(1 − B),

B ~ Beta(n/2, m/2), U² ~ Beta(1/2, (m − 1)/2) and θ independent, U of either sign. So θ is a Markov
chain. At the first look it has the density cos θ to the power of n − 2, and U = sin ψ has that of m
in ψ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import beta, betainc, roots_jacobi, roots_legendre, stdtrit

from analysis.metrics import checks

Floats = NDArray[np.float64]

#: Fewer pairs than two have no spread, and with one more U takes two values alone.
STEP = 2

#: Beyond, the nodes of B overflow.
MOST = 2000

_NODES, _SHARES, _ANGLES = 32, 128, 48  # of θ, B and ψ
_REACH = 9.0  # standard deviations of ψ beyond which there is nothing


@dataclass(frozen=True)
class _Going:
    """The studies that go on after a look: ∫ h(θ) dP is the sum of weights · h(angles)."""

    pairs: int
    angles: Floats  # (nodes,) of θ
    weights: Floats  # (nodes,), whose sum is their share of all studies


@lru_cache(maxsize=256)
def critical_values(pairs: tuple[int, ...], spent: tuple[float, ...]) -> tuple[float, ...]:
    """|t| from which a study stops, at each look.

    pairs: at each look, at most 2,000, and each at least two more than before; spent: the error, in
    (0, 1), that a study of no difference has made by then, rising. So P(|t₁| ≥ c₁) = spent₁, and
    the share of studies that stop at look k, and not before, is spentₖ − spentₖ₋₁. ValueError else.
    """
    checks.same_length(("pairs", "spent"), (len(pairs), len(spent)))
    found: list[float] = []
    going: _Going | None = None
    last_pairs, last_spent = 0, 0.0
    for count, error in zip(pairs, spent, strict=True):
        if checks.whole(count, "pairs", most=MOST) < last_pairs + STEP:
            raise ValueError(f"pairs must rise by {STEP} at least, not {list(pairs)}")
        if checks.fraction(error, "spent") <= last_spent:
            raise ValueError(f"spent must rise, not {list(spent)}")
        # to stop now for the first time is rarer than to be beyond the value, and that is rarer
        # than to have stopped by now
        low, high = (float(stdtrit(count - 1, 1 - p / 2)) for p in (error, error - last_spent))
        found.append(high if going is None else _solved(going, count, 1 - error, (low, high)))
        if len(found) < len(pairs):
            going = _first(count, found[-1]) if going is None else _after(going, count, found[-1])
        last_pairs, last_spent = count, error
    return tuple(found)


def _solved(going: _Going, pairs: int, share: float, between: tuple[float, float]) -> float:
    """The value at which such a share of all studies goes on."""
    low, high = between
    kernel = _Kernel(going, pairs)

    def excess(t: float) -> float:
        return kernel.within(_angle(t, pairs)) - share

    around = (low * (1 - 1e-6), high * (1 + 1e-6))
    return float(brentq(excess, *around, xtol=1e-9))  # type: ignore[no-untyped-call]


def _first(pairs: int, t: float) -> _Going:
    angles, weights = _nodes(_angle(t, pairs))
    density = np.cos(angles) ** (pairs - 2) / beta(0.5, (pairs - 1) / 2)
    return _Going(pairs, angles, weights * density)


def _after(going: _Going, pairs: int, t: float) -> _Going:
    end = _angle(t, pairs)
    angles, weights = _nodes(end)
    moments = _Kernel(going, pairs).moments(end)
    orders = np.arange(0, _NODES, 2)
    basis = np.polynomial.legendre.legvander(angles / end, _NODES - 1)[:, orders]
    density = basis @ ((2 * orders + 1) / (2 * end) * moments)  # Legendre's series of it
    return _Going(pairs, angles, weights * density)


class _Kernel:
    """From the studies that go on to θ′ at the next look; of θ and −θ one is enough."""

    def __init__(self, going: _Going, pairs: int) -> None:
        more = pairs - going.pairs
        half = going.angles > 0
        x, weights = roots_jacobi(_SHARES, more / 2 - 1, going.pairs / 2 - 1)
        share = (1 + x) / 2  # B
        self._more = more
        self._weights = 2 * going.weights[half, None] * (weights / weights.sum())  # (θ, B)
        # sin θ′ = centre + scale · U
        self._centre = np.sin(going.angles[half, None]) * np.sqrt(share * going.pairs / pairs)
        self._scale = np.sqrt((1 - share) * more / pairs)

    def _ends(self, end: float) -> tuple[Floats, Floats]:
        """Between which U leads to |θ′| < end."""
        low, high = ((side * np.sin(end) - self._centre) / self._scale for side in (-1, 1))
        return np.clip(low, -1, 1), np.clip(high, -1, 1)

    def within(self, end: float) -> float:
        """The share of all studies with |θ′| < end that have not stopped before."""
        low, high = (
            np.sign(u) * betainc(0.5, (self._more - 1) / 2, u**2) / 2 for u in self._ends(end)
        )
        return float((self._weights * (high - low)).sum())

    def moments(self, end: float) -> Floats:
        """(orders,): of those studies, the means of Legendre's polynomials of θ′/end, even ones."""
        reach = min(math.pi / 2, _REACH / math.sqrt(self._more - 1))
        low, high = (np.clip(np.arcsin(u), -reach, reach) for u in self._ends(end))
        x, weights = roots_legendre(_ANGLES)
        half = (high - low)[..., None] / 2
        psi = (high + low)[..., None] / 2 + half * x  # (θ, B, ψ)
        density = np.cos(psi) ** (self._more - 2) / beta(0.5, (self._more - 1) / 2)
        mass = self._weights[..., None] * half * weights * density
        sine = self._centre[..., None] + self._scale[:, None] * np.sin(psi)
        place = np.arcsin(np.clip(sine, -1, 1)) / end
        return np.array([(mass * one).sum() for one in _even_legendre(place)])


def _even_legendre(x: Floats) -> Sequence[Floats]:
    """P₀, P₂, … of so many orders as there are nodes, by Bonnet's recursion."""
    found, before, now = [np.ones_like(x)], np.ones_like(x), x
    for order in range(1, _NODES - 1):
        before, now = now, ((2 * order + 1) * x * now - order * before) / (order + 1)
        if order % 2:
            found.append(now)
    return found


def _nodes(end: float) -> tuple[Floats, Floats]:
    x, weights = roots_legendre(_NODES)
    return end * x, end * weights


def _angle(t: float, pairs: int) -> float:
    return math.atan(t / math.sqrt(pairs - 1))
