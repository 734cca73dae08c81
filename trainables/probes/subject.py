"""What a probe looks at: one network at one moment of its task, and what it may need beside it."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from trainables.config.loss import Loss
from trainables.data.splits import Split, TaskData
from trainables.models.build import Autocast, State
from trainables.seeds import generator

TRAINING_EXAMPLES = 512  # at most, where a probe evaluates a network many times over
TEST_EXAMPLES = 1000

Arrays = dict[str, Tensor]
Layer = nn.Linear | nn.Conv2d


@dataclass(frozen=True)
class Subject:
    """A probe leaves weights, buffers and `requires_grad` of the network as it found them; it may
    leave it in training or in eval mode."""

    network: nn.Module  # on its device
    data: TaskData
    batch: int  # examples of the task's mini-batches
    seed: int  # the trial's
    initial: State  # the network's `state_dict()` before it was trained on anything
    loss: Loss | None = None  # of the task's steps
    path: tuple[State, ...] = ()  # its parameters at the start of the task and after each epoch

    @property
    def bare(self) -> nn.Module:
        """The network without its wrapping, so that names are the same for all arithmetic."""
        return self.network.network if isinstance(self.network, Autocast) else self.network

    @property
    def layers(self) -> dict[str, Layer]:
        """The linear and convolutional layers by name, but those whose weight is computed from
        other parameters."""
        return {
            name: module
            for name, module in self.bare.named_modules()
            if isinstance(module, Layer) and isinstance(module.weight, nn.Parameter)
        }

    def untrained(self, name: str) -> Tensor:
        """A parameter of the bare network as it was before it was trained on anything."""
        return self.initial[name if self.bare is self.network else f"network.{name}"]

    @property
    def some_training(self) -> Split:
        return some(self.data.train, TRAINING_EXAMPLES)

    @property
    def some_test(self) -> Split:
        return some(self.data.test, TEST_EXAMPLES)


def some(split: Split, count: int) -> Split:
    """So many of the split's examples, drawn at random and the same for every trial; all of them
    where there are no more."""
    if len(split) <= count:
        return split
    chosen = torch.randperm(len(split), generator=generator(0, "probed"))[:count]
    chosen = chosen.to(split.labels.device)
    return replace(split, inputs=split.inputs[chosen], labels=split.labels[chosen])
