"""How much of a GPU's memory a trial takes: measured by a few of its steps on it.

What is stored on the way, a longer evaluation and probes take more; who shares a GPU among trials
leaves room for that.
"""

import itertools

import torch
from torch import nn

from trainables.config.trial import Trial
from trainables.data.splits import prepare
from trainables.lifecycle.checkpoint import Progress
from trainables.lifecycle.context import TrialInputs
from trainables.lifecycle.phases import Phase, task_phase, warmup_phase
from trainables.models.build import build
from trainables.seeds import global_state
from trainables.training.loop import evaluate, train_epoch

STEPS = 2  # of each phase: the first makes the optimizer's state


def bytes_taken(trial: Trial, inputs: TrialInputs, device: torch.device) -> int:
    """What PyTorch holds of the GPU at the most; the driver's own part is not in it.

    Raises:
        torch.OutOfMemoryError: there is not so much.
    """
    torch.cuda.init()  # type: ignore[no-untyped-call]  # else there are no statistics
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_reserved(device)
    try:
        few_steps(trial, inputs, device)
        return torch.cuda.max_memory_reserved(device) - before
    finally:
        torch.cuda.empty_cache()


def few_steps(trial: Trial, inputs: TrialInputs, device: torch.device) -> None:
    """The trial's network, data and optimizers, steps of both phases, and its evaluation."""
    data = prepare(trial, inputs.source, inputs.ood, device)
    network = build(trial, device, inputs.weights)
    with global_state(trial.seed, "memory", device):
        if trial.warmup is not None:
            _train(network, warmup_phase(trial, trial.warmup, network, device))
        if trial.task.epochs:
            _train(network, task_phase(trial, network, data, Progress()))
        evaluate(network, data.validation)


def _train(network: nn.Module, phase: Phase) -> None:
    batches = itertools.islice(phase.batches(), STEPS)
    train_epoch(network, phase.optimizer, batches, lambda examples: None, loss=phase.loss)
