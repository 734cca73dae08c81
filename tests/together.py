"""Several workers of one network, as processes of this machine that talk by gloo."""

import contextlib
import copy
import multiprocessing
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from trainables.config.loss import Loss
from trainables.config.trial import Trial
from trainables.data.photos import photos, photos_ood
from trainables.data.splits import Split
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.listener import Listener
from trainables.lifecycle.trial_run import run_trial
from trainables.storage.storage import Storage
from trainables.training.data_parallel import Workers
from trainables.training.loop import Outputs, evaluate, train_epoch


def together(size: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `function(workers, *arguments)` returns on each of `size` workers, in order."""
    with tempfile.TemporaryDirectory() as folder:
        # forked from a process that has nothing but the imports: autograd's threads survive no fork
        multiprocessing.set_forkserver_preload(["together"])
        mp.start_processes(
            _work, (size, folder, function, arguments), nprocs=size, start_method="forkserver"
        )
        return [pickle.loads(Path(folder, f"{r}").read_bytes()) for r in range(size)]


def _work(
    rank: int, size: int, folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "gloo",
        f"file://{folder}/meeting",
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=60),  # workers that wait for each other in vain say so
    )
    said = function(Workers(rank, size), *arguments)
    Path(folder, f"{rank}").write_bytes(pickle.dumps(said))
    dist.destroy_process_group()


class CutShort(BaseException):
    """As in test_life: nothing that code would catch by accident."""


def life(
    workers: Workers,
    trial: Trial,
    storage: Path,
    cut_after: int | None = None,
    checkpoint_seconds: float = 0.0,
) -> list[tuple[int, int]]:
    """Live the trial on photographs, or as many steps of it as `cut_after` says; what
    `on_examples` was told."""
    told: list[tuple[int, int]] = []

    def on_examples(done: int, new: int) -> None:
        told.append((done, new))
        if len(told) == cut_after:
            raise CutShort

    cpu = torch.device("cpu")
    context = RunContext(Storage(storage), cpu, checkpoint_seconds=checkpoint_seconds)
    with contextlib.suppress(CutShort):
        run_trial(
            trial,
            TrialInputs(photos(), photos_ood()),
            context,
            Listener(on_examples),
            workers,
        )
    return told


def lives(workers: Workers, *asked: tuple[Any, ...]) -> list[list[tuple[int, int]]]:
    """Several lives, one after another."""
    return [life(workers, *arguments) for arguments in asked]


@dataclass(frozen=True)
class Steps:
    """A network in float64, mini-batches, and an optimizer that shows the gradients themselves."""

    network: nn.Module
    batches: list[tuple[Tensor, Tensor]]
    trained: bool = True
    loss: Loss | None = None


@dataclass(frozen=True)
class Trained:
    state: dict[str, Tensor]
    outputs: Outputs  # of every step
    said: Outputs  # after them
    without_gradient: set[str]


def train(workers: Workers, cases: dict[str, Steps]) -> dict[str, Trained]:
    """What comes of each case's mini-batches, and of an evaluation afterwards."""
    return {name: _train(workers, copy.deepcopy(case)) for name, case in cases.items()}


def _train(workers: Workers, case: Steps) -> Trained:
    network = workers.prepared(case.network, torch.device("cpu"))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5) if case.trained else None
    stepped = workers.distributed(network) if case.trained else network
    batches = iter(case.batches)
    outputs = train_epoch(stepped, optimizer, batches, lambda n: None, workers, case.loss)
    inputs, labels = (torch.cat(parts) for parts in zip(*case.batches, strict=True))
    positions = None if labels.ndim == 1 else torch.zeros(len(labels), 1, dtype=torch.int64)
    # of such a size that it is evaluated in several parts
    inputs, labels = inputs.repeat_interleave(60, 0), labels.repeat_interleave(60, 0)
    positions = None if positions is None else positions.repeat_interleave(60, 0)
    said = evaluate(network, Split(inputs, labels, inputs.shape[1:], positions), workers)
    unused = {name for name, p in network.named_parameters() if p.grad is None}
    state = {name: value.clone() for name, value in network.state_dict().items()}
    return Trained(state, outputs, said, unused)
