"""The network as a trial's task takes it, without the task.

A warm-up is a function of its trial: one that is stored is taken from there, and one that is not,
or was cleaned away, is made again and stored.
"""

import math

import torch
from torch import nn

from trainables.config.trial import Trial
from trainables.data.splits import prepare
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.requests import run_alone
from trainables.lifecycle.trial_run import NOBODY, TrialRun
from trainables.models.build import Autocast, build
from trainables.storage.keys import warmup_key
from trainables.storage.storage import Storage
from trainables.training.data_parallel import ALONE


def at_start(
    trial: Trial, inputs: TrialInputs, storage: Storage, device: torch.device
) -> nn.Module:
    """The trial's network at the start of its task, untrained or warmed up, under its own names.

    Raises:
        Diverged: by its warm-up.
    """
    data = prepare(trial, inputs.source, inputs.ood, device)
    context = RunContext(storage, device, checkpoint_seconds=math.inf)
    network = build(trial, device, inputs.weights)
    run_alone(TrialRun(trial, network, data, context, NOBODY, ALONE).begin())
    return network.network if isinstance(network, Autocast) else network


def device_of_warmup(trial: Trial, storage: Storage) -> str:
    """The kind of device that has made the stored warm-up, for each makes its own; `cpu` where
    none is stored, or by both."""
    if trial.warmup is None or warmup_key(trial, torch.device("cpu")) in storage:
        return "cpu"
    return "cuda" if warmup_key(trial, torch.device("cuda")) in storage else "cpu"
