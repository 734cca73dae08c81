"""A warm-up as a Trainer's callback has it: once in a model's life, the same in every process."""

import itertools
from typing import Any

import torch.distributed as dist
from torch import nn

from trainables.warm_up.history import History
from trainables.warm_up.run import warm_up

_MARK = "_warmed_up_on_noise"  # copied and pickled with the model, and in no state_dict


def warm_up_once(model: nn.Module, settings: dict[str, Any], shows: bool) -> History | None:
    """The warm-up's history; None where the model has been warmed up by a callback before.

    Args:
        settings: what `warm_up` is given.
        shows: whether this process is the one that says something.
    """
    if hasattr(model, _MARK):
        return None
    wanted = bool(settings.get("progress", True)) and shows
    history = warm_up(model, **settings | {"progress": wanted})
    setattr(model, _MARK, True)
    _share(model)
    return history


def _share(model: nn.Module) -> None:
    """Give every process the first one's values: each has made the same steps, but on GPUs their
    last digits may differ, and nothing would bring them together again."""
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        for tensor in itertools.chain(model.parameters(), model.buffers()):
            dist.broadcast(tensor.data, src=0)
