"""One network's life, from its first weights to its record.

untrained → warm-up (its own, or the one that a trial with the same warm-up has left) → what is kept
of it → task → record. The network is measured when untrained and after every epoch of both phases,
and probed at moments of the task. A life can be cut short at any moment: it goes on from its last
checkpoint and ends in the same numbers.

`run_trial` lives one. `lived` is the same life as a generator of the passes it wants its network to
make, for those who live several together.
"""

import copy
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config.trial import Optimizer, Trial, Warmup
from trainables.data.examples import Source
from trainables.data.splits import Split, TaskData, prepare
from trainables.lifecycle.ablations import ablate
from trainables.lifecycle.record import History, write_record
from trainables.lifecycle.requests import Epoch, Predictions, Request, Requests, run_alone
from trainables.models.build import State, build
from trainables.models.head import head
from trainables.models.shared_norm import waits_for_others
from trainables.noise import sample
from trainables.probes import PROBES
from trainables.probes.subject import Arrays, Subject
from trainables.seeds import generator, global_state
from trainables.storage.serialization import pack, unpack
from trainables.storage.storage import CHECKPOINTS, RECORDS, WARMUPS, Storage
from trainables.tasks import from_noise, target_shape
from trainables.training.data_parallel import ALONE, BroadcastStorage, Workers
from trainables.training.loop import (
    Batches,
    Diverged,
    Outputs,
    finite,
    measure,
    measure_unknown,
    shuffled,
)
from trainables.training.optimizers import learning_rate, make_optimizer

CHECKPOINT_SECONDS = 15.0
PHASES = ("warmup", "task")

# Called after every step with the examples behind the network and those trained on just now.
OnExamples = Callable[[int, int], None]


def record_key(trial_id: str) -> str:
    """Where a trial's record is stored."""
    return f"{RECORDS}/{trial_id}"


def warmup_key(trial: Trial, device: torch.device) -> str:
    """Where a warmed-up network is stored with its history: the network's own key, and that of the
    examples it was measured on along the way. Kinds of device draw other noise and round otherwise.

    A stateful network's is never stored, and no other trial's key.
    """
    alone = f"/{trial.trial_id}" if trial.model.facts.stateful else ""
    return f"{WARMUPS}/{device.type}/{trial.warmup_key}/{trial.measured_key}{alone}"


def checkpoint_key(trial: Trial, device: torch.device) -> str:
    """Where an unfinished trial is stored."""
    return f"{CHECKPOINTS}/{device.type}/{trial.trial_id}"


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
    workers: Workers = ALONE,
) -> str:
    """Live one trial and store its record, unless that is stored already.

    Args:
        on_examples: told after every step of the examples behind the network, and of the new ones.
        checkpoint_seconds: a checkpoint is written after the first epoch that ends so long after
            the last one; 0 writes one after every epoch.
        commit: of the code, for the record.
        weights: what the network starts from, where the trial names some.
        workers: those that train the network together; each calls this, with the same trial.

    Returns:
        the key under which the record is stored.
    """
    return run_alone(
        trial_requests(
            trial, source, ood, storage, device, on_examples, checkpoint_seconds, commit, weights,
            workers,
        )
    )  # fmt: skip


def trial_requests(
    trial: Trial,
    source: Source,
    ood: Source | None,
    storage: Storage,
    device: torch.device,
    on_examples: OnExamples,
    checkpoint_seconds: float,
    commit: str,
    weights: State | None,
    workers: Workers = ALONE,
    share: Callable[[TaskData], TaskData] = lambda data: data,
) -> Requests[str]:
    """The passes of the trial's life, which goes on with what is sent of each; else as `run_trial`.

    Args:
        share: what the life is to hold in place of its data: the same, and shared with others.
    """
    key = record_key(trial.trial_id)
    storage = storage if workers.size == 1 else BroadcastStorage(storage, workers)
    if storage.get(key) is None:
        data = share(prepare(trial, source, ood, device))
        network = workers.prepared(build(trial, device, weights), device)
        life = TrialRun(
            trial, network, data, storage, device, on_examples, checkpoint_seconds, workers
        )
        storage.put(key, (yield from life.record(commit)))
    storage.delete(checkpoint_key(trial, device))
    return key


@dataclass(frozen=True)
class _Phase:
    name: str
    epochs: int
    optimizer: torch.optim.Optimizer | None  # None: no weight is trained
    settings: Optimizer
    learning_rate: Callable[[int], float]  # of an epoch, counted from 1
    random: tuple[torch.Generator, ...]  # what the mini-batches of an epoch are drawn from
    batches: Callable[[], Batches]
    alike: Hashable  # of trials with one task, phases that differ in examples and rate alone


