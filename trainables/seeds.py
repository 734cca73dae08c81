"""Randomness: every generator derives from a trial's seed and serves one purpose.

Drawing more from one never shifts another: the weights do not depend on how much noise was drawn.
"""

import hashlib
from typing import Literal

import torch

Purpose = Literal["weights", "subset", "order", "noise", "validation", "test", "ood"]


def generator(seed: int, purpose: Purpose, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for one purpose of one seed, on `device`."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    made = torch.Generator(device=device)
    made.manual_seed(int.from_bytes(digest[:8], "big", signed=True))
    return made
