"""What a warm-up is made of, as a trial's `warmup` section has it (`trainables.config.trial`), its
defaults too; checked here without pydantic.

    parse({"noise": "pink", "examples": 51_200, "optimizer": {"name": "sgd", "lr": 0.01}})
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, cast

from trainables.config.noise import DISTRIBUTIONS
from trainables.errors import choices

_OPTIMIZERS = ("adam", "adamw", "sgd")
_TRAINED = ("all", "statistics")


@dataclass(frozen=True)
class Noise:
    distribution: str = "gaussian"
    mean: float = 0.0
    std: float = 1.0


@dataclass(frozen=True)
class Optimizer:
    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = 1e-4
    weight_decay: float = 0.0
    momentum: float | None = None


@dataclass(frozen=True)
class Recipe:
    """An epoch is floor(examples / epochs / batch) steps; the remainder is left out."""

    noise: Noise = Noise()
    examples: int = 480_000
    epochs: int = 15
    batch: int = 128
    optimizer: Optimizer = Optimizer()
    train: Literal["all", "statistics"] = "all"

    @property
    def steps_per_epoch(self) -> int:
        return self.examples // self.epochs // self.batch


def parse(given: Mapping[str, Any]) -> Recipe:
    """The recipe of these fields; what is left out keeps its default.

    Raises:
        TypeError: a value is of another type, such as 1.5 or True for a number of examples.
        ValueError: a value cannot be, or a field is unknown. Both name field, value and remedy.
    """
    _known(given, Recipe, "", also=("keep",))
    default = Recipe()
    if given.get("keep") is not None:
        raise ValueError(
            f"keep: {given['keep']!r} is measured in studies, and is no warm-up; leave it out"
        )
    recipe = Recipe(
        noise=_noise(given.get("noise", {})),
        examples=whole("examples", given.get("examples", default.examples), 2),
        epochs=whole("epochs", given.get("epochs", default.epochs), 1),
        batch=whole("batch", given.get("batch", default.batch), 2),
        optimizer=_optimizer(given["optimizer"]) if "optimizer" in given else default.optimizer,
        train=cast(Literal["all", "statistics"], _trained(given.get("train", default.train))),
    )
    if recipe.steps_per_epoch < 1:
        raise ValueError(
            f"examples: {recipe.examples} make no step of {recipe.batch} in each of "
            f"{recipe.epochs} epochs; give at least {recipe.epochs * recipe.batch}"
        )
    return recipe


def whole(field: str, value: Any, least: int) -> int:
    """The value, a whole number; NumPy's are some, True and 3.0 are none."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{field}: {value!r} is no whole number; give one, {least} or more")
    if value < least:
        raise ValueError(f"{field}: {value} is too small; give {least} or more")
    return int(value)


def _noise(given: Any) -> Noise:
    if isinstance(given, str):
        given = {"distribution": given}
    _known(_mapping("noise", given, "or the name of a distribution"), Noise, "noise.")
    name = given.get("distribution", Noise.distribution)
    if name not in DISTRIBUTIONS:
        raise ValueError(
            f"noise: {name!r} is not a noise distribution; choose from {', '.join(DISTRIBUTIONS)}"
        )
    return Noise(
        distribution=name,
        mean=_number("noise.mean", given.get("mean", Noise.mean)),
        std=_number("noise.std", given.get("std", Noise.std), above=0),
    )


def _optimizer(given: Any) -> Optimizer:
    _known(_mapping("optimizer", given), Optimizer, "optimizer.")
    name = given.get("name", Optimizer.name)
    if name not in _OPTIMIZERS:
        raise ValueError(f"optimizer.name: {name!r} is unknown; {choices(str(name), _OPTIMIZERS)}")
    if "lr" not in given:
        raise ValueError(f"optimizer.lr: missing; give the learning rate of {name}")
    momentum = given.get("momentum")
    if momentum is not None:
        if name != "sgd":
            raise ValueError(f"optimizer.momentum: {name} has none; leave it out, or use name: sgd")
        momentum = _number("optimizer.momentum", momentum, least=0, below=1)
    decay = given.get("weight_decay", Optimizer.weight_decay)
    return Optimizer(
        name=name,
        lr=_number("optimizer.lr", given["lr"], above=0),
        weight_decay=_number("optimizer.weight_decay", decay, least=0),
        momentum=momentum,
    )


def _trained(given: Any) -> Any:
    if given == "head":
        raise ValueError(
            "train: 'head' cannot be had here; freeze the other parameters (requires_grad_(False)) "
            "and leave it out"
        )
    if given not in _TRAINED:
        raise ValueError(f"train: {given!r} is unknown; {choices(str(given), _TRAINED)}")
    return given


def _number(
    field: str,
    value: Any,
    least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{field}: {value!r} is no number; give one")
    if not (math.isfinite(value) and value >= least and value > above and value < below):
        bounds = [f"≥ {least:g}"] if least > -math.inf else []
        bounds += [f"> {above:g}"] if above > -math.inf else []
        bounds += [f"< {below:g}"] if below < math.inf else []
        wanted = " and ".join(bounds) or "that is finite"
        raise ValueError(f"{field}: {value} cannot be; give a number {wanted}")
    return float(value)


def _mapping(field: str, given: Any, instead: str = "") -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        other = f" {instead}" if instead else ""
        raise TypeError(f"{field}: {given!r} holds no fields; give a mapping{other}")
    return given


def _known(given: Mapping[str, Any], made: Any, prefix: str, also: tuple[str, ...] = ()) -> None:
    known = [field.name for field in fields(made)]
    for name in given:
        if name not in (*known, *also):
            raise ValueError(f"{prefix}{name}: no such field; {choices(str(name), known)}")
