"""The two loops that a trial's training is measured against: bare PyTorch, and the usual way.

Both take the trial's own steps on one thread of the CPU, and do nothing else: no measuring, no
checkpoints, no records. Seconds do not count what comes before the first step.

- `bare`: examples in memory as normalised tensors, the fused optimizer, nothing asked of a step.
- `usual`: a torchvision data set that makes a PIL image of each example, its transforms, a
  DataLoader in the same process, the optimizer as PyTorch makes it, and the loss and the number of
  correct answers asked of every step, as most published training scripts do.
"""

import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import VisionDataset

from trainables.config.trial import Optimizer, Trial
from trainables.data.splits import TaskData
from trainables.models.build import build
from trainables.models.linear import Linear

Batches = Iterable[tuple[Tensor, Tensor]]


def bare(trial: Trial, data: TaskData) -> dict[str, float]:
    """Seconds of the warm-up and of the task."""
    network = network_of(trial)

    def steps(batches: Batches, settings: Optimizer) -> None:
        adam = _adam(network, settings, fused=True)
        for inputs, labels in batches:
            adam.zero_grad()
            F.cross_entropy(network(inputs), labels).backward()  # type: ignore[no-untyped-call]
            adam.step()

    def shuffled() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(trial.task.epochs):
            for chosen in torch.split(torch.randperm(trial.data.examples), trial.task.batch):
                yield data.train.inputs[chosen], data.train.labels[chosen]

    return _phases(trial, steps, shuffled())


def usual(trial: Trial, data: TaskData) -> dict[str, float]:
    """Seconds of the warm-up and of the task."""
    network = network_of(trial)
    loader = DataLoader(_Images(data), batch_size=trial.task.batch, shuffle=True)

    def steps(batches: Batches, settings: Optimizer) -> None:
        adam = _adam(network, settings, fused=None)
        loss_of_all, correct = 0.0, 0
        for inputs, labels in batches:
            adam.zero_grad()
            logits = network(inputs)
            loss = F.cross_entropy(logits, labels)
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            loss_of_all += loss.item() * len(labels)
            correct += int((logits.argmax(1) == labels).sum().item())

    return _phases(trial, steps, (batch for _ in range(trial.task.epochs) for batch in loader))


class _Images(VisionDataset[tuple[Tensor, int]]):
    """Images in memory, as torchvision's data sets of small ones hold them."""

    def __init__(self, data: TaskData) -> None:
        mean, std = data.constants
        convert = transforms.Compose(  # type: ignore[no-untyped-call]  # torchvision has no types
            [transforms.ToTensor(), transforms.Normalize(mean, std)]  # type: ignore[no-untyped-call]
        )
        super().__init__(transform=convert)
        scale, shift = (torch.tensor(values).view(1, -1, 1, 1) for values in (std, mean))
        pixels = (data.train.inputs * scale + shift).mul(255).round().to(torch.uint8)
        self._pixels: NDArray[np.uint8] = pixels.movedim(1, -1).numpy()  # (n, height, width, 3)
        self._labels = data.train.labels.tolist()

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        assert self.transform is not None  # given above
        return self.transform(Image.fromarray(self._pixels[index])), self._labels[index]


def _phases(
    trial: Trial, steps: Callable[[Batches, Optimizer], None], task: Batches
) -> dict[str, float]:
    warmup = trial.warmup
    assert warmup is not None
    shape = (warmup.batch, *trial.facts.shape)
    noise = (
        (torch.randn(shape), torch.randint(trial.facts.classes, shape[:1]))
        for _ in range(warmup.epochs * warmup.steps_per_epoch)
    )
    started = time.perf_counter()
    steps(noise, warmup.optimizer)
    between = time.perf_counter()
    steps(task, trial.task.optimizer)
    return {"warmup": between - started, "task": time.perf_counter() - between}


def network_of(trial: Trial) -> nn.Module:
    """As PyTorch and torchvision make it: their own linear layers and memory layout."""
    network = build(trial, torch.device("cpu"))
    faster: list[nn.Linear] = [layer for layer in network.modules() if type(layer) is Linear]
    for layer in faster:
        layer.__class__ = nn.Linear
    return network.to(memory_format=torch.contiguous_format).train()


def _adam(network: nn.Module, settings: Optimizer, fused: bool | None) -> torch.optim.Optimizer:
    return torch.optim.Adam(
        network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=fused
    )
