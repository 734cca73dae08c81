"""What do K small networks cost together: one after another, in processes side by side, in a stack?

Examples/s of training steps of all K, MLPs of width 256 on mini-batches of 128, by the service's
own loop. Processes share the device as trials of a small `--gpus-per-trial` do, and begin together.
"Differ": the logits of networks in a stack from those of the same networks alone, relative, after
an epoch; rounding alone is some 1e-6 in the first step, and grows.
"""

import copy
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import torch
import torch.multiprocessing as mp
from torch import Tensor, nn

from benchmarks.on_gpu.clock import Clock, Table, timed, wait_for, within
from benchmarks.on_gpu.epochs import epochs
from trainables.fused.stack import Stack
from trainables.lifecycle.requests import Epoch
from trainables.models.initialisation import initialise
from trainables.models.mlp import mlp
from trainables.training.loop import Outputs

CLASSES = 10
COUNTS = (1, 4, 16, 32)
STEPS = 50  # of an epoch
SECONDS = 2.0  # of training, each way
START_SECONDS = 120.0  # of processes
TABLE = Table(
    "MLP",
    "K",
    "Examples/s, one after another",
    "in processes",
    "in a stack",
    "Stack / one after another",
    "Stack / processes",
    "Differ",
)


@dataclass(frozen=True)
class Load:
    depth: int
    side: int  # pixels
    batch: int
    steps: int
    seconds: float


def run(clock: Clock, device: torch.device, tiny: bool) -> None:
    counts = (1, 2) if tiny else COUNTS
    rows: list[tuple[str, Callable[[], list[str]]]] = []
    for depth in (2, 6):
        load = Load(depth, 8, 8, 3, 0.1) if tiny else Load(depth, 32, 128, STEPS, SECONDS)
        rows += [(f"depth {depth}", partial(_cells, load, count, device)) for count in counts]
    within(clock, TABLE, rows)


def _cells(load: Load, count: int, device: torch.device) -> list[str]:
    alone = [_network(load, seed, device) for seed in range(count)]
    stacked = copy.deepcopy(alone)
    one_by_one = _epochs(alone, load, device, lambda epochs: [e.alone() for e in epochs])
    together = _epochs(stacked, load, device, Stack(stacked).make)
    apart = max(map(_apart, one_by_one(), together()))
    examples = count * load.steps * load.batch
    in_turn, stack = (_speed(way, examples, load, device) for way in (one_by_one, together))
    beside = _in_processes(load, count, device)
    return [
        str(count),
        *(f"{speed:,.0f}" for speed in (in_turn, beside, stack)),
        f"{stack / in_turn:.2f}",
        f"{stack / beside:.2f}",
        f"{apart:.1e}",
    ]


def _network(load: Load, seed: int, device: torch.device) -> nn.Module:
    network = mlp((3, load.side, load.side), CLASSES, load.depth, 256)
    initialise(network, "he", torch.Generator().manual_seed(seed))
    return network.to(device)


def _epochs(
    networks: list[nn.Module],
    load: Load,
    device: torch.device,
    make: Callable[[list[Epoch]], list[Outputs]],
) -> Callable[[], list[Outputs]]:
    """An epoch of each network, the same mini-batches every time."""
    random = torch.Generator(device).manual_seed(0)
    shape = (load.batch, 3, load.side, load.side)
    batches: list[tuple[Tensor, Tensor]] = [
        (
            torch.randn(shape, generator=random, device=device),
            torch.randint(CLASSES, shape[:1], generator=random, device=device),
        )
        for _ in range(load.steps)
    ]
    return epochs(networks, [batches] * len(networks), device, make)


def _apart(one: Outputs, other: Outputs) -> float:
    return float((one.logits - other.logits).abs().max() / one.logits.abs().max())


def _speed(way: Callable[[], object], examples: int, load: Load, device: torch.device) -> float:
    """Examples/s, by the seconds of whole epochs."""
    seconds, times = 0.0, 0
    while seconds < load.seconds:
        seconds += timed(way, device)
        times += 1
    return times * examples / seconds


def _in_processes(load: Load, count: int, device: torch.device) -> float:
    context = mp.get_context("spawn")
    together = context.Barrier(count + 1)
    said: Queue[float] = context.Queue()
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # as of the service's workers
    processes = [
        context.Process(target=_beside, args=(load, seed, device, together, said))
        for seed in range(count)
    ]
    try:
        for process in processes:
            process.start()
        together.wait(START_SECONDS)
        return sum(said.get(timeout=START_SECONDS) for _ in processes)
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        for process in processes:
            process.join(5)
            process.kill()


def _beside(
    load: Load, seed: int, device: torch.device, together: Barrier, said: "Queue[float]"
) -> None:
    """In a process of its own: tells its examples/s while all train."""
    torch.set_num_threads(1)
    epoch = _epochs([_network(load, seed, device)], load, device, lambda es: [es[0].alone()])
    epoch()
    wait_for(device)
    together.wait(START_SECONDS)
    started, times = time.perf_counter(), 0
    while time.perf_counter() - started < load.seconds:
        epoch()
        times += 1
    wait_for(device)
    said.put(times * load.steps * load.batch / (time.perf_counter() - started))
