"""How large a study's networks, data and training are: what a run that is cut down leaves out."""

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
    numbers = all(isinstance(value, int) for value in values)
    listed = sorted(values) if numbers else values
    return ", ".join(f"{value:,}" if isinstance(value, int) else value for value in listed)


def _network(trial: Trial) -> str:
    model = trial["model"]
    more = ", ".join(f"{name} {model[name]}" for name in ("depth", "width") if model.get(name))
    return f"{model['name']} ({more})" if more else str(model["name"])


def _side(trial: Trial) -> str:
    side = trial["data"]["resize"]
    return f"{side}×{side}" if side else "as they are"


def _warmup(trial: Trial) -> int | None:
    return int(trial["warmup"]["examples"]) if trial["warmup"] else None


_SIZES: dict[str, Callable[[Trial], Any]] = {
    "network": _network,
    "starting weights": lambda trial: trial["model"]["weights"],
    "data": lambda trial: trial["data"]["source"].rpartition("/")[2],
    "images": _side,
    "training examples": lambda trial: trial["data"]["examples"],
    "test examples": lambda trial: trial["data"]["test"] or "all",
    "warm-up examples": _warmup,
    "epochs of the task": lambda trial: trial["task"]["epochs"],
}
