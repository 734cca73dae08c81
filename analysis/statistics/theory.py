"""What an untrained network is expected to say, and what warm-up has it say: closed theory.

After Supplementary Notes 1 and 2 of Cheon & Paik, Nature Machine Intelligence (2026), DOI
10.1038/s42256-026-01215-x, for the service's MLP: weights N(0, 2/fan_in), biases 0, a hidden block
Linear → ReLU → BatchNorm. Before its statistics have moved, batch normalisation divides by
√(1 + 10⁻⁵) in eval mode: it is left out here.

**Untrained.** Let q be the mean square of what enters a layer, s² for the input. Given that, every
output of the layer is a sum Σ w·x: Gaussian, independent of the others, and of variance
fan_in·(2/fan_in)·q = 2q. Half of a Gaussian survives the ReLU, so the mean square of n hidden
units is q·F with

    F = (2/n)·Σ relu(g)² = (2/n)·χ²(N),   g ~ N(0, 1),   N ~ Binomial(n, ½),   E F = 1,

independent of q and of the other layers' F. Hence, given an input and over random weights, the
logits of a network of depth d are k values N(0, v) that share v = 2·s²·F₁⋯F_{d−1}: at every width
and depth of variance 2·s², and as n → ∞, where F → 1, Gaussian and independent between classes.
Expected confidence is E max softmax of these, averaged over the inputs' s².

The variance of *all logits of one network* is less than 2·s², for its inputs share the weights: see
`logit_variance_bounds`.

**Warmed up.** With labels that do not depend on the input, uniform over k, the expected loss of an
output p is ln k + KL(uniform ‖ p). It is least, ln k, for the uniform output, whose confidence is
1/k: chance.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.special import ndtr

from analysis.metrics import checks

Values = NDArray[np.float64]

_DRAWS = 2**18  # of a network's factors
_STRATA = 512  # of equal probability, by which a distribution is replaced
_VARIANCES = np.logspace(-8, 8, 97)  # between which expected confidence is interpolated

# Nodes of trapezoidal rules, whose error falls exponentially for such integrands.
_STEP_Z, _STEP_U, _STEP_A = 0.15, 0.4, 0.05
_Z = np.arange(-9, 9, _STEP_Z)  # logits, in standard deviations
_U = np.arange(-30, 4.2, _STEP_U)


@dataclass(frozen=True)
class Prediction:
    """What untrained networks of one kind are expected to say of given inputs."""

    confidence: float  # at the network's own width and depth
    confidence_wide: float  # at infinite width, the same at every depth
    logit_variance: float  # of a logit over networks: 2·s², averaged over the inputs
    variance_bounds: tuple[float, float]  # of all logits of one network, on average


def uniform_confidence(classes: int) -> float:
    """Of the output that is best where labels do not depend on the input."""
    return 1 / checks.whole(classes, "classes")


def uniform_loss(classes: int) -> float:
    """Cross-entropy of that output, in nats."""
    return math.log(checks.whole(classes, "classes"))


def predict(mean_square: ArrayLike, classes: int, depth: int, width: int) -> Prediction:
    """Of the He-initialised MLP.

    Args:
        mean_square: (n,), of each input the mean over its elements of their square, s².
        depth: linear layers, the last one among them.
        width: units in each hidden layer.
    """
    return Prediction(
        confidence=initial_confidence(mean_square, classes, depth, width),
        confidence_wide=initial_confidence(mean_square, classes),
        logit_variance=float(2 * _squares(mean_square).mean()),
        variance_bounds=logit_variance_bounds(mean_square, classes, depth),
    )


def initial_confidence(
    mean_square: ArrayLike, classes: int, depth: int = 2, width: int | None = None
) -> float:
    """Expected over random weights, mean over the inputs; a width of None is an infinite one.

    Off by less than 0.001, for the random draws of the layers' factors; at infinite width by
    0.0001.
    """
    variances = 2 * _squares(mean_square)
    checks.whole(depth, "depth")
    if width is None:
        return float(expected_confidence(variances, classes).mean())
    at_width = _confidence_at(checks.whole(classes, "classes"), depth, width)
    return float(at_width(_log(variances)).mean())


def expected_confidence(variances: ArrayLike, classes: int) -> Values:
    """E max softmax of k independent N(0, v), for each v: of the shape of `variances`.

    By quadrature at 97 variances from 10⁻⁸ to 10⁸, whatever lies beyond taken for the next of
    these, and by a spline between them: off by less than 0.0001.
    """
    within = _log(checks.not_negative(variances, "variances"))
    found: Values = _gaussian_confidence(checks.whole(classes, "classes"))(within)
    return found


def logit_probability(
    below: ArrayLike, mean_square: ArrayLike, depth: int = 2, width: int | None = None
) -> Values:
    """That a logit lies below, over random weights and the inputs: a mixture of Gaussians.

    below: (m,) logits; returns (m,), the cumulative distribution at each.
    """
    at = checks.numbers(below, "below")
    inputs = _strata(2 * _squares(mean_square))
    checks.whole(depth, "depth")
    factors = np.ones(1) if width is None else width_factors(depth, width)
    variances = _strata(np.multiply.outer(inputs, factors).ravel())
    scales = np.sqrt(np.maximum(variances, _VARIANCES[0]))
    probability: Values = ndtr(np.divide.outer(at, scales)).mean(axis=-1)
    return probability


@lru_cache(typed=True)  # 8.0, which is refused, would be answered as 8
def width_factors(depth: int, width: int) -> Values:
    """F₁⋯F_{d−1} of hidden layers of `width` units: equally likely values, (512,), of mean 1."""
    checks.whole(depth, "depth")
    checks.whole(width, "width")
    random = np.random.default_rng(0)
    product = np.ones(_DRAWS)
    for _ in range(depth - 1):
        active = random.binomial(width, 0.5, _DRAWS)
        product *= 2 / width * 2 * random.standard_gamma(active / 2)  # χ²(N) = 2·Γ(N/2)
    factors = _strata(product)
    normed: Values = factors / factors.mean()
    return normed


def logit_variance_bounds(mean_square: ArrayLike, classes: int, depth: int) -> tuple[float, float]:
    """Between which the variance of all logits of one network lies, on average over networks.

    It is E[mean square] − E[(mean logit)²] = 2·mean(s²) − (1/k)·mean K(x, x') over all pairs of
    inputs, K being the covariance of a logit at x with that at x' over random weights. A hidden
    layer takes their correlation ρ to

        f(ρ) = (√(1 − ρ²) + ρ·(π − arccos ρ)) / π

    (Cho & Saul, NeurIPS 2009), so that K = 2·s·s'·f(…f(ρ)). The inputs' correlations are not known
    here, but ρ ≤ 1 gives mean K ≤ 2·mean(s)², at any width; and as f(…f(ρ)) is convex and rising,
    and the correlations' mean, weighted by s·s', is the square of the mean input and not
    negative, mean K ≥ 2·mean(s)²·f(…f(0)), at infinite width. So the deeper, the closer together.
    """
    squares = _squares(mean_square)
    checks.whole(depth, "depth")
    shared = 2 * float(np.sqrt(squares).mean()) ** 2 / checks.whole(classes, "classes")
    correlation = 0.0
    for _ in range(depth - 1):
        through = math.sqrt(1 - correlation**2) + correlation * (math.pi - math.acos(correlation))
        correlation = min(1.0, through / math.pi)
    both = 2 * float(squares.mean())
    return both - shared, both - shared * correlation


Curve = Callable[[Values], Values]  # logarithm of the variance → confidence


@lru_cache
def _gaussian_confidence(classes: int) -> Curve:
    """Expected confidence of independent Gaussian logits.

    Let z be the largest logit and S the sum of exp(y − z) over the others y. As 1/(1 + S) is the
    integral of exp(−t·(1 + S)) over t > 0, where the others stand as factors, with t = exp(u)

        E max softmax = k·∫ dz φ(z) ∫ du exp(u − exp(u))·G(z, u)^(k − 1),

    φ being the density of N(0, v) and G(z, u) = E[exp(−exp(u + y − z)); y < z].
    """
    weights = _STEP_Z * _normal(_Z)[:, None] * _STEP_U * np.exp(_U - np.exp(_U))
    found = [classes * float((weights * g ** (classes - 1)).sum()) for g in _below_the_largest()]
    return _interpolated(found)


@lru_cache
def _below_the_largest() -> list[Values]:
    """G by variance, each (z, u): integrals over a = z − y > 0, whose logarithm has even steps."""
    tables = []
    for scale in np.sqrt(_VARIANCES):
        a = np.exp(np.arange(math.log(min(scale, 1.0)) - 16, math.log(25 * scale), _STEP_A))
        density = _normal(_Z[:, None] - a / scale) / scale
        tables.append((density * a * _STEP_A) @ np.exp(-np.exp(_U - a[:, None])))
    return tables


def _normal(at: Values) -> Values:
    """Density of N(0, 1)."""
    density: Values = np.exp(-np.square(at) / 2) / math.sqrt(2 * math.pi)
    return density


@lru_cache
def _confidence_at(classes: int, depth: int, width: int) -> Curve:
    """Expected confidence where the logits share their variance's factor."""
    variances = np.multiply.outer(_VARIANCES, width_factors(depth, width))
    found = expected_confidence(variances, classes).mean(axis=1)
    return _interpolated(found)


def _interpolated(found: ArrayLike) -> Curve:
    """Through what was found at the tabulated variances."""
    curve: Curve = CubicSpline(np.log(_VARIANCES), found)  # type: ignore[no-untyped-call]
    return curve


def _squares(mean_square: ArrayLike) -> Values:
    squares = checks.vector(mean_square, "mean_square")
    return checks.not_negative(squares, "mean_square")


def _log(variances: ArrayLike) -> Values:
    """Of variances brought within those that are tabulated."""
    within = np.clip(np.asarray(variances, dtype=np.float64), _VARIANCES[0], _VARIANCES[-1])
    logarithms: Values = np.log(within)
    return logarithms


def _strata(values: Values) -> Values:
    """The means of 512 groups of neighbours in order, or the values where they are not more."""
    ordered = np.sort(values)
    if ordered.size <= _STRATA:
        return ordered
    return np.array([group.mean() for group in np.array_split(ordered, _STRATA)])
