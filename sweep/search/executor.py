"""A launch of a study that searches, from its file to its report.

The base's controls are run first; then proposals, each published as its trials finish; then the
best on fresh seeds. Every part goes on where an earlier launch has left it.
"""

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from rich.console import Console

from analysis.errors import one_line, without_passwords
from analysis.results.objectives import OBJECTIVES
from analysis.results.places import artifact_store
from analysis.results.records import Record, read_record
from sweep.backend.failures import what_happened
from sweep.errors import InputError
from sweep.inputs.resolve import Resolver
from sweep.options import Options, Outcome
from sweep.plan.plan import PlannedTrial, StudyPlan
from sweep.plan.study import Study
from sweep.run.events import Log
from sweep.run.executor import execute, execute_beginning, publish, reach, tell_found
from sweep.run.one_launch import context_of
from sweep.run.publishing import log_of, never_left_running, publishing
from sweep.search.ask_tell import AskTell, RunningProposal
from sweep.search.optuna_storage import AWAY as UNREACHABLE
from sweep.search.optuna_storage import Store, opened
from sweep.search.plan import confirmed, confirming, controls_of, planned_trial, searched
from sweep.search.progress import SearchProgress
from sweep.search.proposals import Proposal
from sweep.search.resolve import ResolvedSearch
from sweep.search.samplers import make_pruner, make_sampler
from sweep.search.summary import search_summary
from sweep.storage.locks import using
from sweep.tracking.client import AWAY, connect, what_to_do
from sweep.tracking.ledger import read_ledger, record_bytes
from sweep.tracking.live import Measured
from sweep.tracking.outbox import Outbox, Publication
from sweep.tracking.publisher import Publisher
from trainables.config.trial import Trial
from trainables.config.yaml_text import write_yaml
from trainables.lifecycle.record import History
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage

BEST_STUDY = "best.yaml"  # beside the report's page


def launch_search(
    search: ResolvedSearch, resolver: Resolver, options: Options, console: Console
) -> Outcome:
    """Search, confirm and report; 1 where something failed or nothing could be chosen."""
    with using(options.folder), _opened(search, options) as store:
        launch = _Launch(search, store, resolver, options, console)
        try:
            return launch.carry_out()
        except UNREACHABLE as error:
            launch.say(
                f"the search's database does not answer ({one_line(error)[:300]}); what has "
                "finished is stored, and the same command goes on when it does"
            )
            return Outcome(1, None)


def publish_search(
    search: ResolvedSearch, resolver: Resolver, options: Options, console: Console
) -> Outcome:
    """Publish what the proposals so far have left, and the best on fresh seeds; run nothing."""
    with using(options.folder), _opened(search, options) as store:
        return _Launch(search, store, resolver, options, console, run=False).publish()


def _opened(asked: ResolvedSearch, options: Options) -> AbstractContextManager[Store]:
    directions = [OBJECTIVES[name].direction for name in asked.search.objectives]
    sampler = make_sampler(asked.search.sampler, asked.search.seed)
    pruner = make_pruner(asked.search.stopping, asked.search.stop_after)
    return opened(asked.url, asked.name, directions, options.folder, sampler, pruner)


