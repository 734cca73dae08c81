"""A network of the user's own, by import path: `package.module:factory`.

    def make(num_classes, input_shape, **arguments):  # the section's `arguments`
        return MyNetwork(...)  # an nn.Module: (n, *input_shape) → logits (n, num_classes, *targets)

The class itself will do. A factory is given those of `num_classes` and `input_shape` that it takes,
so `torchvision.models:resnet18` will do as it is; `timm:NAME` is a network by timm's name, see
`trainables.models.timm_networks`. What it is made of goes by its digest into a trial's id, see
`trainables.models.code`.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from itertools import chain
from types import ModuleType
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from trainables import imported
from trainables.imported import (
    NotImported,
    in_a_line,
    is_import_path,
    is_installed,
    named,
    not_installed,
)
from trainables.models import timm_networks
from trainables.tasks import Shape

_EXAMPLE = "my_net:make"


class NetworkError(ValueError):
    """A network that cannot be used; one line with the field, its value and the remedy."""


def own(name: str, shape: Shape, classes: int, arguments: Mapping[str, Any]) -> nn.Module:
    """The network that the factory `name` makes.

    Raises:
        NetworkError: there is no such factory, it raises, or it makes something else.
    """
    factory = _factory(name)
    offered = _offered(name, shape, classes)
    network = _called(name, factory, _taken(factory, offered), arguments)
    if not isinstance(network, nn.Module):
        raise NetworkError(
            f"model: {name} returns {type(network).__name__}; let it return a torch.nn.Module"
        )
    if any(is_lazy(tensor) for tensor in chain(network.parameters(), network.buffers())):
        raise NetworkError(
            f"model: {name} makes lazy layers, without weights as yet; give their sizes"
        )
    return network


def _offered(name: str, shape: Shape, classes: int) -> dict[str, Any]:
    if not _is_timm_s(name):
        return {"num_classes": classes, "input_shape": shape}
    try:
        return timm_networks.offered(name, shape, classes)
    except ValueError as error:
        raise NetworkError(f"model: {error}") from error


def _is_timm_s(name: str) -> bool:
    """Whether it is a network by timm's name, and not a function of its package's."""
    path, _, wanted = name.partition(":")
    return path == timm_networks.MODULE and not hasattr(module_of(name), wanted)


def _taken(factory: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    """Those of the arguments that the factory takes by name, or might, by a `**` of its own."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # a callable that does not say
        return offered
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return offered
    by_name = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return {argument: value for argument, value in offered.items() if argument in by_name}


def _called(
    name: str, factory: Callable[..., Any], offered: dict[str, Any], arguments: Mapping[str, Any]
) -> Any:
    """What the factory makes. One that hands its `**` on to a class which does not take one of the
    offered arguments is called again, without that one."""
    given = offered | dict(arguments)
    try:
        return factory(**given)
    except Exception as error:
        refused = re.search(r"unexpected keyword argument(?:\(s\): \[)? ?'(\w+)'", str(error))
        if isinstance(error, TypeError) and refused and refused[1] in offered.keys() - arguments:
            rest = {argument: v for argument, v in offered.items() if argument != refused[1]}
            return _called(name, factory, rest, arguments)
        call = ", ".join(f"{argument}={value!r}" for argument, value in given.items())
        raise NetworkError(
            f"model: {name}, called with ({call}), raises {in_a_line(error)}; "
            "change model.arguments or the factory"
        ) from error


def _factory(name: str) -> Any:
    module = module_of(name)
    try:
        if _is_timm_s(name):
            return timm_networks.registered(module, name.partition(":")[2])
        factory = named(name, _EXAMPLE)
    except ValueError as error:
        raise NetworkError(f"model: {name}: {error}") from error
    if not callable(factory):
        raise NetworkError(
            f"model: {name} is {type(factory).__name__}, which cannot be called; "
            "give a function or class that makes the network"
        )
    return factory


def module_of(name: str) -> ModuleType:
    """The module that holds the factory `name`.

    Raises:
        NetworkError: it cannot be imported.
    """
    of_timm = name.partition(":")[0] == timm_networks.MODULE
    if not is_import_path(name) and of_timm:
        raise NetworkError(
            f"model: {name!r} is no name of timm's; write timm:NAME, without a tag, which says "
            "what weights it would have"
        )
    if not is_import_path(name):
        raise NetworkError(f"model: {name!r} is no import path; write package.module:factory")
    if of_timm and not is_installed(timm_networks.MODULE):
        raise NetworkError(f"model: {name}: {not_installed(timm_networks.MODULE)}")
    try:
        return imported.module_of(name, _EXAMPLE)
    except NotImported as error:
        raise NetworkError(f"model: {name}: {error}") from error