class TrialRun:
    def __init__(
        self,
        trial: Trial,
        network: nn.Module,
        data: TaskData,
        storage: Storage,
        device: torch.device,
        on_examples: OnExamples,
        checkpoint_seconds: float,
        workers: Workers,
    ) -> None:
        self.trial = trial
        self.network = network
        self.data = data
        self.storage = storage
        self.device = device
        self.on_examples = on_examples
        self.checkpoint_seconds = checkpoint_seconds
        self.workers = workers
        self.checkpoint_key = checkpoint_key(trial, device)
        self.checkpoint_at = time.perf_counter()
        self.waited = 0.0  # seconds, for others
        self.history: History = []
        self.seconds: dict[str, float] = {}  # by activity: warmup, task, evaluation
        self.step = 0
        self.examples = 0
        self.outputs: dict[str, Outputs] = {}  # of the latest measurement
        self.probed: dict[str, list[Arrays]] = {}  # by probe, of each moment so far
        self.lr_scale = 1.0  # of the task
        # then nothing of it is stored on the way: it is trained in one go
        self.stateful = trial.model.facts.stateful
        self.path: list[dict[str, Tensor]] = []  # the weights along the task, where a probe asks
        probed_or_kept = trial.probes or (trial.warmup and trial.warmup.keep)
        self.untrained = _copied(network.state_dict()) if probed_or_kept else {}

    def record(self, commit: str) -> Requests[bytes]:
        """Live to the end, and say what came of it."""
        status = "finished"
        try:
            yield from self._live()
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
            _stacked(self.probed, self.trial.task.epochs),
            self.workers.size,
        )

    def _live(self) -> Requests[None]:
        saved = self.storage.get(self.checkpoint_key)
        checkpoint = None if saved is None else unpack(saved, self.device)
        if checkpoint is None or checkpoint["phase"] == "warmup":
            yield from self._grow_up(checkpoint)
            yield from self._start()
            checkpoint = None
        yield from self._run(self._task(), checkpoint)
        if self.data.ood is not None and "ood" not in self.outputs:
            self.outputs["ood"] = finite((yield from self._said(self.data.ood)))

    def _start(self) -> Requests[None]:
        """The network as the task takes it."""
        warmup = self.trial.warmup
        if warmup is not None and warmup.keep is not None:
            with global_state(self.trial.seed, "keep", self.device):
                self.lr_scale = ablate(self.network, self.untrained, self.data, self.trial)
            yield from self._measure("kept", 0, {})
        elif not (self.outputs or self.trial.task.epochs):
            started = self._now()  # the warm-up is another trial's, and nothing follows
            self.outputs = yield from self._evaluated()
            self._spent("evaluation", started)
        self._probe(0)

    def _grow_up(self, checkpoint: dict[str, Any] | None) -> Requests[None]:
        """From the first weights to the start of the task."""
        if self.trial.warmup is None:
            yield from self._measure("untrained", 0, {})
            return
        shared = warmup_key(self.trial, self.device)
        saved = self.storage.get(shared)
        if saved is not None:
            self.storage.touch(shared)
            self._restore(unpack(saved, self.device))
            return
        if checkpoint is None:
            yield from self._measure("untrained", 0, {})
        with _trained_part(self.network, self.trial.warmup.train):
            yield from self._run(self._warmup(self.trial.warmup), checkpoint)
        if not self.stateful:
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

        trained = _trained(self.network, settings.train)
        return _Phase(
            "warmup",
            settings.epochs,
            make_optimizer(trained, settings.optimizer) if trained else None,
            settings.optimizer,
            lambda epoch: settings.optimizer.lr,
            (random,),
            batches,
            settings.model_dump_json(exclude={"noise", "keep"}),
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
            settings.optimizer,
            lambda epoch: self.lr_scale * learning_rate(settings, epoch),
            (order, cut),
            lambda: shuffled(self.data.train, settings.batch, order, augment),
            None,
        )

    def _run(self, phase: _Phase, checkpoint: dict[str, Any] | None) -> Requests[None]:
        """Train and measure epoch by epoch, from the checkpoint where there is one."""
        done = 0 if checkpoint is None else self._resume(phase, checkpoint)
        network = self.workers.distributed(self.network)
        for epoch in range(done + 1, phase.epochs + 1):
            started = self._now()
            for group in phase.optimizer.param_groups if phase.optimizer else ():
                group["lr"] = phase.learning_rate(epoch)
            steps = yield from self._made(self._epoch(network, phase, epoch))
            self._spent(phase.name, started)
            said = {"noise": steps} if phase.name == "warmup" else {}
            yield from self._measure(phase.name, epoch, said)
            if phase.name == "task":
                self._probe(epoch)
            if epoch < phase.epochs:
                self._checkpoint_if_due(phase, epoch)

    def _epoch(self, network: nn.Module, phase: _Phase, epoch: int) -> Epoch:
        return Epoch(
            network=network,
            optimizer=phase.optimizer,
            settings=phase.settings,
            batches=phase.batches(),
            tick=self._count,
            place=(PHASES.index(phase.name), epoch),
            # a checkpoint may hold another learning rate than the phase began with
            alike=(phase.alike, phase.learning_rate(epoch)),
            seed=self.trial.seed,
            stream=self.workers.stream(f"{phase.name} epoch {epoch}"),
            device=self.device,
            workers=self.workers,
        )

    def _measure(self, phase: str, epoch: int, said: dict[str, Outputs]) -> Requests[None]:
        started = self._now()
        self.outputs = yield from self._evaluated()
        said = said | self.outputs
        if phase == "task":
            said["train"] = yield from self._said(self.data.train)
        metrics = {
            f"{name}_{metric}": value
            for name, outputs in said.items()
            for metric, value in (measure_unknown if name == "ood" else measure)(outputs).items()
        }
        self._spent("evaluation", started)
        counts = {"epoch": epoch, "step": self.step, "examples": self.examples}
        seconds = sum(self.seconds.values())
        self.history.append({"phase": phase, **counts, "seconds": seconds, **metrics})

    def _evaluated(self) -> Requests[dict[str, Outputs]]:
        splits = {"validation": self.data.validation, "test": self.data.test}
        if self.data.ood is not None and self.trial.data.ood_each_epoch:
            splits["ood"] = self.data.ood
        said = {}
        for name, split in splits.items():
            said[name] = yield from self._said(split)
        return said

    def _said(self, split: Split) -> Requests[Outputs]:
        wanted = Predictions(self.network, split, self.workers, self.trial.seed)
        return (yield from self._made(wanted))

    def _made(self, wanted: Request) -> Requests[Outputs]:
        """What comes of a pass. The time of other lives meanwhile is not this one's."""
        asked = time.perf_counter()
        done = yield wanted
        self.waited += time.perf_counter() - asked - done.seconds
        return done.outputs

    def _probe(self, epoch: int) -> None:
        """What there is to measure of the live network after so many epochs of the task: by the
        first worker, and by all where layers of the network wait for each other."""
        if not (self.workers.leads or waits_for_others(self.network)):
            return
        probes = {name: PROBES[name] for name in self.trial.probes}
        if any(probe.needs_path for probe in probes.values()):
            self.path.append(_copied(dict(self.network.named_parameters())))
        for name, probe in probes.items():
            if epoch in epochs_of(probe.moments, self.trial.task.epochs):
                started = self._now()
                with global_state(self.trial.seed, f"probe {name} {epoch}", self.device):
                    self.probed.setdefault(name, []).append(probe.measure(self._subject()))
                self._spent("probes", started)

    def _subject(self) -> Subject:
        return Subject(
            # what the network has beside its state_dict, a probe cannot put back
            network=copy.deepcopy(self.network) if self.stateful else self.network,
            data=self.data,
            batch=self.trial.task.batch,
            seed=self.trial.seed,
            initial=self.untrained,
            path=tuple(self.path),
        )

    def _count(self, examples: int) -> None:
        self.step += 1
        self.examples += examples
        self.on_examples(self.examples, examples)

    def _now(self) -> float:
        """Seconds on a clock that stands still while the life waits for others."""
        return time.perf_counter() - self.waited

    def _spent(self, activity: str, since: float) -> None:
        self.seconds[activity] = self.seconds.get(activity, 0.0) + self._now() - since

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
        since = time.perf_counter() - self.checkpoint_at
        if since < self.checkpoint_seconds or not self.workers.leads or self.stateful:
            return
        state = self._state() | {
            "phase": phase.name,
            "epoch": epoch,
            "optimizer": phase.optimizer.state_dict() if phase.optimizer else {},
            "probed": self.probed,
            "lr_scale": self.lr_scale,
            "path": self.path,
            "random": [random.get_state() for random in phase.random],
        }
        self.storage.put(self.checkpoint_key, pack(state))
        self.checkpoint_at = time.perf_counter()

    def _resume(self, phase: _Phase, checkpoint: dict[str, Any]) -> int:
        self._restore(checkpoint)
        self.probed = checkpoint["probed"]
        self.lr_scale = checkpoint["lr_scale"]
        self.path = checkpoint["path"]
        if phase.optimizer:
            phase.optimizer.load_state_dict(checkpoint["optimizer"])
        for random, state in zip(phase.random, checkpoint["random"], strict=True):
            random.set_state(state.cpu())
        return int(checkpoint["epoch"])


def epochs_of(moments: tuple[float, ...], epochs: int) -> list[int]:
    """The epochs of the task after which a probe measures, each once; 0 is its start."""
    return sorted({round(moment * epochs) for moment in moments})


def _stacked(probed: dict[str, list[Arrays]], epochs: int) -> Arrays:
    """`<probe>/<array>`; of a probe with several moments, these first, and their epochs beside."""
    arrays: Arrays = {}
    for name, found in probed.items():
        moments = PROBES[name].moments
        if len(moments) == 1:
            named = found[0]
        else:
            named = {"epoch": torch.tensor(epochs_of(moments, epochs)[: len(found)])}
            named |= {key: torch.stack([one[key] for one in found]) for key in found[0]}
        arrays |= {f"{name}/{key}": array.cpu() for key, array in named.items()}
    return arrays


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, and what else a user's layers have in their state."""
    return {
        name: value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
        for name, value in state.items()
    }


def _trained(network: nn.Module, part: str) -> list[nn.Parameter]:
    """The parameters that a warm-up trains."""
    match part:
        case "head":
            return list(head(network).parameters())
        case "statistics":
            return []
    return list(network.parameters())


@contextmanager
def _trained_part(network: nn.Module, part: str) -> Iterator[None]:
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
