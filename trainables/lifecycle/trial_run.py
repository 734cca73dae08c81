"""One trial, from its network's first weights to its record.

untrained → warm-up (its own, or the one that a trial with the same warm-up has left) → what is kept
of it → task → record. The network is measured when untrained and after every epoch of both phases,
and probed at moments of the task. A trial can be cut short at any moment: it goes on from its last
checkpoint and ends in the same numbers.

`run_trial` runs one. `trial_requests` is the same as a generator of what it wants its network to
do, for those who run several together.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from trainables.config.probes import PROBES
from trainables.config.trial import Trial
from trainables.data.splits import Split, TaskData, prepare
from trainables.lifecycle.ablations import ablate
from trainables.lifecycle.checkpoint import (
    Progress,
    pack_checkpoint,
    pack_warmup,
    restore,
    restore_training,
)
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.listener import Listener
from trainables.lifecycle.phases import PHASES, Phase, task_phase, trained_part, warmup_phase
from trainables.lifecycle.record import write_record
from trainables.lifecycle.requests import Epoch, Predictions, Request, Requests, run_alone
from trainables.models.build import build
from trainables.models.shared_norm import waits_for_others
from trainables.probes.schedule import epochs_of, stacked
from trainables.probes.subject import Subject
from trainables.seeds import global_state
from trainables.storage.keys import checkpoint_key, record_key, warmup_key
from trainables.storage.serialization import unpack
from trainables.training.data_parallel import ALONE, BroadcastStorage, Workers
from trainables.training.loop import Diverged, Outputs, finite, measure, measure_unknown

NOBODY = Listener()


def run_trial(
    trial: Trial,
    inputs: TrialInputs,
    context: RunContext,
    listener: Listener = NOBODY,
    workers: Workers = ALONE,
) -> str:
    """Run one trial and store its record, unless that is stored already.

    Args:
        workers: those that train the network together; each calls this, with the same trial.

    Returns:
        the key under which the record is stored.
    """
    return run_alone(trial_requests(trial, inputs, context, listener, workers))


def trial_requests(
    trial: Trial,
    inputs: TrialInputs,
    context: RunContext,
    listener: Listener,
    workers: Workers = ALONE,
    share: Callable[[TaskData], TaskData] = lambda data: data,
) -> Requests[str]:
    """What the trial asks of its network, which goes on with what is sent of each; else as
    `run_trial`.

    Args:
        share: what the trial is to hold in place of its data: the same, and shared with others.
    """
    key, storage, device = record_key(trial.trial_id), context.storage, context.device
    if workers.size > 1:
        storage = BroadcastStorage(storage, workers)
    if storage.get(key) is None:
        data = share(prepare(trial, inputs.source, inputs.ood, device))
        network = workers.prepared(build(trial, device, inputs.weights), device)
        run = TrialRun(trial, network, data, replace(context, storage=storage), listener, workers)
        storage.put(key, (yield from run.record()))
    storage.delete(checkpoint_key(trial, device))
    listener.on_record()
    return key


@dataclass(eq=False)
class TrialRun:
    trial: Trial
    network: nn.Module
    data: TaskData
    context: RunContext
    listener: Listener
    workers: Workers
    progress: Progress = field(default_factory=Progress)
    outputs: dict[str, Outputs] = field(default_factory=dict)  # of the latest measurement
    waited: float = 0.0  # seconds, for others

    def __post_init__(self) -> None:
        self.storage, self.device = self.context.storage, self.context.device
        self.checkpoint_key = checkpoint_key(self.trial, self.device)
        self.checkpoint_at = time.perf_counter()
        # then nothing of it is stored on the way: it is trained in one go
        self.stateful = self.trial.model.facts.stateful
        probed_or_kept = self.trial.probes or (self.trial.warmup and self.trial.warmup.keep)
        self.untrained = _copied(self.network.state_dict()) if probed_or_kept else {}

    def record(self) -> Requests[bytes]:
        """Run to the end, and say what came of it."""
        status = "finished"
        try:
            yield from self._run()
        except Diverged:
            status, self.outputs = "diverged", {}
        return write_record(
            self.trial,
            status,
            self.progress.history,
            self.outputs,
            self.progress.seconds,
            self.device,
            self.context.commit,
            stacked(self.progress.probed, self.trial.task.epochs),
            self.workers.size,
        )

    def _run(self) -> Requests[None]:
        saved = self.storage.get(self.checkpoint_key)
        checkpoint = None if saved is None else unpack(saved, self.device)
        if checkpoint is None or checkpoint["phase"] == "warmup":
            yield from self.begin(checkpoint)
            self._probe(0)
            checkpoint = None
        task = task_phase(self.trial, self.network, self.data, self.progress)
        yield from self._train(task, checkpoint)
        if self.data.ood is not None and "ood" not in self.outputs:
            self.outputs["ood"] = finite((yield from self._predict(self.data.ood)))

    def begin(self, checkpoint: dict[str, Any] | None = None) -> Requests[None]:
        """From the first weights, or a checkpoint of the warm-up, to the start of the task."""
        yield from self._warm_up(checkpoint)
        yield from self._ablate()

    def _warm_up(self, checkpoint: dict[str, Any] | None) -> Requests[None]:
        """From the first weights to the end of the warm-up."""
        warmup = self.trial.warmup
        if warmup is None:
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
        with trained_part(self.network, warmup.train):
            phase = warmup_phase(self.trial, warmup, self.network, self.device)
            yield from self._train(phase, checkpoint)
        if not self.stateful:
            self.storage.put(shared, pack_warmup(self.network, self.progress))

    def _ablate(self) -> Requests[None]:
        """The network as the task takes it: with all of its warm-up, or a part."""
        warmup = self.trial.warmup
        if warmup is not None and warmup.keep is not None:
            with global_state(self.trial.seed, "keep", self.device):
                lr_scale = ablate(self.network, self.untrained, self.data, self.trial)
            self.progress.lr_scale = lr_scale
            yield from self._measure("kept", 0, {})
        elif not (self.outputs or self.trial.task.epochs):
            started = self._now()  # the warm-up is another trial's, and nothing follows
            self.outputs = yield from self._evaluate()
            self._spent("evaluation", started)

    def _train(self, phase: Phase, checkpoint: dict[str, Any] | None) -> Requests[None]:
        """Train and measure epoch by epoch, from the checkpoint where there is one."""
        done = 0
        if checkpoint is not None:
            self._restore(checkpoint)
            done = restore_training(checkpoint, phase.optimizer, phase.random)
        network = self.workers.distributed(self.network)
        for epoch in range(done + 1, phase.epochs + 1):
            started = self._now()
            for group in phase.optimizer.param_groups if phase.optimizer else ():
                group["lr"] = phase.learning_rate(epoch)
            steps = yield from self._ask(self._epoch(network, phase, epoch))
            self._spent(phase.name, started)
            outputs = {"noise": steps} if phase.name == "warmup" else {}
            yield from self._measure(phase.name, epoch, outputs)
            if phase.name == "task":
                self._probe(epoch)
            if epoch < phase.epochs:
                self._checkpoint_if_due(phase, epoch)

    def _epoch(self, network: nn.Module, phase: Phase, epoch: int) -> Epoch:
        return Epoch(
            network=network,
            optimizer=phase.optimizer,
            settings=phase.settings,
            loss=phase.loss,
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

    def _measure(self, phase: str, epoch: int, outputs: dict[str, Outputs]) -> Requests[None]:
        started, progress = self._now(), self.progress
        self.outputs = yield from self._evaluate()
        outputs = outputs | self.outputs
        if phase == "task":
            outputs["train"] = yield from self._predict(self.data.train)
        metrics = {
            f"{name}_{metric}": value
            for name, of_split in outputs.items()
            for metric, value in (measure_unknown if name == "ood" else measure)(of_split).items()
        }
        self._spent("evaluation", started)
        counts = {"epoch": epoch, "step": progress.step, "examples": progress.examples}
        seconds = sum(progress.seconds.values())
        progress.history.append({"phase": phase, **counts, "seconds": seconds, **metrics})
        self.listener.on_history(progress.history[-1:])

    def _evaluate(self) -> Requests[dict[str, Outputs]]:
        splits = {"validation": self.data.validation, "test": self.data.test}
        if self.data.ood is not None and self.trial.data.ood_each_epoch:
            splits["ood"] = self.data.ood
        outputs = {}
        for name, split in splits.items():
            outputs[name] = yield from self._predict(split)
        return outputs

    def _predict(self, split: Split) -> Requests[Outputs]:
        wanted = Predictions(self.network, split, self.workers, self.trial.seed)
        return (yield from self._ask(wanted))

    def _ask(self, wanted: Request) -> Requests[Outputs]:
        """What comes of a request. The time of other trials meanwhile is not this one's."""
        asked = time.perf_counter()
        done = yield wanted
        self.waited += time.perf_counter() - asked - done.seconds
        return done.outputs

    def _probe(self, epoch: int) -> None:
        """What there is to measure of the live network after so many epochs of the task: by the
        first worker, and by all where layers of the network wait for each other."""
        if not (self.workers.leads or waits_for_others(self.network)):
            return
        progress, probes = self.progress, {name: PROBES[name] for name in self.trial.probes}
        if any(probe.needs_path for probe in probes.values()):
            progress.path.append(_copied(dict(self.network.named_parameters())))
        for name, probe in probes.items():
            if epoch in epochs_of(probe.moments, self.trial.task.epochs):
                started = self._now()
                with global_state(self.trial.seed, f"probe {name} {epoch}", self.device):
                    progress.probed.setdefault(name, []).append(probe.measure(self._subject()))
                self._spent("probes", started)

    def _subject(self) -> Subject:
        return Subject(
            # what the network has beside its state_dict, a probe cannot put back
            network=copy.deepcopy(self.network) if self.stateful else self.network,
            data=self.data,
            batch=self.trial.task.batch,
            loss=self.trial.task.loss,
            seed=self.trial.seed,
            initial=self.untrained,
            path=tuple(self.progress.path),
        )

    def _restore(self, stored: dict[str, Any]) -> None:
        restore(stored, self.network, self.progress)
        self.listener.on_history(self.progress.history)

    def _checkpoint_if_due(self, phase: Phase, epoch: int) -> None:
        since = time.perf_counter() - self.checkpoint_at
        seldom = since < self.context.checkpoint_seconds
        if seldom or not self.workers.leads or self.stateful:
            return
        packed = pack_checkpoint(
            self.network, self.progress, phase.name, epoch, phase.optimizer, phase.random
        )
        self.storage.put(self.checkpoint_key, packed)
        self.checkpoint_at = time.perf_counter()

    def _count(self, examples: int) -> None:
        self.progress.step += 1
        self.progress.examples += examples
        self.listener.on_examples(self.progress.examples, examples)

    def _now(self) -> float:
        """Seconds on a clock that stands still while the trial waits for others."""
        return time.perf_counter() - self.waited

    def _spent(self, activity: str, since: float) -> None:
        seconds = self.progress.seconds
        seconds[activity] = seconds.get(activity, 0.0) + self._now() - since


def _copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, and what else a user's layers have in their state."""
    return {
        name: value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
        for name, value in state.items()
    }
