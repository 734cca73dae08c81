"""Several trials of one task lived together, their networks trained as one where that pays.

Each trial stays one of its own: its random streams, data, batch normalisation, optimizer, history,
probes, checkpoints and record are those it has when it is lived alone, and its numbers are the same
to within rounding. One can be begun together and finished alone, or the other way round.

Lives that have come to the same place make their next pass together; who is behind goes first. So a
control waits while its partner warms up. Trials with one warm-up make it once. One that diverges or
fails drops out, and the others go on.

They are lived one after another where stacking does not pay or cannot be: on the CPU; with
`compute.channels_last`, whose layout no stack can have; networks with state beside their
state_dict; and networks which, tried on a few examples beside themselves, do not come to the same
as a stack, or that draw random numbers (dropout). Where a stack fails later on, they go on one
after another from what they have stored.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from trainables.config.trial import Trial
from trainables.data.splits import TaskData
from trainables.errors import StackTooLargeError
from trainables.fused.stack import Stack, stackable
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.listener import Listener
from trainables.lifecycle.requests import Completed, Request, Requests, run_alone
from trainables.lifecycle.trial_run import NOBODY, trial_requests
from trainables.models.build import State, build
from trainables.noise import sample
from trainables.storage.keys import warmup_key
from trainables.tasks import from_noise, target_shape
from trainables.training.loop import Outputs

STACKED_ON = ("cuda",)  # types of device, see `trainables.fused.stack`
TRIED = 4  # examples


def task_key(trial: Trial) -> str:
    """Trials that are equal in this can be lived together; seed, arm and warm-up may differ."""
    return trial.model_dump_json(exclude={"seed", "arm", "warmup"})


def warmup_kind(trial: Trial) -> str | None:
    """Trials of one task that are equal in this are trained together in the warm-up, too; noise and
    what is kept may differ. None: there is no warm-up."""
    warmup = trial.warmup
    return None if warmup is None else warmup.model_dump_json(exclude={"noise", "keep"})


def run_trials(
    trials: Sequence[Trial],
    inputs: TrialInputs,
    context: RunContext,
    listener_of: Callable[[str], Listener] = lambda trial_id: NOBODY,
) -> None:
    """Live the trials, each as `trainables.lifecycle.trial_run.run_trial` does.

    Args:
        trials: of one `task_key`.
        listener_of: a trial's id → who is told of it.

    Raises:
        Exception: what a trial has raised, the first one, after all others have left their record.
    """
    if len({task_key(trial) for trial in trials}) > 1:
        raise ValueError("trials: only those of one task can be lived together")
    share = _sharing()

    def life(trial: Trial) -> Requests[str]:
        return trial_requests(trial, inputs, context, listener_of(trial.trial_id), share=share)

    def group(some: Sequence[Trial]) -> _Group:
        return _Group(some, [life(trial) for trial in some], context)

    together = group(trials)
    pays = len(trials) > 1 and context.device.type in STACKED_ON
    if pays and _can_be_stacked(trials, context.device, inputs.weights):
        try:
            together.live_together()
        except _StackFailedError:
            left = [trial for trial in trials if trial.trial_id not in together.ended]
            errors, together = together.errors, group(left)
            together.errors += errors
            together.live_in_turn()
    else:
        together.live_in_turn()
    if together.errors:
        raise together.errors[0]


class _StackFailedError(Exception):
    """A stack has raised what its networks alone might not."""


class _Group:
    def __init__(
        self,
        trials: Sequence[Trial],
        lives: Sequence[Requests[str]],
        context: RunContext,
    ) -> None:
        self.errors: list[Exception] = []
        self.ended: set[str] = set()  # trials that have left their record, or failed
        self._ids = [trial.trial_id for trial in trials]
        self._lives = lives
        self._warmups = [warmup_key(t, context.device) if t.warmup else None for t in trials]
        self._storage = context.storage
        self._held = list(range(len(trials)))  # not begun
        self._waiting: dict[int, Request] = {}  # what each life that goes on wants to be done
        self._stacks: dict[tuple[int, ...], Stack] = {}  # by members, no life in two

    def live_in_turn(self) -> None:
        for life in self._lives:
            try:
                run_alone(life)
            except Exception as error:
                self.errors.append(error)

    def live_together(self) -> None:
        self._begin()
        while self._waiting:
            members = self._next()
            started = time.perf_counter()
            said = self._make(members, [self._waiting[i] for i in members])
            seconds = (time.perf_counter() - started) / len(members)
            for i, outputs in zip(members, said, strict=True):
                self._go_on(i, Completed(outputs, seconds))
            self._begin()

    def _begin(self) -> None:
        """Begin every life whose warm-up no other one is making."""
        for i in list(self._held):
            making = any(self._warmups[j] == self._warmups[i] for j in self._waiting)
            key = self._warmups[i]
            if key is None or not making or key in self._storage:
                self._held.remove(i)
                self._go_on(i, None)

    def _go_on(self, i: int, done: Completed | None) -> None:
        """To what the life wants next; None: it begins."""
        self._waiting.pop(i, None)
        life = self._lives[i]
        try:
            self._waiting[i] = next(life) if done is None else life.send(done)
        except StopIteration:
            self.ended.add(self._ids[i])
        except Exception as error:
            self.ended.add(self._ids[i])
            self.errors.append(error)

    def _next(self) -> tuple[int, ...]:
        """The lives that are furthest behind and want the same."""
        first = min(self._waiting.values(), key=lambda wanted: wanted.place)
        return tuple(sorted(i for i, w in self._waiting.items() if w.kind == first.kind))

    def _make(self, members: tuple[int, ...], passes: list[Request]) -> list[Outputs]:
        if members not in self._stacks:
            others = self._stacks.items()
            self._stacks = {m: stack for m, stack in others if not set(m) & set(members)}
        if len(members) == 1:
            return [passes[0].alone()]
        try:
            if members not in self._stacks:
                self._stacks[members] = Stack([wanted.network for wanted in passes])
            return self._stacks[members].make(passes)
        except torch.OutOfMemoryError as error:
            raise StackTooLargeError(
                f"{len(members)} networks at once are too many for the device's memory; "
                "lower resources.fuse"
            ) from error
        except Exception as error:  # of a user's network in `vmap`, anything
            raise _StackFailedError from error


def _sharing() -> Callable[[TaskData], TaskData]:
    """Validation, test and out-of-distribution examples are the same for all that are normalised
    alike: held once, and stacked networks all look at the same ones."""
    held: dict[object, TaskData] = {}

    def share(data: TaskData) -> TaskData:
        first = held.setdefault((data.constants, data.ood_constants), data)
        return replace(data, validation=first.validation, test=first.test, ood=first.ood)

    return share


def _can_be_stacked(trials: Sequence[Trial], device: torch.device, weights: State | None) -> bool:
    """Whether networks of these trials, of two seeds where there are two, come to the same in a
    stack as alone."""
    first, facts = trials[0], trials[0].facts
    if first.compute.channels_last or first.model.facts.stateful:
        return False
    other = next((trial for trial in trials if trial.seed != first.seed), first)
    networks = [build(trial, device, weights).double() for trial in (first, other)]
    random = torch.Generator(device=device).manual_seed(0)
    batches = []
    for _ in networks:
        noise = sample("gaussian", (TRIED, *facts.shape), random).double()
        targets = (TRIED, *target_shape(facts.kind, facts.shape))
        labels = torch.randint(facts.classes, targets, generator=random, device=device)
        batches.append((from_noise(facts.kind, noise, facts.classes), labels))
    return stackable(networks, batches, device)
