"""What the user has written in Python, by import path: `package.module:name`."""

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import torch

from trainables.errors import choices
from trainables.seeds import global_state


class NotImported(ValueError):
    """There is no such thing; one line on what is wrong and the remedy, without the field."""


def is_import_path(name: str) -> bool:
    path, _, attribute = name.partition(":")
    return all(part.isidentifier() for part in (*path.split("."), attribute))


def named(name: str, example: str) -> Any:
    """The value that `package.module:name` stands for.

    Args:
        example: of such a name, for errors.

    Raises:
        NotImported: there is none.
    """
    module, wanted = module_of(name, example), name.partition(":")[2]
    if not hasattr(module, wanted):
        known = [
            n for n, value in vars(module).items() if not n.startswith("_") and callable(value)
        ]
        raise NotImported(f"no such attribute; {choices(wanted, known)}")
    return getattr(module, wanted)


def module_of(name: str, example: str) -> ModuleType:
    """The module that a name lies in. What importing it draws is the same everywhere, and what it
    seeds is seeded for the import alone.

    Raises:
        NotImported: it cannot be imported.
    """
    path = name.partition(":")[0]
    try:
        with global_state(0, "import", torch.device("cpu")):
            return import_module(path)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{path}.".startswith(f"{error.name}."):
            file = example.partition(":")[0]
            raise NotImported(
                f"no module {error.name}; the folder of the command is searched: "
                f"{file}.py in it is {example}"
            ) from error
        raise NotImported(
            f"importing {path} raises {in_a_line(error)}; "
            f"it must import in this environment, as `python -c 'import {path}'` shows"
        ) from error


def is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # it was put out of reach
        return False


def not_installed(package: str) -> str:
    """The remedy for a package that is an extra of its own name."""
    return f"{package} is not installed; pip install 'warmup-sweep[{package}]'"


def in_a_line(error: BaseException) -> str:
    """The exception's name and the last line of what it says."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[-1]}" if said else type(error).__name__
