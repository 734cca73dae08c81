"""One network trained by several workers: data-parallel, each on its share of every mini-batch.

Every worker lives the whole life (`trainables.lifecycle.trial_run`) with the same random streams,
and so draws the same mini-batches; it passes a contiguous share of each through its copy of the
network. Gradients are summed by PyTorch's DistributedDataParallel. They are those of the whole
mini-batch, so a trial has the result of one worker to within rounding, whatever the number of
workers. Only dropout draws other masks: its random numbers are as many as a worker has examples.

The first worker alone reads and writes storage; the others are told. `ALONE` is a worker without
others, for which nothing here does anything.
"""

from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainables.config.loss import Loss
from trainables.models.shared_norm import share_statistics, waits_for_others
from trainables.storage.storage import Storage
from trainables.tasks import NO_CLASS
from trainables.training.losses import loss_of

T = TypeVar("T")
Pairs = list[tuple[Tensor, Tensor]]  # (logits, labels)


@dataclass(frozen=True)
class Share:
    """One worker's part of a mini-batch."""

    inputs: Tensor
    labels: Tensor
    examples: int  # fewer than inputs where an example stands in for none
    workers: int = 1
    targets: Tensor | None = None  # in the whole mini-batch; None: this is the whole of it

    def loss(self, logits: Tensor, settings: Loss | None = None) -> Tensor:
        """The mean loss of the whole mini-batch, as far as this worker has it: averaged over the
        workers, its gradient is that of the whole."""
        if self.targets is None:
            return loss_of(logits, self.labels, settings)
        summed = loss_of(logits, self.labels, settings, "sum")
        return summed * self.workers / self.targets


@dataclass(frozen=True)
class Workers:
    """A worker among those that train one network; they are PyTorch's default process group."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def prepared(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with batch normalisation over whole mini-batches."""
        return network if self.size == 1 else share_statistics(network, device)

    def distributed(self, network: nn.Module) -> nn.Module:
        """The network as a phase trains it: a backward pass averages the gradients of all workers.

        It holds the network itself, so the names of its state stay as they are.
        """
        if self.size == 1 or not any(p.requires_grad for p in network.parameters()):
            return network
        # a user's network may have parameters that no logit depends on; one worker leaves them
        return DistributedDataParallel(network, find_unused_parameters=True)

    def share(self, network: nn.Module, inputs: Tensor, labels: Tensor) -> Share:
        """This worker's examples of a mini-batch that all have drawn."""
        if self.size == 1:
            return Share(inputs, labels, len(labels))
        mine = contiguous(len(labels), self.rank, self.size)
        targets = (labels != NO_CLASS).sum()
        examples = mine.stop - mine.start
        if examples or waits_for_others(network):
            return Share(inputs[mine], labels[mine], examples, self.size, targets)
        # a network must not be able to take no example at all; one without a target adds nothing
        nothing = torch.full_like(labels[:1], NO_CLASS)
        return Share(inputs[:1], nothing, 0, self.size, targets)

    def gathered(self, pairs: Pairs) -> list[Pairs]:
        """Those of every worker, in order, on the CPU where there are several."""
        if self.size == 1:
            return [pairs]
        # a clone, for a view would be sent with all that it is a view of
        mine = [(logits.cpu().clone(), labels.cpu().clone()) for logits, labels in pairs]
        every: list[Pairs] = [[] for _ in range(self.size)]
        dist.all_gather_object(every, mine)
        return every

    def broadcast(self, value: T) -> T:
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def stream(self, purpose: str) -> str:
        """A name for random numbers that each worker draws for its own examples."""
        return purpose if self.leads else f"{purpose} worker {self.rank}"


ALONE = Workers()


class BroadcastStorage(Storage):
    """A storage that the first worker reads and writes. The others are told what it has read, so
    that all decide alike while other trials write."""

    def __init__(self, storage: Storage, workers: Workers) -> None:
        super().__init__(storage.root)
        self._workers = workers

    def put(self, key: str, payload: bytes) -> None:
        if self._workers.leads:
            super().put(key, payload)

    def get(self, key: str) -> bytes | None:
        return self._workers.broadcast(super().get(key) if self._workers.leads else None)

    def delete(self, key: str) -> None:
        if self._workers.leads:
            super().delete(key)


def contiguous(count: int, rank: int, size: int) -> slice:
    """A worker's part of so many things in order; parts differ by one at most, the first are the
    larger: 5 things among 2 workers are 3 and 2."""
    each, over = divmod(count, size)
    start = rank * each + min(rank, over)
    return slice(start, start + each + (rank < over))
