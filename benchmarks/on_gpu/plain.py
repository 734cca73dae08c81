"""Training loops that a trial's are measured against, on any device. They do nothing but train.

- `bare`: the examples on the device, the fused optimizer, nothing asked of a step; in the trial's
  arithmetic, or in the best that plain PyTorch has (bfloat16 and channels_last)
- `compiled`: the same through `torch.compile`, whose own seconds are told apart
- `usual`: the examples on the CPU, a DataLoader, the optimizer as PyTorch makes it, loss and number
  of correct answers asked of every step, as most published scripts do
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.on_gpu.clock import timed
from trainables.config.trial import Trial
from trainables.data.splits import TaskData
from trainables.models.build import Autocast, build
from trainables.models.linear import Linear

Batches = Iterable[tuple[Tensor, Tensor]]
Step = Callable[[Tensor, Tensor], object]


def bare(trial: Trial, data: TaskData, device: torch.device) -> dict[str, float]:
    """Seconds of the warm-up and of the task."""
    step = _step(trial, network_of(trial, device))
    return {
        "warmup": timed(lambda: _all(step, _noise(trial, device)), device),
        "task": timed(lambda: _all(step, _shuffled(trial, data)), device),
    }


def compiled(trial: Trial, data: TaskData, device: torch.device) -> dict[str, float]:
    """As `bare`, and `compile`: the seconds until the first step was done."""
    network = torch.compile(network_of(trial, device))
    assert isinstance(network, nn.Module)  # as what it is given, which its types do not say
    step = _step(trial, network)
    one = next(iter(_noise(trial, device)))
    first = timed(lambda: step(*one), device)
    return {
        "compile": first,
        "warmup": timed(lambda: _all(step, _noise(trial, device)), device),
        "task": timed(lambda: _all(step, _shuffled(trial, data)), device),
    }


def usual(trial: Trial, data: TaskData, device: torch.device) -> dict[str, float]:
    """Seconds of the task."""
    network = network_of(trial, device)
    adam = torch.optim.Adam(network.parameters(), lr=trial.task.optimizer.lr)
    examples = TensorDataset(data.train.inputs.cpu(), data.train.labels.cpu())
    batch = trial.task.batch
    loader = DataLoader(examples, batch, shuffle=True, pin_memory=device.type == "cuda")

    def epochs() -> None:
        for _ in range(trial.task.epochs):
            for inputs, labels in loader:
                inputs, labels = inputs.to(device), labels.to(device)
                adam.zero_grad()
                with _arithmetic(trial, device):
                    logits = network(inputs)
                    loss = F.cross_entropy(logits, labels)
                loss.backward()  # type: ignore[no-untyped-call]
                adam.step()
                loss.item()
                (logits.argmax(1) == labels).sum().item()

    return {"task": timed(epochs, device)}


def network_of(trial: Trial, device: torch.device) -> nn.Module:
    """As PyTorch and torchvision make it."""
    network = build(trial, device)
    if isinstance(network, Autocast):
        network = network.network
    faster: list[nn.Linear] = [layer for layer in network.modules() if type(layer) is Linear]
    for layer in faster:
        layer.__class__ = nn.Linear
    last = trial.compute.channels_last
    layout = torch.channels_last if last else torch.contiguous_format
    return network.to(memory_format=layout).train()


def _arithmetic(trial: Trial, device: torch.device) -> AbstractContextManager[object]:
    return torch.autocast(device.type, torch.bfloat16) if trial.compute.bfloat16 else nullcontext()


def _step(trial: Trial, network: nn.Module) -> Step:
    settings = trial.task.optimizer
    adam = torch.optim.Adam(network.parameters(), lr=settings.lr, fused=True)

    def step(inputs: Tensor, labels: Tensor) -> None:
        if trial.compute.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        adam.zero_grad()
        with _arithmetic(trial, inputs.device):
            loss = F.cross_entropy(network(inputs), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()

    return step


def _all(step: Step, batches: Batches) -> None:
    for inputs, labels in batches:
        step(inputs, labels)


def _noise(trial: Trial, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    warmup = trial.warmup
    assert warmup is not None
    shape = (warmup.batch, *trial.facts.shape)
    for _ in range(warmup.epochs * warmup.steps_per_epoch):
        labels = torch.randint(trial.facts.classes, shape[:1], device=device)
        yield torch.randn(shape, device=device), labels


def _shuffled(trial: Trial, data: TaskData) -> Iterator[tuple[Tensor, Tensor]]:
    train = data.train
    for _ in range(trial.task.epochs):
        order = torch.randperm(len(train), device=train.labels.device)
        for chosen in torch.split(order, trial.task.batch):
            yield train.inputs[chosen], train.labels[chosen]
