"""What a network changes beside its `state_dict`: buffers that are not saved, attributes of its
modules. A network that is read from a checkpoint does not have it.

Compared are three networks that began alike: as it was made, trained, and trained to the same
place but read from its `state_dict` on the way. What stays as it was made is no state, and what
comes to the same in both is none that is lost, such as a table that is made when it is first
needed. Values in closures, classes and modules of Python are not seen here.
"""

import random
import re
from collections.abc import Mapping, Set
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

ROUNDING = 1e-3  # of a value, in relation to what it has changed by
_OF_TORCH = vars(nn.Module()).keys()
_NO_STATE = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type)


def lost_on_the_way(made: nn.Module, trained: nn.Module, read: nn.Module) -> list[str]:
    """The names of what differs between `trained` and `read` and is not in the state_dict."""
    originals, others = dict(made.named_modules()), dict(read.named_modules())
    saved = {id(module) for module in others.values()}
    saved |= {id(tensor) for tensor in chain(read.parameters(), read.buffers())}
    found: dict[str, None] = {}
    for place, module in trained.named_modules():
        if place not in others:
            continue
        before, here, there = (
            {} if one is None else _unsaved(one)
            for one in (originals.get(place), module, others[place])
        )
        for name in here.keys() | there.keys():
            known = saved - {id(there.get(name))}
            if not _alike(before.get(name), here.get(name), there.get(name), known):
                found[name] = None
    return sorted(found)


def _unsaved(module: nn.Module) -> dict[str, Any]:
    """A module's attributes and buffers that are in no state_dict."""
    names = module._non_persistent_buffers_set
    attributes = {name: v for name, v in vars(module).items() if name not in _OF_TORCH}
    return attributes | {name: module._buffers[name] for name in names}


def _alike(before: Any, here: Any, there: Any, known: set[int]) -> bool:
    """Whether two values are the same but for rounding.

    Args:
        before: what both were once.
        known: ids, in the place of `there`, of what is saved or has been compared already.
    """
    if here is there or id(there) in known or isinstance(here, _NO_STATE):
        return True
    if type(here) is not type(there):
        return False
    if isinstance(here, Tensor | np.ndarray | float):
        return _close(before, here, there)
    if isinstance(here, bool | int | complex | str | bytes):
        return bool(here == there)
    known.add(id(there))
    one, two, first = _parts(here), _parts(there), _parts(before)
    return one.keys() == two.keys() and all(
        _alike(first.get(name), one[name], two[name], known) for name in one
    )


def _close(before: Any, here: Any, there: Any) -> bool:
    one, two = (torch.as_tensor(value).detach().cpu() for value in (here, there))
    if one.shape != two.shape or one.dtype != two.dtype:
        return False
    if torch.equal(one, two) or not (one.is_floating_point() or one.is_complex()):
        return torch.equal(one, two)
    start = torch.as_tensor(before).detach().cpu() if type(before) is type(here) else one
    start = start if start.shape == one.shape and start is not one else torch.zeros_like(one)
    changed = (one - start).abs().nan_to_num().max()
    return bool(((one - two).abs().nan_to_num() <= ROUNDING * changed).all())


def _parts(value: Any) -> Mapping[Any, Any]:
    """What a value is made of, by name or place."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, torch.Generator):
        return {"state": value.get_state()}
    if isinstance(value, np.random.Generator):
        return dict(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return {"state": repr(value.get_state(legacy=False))}
    if isinstance(value, random.Random):
        return {"state": value.getstate()}
    if isinstance(value, Set):
        return dict.fromkeys(value)
    if isinstance(value, list | tuple) or type(value).__name__ == "deque":
        return dict(enumerate(value))
    if isinstance(value, nn.Module):  # in a list that PyTorch does not look into
        return dict(value.state_dict()) | _unsaved(value)
    if hasattr(value, "__dict__"):
        return dict(vars(value))
    return {"as text": re.sub(r"0x[0-9a-f]+", "", repr(value))}
