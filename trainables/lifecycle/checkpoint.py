"""What a trial has behind it, and how that is stored: a warmed-up network, an unfinished trial."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, nn

from trainables.lifecycle.record import History
from trainables.probes.subject import Arrays
from trainables.storage.serialization import pack

WARMED = ("history", "seconds", "step", "examples")  # what a warmed-up network has behind it


@dataclass
class Progress:
    """All that a checkpoint holds beside the states of network, optimizer and random streams."""

    history: History = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)  # by activity: warmup, task, evaluation
    step: int = 0
    examples: int = 0
    probed: dict[str, list[Arrays]] = field(default_factory=dict)  # by probe, of each moment so far
    lr_scale: float = 1.0  # of the task
    path: list[dict[str, Tensor]] = field(default_factory=list)  # weights along the task, if asked


def pack_warmup(network: nn.Module, progress: Progress) -> bytes:
    """A warmed-up network, for every trial that warms up alike."""
    behind = {name: getattr(progress, name) for name in WARMED}
    return pack({"network": network.state_dict()} | behind)


def pack_checkpoint(
    network: nn.Module,
    progress: Progress,
    phase: str,
    epoch: int,
    optimizer: torch.optim.Optimizer | None,
    random: Sequence[torch.Generator],
) -> bytes:
    """A trial after an epoch of a phase."""
    behind = {one.name: getattr(progress, one.name) for one in fields(Progress)}
    return pack(
        behind
        | {
            "network": network.state_dict(),
            "phase": phase,
            "epoch": epoch,
            "optimizer": optimizer.state_dict() if optimizer else {},
            "random": [one.get_state() for one in random],
        }
    )


def restore(saved: dict[str, Any], network: nn.Module, progress: Progress) -> None:
    """Put back a warm-up or a checkpoint, as it was unpacked."""
    network.load_state_dict(saved["network"])
    for one in fields(Progress):
        if one.name in saved:
            setattr(progress, one.name, saved[one.name])


def restore_training(
    saved: dict[str, Any],
    optimizer: torch.optim.Optimizer | None,
    random: Sequence[torch.Generator],
) -> int:
    """Put back a checkpoint's optimizer and random streams; the epoch after which it was made."""
    if optimizer:
        optimizer.load_state_dict(saved["optimizer"])
    for one, state in zip(random, saved["random"], strict=True):
        one.set_state(state.cpu())
    return int(saved["epoch"])
