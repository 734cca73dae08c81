"""Randomness: every generator derives from a trial's seed and serves one purpose.

Drawing more from one never shifts another: the weights do not depend on how much noise was drawn.
What draws from PyTorch's global state, such as dropout and a user's factory, does so in a fork of
it that is seeded in the same way.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Purpose = Literal[
    "weights",
    "feedback",
    "head",
    "subset",
    "order",
    "augmentation",
    "noise",
    "validation",
    "test",
    "ood",
    "positions",
    "shuffle",
    "probed",
    "elements",
    "directions",
    "lanczos",
    "hutchinson",
]


def generator(seed: int, purpose: Purpose, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for one purpose of one seed, on `device`."""
    made = torch.Generator(device=device)
    made.manual_seed(_derived(f"{seed}/{purpose}"))
    return made


@contextmanager
def global_state(seed: int, purpose: str, device: torch.device) -> Iterator[None]:
    """PyTorch's global random state of the CPU and `device`, seeded for one purpose; afterwards it
    is as it was before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.default_generator.manual_seed(_derived(f"{seed}/{purpose}"))
        if device.type == "cuda":
            torch.cuda.manual_seed(_derived(f"{seed}/{purpose}"))
        yield


def _derived(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
