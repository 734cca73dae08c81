"""States of a network and its training as bytes, for shared warm-ups and checkpoints.

Read with `weights_only=True`: tensors, numbers, text, lists and dictionaries, never code. A state
dict keeps the versions of its layers, by which PyTorch knows how to read it.
"""

import io
from collections import OrderedDict
from typing import Any

import torch


def pack(state: dict[str, Any]) -> bytes:
    """A state, of tensors and plain values only, as bytes."""
    buffer = io.BytesIO()
    torch.save(_whole(state), buffer)
    return buffer.getvalue()


def unpack(payload: bytes, device: torch.device) -> dict[str, Any]:
    """The state that `pack` made bytes of, with its tensors on `device`."""
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    return state


def _whole(value: Any) -> Any:
    """The state, its views cloned: else all that they are views of would be saved with them."""
    if isinstance(value, torch.Tensor):
        viewed = value.numel() * value.element_size() < value.untyped_storage().nbytes()
        return value.clone() if viewed else value
    if type(value) in (list, tuple):
        return type(value)(_whole(inner) for inner in value)
    if type(value) not in (dict, OrderedDict):
        return value
    whole = type(value)((key, _whole(inner)) for key, inner in value.items())
    if hasattr(value, "_metadata"):  # of a state dict
        whole._metadata = value._metadata
    return whole