@dataclass
class _Launch:
    asked: ResolvedSearch
    store: Store
    resolver: Resolver
    options: Options
    console: Console
    run: bool = True
    failed: int = 0

    def carry_out(self) -> Outcome:
        from sweep.backend.connection import connected  # late: Ray takes half a second to import

        timeout = self.options.timeout
        ask_tell = self._ask_tell(None if timeout is None else time.monotonic() + timeout)
        reach(self.options)
        tell_found(self.base, self.console)
        ask_tell.begin()
        # one connection for controls, proposals and what is confirmed; none where all is done
        with nullcontext() if ask_tell.over else connected(self.options.resources):
            begun = execute_beginning(  # the controls alone
                self._plan([]), self.resolver.inputs, self.options, self.console
            )
            if begun.code:
                return begun
            if not ask_tell.over:
                self._search(ask_tell)
            return self._conclude(ask_tell)

    def publish(self) -> Outcome:
        return self._conclude(self._ask_tell(None))

    def _ask_tell(self, deadline: float | None) -> AskTell:
        return AskTell(
            search=self.asked.search,
            space=self.asked.space,
            store=self.store,
            controls=tuple(planned.trial for planned in controls_of(self.base)),
            read=cache(partial(_record, Storage(self.options.storage), self.base)),
            budget=self.asked.search.trials,
            deadline=deadline,
        )

    @property
    def base(self) -> StudyPlan:
        return self.asked.base

    def _search(self, ask_tell: AskTell) -> None:
        from sweep.search.tuner import run_search  # late, as Ray above

        context, inputs = context_of(self.options), self.resolver.inputs
        plan = self._plan(ask_tell.proposals())
        try:
            client = connect()
            ledger = read_ledger(client, plan)
            publisher = Publisher(client, plan, ledger, inputs.sources, context.commit)
        except AWAY as error:
            raise InputError(f"nothing was searched: {what_to_do(error)}") from error
        log = log_of(self.options, plan)
        with (
            never_left_running(client, publisher),
            publishing(publisher, log, self.say) as launch,
        ):
            watch = _Callback(self, SearchProgress(self.console, ask_tell), launch.outbox, log)
            run_search(
                ask_tell, inputs, context, self.options.folder, self.options.resources, watch
            )
            launch.status = "FINISHED"

    def _conclude(self, ask_tell: AskTell) -> Outcome:
        asked, found, best = self.asked, ask_tell.proposals(), ask_tell.best()
        plan = self._plan(found)
        if best is None:
            self.say("No proposal has been run on all seeds and meets the constraints: no best.")
            outcome = self._execute(plan)
            return outcome._replace(code=1) if self.run else outcome
        confirm = confirming(
            asked.study, plan.scale, self.base.base, best, asked.space, asked.search,
            asked.replicates,
        )  # fmt: skip
        self.say(
            f"\nBest of {len(found)} proposals: #{best.number}, "
            f"{OBJECTIVES[asked.search.objectives[0]].label} {best.means[0]:.4g}; "
            f"{'now ' if self.run else ''}on {asked.replicates} fresh seeds"
        )
        outcome = self._execute(confirmed(plan, confirm, asked.search, asked.resolve))
        if outcome.page:
            self._write_study(confirm, outcome.page.parent)
        return outcome._replace(code=1) if self.failed else outcome

    def _write_study(self, confirm: Study, folder: Path) -> None:
        """The best as a study file, beside the report and among its artifacts."""
        path = folder / BEST_STUDY
        content = confirm.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
        path.write_text(write_yaml(content), "utf-8")
        try:
            client = connect()
            parent = read_ledger(client, self.base).parent
            if parent is not None:
                store = artifact_store(client.tracking_uri, parent.info.artifact_uri)
                store.log_artifact(str(path), "report")  # type: ignore[no-untyped-call]
        except (InputError, *AWAY) as error:
            self.say(f"{path} is not in MLflow: {one_line(error)}")
        self.say(f"The best as a study: {path}")

    def _execute(self, plan: StudyPlan) -> Outcome:
        carry_out = execute if self.run else publish
        return carry_out(plan, self.resolver.inputs, self.options, self.console)

    def _plan(self, found: list[Proposal]) -> StudyPlan:
        controls = controls_of(self.base)
        search = search_summary(
            self.asked.search, self.asked.space, self.store.study, self.asked.url, found, controls
        )
        return searched(self.base, self.asked.space, found, search)

    def say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)


def _record(storage: Storage, base: StudyPlan, trial_id: str) -> Record:
    """From storage, else from the MLflow run that it was published with."""
    payload = storage.get(record_key(trial_id))
    if payload is None:
        client = connect()
        ledger = read_ledger(client, base)
        run = ledger.done.get(trial_id) or ledger.elsewhere.get(trial_id)
        if run is None:
            raise InputError(
                f"trial {trial_id} has no record in {storage.root}; do all nodes see that?"
            )
        payload = record_bytes(client, run)
    return read_record(payload)


@dataclass
class _Callback:
    """Passes on what happens to the proposals, to the console, the log and the outbox."""

    launch: _Launch
    progress: SearchProgress
    outbox: Outbox
    log: Log

    def trained(self, examples: int) -> None:
        self.progress.trained(examples)

    def proposed(self, live: RunningProposal) -> None:
        trials = [trial.trial_id for trial in live.members]
        self.log.write("proposed", number=live.number, params=live.params, trial_ids=trials)

    def finished(self, proposal: Proposal) -> None:
        means = list(proposal.means)
        self.log.write("judged", number=proposal.number, state=proposal.state, means=means)
        self.progress.finished(proposal)

    def retried(self, number: int, error: str) -> None:
        self.log.write("retried", number=number, error=without_passwords(what_happened(error)))
        self.progress.retried(number, error)

    def measured(self, live: RunningProposal, trial_id: str, rows: History) -> None:
        trial = next(member for member in live.members if member.trial_id == trial_id)
        self.outbox.put(Measured(self._planned(live, trial), rows))

    def recorded(self, live: RunningProposal, trial: Trial) -> None:
        planned = self._planned(live, trial)
        self.log.write("finished", trial_id=trial.trial_id, name=planned.name)
        self.outbox.put(Publication(planned, partial(self._stored, trial.trial_id)))

    def failed(self, number: int, error: str) -> None:
        self.launch.failed += 1
        self.log.write("failed", number=number, error=without_passwords(what_happened(error)))
        self.progress.failed(number, error)

    def _planned(self, live: RunningProposal, trial: Trial) -> PlannedTrial:
        asked = self.launch.asked
        control = next(c for c in controls_of(asked.base) if c.trial.seed == trial.seed)
        return planned_trial(live.number, live.params, asked.space, control, control.replicate)

    def _stored(self, trial_id: str) -> bytes:
        payload = Storage(self.launch.options.storage).get(record_key(trial_id))
        if payload is None:
            raise InputError(f"no record of {trial_id}")
        return payload
