"""The two phases of a trial, warm-up and task: what each trains its network on, and how."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.config.loss import Loss
from trainables.config.trial import Optimizer, Trial, Warmup
from trainables.data.splits import TaskData
from trainables.lifecycle.checkpoint import Progress
from trainables.models.head import head
from trainables.seeds import generator
from trainables.tasks import target_shape
from trainables.training.loop import Batches, shuffled
from trainables.training.optimizers import learning_rate, make_optimizer
from trainables.training.steps import noise_inputs, with_random_labels

PHASES = ("warmup", "task")


@dataclass(frozen=True)
class Phase:
    name: str
    epochs: int
    optimizer: torch.optim.Optimizer | None  # None: no weight is trained
    settings: Optimizer
    learning_rate: Callable[[int], float]  # of an epoch, counted from 1
    random: tuple[torch.Generator, ...]  # what the mini-batches of an epoch are drawn from
    batches: Callable[[], Batches]
    alike: Hashable  # of trials with one task, phases that differ in examples and rate alone
    loss: Loss | None = None


def warmup_phase(trial: Trial, settings: Warmup, network: nn.Module, device: torch.device) -> Phase:
    """Training on noise with random labels, drawn anew for every step (Cheon & Paik, Methods)."""
    facts = trial.facts
    random = generator(trial.seed, "noise", device)
    shape, classes = (settings.batch, *facts.shape), facts.classes
    targets = (settings.batch, *target_shape(facts.kind, facts.shape))

    def inputs() -> Tensor:
        return noise_inputs(facts.kind, shape, classes, settings.noise, random)

    def batches() -> Batches:
        return with_random_labels(inputs, settings.steps_per_epoch, classes, targets, random)

    trained = _trained(network, settings.train)
    return Phase(
        name="warmup",
        epochs=settings.epochs,
        optimizer=make_optimizer(trained, settings.optimizer) if trained else None,
        settings=settings.optimizer,
        learning_rate=lambda epoch: settings.optimizer.lr,
        random=(random,),
        batches=batches,
        alike=settings.model_dump_json(exclude={"noise", "keep"}),
    )


def task_phase(trial: Trial, network: nn.Module, data: TaskData, progress: Progress) -> Phase:
    """Training on the task's examples, in a new order every epoch."""
    settings = trial.task
    order = generator(trial.seed, "order")
    cut = generator(trial.seed, "augmentation")
    augment = None if settings.augmentation is None else (settings.augmentation, cut)
    return Phase(
        name="task",
        epochs=settings.epochs,
        optimizer=make_optimizer(network.parameters(), settings.optimizer),
        settings=settings.optimizer,
        learning_rate=lambda epoch: progress.lr_scale * learning_rate(settings, epoch),
        random=(order, cut),
        batches=lambda: shuffled(data.train, settings.batch, order, augment),
        alike=None,
        loss=settings.loss,
    )


@contextmanager
def trained_part(network: nn.Module, part: str) -> Iterator[None]:
    """Freeze what is not trained; frozen layers stay in training mode, so the running statistics of
    batch normalisation move with the noise (method of the paper's Fig. 2g,h iii–iv)."""
    kept = set(_trained(network, part))
    frozen = [p for p in network.parameters() if p.requires_grad and p not in kept]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def _trained(network: nn.Module, part: str) -> list[nn.Parameter]:
    match part:
        case "head":
            return list(head(network).parameters())
        case "statistics":
            return []
    return list(network.parameters())
