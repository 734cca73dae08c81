"""What a life has done with its network: an epoch of training, or the predictions of a split.

A life (`trainables.lifecycle.trial_run`) does neither itself. It is a generator that yields what it
wants done and is sent what came of it. So one that is lived alone, and several whose networks are
trained as one (`trainables.fused.trials`), are the same code.
"""

import time
from collections.abc import Generator, Hashable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

from trainables.config.loss import Loss
from trainables.config.trial import Optimizer
from trainables.data.splits import Split
from trainables.seeds import global_state
from trainables.training.data_parallel import ALONE, Workers
from trainables.training.loop import Batches, Outputs, Tick, evaluate, train_epoch

T = TypeVar("T")


@dataclass(frozen=True)
class Epoch:
    network: nn.Module  # as `workers.in_step` has it
    optimizer: torch.optim.Optimizer | None  # None: no weight is trained
    settings: Optimizer  # the optimizer's
    batches: Batches
    device: torch.device
    loss: Loss | None = None
    tick: Tick = lambda examples: None
    place: tuple[int, int] = (0, 1)  # along a life: the phase and the epoch in it
    alike: Hashable = None  # of one task and place, equal in epochs that differ in examples alone
    seed: int = 0
    stream: str = ""  # of the random numbers that the network itself draws
    workers: Workers = ALONE

    @property
    def kind(self) -> Hashable:
        """Passes of one kind can be made together by networks of one structure."""
        return (self.place, self.alike)

    def alone(self) -> Outputs:
        """Its outputs, step by step."""
        # dropout draws from the global state; its own for each epoch needs no checkpoint
        with global_state(self.seed, self.stream, self.device):
            return train_epoch(
                self.network, self.optimizer, self.batches, self.tick, self.workers, self.loss
            )


@dataclass(frozen=True)
class Predictions:
    network: nn.Module
    split: Split
    workers: Workers = ALONE
    seed: int = 0
    place = (-1, 0)  # measuring goes before all training

    @property
    def kind(self) -> Hashable:
        return (self.split.inputs.shape, self.split.shape)

    def alone(self) -> Outputs:
        """One or several of each example."""
        # a network that draws when it is measured, too, draws the same each time
        with global_state(self.seed, self.workers.stream("measuring"), self.split.labels.device):
            return evaluate(self.network, self.split, self.workers)


Request = Epoch | Predictions


@dataclass(frozen=True)
class Completed:
    outputs: Outputs
    seconds: float  # that it took; of several networks' together, this one's share


Requests = Generator[Request, Completed, T]


def run_alone(life: Requests[T]) -> T:
    """Live to the end, without others."""
    try:
        asked = next(life)
        while True:
            started = time.perf_counter()
            outputs = asked.alone()
            asked = life.send(Completed(outputs, time.perf_counter() - started))
    except StopIteration as end:
        value: T = end.value
        return value
