"""A network of the user's own, by import path: `package.module:factory`.

    def make(num_classes, input_shape, **arguments):  # the section's `arguments`
        return MyNetwork(...)  # an nn.Module: (n, *input_shape) → logits (n, num_classes, *targets)

The class itself will do where its constructor takes these arguments. The file that holds the
factory goes by its digest into a trial's id; what that file imports does not.
"""

import hashlib
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from trainables.tasks import Shape


class NetworkError(ValueError):
    """A network that cannot be used; one line with the field, its value and the remedy."""


def own(name: str, shape: Shape, classes: int, arguments: Mapping[str, Any]) -> nn.Module:
    """The network that the factory `name` makes.

    Raises:
        NetworkError: there is no such factory, it raises, or it makes something else.
    """
    factory = _factory(name)
    try:
        network = factory(num_classes=classes, input_shape=shape, **arguments)
    except Exception as error:
        given = {"num_classes": classes, "input_shape": shape} | dict(arguments)
        call = ", ".join(f"{argument}={value!r}" for argument, value in given.items())
        raise NetworkError(
            f"model: {name}, called with ({call}), raises {in_a_line(error)}; "
            "change model.arguments or the factory"
        ) from error
    if not isinstance(network, nn.Module):
        raise NetworkError(
            f"model: {name} returns {type(network).__name__}; let it return a torch.nn.Module"
        )
    if any(is_lazy(tensor) for tensor in chain(network.parameters(), network.buffers())):
        raise NetworkError(
            f"model: {name} makes lazy layers, without weights as yet; give their sizes"
        )
    return network


def code_digest(name: str) -> str:
    """sha256 of the source file that holds the factory `name`.

    Raises:
        NetworkError: there is no such module, or it has no source file.
    """
    path = getattr(_module(name), "__file__", None)
    if path is None or not path.endswith(".py"):
        raise NetworkError(
            f"model: {name} is in a module without a source file, so that its trials could not "
            "be told apart when it changes; give a factory in a .py file"
        )
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def in_a_line(error: BaseException) -> str:
    """The exception's name and the last line of what it says."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[-1]}" if said else type(error).__name__


def _factory(name: str) -> Any:
    module = _module(name)
    wanted = name.partition(":")[2]
    if not hasattr(module, wanted):
        raise NetworkError(f"model: {name}: no such attribute; {_choices(wanted, module)}")
    factory = getattr(module, wanted)
    if not callable(factory):
        raise NetworkError(
            f"model: {name} is {type(factory).__name__}, which cannot be called; "
            "give a function or class that makes the network"
        )
    return factory


def _module(name: str) -> ModuleType:
    path, _, factory = name.partition(":")
    if not all(part.isidentifier() for part in (*path.split("."), factory)):
        raise NetworkError(f"model: {name!r} is no import path; write package.module:factory")
    try:
        return import_module(path)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{path}.".startswith(f"{error.name}."):
            raise NetworkError(
                f"model: {name}: no module {error.name}; the folder of the command is searched: "
                "my_net.py in it is my_net:make"
            ) from error
        raise NetworkError(
            f"model: {name}: importing {path} raises {in_a_line(error)}; "
            f"it must import in this environment, as `python -c 'import {path}'` shows"
        ) from error


def _choices(wanted: str, module: ModuleType) -> str:
    known = [name for name in vars(module) if not name.startswith("_")]
    callables = [name for name in known if callable(getattr(module, name))]
    close = get_close_matches(wanted, callables, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there is {', '.join(callables) or 'none'}"
