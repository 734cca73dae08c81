"""Randomness: every generator derives from a trial's seed and serves one purpose.

Drawing more from one never shifts another: the weights do not depend on how much noise was drawn.
What draws from a global state, of PyTorch, NumPy or `random`, such as dropout and a user's factory,
does so in a fork of it that is seeded in the same way.
"""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

try:
    import numpy as np
except ImportError:  # `trainables.warm_up` needs PyTorch alone; nothing draws from NumPy then
    np = None  # type: ignore[assignment]

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
    "corruption",
]


def generator(seed: int, purpose: Purpose, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for one purpose of one seed, on `device`."""
    made = torch.Generator(device=device)
    made.manual_seed(_derived(f"{seed}/{purpose}"))
    return made


@contextmanager
def global_state(seed: int, purpose: str, device: torch.device) -> Iterator[None]:
    """The global random states, seeded for one purpose: PyTorch's of the CPU and `device`, NumPy's
    and that of `random`. Afterwards they are as they were before."""
    with kept_global_state(device):
        torch.default_generator.manual_seed(_derived(f"{seed}/{purpose}"))
        if device.type == "cuda":
            torch.cuda.manual_seed(_derived(f"{seed}/{purpose}"))
        others = _derived(f"{seed}/{purpose}/other") % 2**32  # NumPy takes no larger one
        if np is not None:
            np.random.seed(others)
        random.seed(others)
        yield


@contextmanager
def kept_global_state(device: torch.device | None = None) -> Iterator[None]:
    """Whatever is drawn or seeded inside, the global random states are as before afterwards."""
    forked = [device] if device is not None and device.type == "cuda" else []
    numpys = None if np is None else np.random.get_state()
    pythons = random.getstate()
    try:
        with torch.random.fork_rng(forked):
            yield
    finally:
        if numpys is not None:
            np.random.set_state(numpys)
        random.setstate(pythons)


def global_positions() -> dict[str, bytes]:
    """Where each global random state of the CPU is, by whose it is: equal if nothing was drawn."""
    return {
        "PyTorch": torch.get_rng_state().numpy().tobytes(),
        "NumPy": repr(np.random.get_state(legacy=False)).encode(),
        "random": repr(random.getstate()).encode(),
    }


def _derived(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
