"""What do K trials cost together? `python -m benchmarks.fused [--networks K]`, on one CPU core.

A table, everything measured in turns within one run, since the machine's speed drifts:

- examples/s of training steps, the networks one after another, and in a stack
- the ratio of the two: why `resources.fuse` stacks on GPUs alone
- operations of a step of all K networks, views left out, either way: on a GPU each is at least one
  launch of a kernel, some 5 to 10 µs, and small networks wait for nothing else
- what `resources.fuse` makes of whole trials here: examples/s together over those of the trials one
  by one; bound: 0.95
"""

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.on_gpu.epochs import epochs
from sweep.inputs.datasets import Sources
from sweep.inputs.networks import Networks
from sweep.plan.fields import parse_trial, with_fields
from trainables.fused.stack import Stack
from trainables.fused.trials import run_trials
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.requests import Epoch
from trainables.lifecycle.trial_run import run_trial
from trainables.models.mlp import mlp
from trainables.storage.storage import Storage
from trainables.training.loop import Outputs

CPU = torch.device("cpu")
SHAPE, CLASSES = (3, 32, 32), 10
STEPS = 6  # an epoch
ROUNDS = 7
NO_KERNEL = {  # nothing is computed
    torch.ops.aten.empty,
    torch.ops.aten.new_empty_strided,
    torch.ops.aten._unsafe_view,
}


def narrow_resnet() -> nn.Module:
    """Residual blocks of 8, 16 and 32 channels on 32×32, 16×16 and 8×8 pixels."""
    from torchvision.models.resnet import BasicBlock

    def block(fan_in: int, fan_out: int) -> nn.Module:
        if fan_in == fan_out:
            return BasicBlock(fan_in, fan_out)
        shorter = nn.Sequential(
            nn.Conv2d(fan_in, fan_out, 1, stride=2, bias=False), nn.BatchNorm2d(fan_out)
        )
        return BasicBlock(fan_in, fan_out, 2, shorter)

    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        *(block(*widths) for widths in ((8, 8), (8, 16), (16, 32))),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, CLASSES),
    )


def narrow(num_classes: int, input_shape: tuple[int, ...]) -> nn.Module:
    """For a trial's `model`."""
    return narrow_resnet()


NETWORKS: dict[str, tuple[Callable[[], nn.Module], int, dict[str, Any]]] = {
    # how it is made, examples of a mini-batch, and a trial's model
    "MLP, depth 2": (partial(mlp, SHAPE, CLASSES, 2, 256), 128, {"model.depth": 2}),
    "MLP, depth 6": (partial(mlp, SHAPE, CLASSES, 6, 256), 128, {"model.depth": 6}),
    "narrow ResNet": (narrow_resnet, 32, {"model": "benchmarks.fused:narrow"}),
}
COLUMNS = (
    "Network",
    "K",
    "Examples/s, one after another",
    "in a stack",
    "Ratio (spread)",
    "Operations of a step, one after another",
    "in a stack",
    "Whole trials with resources.fuse=K, ratio (spread)",
)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.fused", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--networks", type=int, default=4, metavar="K", help="default: 4")
    count = parser.parse_args().networks
    torch.set_num_threads(1)
    sources = Sources()
    print("| " + " | ".join(COLUMNS) + " |\n|" + " --- |" * len(COLUMNS))
    for name, (make, batch, model) in NETWORKS.items():
        alone = [make() for _ in range(count)]
        stacked = copy.deepcopy(alone)
        ways: list[Callable[[], object]] = [
            trained(alone, batch, lambda epochs: [epoch.alone() for epoch in epochs]),
            trained(stacked, batch, Stack(stacked).make),
        ]
        seconds = in_turns(ways)
        each, together = (STEPS * batch * count / statistics.median(s) for s in seconds)
        row = [name, str(count), f"{each:,.0f}", f"{together:,.0f}", ratio(*seconds)]
        row += [f"{operations(way) / STEPS:,.0f}" for way in ways]
        row.append(ratio(*in_turns(lives(model, count, sources))))
        print("| " + " | ".join(row) + " |", flush=True)


def trained(
    networks: list[nn.Module], batch: int, make: Callable[[list[Epoch]], list[Outputs]]
) -> Callable[[], object]:
    """An epoch of each network, the same mini-batches every time."""
    random = torch.Generator().manual_seed(0)
    batches: list[list[tuple[Tensor, Tensor]]] = [
        [
            (
                torch.randn(batch, *SHAPE, generator=random),
                torch.randint(CLASSES, (batch,), generator=random),
            )
            for _ in range(STEPS)
        ]
        for _ in networks
    ]
    return epochs(networks, batches, CPU, make)


def lives(model: dict[str, Any], count: int, sources: Sources) -> list[Callable[[], object]]:
    """Short trials of so many seeds, one by one and by `resources.fuse`."""
    fields = {
        "data.ood": None,
        "data.validation": 100,
        "data.test": 250,
        "warmup.examples": 1024,
        "warmup.epochs": 2,
        "task.epochs": 3,
    }
    trial = Networks().resolve(sources.resolve(parse_trial(with_fields({}, fields | model))))
    trials = [trial.model_copy(update={"seed": seed}) for seed in range(count)]
    inputs = Inputs(sources.loaded, {}).of(trial)

    def one_by_one(storage: Storage) -> None:
        for one in trials:
            run_trial(one, inputs, RunContext(storage, CPU))

    def together(storage: Storage) -> None:
        run_trials(trials, inputs, RunContext(storage, CPU))

    return [partial(afresh, way) for way in (one_by_one, together)]


def afresh(live: Callable[[Storage], None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        live(Storage(folder))


def in_turns(ways: list[Callable[[], object]]) -> list[list[float]]:
    """Seconds of each way, round by round, after one to warm up."""
    seconds: list[list[float]] = [[] for _ in ways]
    for turn in range(ROUNDS + 1):
        for way, spent in zip(ways, seconds, strict=True):
            started = time.process_time()  # of this process alone, whatever else the core does
            way()
            if turn:
                spent.append(time.process_time() - started)
    return seconds


def ratio(alone: Iterable[float], together: Iterable[float]) -> str:
    found = sorted(a / b for a, b in zip(alone, together, strict=True))
    return f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.operations += (
            func.namespace == "aten" and not func.is_view and func.overloadpacket not in NO_KERNEL
        )
        return func(*args, **(kwargs or {}))


def operations(way: Callable[[], object]) -> int:
    counting = _Counting()
    with counting:
        way()
    return counting.operations


if __name__ == "__main__":
    main()
