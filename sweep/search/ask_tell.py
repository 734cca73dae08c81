"""Asking Optuna for proposals and telling it what they are worth; no Ray here."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import optuna
from optuna.trial import TrialState

from analysis.results.records import Record
from sweep.errors import InputError
from sweep.search.evaluation import Verdict, judge
from sweep.search.optuna_storage import Store, again
from sweep.search.proposals import (
    ENDED,
    ERROR,
    FIRST,
    MEANS,
    REPEAT,
    SEEDS,
    Proposal,
    best,
    count,
    proposals,
)
from sweep.search.settings import Search
from sweep.search.space import Params, Space, one_line_of
from trainables.config.trial import Trial

REPEATS = 50  # of what was proposed before, one after another: then the space is exhausted

ReadRecord = Callable[[str], Record]  # trial id → what it has left


@dataclass
class RunningProposal:
    """A proposal that is being run by this launcher."""

    trial: optuna.Trial
    params: Params
    members: tuple[Trial, ...]  # one for each seed
    judged: int = 0  # seeds
    ended: str = ""  # stopped or diverged, where that came before the last seed

    @property
    def number(self) -> int:
        return self.trial.number


@dataclass
class AskTell:
    """A search as one launcher goes on with it."""

    search: Search
    space: Space
    store: Store
    controls: tuple[Trial, ...]  # the base's, one for each seed
    read: ReadRecord
    budget: int
    deadline: float | None  # of time.monotonic(); no proposal is made after it
    running: dict[int, RunningProposal] = field(default_factory=dict)
    _exhausted: bool = False

    def begin(self) -> None:
        """The base is the first proposal; those that failed before come again."""
        study = self.store.study
        self.store.give_up_orphans()
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(self.space.base)
        failed = {p.number for p in self.proposals() if p.state == "failed"}
        for trial in study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            if trial.number in failed:
                again(study, trial)

    def ask(self) -> RunningProposal | None:
        """The next proposal; None where there is none to be made any more.

        Raises:
            InputError: the proposal cannot be a trial.
        """
        self.store.give_up_orphans()
        if self.over:
            return None
        for _ in range(REPEATS):
            trial = self.store.study.ask()
            self.store.own(trial)
            if count(self.store.study, before=trial.number) >= self.budget:
                self._drop(trial)  # two launchers asked for the last one at once
                return None
            live = self._live(trial)
            if not self._known(live):
                self.running[live.number] = live
                return live
            self._drop(trial)
        self._exhausted = True
        return None

    def seeds_done(self, number: int, seeds: int) -> list[Trial]:
        """The proposal's trials have left so many records; those among them that are new.

        Afterwards its `ended` says whether the rest should be run.
        """
        live = self.running[number]
        self.store.alive(live.trial)
        new = list(live.members[live.judged : seeds])
        while live.judged < seeds and not live.ended:
            live.judged += 1
            verdict = self._verdict(live)
            if verdict.diverged:
                live.ended = "diverged"
            elif self.search.stopping:
                live.trial.report(verdict.means[0], live.judged)
                early = self.search.stop_after <= live.judged < len(live.members)
                live.ended = "stopped" if early and live.trial.should_prune() else ""
        return new

    def finished(self, number: int) -> Proposal:
        """The proposal has been run, to its end or until it was stopped."""
        live = self.running.pop(number)
        verdict = self._verdict(live)
        live.trial.set_user_attr(SEEDS, verdict.seeds)
        live.trial.set_user_attr(MEANS, list(verdict.means))
        ended = "diverged" if verdict.diverged else live.ended or "finished"
        live.trial.set_user_attr(ENDED, ended)
        live.trial.set_constraint("diverged", float(verdict.diverged))
        live.trial.set_constraint("accuracy", verdict.lost_accuracy)
        if ended == "finished":
            self.store.study.tell(live.trial, list(verdict.means))
        else:
            self.store.study.tell(live.trial, state=TrialState.PRUNED)
        return next(p for p in self.proposals() if p.number == number)

    def failed(self, number: int, error: str) -> None:
        live = self.running.pop(number)
        live.trial.set_user_attr(ENDED, "failed")
        live.trial.set_user_attr(ERROR, error[:1000])
        self.store.study.tell(live.trial, state=TrialState.FAIL)

    def give_up(self) -> None:
        """What is running comes again, when the search goes on."""
        for live in self.running.values():
            self.store.give_up(live.trial)
        self.running.clear()

    def alive(self) -> None:
        """Other launchers must not take what is running for abandoned."""
        for live in self.running.values():
            self.store.alive(live.trial)

    def proposals(self) -> list[Proposal]:
        return proposals(self.store.study)

    def best(self) -> Proposal | None:
        return best(self.proposals(), self.search)

    @property
    def over(self) -> bool:
        late = self.deadline is not None and time.monotonic() > self.deadline
        return late or self._exhausted or count(self.store.study) >= self.budget

    def _live(self, trial: optuna.Trial) -> RunningProposal:
        params = self.space.suggest(trial)
        try:
            members = tuple(self.space.trial(params, c.seed) for c in self.controls)
        except InputError as error:
            trial.set_user_attr(ENDED, "failed")
            trial.set_user_attr(ERROR, str(error)[:1000])
            self.store.study.tell(trial, state=TrialState.FAIL)
            raise InputError(f"search.space: {one_line_of(params)} cannot be: {error}") from error
        trial.set_user_attr(FIRST, members[0].trial_id)
        return RunningProposal(trial, params, members)

    def _known(self, live: RunningProposal) -> bool:
        """Whether an earlier proposal that counts is the same trial."""
        first = live.members[0].trial_id
        counted = {p.number for p in self.proposals() if p.number < live.number}
        return any(
            trial.number in counted and trial.user_attrs.get(FIRST) == first
            for trial in self.store.study.get_trials(deepcopy=False)
        )

    def _drop(self, trial: optuna.Trial) -> None:
        trial.set_user_attr(ENDED, REPEAT)
        self.store.study.tell(trial, state=TrialState.FAIL)

    def _verdict(self, live: RunningProposal) -> Verdict:
        members = [self.read(t.trial_id) for t in live.members[: live.judged]]
        controls = [self.read(t.trial_id) for t in self.controls[: live.judged]]
        return judge(self.search, members, controls)
