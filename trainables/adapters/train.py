"""One network's life by several workers, with Ray Train: as `trainables.adapters.tune` is for one
worker.

A trial of Ray Tune starts the workers, waits for them and takes next to nothing itself; they are
placed together or not at all. What a trial leaves is in storage, as ever: Ray Train keeps nothing,
and workers that fail are started again by Tune, from the trial's own checkpoint.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
import ray.train
import torch
from ray.train.torch import TorchConfig, TorchTrainer, get_device
from ray.tune.integration.ray_train import TuneReportCallback

from trainables.config.trial import Trial
from trainables.lifecycle.trial_run import run_trial
from trainables.storage.storage import Storage
from trainables.training.data_parallel import Workers

REPORTS = 100  # a trial; every worker takes part in each
WAIT_SECONDS = 24 * 3600  # for the first worker's probes, while the others do nothing
# A report waits until the last one has been fetched; 2 s unless told otherwise.
FETCH = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2"}


@dataclass(frozen=True)
class Team:
    """The workers of one trial."""

    size: int
    cpus: float  # each
    gpus: float
    folder: str  # for what Ray Train writes of its own; nothing there is read again
    data: tuple["ray.ObjectRef[Any]", ...]  # of (sources, weights), fetched by the workers alone


def live_together(
    team: Team, fields: Mapping[str, Any], storage: str, device: str, commit: str
) -> None:
    """Live the trial; its workers report `examples`, those trained on since the last report.

    Raises:
        WorkerGroupError: of what a worker has raised.
    """
    os.environ |= FETCH
    TorchTrainer(
        _work,
        train_loop_config={
            "trial": fields,
            "storage": storage,
            "device": device,
            "commit": commit,
            "data": team.data,
        },
        torch_config=TorchConfig(
            # histories and records travel between CPUs in any case
            backend="cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
            timeout_s=WAIT_SECONDS,
        ),
        scaling_config=ray.train.ScalingConfig(
            num_workers=team.size,
            use_gpu=device == "cuda",
            resources_per_worker={"CPU": team.cpus} | ({"GPU": team.gpus} if team.gpus else {}),
        ),
        run_config=ray.train.RunConfig(
            name=Trial.model_validate(fields).trial_id,
            storage_path=team.folder,
            callbacks=[TuneReportCallback()],  # type: ignore[no-untyped-call,list-item]
        ),
    ).fit()


def _work(given: Mapping[str, Any]) -> None:
    """One worker's part."""
    torch.set_num_threads(1)  # as of a worker alone, see `trainables.adapters.tune`
    context = ray.train.get_context()
    (held,) = given["data"]
    sources, weights = ray.get(held)
    trial = Trial.model_validate(given["trial"])
    data = trial.data
    run_trial(
        trial,
        sources[data.loaded(data.source)],
        None if data.ood is None else sources[data.loaded_ood(trial.facts.shape)],
        Storage(given["storage"]),
        get_device() if given["device"] == "cuda" else torch.device("cpu"),
        _Reporter(trial).count,
        commit=given["commit"],
        weights=weights.get(trial.model.facts.weights or ""),
        workers=Workers(context.get_world_rank(), context.get_world_size()),
    )


class _Reporter:
    """Reports at the same steps in every worker: by examples, not by time."""

    def __init__(self, trial: Trial) -> None:
        self._every = (trial.warmup_examples + trial.task_examples) / REPORTS
        self._examples = 0

    def count(self, _: int, new: int) -> None:
        self._examples += new
        if self._examples >= self._every:
            ray.train.report({"examples": self._examples})
            self._examples = 0
