"""What the metrics and the statistics ask of their arguments, each demand written once.

Every function here returns its argument as the caller needs it, or raises one `ValueError` whose
line names the argument, what came, and what would be accepted. Numbers must be real and finite and
there must be some: of NaN, of infinity and of nothing no truthful number can be made. A check reads
its array once or twice; of 10,000 × 100 logits all of them together take some milliseconds.
"""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

_ROW_SUM_TOLERANCE = 1e-4  # a float32 softmax over a thousand classes is off by less


class Undefined(ValueError):
    """Nothing is wrong with the arguments, but the measure has no value for them."""


def numbers(values: ArrayLike, name: str, what: str = "array") -> Floats:
    """Of any shape, in float64; `what` says in the error what it should be."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as problem:  # such as rows of several lengths
        raise ValueError(f"{name} must be an array of numbers: {problem}") from None
    if array.size == 0:
        raise ValueError(f"{name} must be a non-empty {what}, not {array.shape}")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be real numbers, not {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} contains NaN or infinity: has the network diverged?")
    return array.astype(np.float64, copy=False)


def vector(values: ArrayLike, name: str) -> Floats:
    """(n,), in float64."""
    found = numbers(values, name, "vector")
    if found.ndim != 1:
        raise ValueError(f"{name} must be a non-empty vector, not {found.shape}")
    return found


def matrix(values: ArrayLike, name: str, rows: str = "(n, classes)") -> Floats:
    """Two-dimensional, in float64; `rows` says in the error what its axes are."""
    found = numbers(values, name, f"{rows} array")
    if found.ndim != 2:
        raise ValueError(f"{name} must be a non-empty {rows} array, not {found.shape}")
    return found


def not_negative(values: ArrayLike, name: str) -> Floats:
    """Of any shape, in float64."""
    found = numbers(values, name)
    if found.min() < 0:
        raise ValueError(f"{name} must be at least 0, not {found.min():g}")
    return found


def confidences(values: ArrayLike, name: str) -> Floats:
    """(n,) in [0, 1], in float64."""
    found = vector(values, name)
    _within_0_and_1(found, name)
    return found


def hits(values: ArrayLike, name: str, examples: int) -> Floats:
    """(examples,), boolean or 0/1, in float64."""
    found = numbers(values, name)
    if found.shape != (examples,):
        raise ValueError(f"{name} must be a vector of length {examples}, not {found.shape}")
    if not ((found == 0) | (found == 1)).all():
        raise ValueError(f"{name} must be boolean or 0/1")
    return found


def probabilities(values: ArrayLike, name: str = "probabilities") -> Floats:
    """(n, classes), each row a distribution, in float64."""
    found = matrix(values, name)
    _within_0_and_1(found, name)
    worst = float(np.abs(found.sum(axis=1) - 1).max())
    if worst > _ROW_SUM_TOLERANCE:
        raise ValueError(f"each row of {name} must sum to 1, one is off by {worst:.3g}")
    return found


def labels(
    values: ArrayLike, examples: int, classes: int, name: str = "labels"
) -> NDArray[np.integer[Any]]:
    """(examples,), class ids from 0 to classes − 1."""
    try:
        found = np.asarray(values)
    except (ValueError, TypeError) as problem:
        raise ValueError(f"{name} must be integer class ids: {problem}") from None
    if found.shape != (examples,):
        raise ValueError(f"{name} must be ({examples},), one for each row, not {found.shape}")
    if not np.issubdtype(found.dtype, np.integer):
        raise ValueError(f"{name} must be integer class ids, not {found.dtype}")
    if found.min() < 0 or found.max() >= classes:
        raise ValueError(f"{name} must lie in 0..{classes - 1}, not {found.min()}..{found.max()}")
    return found


def feature_sets(features: ArrayLike, training_features: ArrayLike) -> tuple[Floats, Floats]:
    """(n, width) and (training, width), in float64."""
    known = matrix(features, "features", "(n, width)")
    training = matrix(training_features, "training_features", "(n, width)")
    if known.shape[1] != training.shape[1]:
        raise ValueError(
            f"features are {known.shape[1]} wide, training_features {training.shape[1]}"
        )
    return known, training


def linear_layer(weight: ArrayLike, bias: ArrayLike, width: int) -> tuple[Floats, Floats]:
    """(classes, width) and (classes,), in float64."""
    slopes, offset = matrix(weight, "weight", "(classes, width)"), vector(bias, "bias")
    if slopes.shape[1] != width or offset.shape != slopes.shape[:1]:
        raise ValueError(
            f"weight must be (classes, {width}) and bias (classes,), "
            f"not {slopes.shape} and {offset.shape}"
        )
    return slopes, offset


def same_length(names: Sequence[str], lengths: Sequence[int]) -> None:
    """That arrays of the same examples have as many."""
    if len(set(lengths)) > 1:
        said = " and ".join(str(length) for length in lengths)
        raise ValueError(f"{' and '.join(names)} must be of one length, not {said}")


def same_classes(id_logits: NDArray[Any], ood_logits: NDArray[Any], name: str) -> None:
    """That logits of inputs from outside, `name`, come from a network of as many classes."""
    inside, outside = id_logits.shape[-1], ood_logits.shape[-1]
    if inside != outside:
        raise ValueError(f"{name} must have {inside} classes as the others, not {outside}")


def whole(value: Any, name: str, least: int = 1, most: int | None = None) -> int:
    """A whole number in `least`..`most`; 10.0 is none, and neither is True."""
    number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else None
    if number is None or number < least or (most is not None and number > most):
        bound = f"of at least {least}" if most is None else f"in {least}..{most}"
        raise ValueError(f"{name} must be a whole number {bound}, not {value!r}")
    return number


def neighbours(k: Any, training: int) -> int:
    """k, where there are so many training examples; `Undefined` where there are fewer."""
    if whole(k, "k") > training:
        raise Undefined(f"k must be a whole number in 1..{training}, not {k}")
    return int(k)


def real(value: Any, name: str) -> float:
    """A finite number."""
    if not math.isfinite(_number(value)):
        raise ValueError(f"{name} must be a finite number, not {value!r}")
    return float(value)


def positive(value: Any, name: str) -> float:
    if not 0 < _number(value) < math.inf:
        raise ValueError(f"{name} must be positive and finite, not {value!r}")
    return float(value)


def at_least_zero(value: Any, name: str) -> float:
    if not 0 <= _number(value) < math.inf:
        raise ValueError(f"{name} must be at least 0 and finite, not {value!r}")
    return float(value)


def fraction(value: Any, name: str) -> float:
    """Strictly between 0 and 1: .95, not 95."""
    if not 0 < _number(value) < 1:
        raise ValueError(f"{name} must lie in (0, 1), not {value!r}")
    return float(value)


def fraction_or_one(value: Any, name: str) -> float:
    """Above 0 and at most 1."""
    if not 0 < _number(value) <= 1:
        raise ValueError(f"{name} must lie in (0, 1], not {value!r}")
    return float(value)


def _number(value: Any) -> float:
    """NaN for what is no number: True, a text, an array."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan


def _within_0_and_1(found: Floats, name: str) -> None:
    low, high = found.min(), found.max()
    if low < 0 or high > 1:
        raise ValueError(f"{name} must lie in [0, 1], not [{low}, {high}]")
