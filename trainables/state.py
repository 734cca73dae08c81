"""States of a network and its training as bytes, for shared warm-ups and checkpoints.

Read with `weights_only=True`: tensors, numbers, text, lists and dictionaries, never code.
"""

import io
from typing import Any

import torch


def pack(state: dict[str, Any]) -> bytes:
    """A state, of tensors and plain values only, as bytes."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def unpack(payload: bytes, device: torch.device) -> dict[str, Any]:
    """The state that `pack` made bytes of, with its tensors on `device`."""
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    return state
