"""One launch of a plan: trials are run, published as they end, and reported at the end."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from rich.console import Console

from analysis.errors import one_line, without_passwords
from analysis.rendering.report import default_folder, publish_report, write_report
from analysis.results.loading import load_study
from analysis.results.records import RecordError
from analysis.results.study_results import ResultsError
from sweep.backend.failures import what_happened
from sweep.backend.groups import grouped, sentence
from sweep.errors import InputError
from sweep.options import Options, Outcome
from sweep.plan.plan import PlannedTrial, StudyPlan
from sweep.run.events import Log
from sweep.run.progress import Display, PairsOfLook
from sweep.run.publishing import log_of, never_left_running, publishing
from sweep.run.worklist import Worklist
from sweep.tracking.addresses import of_study
from sweep.tracking.client import AWAY, what_to_do
from sweep.tracking.commit import code_commit
from sweep.tracking.ledger import Ledger, record_bytes
from sweep.tracking.live import Measured
from sweep.tracking.outbox import Outbox, Publication
from sweep.tracking.publisher import Publisher
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.record import History
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage


@contextmanager
def nothing_run() -> Iterator[None]:
    """
    Raises:
        InputError: MLflow went away, before anything was run.
    """
    try:
        yield
    except AWAY as error:
        raise InputError(f"nothing was run: {what_to_do(error)}") from error


def context_of(options: Options) -> RunContext:
    device = torch.device(options.resources.device)
    return RunContext(Storage(options.storage), device, code_commit())


@contextmanager
def launch_of(
    client: MlflowClient,
    ledger: Ledger,
    plan: StudyPlan,
    inputs: Inputs,
    options: Options,
    console: Console,
    launched: bool,
) -> Iterator["Launch"]:
    """A launch whose run in MLflow ends with it, however that is."""
    context = context_of(options)
    with nothing_run():
        publisher = Publisher(client, plan, ledger, inputs.sources, context.commit, launched)
    with never_left_running(client, publisher):
        log = log_of(options, plan)
        yield Launch(plan, inputs, context, options, console, client, publisher, log)


@dataclass
class Launch:
    plan: StudyPlan
    inputs: Inputs
    context: RunContext
    options: Options
    console: Console
    client: MlflowClient
    publisher: Publisher
    log: Log
    failed: list[str] = field(default_factory=list)  # trial ids
    look: PairsOfLook | None = None

    def tell_of_groups(self, work: Worklist) -> None:
        resources = self.options.resources
        if resources.fuse > 1 and work.to_run:
            groups = grouped([planned.trial for planned in work.to_run], resources.fuse)
            self._say(f"fused: {sentence(groups, resources.device)}")

    def carry_out(self, work: Worklist, reported: bool = True, unrun: str = "") -> Outcome:
        """To the end, whatever that is; the parent run's status says which.

        Args:
            unrun: nothing is to be run, and the parent run keeps this status.
        """
        if unrun:
            self._say(f"{len(work.to_run)} trials are not run yet; sweep.launch runs them")
        with publishing(self.publisher, self.log, self._say) as launch:
            outbox = launch.outbox
            for planned, run in work.adopted:
                outbox.put(Publication(planned, partial(self._adopted, planned, run), origin=run))
            for planned in work.stored:
                outbox.put(self.stored(planned))
            if work.to_run and not unrun:
                self._run(work, outbox)
            outbox.close()
            page = self._report() if reported else None
            launch.ended_by = _incomplete(outbox, reported and page is None)
            good = not (self.failed or launch.ended_by)
            launch.status = unrun or ("FINISHED" if good else "FAILED")
            self._sum_up(outbox, page)
            return Outcome(0 if good else 1, page)

    def _run(self, work: Worklist, outbox: Outbox) -> None:
        from sweep.backend.tuner import run_trials  # late: Ray takes two seconds to import

        reused = len(self.plan.trials) - len(work.to_run)
        total, look = len(self.plan.trials), self.look
        with Display(self.console, work.examples, total, reused, look) as display:
            run_trials(
                [planned.trial for planned in work.to_run],
                self.inputs,
                self.context,
                self.options.folder,
                self.options.resources,
                _Callback(self, display, outbox),
                work.warmups,
                look.deadline if look else math.inf,
            )

    def stored(self, planned: PlannedTrial) -> Publication:
        return Publication(planned, partial(self._stored, planned))

    def _stored(self, planned: PlannedTrial) -> bytes:
        payload = self.context.storage.get(record_key(planned.trial_id))
        if payload is None:
            raise RecordError(f"no record in {self.context.storage.root}; do all nodes see that?")
        return payload

    def _adopted(self, planned: PlannedTrial, run: Run) -> bytes:
        """From storage if it is there, else from the run it was published with."""
        payload = self.context.storage.get(record_key(planned.trial_id))
        return record_bytes(self.client, run) if payload is None else payload

    def _report(self) -> Path | None:
        """The report, written and among the parent's artifacts; None where MLflow is away."""
        from analysis.rendering.findings import findings  # late, as Ray: Matplotlib

        try:
            results = load_study(
                self.client, self.plan.study.name, parent_run_id=self.publisher.parent_id
            )
            folder = default_folder(results)
            page = write_report(results, folder)
            publish_report(self.client, results, folder)
        except (ResultsError, *AWAY) as error:
            self._say(f"no report: {one_line(error)}")
            return None
        for paragraph in findings(results):
            self._say(f"\n{paragraph}")
        return page

    def _sum_up(self, outbox: Outbox, page: Path | None) -> None:
        if self.failed:
            self._say(f"{len(self.failed)} trials failed; the same command tries them again")
        for refusal in outbox.refused:
            self._say(f"not published: {refusal}")
        if outbox.waiting:
            self._say(
                f"{len(outbox.waiting)} trials are stored but not published, for {outbox.away} "
                f"does not answer ({outbox.reason}); the same command publishes them when it does"
            )
        if page:
            run = self.publisher.experiment_id, self.publisher.parent_id
            self._say("\n".join([f"\nReport: {page}", *of_study(self.client, *run)]))

    def _say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)


