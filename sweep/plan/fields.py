"""Dotted fields: how studies and the command line name the parts of a trial.

    fields = {}
    set_field(fields, "task.optimizer.lr", 1e-4)   # {"task": {"optimizer": {"lr": 1e-4}}}

Fields are nested dictionaries of plain values until `parse_trial` makes a validated trial of them.
"""

import copy
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from sweep.errors import InputError, complaint, explain
from trainables.config.model import family_of
from trainables.config.trial import Trial
from trainables.errors import choices

Fields = dict[str, Any]


def set_field(fields: Fields, dotted: str, value: Any) -> None:
    """Set one field in place, making what it lies in.

    Raises:
        InputError: the name is not a dotted name, or leads through a plain value.
    """
    *path, last = dotted.split(".")
    if not all((*path, last)):
        raise InputError(f"{dotted!r} is not a field; write dotted names such as task.epochs")
    for place, name in enumerate(path):
        inner = fields.get(name)
        if isinstance(inner, str):  # model: mlp is short for model: {name: mlp}
            inner = {"name": inner}
        if inner is not None and not isinstance(inner, dict):
            outer = ".".join(path[: place + 1])
            raise InputError(f"{dotted}: {outer} is {inner!r} and holds no fields")
        fields[name] = inner = {} if inner is None else inner
        fields = inner
    fields[last] = value


def get_field(fields: Mapping[str, Any], dotted: str) -> Any:
    """The field's value; None where it or what it lies in is not there."""
    value: Any = fields
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def with_fields(fields: Fields, changes: Mapping[str, Any]) -> Fields:
    changed = copy.deepcopy(fields)
    for dotted, value in changes.items():
        set_field(changed, dotted, copy.deepcopy(value))
    return changed


def flat(fields: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every plain value by its dotted name."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def parse_trial(fields: Fields) -> Trial:
    """The validated trial.

    Raises:
        InputError: names the field, its value and what would be accepted.
    """
    for dotted in flat(fields):
        if dotted.startswith(("data.facts", "model.facts")):
            raise InputError(f"{dotted}: is found by loading the data; leave it out")
    try:
        return Trial.model_validate(fields)
    except ValidationError as error:
        first = complaint(error)
        if first["type"] == "extra_forbidden":
            path = [str(part) for part in first["loc"]]
            raise InputError(_unknown(path, fields)) from error
        raise InputError(explain(error)) from error


def _unknown(path: list[str], fields: Fields) -> str:
    section: type[BaseModel] = Trial
    of = ""
    for name in path[:-1]:
        if name == "model":
            network = get_field(fields, "model.name") or fields["model"]
            network = network if isinstance(network, str) else "mlp"
            section, of = family_of(network), f" of {network}"
        else:
            section = _section(section, name)
    known = [name for name in section.model_fields if name != "facts"]
    return f"{'.'.join(path)}: no such field{of}; {choices(path[-1], known)}"


def _section(outer: type[BaseModel], name: str) -> type[BaseModel]:
    """The class of a section, through `| None` and annotations."""
    annotation = outer.model_fields[name].annotation
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return outer
