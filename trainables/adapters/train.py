"""One trial by several workers, with Ray Train: as `trainables.adapters.tune` is for one worker.

A trial of Ray Tune starts the workers, waits for them and takes next to nothing itself; they are
placed together or not at all. What a trial leaves is in storage, as ever: Ray Train keeps nothing,
and workers that fail are started again by Tune, from the trial's own checkpoint.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.tune.integration.ray_train import TuneReportCallback

from trainables.config.trial import Trial
from trainables.lifecycle.context import RunContext
from trainables.lifecycle.listener import Listener
from trainables.lifecycle.record import History
from trainables.lifecycle.trial_run import run_trial
from trainables.training.data_parallel import Workers

REPORTS = 100  # a trial; every worker takes part in each
WAIT_SECONDS = 24 * 3600  # for the first worker's probes, while the others do nothing
# A report waits until the last one has been fetched; 2 s unless told otherwise.
FETCH = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2"}


@dataclass(frozen=True)
class Team:
    size: int
    cpus: float  # each
    gpus: float
    folder: str  # for what Ray Train writes of its own; nothing there is read again
    inputs: tuple["ray.ObjectRef[Any]"]  # fetched by the workers alone


def run_by_team(team: Team, trial: Trial, context: RunContext) -> None:
    """Run the trial; its workers report `examples`, those trained on since the last report, and
    `history`, the rows of its history since then by its id.

    Raises:
        WorkerGroupError: of what a worker has raised.
    """
    os.environ |= FETCH
    on_gpu = context.device.type == "cuda"
    TorchTrainer(
        _work,
        train_loop_config={"trial": trial, "context": context, "inputs": team.inputs},
        torch_config=TorchConfig(
            # histories and records travel between CPUs in any case
            backend="cpu:gloo,cuda:nccl" if on_gpu else "gloo",
            timeout_s=WAIT_SECONDS,
        ),
        scaling_config=ray.train.ScalingConfig(
            num_workers=team.size,
            use_gpu=on_gpu,
            resources_per_worker={"CPU": team.cpus} | ({"GPU": team.gpus} if team.gpus else {}),
        ),
        run_config=ray.train.RunConfig(
            name=trial.trial_id,
            storage_path=team.folder,
            callbacks=[TuneReportCallback()],  # type: ignore[no-untyped-call,list-item]
        ),
    ).fit()


def _work(given: Mapping[str, Any]) -> None:
    torch.set_num_threads(1)  # as of a worker alone, see `trainables.adapters.tune`
    process = ray.train.get_context()
    trial, context = given["trial"], given["context"]
    (held,) = given["inputs"]
    device = get_device() if context.device.type == "cuda" else context.device
    workers = Workers(process.get_world_rank(), process.get_world_size())
    inputs = ray.get(held).of(trial)
    run_trial(trial, inputs, replace(context, device=device), _Reporter(trial).listener, workers)


class _Reporter:
    """Reports at the same steps in every worker: by examples, not by time."""

    def __init__(self, trial: Trial) -> None:
        self._trial_id = trial.trial_id
        self._every = (trial.warmup_examples + trial.task_examples) / REPORTS
        self._examples = 0
        self._history: History = []

    @property
    def listener(self) -> Listener:
        return Listener(on_examples=self._count, on_history=self._history.extend)

    def _count(self, _: int, new: int) -> None:
        self._examples += new
        if self._examples >= self._every:
            history = {self._trial_id: list(self._history)}
            ray.train.report({"examples": self._examples, "history": history})
            self._examples = 0
            self._history.clear()
