"""How large networks, data and training of a study are: where a run that is cut down differs."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Trial = Mapping[str, Any]  # a trial's parameters, as its record has them


def sizes_of(trials: Iterable[Trial]) -> dict[str, str]:
    """The values of all trials, in words: numbers from the smallest on."""
    found: dict[str, dict[Any, None]] = {name: {} for name in _SIZES}
    for trial in trials:
        for name, size in _SIZES.items():
            value = size(trial)
            if value is not None:
                found[name][value] = None
    return {name: _listed(values) for name, values in found.items() if values}


def _listed(values: Mapping[Any, None]) -> str:
    numbers = all(isinstance(value, int | float) for value in values)
    return ", ".join(map(_said, sorted(values) if numbers else values))


def _said(value: int | float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:g}".replace("e-0", "e-")


def _network(trial: Trial) -> str:
    model = trial["model"]
    more = ", ".join(f"{name} {model[name]}" for name in ("depth", "width") if model.get(name))
    return f"{model['name']} ({more})" if more else str(model["name"])


def _side(trial: Trial) -> str:
    side = trial["data"]["resize"]
    return f"{side}×{side}" if side else "as they are"


def _of_warmup(get: Callable[[Trial], Any]) -> Callable[[Trial], Any]:
    """Nothing of a network without one."""
    return lambda trial: get(trial["warmup"]) if trial["warmup"] else None


_SIZES: dict[str, Callable[[Trial], Any]] = {
    "network": _network,
    "starting weights": lambda trial: trial["model"]["weights"],
    "data": lambda trial: trial["data"]["source"].rpartition("/")[2],
    "images": _side,
    "training examples": lambda trial: trial["data"]["examples"],
    "test examples": lambda trial: trial["data"]["test"] or "all",
    "warm-up examples": _of_warmup(lambda warmup: int(warmup["examples"])),
    "mini-batch of the warm-up": _of_warmup(lambda warmup: int(warmup["batch"])),
    "learning rate of the warm-up": _of_warmup(lambda warmup: float(warmup["optimizer"]["lr"])),
    "mini-batch of the task": lambda trial: trial["task"]["batch"],
    "learning rate of the task": lambda trial: float(trial["task"]["optimizer"]["lr"]),
    "epochs of the task": lambda trial: trial["task"]["epochs"],
}
