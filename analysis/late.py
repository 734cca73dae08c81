"""Functions that tables name and calls import: a table is read without waiting for PyTorch."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def late(path: str) -> Callable[..., Any]:
    """The function at `package.module:name`, imported when it is called."""
    module, _, name = path.partition(":")

    def call(*arguments: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*arguments, **named)

    call.__module__, call.__name__ = module, name
    return call
