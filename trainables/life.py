"""One network's life, from its first weights to its record.

untrained → warm-up (its own, or the one that a trial with the same warm-up has left) → task →
record. The network is measured when untrained and after every epoch of both phases. A life can be
cut short at any moment: it goes on from its last checkpoint and ends in the same numbers.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trainables.data.examples import Source
from trainables.models.build import State, build
from trainables.models.weights import head
from trainables.noise import sample
from trainables.optimizers import learning_rate, make_optimizer
from trainables.preparation import TaskData, prepare
from trainables.probes import PROBES
from trainables.record import History, write_record
from trainables.seeds import generator, global_state
from trainables.state import pack, unpack
from trainables.storage import Storage
from trainables.tasks import from_noise, target_shape
from trainables.training import (
    Batches,
    Diverged,
    Outputs,
    evaluate,
    finite,
    measure,
    shuffled,
    train_epoch,
)
from trainables.trial import Trial, Warmup

CHECKPOINT_SECONDS = 15.0

# Called after every step with the examples behind the network and those trained on just now.
OnExamples = Callable[[int, int], None]


def record_key(trial_id: str) -> str:
    """Where a trial's record is stored."""
    return f"records/{trial_id}"


def warmup_key(trial: Trial, device: torch.device) -> str:
    """Where a warmed-up network is stored with its history: the network's own key, and that of the
    examples it was measured on along the way. Kinds of device draw other noise and round otherwise.
    """
    return f"warmups/{device.type}/{trial.warmup_key}/{trial.measured_key}"


def checkpoint_key(trial: Trial, device: torch.device) -> str:
    """Where an unfinished trial is stored."""
    return f"checkpoints/{device.type}/{trial.trial_id}"


def run_trial(
    trial: Trial,
    source: Source,
    ood: Source | None,
    storage: Storage,
    device: torch.device,
    on_examples: OnExamples = lambda done, new: None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    commit: str = "unknown",
    weights: State | None = None,
) -> str:
    """Live one trial and store its record, unless that is stored already.

    Args:
        on_examples: told after every step of the examples behind the network, and of the new ones.
        checkpoint_seconds: a checkpoint is written after the first epoch that ends so long after
            the last one; 0 writes one after every epoch.
        commit: of the code, for the record.
        weights: what the network starts from, where the trial names some.

    Returns:
        the key under which the record is stored.
    """
    key = record_key(trial.trial_id)
    if storage.get(key) is None:
        data = prepare(trial, source, ood, device)
        network = build(trial, device, weights)
        life = _Life(trial, network, data, storage, device, on_examples, checkpoint_seconds)
        storage.put(key, life.record(commit))
    storage.delete(checkpoint_key(trial, device))
    return key


@dataclass(frozen=True)
class _Phase:
    name: str
    epochs: int
    optimizer: torch.optim.Optimizer
    learning_rate: Callable[[int], float]  # of an epoch, counted from 1
    random: tuple[torch.Generator, ...]  # what the mini-batches of an epoch are drawn from
    batches: Callable[[], Batches]