@dataclass
class _Callback:
    """Passes on what happens to the trials, to the display and to the outbox."""

    launch: Launch
    display: Display
    outbox: Outbox

    def started(self, trial_id: str) -> None:
        self._log("started", trial_id)
        self.display.started(trial_id)

    def trained(self, trial_id: str, examples: int) -> None:
        self.display.trained(trial_id, examples)
        self.outbox.trained(self.display.share)

    def measured(self, trial_id: str, rows: History) -> None:
        self.outbox.put(Measured(self._planned(trial_id), rows))

    def finished(self, trial_id: str) -> None:
        self._log("finished", trial_id)
        self.display.finished(trial_id)
        self.outbox.trained(self.display.share)
        self.outbox.put(self.launch.stored(self._planned(trial_id)))

    def retried(self, trial_id: str, error: str) -> None:
        self._log("retried", trial_id, error=without_passwords(what_happened(error)))
        self.display.retried(trial_id, self._planned(trial_id).name, what_happened(error))

    def failed(self, trial_id: str, error: str, node: str) -> None:
        planned, where = self._planned(trial_id), {"node": node} if node else {}
        self._log("failed", trial_id, error=without_passwords(what_happened(error)), **where)
        self.display.failed(trial_id, planned.name, what_happened(error))
        self.launch.failed.append(trial_id)
        self.outbox.put(Publication(planned, bytes, error=error, node=node))

    def _log(self, event: str, trial_id: str, **fields: str) -> None:
        name = self._planned(trial_id).name
        self.launch.log.write(event, trial_id=trial_id, name=name, **fields)

    def _planned(self, trial_id: str) -> PlannedTrial:
        return self.launch.plan.by_id[trial_id]


def _incomplete(outbox: Outbox, no_report: bool) -> str:
    """What the launch has left to be done, with no trial failed; "": nothing."""
    if outbox.refused:
        return f"{len(outbox.refused)} trials are refused, the first: {outbox.refused[0]}"
    if outbox.waiting:
        return f"{len(outbox.waiting)} trials are not published: {outbox.reason}"
    return "there is no report, for MLflow was away or has no record" if no_report else ""