class _Life:
    def __init__(
        self,
        trial: Trial,
        network: nn.Module,
        data: TaskData,
        storage: Storage,
        device: torch.device,
        on_examples: OnExamples,
        checkpoint_seconds: float,
    ) -> None:
        self.trial = trial
        self.network = network
        self.data = data
        self.storage = storage
        self.device = device
        self.on_examples = on_examples
        self.checkpoint_seconds = checkpoint_seconds
        self.checkpoint_key = checkpoint_key(trial, device)
        self.checkpoint_at = time.perf_counter()
        self.history: History = []
        self.seconds: dict[str, float] = {}  # by activity: warmup, task, evaluation
        self.step = 0
        self.examples = 0
        self.outputs: dict[str, Outputs] = {}  # of the latest measurement
        self.probed: dict[str, Tensor] = {}  # `<probe>/<array>`

    def record(self, commit: str) -> bytes:
        """Live to the end, and say what came of it."""
        status = "finished"
        try:
            self._live()
        except Diverged:
            status, self.outputs = "diverged", {}
        return write_record(
            self.trial,
            status,
            self.history,
            self.outputs,
            self.seconds,
            self.device,
            commit,
            self.probed,
        )

    def _live(self) -> None:
        saved = self.storage.get(self.checkpoint_key)
        checkpoint = None if saved is None else unpack(saved, self.device)
        if checkpoint is None or checkpoint["phase"] == "warmup":
            self._grow_up(checkpoint)
            checkpoint = None
        self._run(self._task(), checkpoint)
        if self.data.ood is not None:
            self.outputs["ood"] = finite(evaluate(self.network, self.data.ood))
        for name in self.trial.probes:
            started = time.perf_counter()
            arrays = PROBES[name](self.network, self.data)
            self.probed |= {f"{name}/{key}": array for key, array in arrays.items()}
            self._spent("probes", started)

    def _grow_up(self, checkpoint: dict[str, Any] | None) -> None:
        """From the first weights to the start of the task."""
        if self.trial.warmup is None:
            self._measure("untrained", 0, {})
            return
        shared = warmup_key(self.trial, self.device)
        saved = self.storage.get(shared)
        if saved is not None:
            self._restore(unpack(saved, self.device))
            return
        if checkpoint is None:
            self._measure("untrained", 0, {})
        with _trained_part(self.network, self.trial.warmup.train):
            self._run(self._warmup(self.trial.warmup), checkpoint)
        self.storage.put(shared, pack(self._state()))

    def _warmup(self, settings: Warmup) -> _Phase:
        noise, facts = settings.noise, self.trial.facts
        random = generator(self.trial.seed, "noise", self.device)
        shape, classes = (settings.batch, *facts.shape), facts.classes
        targets = (settings.batch, *target_shape(facts.kind, facts.shape))

        def batches() -> Batches:
            for _ in range(settings.steps_per_epoch):
                values = sample(noise.distribution, shape, random, noise.mean, noise.std)
                yield (
                    from_noise(facts.kind, values, classes),
                    torch.randint(classes, targets, generator=random, device=self.device),
                )

        trained = head(self.network) if settings.train == "head" else self.network
        return _Phase(
            "warmup",
            settings.epochs,
            make_optimizer(trained.parameters(), settings.optimizer),
            lambda epoch: settings.optimizer.lr,
            (random,),
            batches,
        )

    def _task(self) -> _Phase:
        settings = self.trial.task
        order = generator(self.trial.seed, "order")
        cut = generator(self.trial.seed, "augmentation")
        augment = None if settings.augmentation is None else (settings.augmentation, cut)
        return _Phase(
            "task",
            settings.epochs,
            make_optimizer(self.network.parameters(), settings.optimizer),
            lambda epoch: learning_rate(settings, epoch),
            (order, cut),
            lambda: shuffled(self.data.train, settings.batch, order, augment),
        )

    def _run(self, phase: _Phase, checkpoint: dict[str, Any] | None) -> None:
        """Train and measure epoch by epoch, from the checkpoint where there is one."""
        done = 0 if checkpoint is None else self._resume(phase, checkpoint)
        for epoch in range(done + 1, phase.epochs + 1):
            started = time.perf_counter()
            for group in phase.optimizer.param_groups:
                group["lr"] = phase.learning_rate(epoch)
            # dropout draws from the global state; its own for each epoch needs no checkpoint
            with global_state(self.trial.seed, f"{phase.name} epoch {epoch}", self.device):
                steps = train_epoch(self.network, phase.optimizer, phase.batches(), self._count)
            self._spent(phase.name, started)
            self._measure(phase.name, epoch, {"noise": steps} if phase.name == "warmup" else {})
            if epoch < phase.epochs:
                self._checkpoint_if_due(phase, epoch)

    def _measure(self, phase: str, epoch: int, said: dict[str, Outputs]) -> None:
        started = time.perf_counter()
        splits = {"validation": self.data.validation, "test": self.data.test}
        self.outputs = {name: evaluate(self.network, split) for name, split in splits.items()}
        said = said | self.outputs
        if phase == "task":
            said["train"] = evaluate(self.network, self.data.train)
        metrics = {
            f"{name}_{metric}": value
            for name, outputs in said.items()
            for metric, value in measure(outputs).items()
        }
        self._spent("evaluation", started)
        counts = {"epoch": epoch, "step": self.step, "examples": self.examples}
        seconds = sum(self.seconds.values())
        self.history.append({"phase": phase, **counts, "seconds": seconds, **metrics})

    def _count(self, examples: int) -> None:
        self.step += 1
        self.examples += examples
        self.on_examples(self.examples, examples)

    def _spent(self, activity: str, since: float) -> None:
        now = time.perf_counter()
        self.seconds[activity] = self.seconds.get(activity, 0.0) + now - since

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "history": self.history,
            "seconds": self.seconds,
            "step": self.step,
            "examples": self.examples,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.history = state["history"]
        self.seconds = state["seconds"]
        self.step = state["step"]
        self.examples = state["examples"]

    def _checkpoint_if_due(self, phase: _Phase, epoch: int) -> None:
        if time.perf_counter() - self.checkpoint_at < self.checkpoint_seconds:
            return
        state = self._state() | {
            "phase": phase.name,
            "epoch": epoch,
            "optimizer": phase.optimizer.state_dict(),
            "random": [random.get_state() for random in phase.random],
        }
        self.storage.put(self.checkpoint_key, pack(state))
        self.checkpoint_at = time.perf_counter()

    def _resume(self, phase: _Phase, checkpoint: dict[str, Any]) -> int:
        self._restore(checkpoint)
        phase.optimizer.load_state_dict(checkpoint["optimizer"])
        for random, state in zip(phase.random, checkpoint["random"], strict=True):
            random.set_state(state.cpu())
        return int(checkpoint["epoch"])


@contextmanager
def _trained_part(network: nn.Module, part: Literal["all", "head"]) -> Iterator[None]:
    """Freeze what is not trained; frozen layers stay in training mode, so the running statistics of
    batch normalisation move with the noise (method of the paper's Fig. 2g,h iii–iv)."""
    kept = set(head(network).parameters() if part == "head" else network.parameters())
    frozen = [p for p in network.parameters() if p.requires_grad and p not in kept]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
