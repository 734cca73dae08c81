"""Writing MLflow: an experiment per study, in it a run per scale and data, under it the trials.

A trial's run is made when its record is there, with the times at which it ran, or before that,
when it runs for so long that somebody may watch its curves grow. Its status is the last thing
written: no crash leaves a run that claims to be done and is not. Publishing again completes what
was cut short and doubles nothing. A trial takes five requests: its run, its parameters, metrics and
tags (in more, of which the client takes care, where there are over 1,000), its data sets, its
record, its end.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from mlflow.entities import LifecycleStage, Metric, Run, RunTag
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME
from mlflow.utils.validation import MAX_TAG_VAL_LENGTH

from analysis.results import tags as tag
from analysis.results.mlflow_store import RECORD, running_children
from analysis.results.places import artifact_store, naming_artifacts
from analysis.results.published import seal
from analysis.results.records import read_record
from analysis.results.summary import summarise
from sweep.backend.failures import what_happened
from sweep.plan.plan import PlannedTrial, StudyPlan
from sweep.tracking.client import AWAY
from sweep.tracking.entities import (
    curves,
    data_sets,
    metrics,
    milliseconds,
    parameters,
    run_name,
    started_at,
    study_note,
    version_tags,
)
from sweep.tracking.experiments import experiment_of
from sweep.tracking.ledger import Ledger
from sweep.tracking.logged import LoggedRows
from sweep.tracking.names import shortened
from sweep.tracking.study_numbers import PROGRESS, SHARE, StudyNumbers
from sweep.tracking.view import experiment_tags
from trainables.config.trial import Trial
from trainables.data.examples import Source
from trainables.lifecycle.record import History


class Publisher:
    """Writes one launch of a plan; not for several threads at once."""

    def __init__(
        self,
        client: MlflowClient,
        plan: StudyPlan,
        ledger: Ledger,
        sources: Mapping[str, Source],
        commit: str,
        launched: bool = True,
    ) -> None:
        """launched: else the study's run keeps the date of its last launch, where it has one."""
        self._client = client
        self._plan = plan
        self._sources = sources
        self._commit = commit
        self._done = set(ledger.done)  # trial ids
        self._begun = dict(ledger.cut_short)  # trial id → run, not ended yet
        self._live: set[str] = set()  # trial ids, of those that this launch has called running
        self._logged = LoggedRows(client)
        known = {
            trial_id: run.data.metrics if run.data.tags.get(tag.OUTCOME) == "finished" else {}
            for trial_id, run in ledger.done.items()
        }
        self._numbers = StudyNumbers(plan, known)
        self._told = dict(ledger.parent.data.metrics) if ledger.parent else {}  # by the study's run
        self._closed = False
        kept = ledger.parent.info.status if ledger.parent and not launched else "RUNNING"
        self._before = None if kept == "RUNNING" else kept  # that a launch has left, to be kept
        for run in ledger.stale:  # of a launch that died; those of this plan are completed below
            client.set_terminated(run.info.run_id, "KILLED")
        self.experiment_id = experiment_of(client, plan.study.name).experiment_id
        parent = self._open(ledger.parent, launched)
        self.parent_id = parent.info.run_id
        self._begun_at = parent.info.start_time  # in milliseconds
        with self.never_left_running():
            text = json.dumps(plan.as_json(commit), indent=2, ensure_ascii=False)
            self._upload(parent, "plan.json", text.encode())
            client.log_inputs(self.parent_id, data_sets(plan.base, sources))

    def publish(self, planned: PlannedTrial, payload: bytes, origin: Run | None = None) -> None:
        """One finished or diverged trial: parameters, history, summary, data sets, record. Nothing
        where the study has it: a search comes to the trials of a proposal anew that it gave up.

        Args:
            payload: the record's bytes.
            origin: the run, of another study or scale, that the trial is adopted from.
        """
        if planned.trial_id in self._done:
            return
        self._forget_deleted(planned)
        record = read_record(payload)
        numbers = summarise(record)
        rows_from = partial(metrics, record, numbers)
        run, rows = self._with_rows(planned, started_at(record), rows_from)
        run_id, described = run.info.run_id, parameters(planned.trial)
        tags = version_tags(record)
        if origin is not None:
            tags[tag.ADOPTED_FROM_RUN] = origin.info.run_id
            tags[tag.ADOPTED_FROM_STUDY] = origin.data.tags.get(tag.STUDY, "")
        tags |= {tag.OUTCOME: record.status, tag.RECORD_DIGEST: hashlib.sha256(payload).hexdigest()}
        tags[tag.SUMMARY] = shortened(seal(numbers), MAX_TAG_VAL_LENGTH)
        self._client.log_batch(run_id, rows, described, _run_tags(tags))
        self._client.log_inputs(run_id, data_sets(planned.trial, self._sources))
        self._upload(run, RECORD, payload)
        self._end(planned, "FINISHED", record.finished_at)
        self._done.add(planned.trial_id)
        self._numbers.add(planned.trial_id, numbers if record.status == "finished" else {})

    def publish_curves(self, planned: PlannedTrial, rows: History) -> None:
        """Rows of the history of a trial that runs. Its run says so, and holds its parameters from
        the first on.

        Raises:
            MlflowException: it does not answer, or refuses them; the record brings them in any
                case.
        """
        rows = _settled(planned.trial, rows)
        if planned.trial_id in self._done or not rows:
            return
        start = time.time() - float(rows[-1]["seconds"])
        run, new = self._with_rows(planned, start, partial(curves, rows))
        first = planned.trial_id not in self._live
        # an earlier launch has ended it; another launcher of the same search may do so at any time
        if (first and run.info.status != "RUNNING") or self._plan.search is not None:
            self._client.update_run(run.info.run_id, status="RUNNING")
        described = parameters(planned.trial) if first else ()
        self._client.log_batch(run.info.run_id, new, described)
        self._logged.add(run, new)
        self._live.add(planned.trial_id)

    def _with_rows(
        self, planned: PlannedTrial, start: float, rows_from: Callable[[int], list[Metric]]
    ) -> tuple[Run, list[Metric]]:
        """The trial's run, and what it lacks of the rows, which its start dates."""
        run = self._run(planned, start)
        lacking = self._logged.lacking(run, rows_from(run.info.start_time))
        if lacking is None:
            self._client.delete_run(run.info.run_id)
            self._forget(planned)
            run = self._run(planned, start)
            lacking = rows_from(run.info.start_time)
        return run, lacking

    def publish_failure(self, planned: PlannedTrial, error: str, node: str = "") -> None:
        """One trial that failed for good; launching again tries it again."""
        self._forget_deleted(planned)
        run = self._run(planned, time.time())
        run_id = run.info.run_id
        tags = {
            tag.ERROR: what_happened(error)[:1000],
            tag.COMMIT: self._commit,
            tag.OUTCOME: "failed",
        }
        tags |= {tag.NODE: node} if node else {}
        self._client.log_batch(run_id, params=parameters(planned.trial), tags=_run_tags(tags))
        self._upload(run, "error.txt", error.encode("utf-8", "replace"))
        self._end(planned, "FAILED", time.time())

    def publish_study(self, share: float | None) -> None:
        """What the study has found so far, in its own run, where that is news.

        Args:
            share: of the launch's examples that are trained on; None: nothing is trained.
        """
        now, done = milliseconds(time.time()), self._numbers.done
        rows = [Metric(name, n, now, done) for name, n in self._numbers.metrics().items()]
        progress = {PROGRESS: float(done)} | ({} if share is None else {SHARE: share})
        seconds = (now - self._begun_at) // 1000
        rows += [Metric(name, n, now, seconds) for name, n in progress.items()]
        news = [row for row in rows if self._told.get(row.key) != row.value]
        if news:
            self._client.log_batch(self.parent_id, news)
            self._told |= {row.key: row.value for row in news}

    def close(self, status: str, ended_by: str = "") -> None:
        """The launch's end: FINISHED, FAILED or KILLED. A trial half published is KILLED.

        Args:
            ended_by: what ended it, in one line, where that is no trial's failure.
        """
        parent = self._client.get_run(self.parent_id)
        for run in running_children(self._client, parent):
            self._client.set_terminated(run.info.run_id, "KILLED")
        if ended_by:
            self._client.set_tag(self.parent_id, tag.ENDED_BY, ended_by[:1000])
        self._client.set_terminated(self.parent_id, status)
        self._closed = True

    @contextmanager
    def never_left_running(self) -> Iterator[None]:
        """What ends the work inside before it is closed is what the study's run says of it."""
        try:
            yield
        except BaseException as error:
            if not self._closed:
                status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
                with suppress(*AWAY):
                    self._client.set_terminated(self.parent_id, self._before or status)
            raise

    def _open(self, parent: Run | None, launched: bool) -> Run:
        """The study's run, made where it is missing, and marked as running."""
        plan, client = self._plan, self._client
        study, data = plan.study, plan.base.data.source
        tags = {
            MLFLOW_SOURCE_NAME: "sweep.launch",
            MLFLOW_RUN_NOTE: study_note(plan),
            tag.KIND: "study",
            tag.STUDY: study.name,
            tag.SCALE: plan.scale,
            tag.DATA: data,
            tag.LAUNCHED_AT: time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
            tag.COMMIT: self._commit,
            tag.ENDED_BY: "",  # an earlier launch may have said
            **(plan.tags or {}),
        }
        if parent is not None:
            run_id = parent.info.run_id
            if not launched:
                del tags[tag.LAUNCHED_AT]
            client.log_batch(run_id, tags=_run_tags(tags))
            client.update_run(run_id, status="RUNNING")
            return parent
        for key, value in experiment_tags(plan, self.experiment_id).items():
            client.set_experiment_tag(self.experiment_id, key, value)
        return client.create_run(
            self.experiment_id, tags=tags, run_name=run_name(f"{plan.scale}, {data}")
        )

    def _run(self, planned: PlannedTrial, start: float) -> Run:
        """The trial's run: the one that was cut short, by an earlier launch or in this, or a new
        one."""
        begun = self._begun.get(planned.trial_id)
        if begun is not None:
            return begun
        tags = {
            MLFLOW_PARENT_RUN_ID: self.parent_id,
            MLFLOW_SOURCE_NAME: "sweep.launch",
            tag.KIND: "trial",
            tag.STUDY: self._plan.study.name,
            tag.SCALE: self._plan.scale,
            tag.TRIAL_ID: planned.trial_id,
            tag.ARM: planned.trial.arm,
            tag.PAIR: planned.pair,
            tag.CONDITION: shortened(planned.condition, MAX_TAG_VAL_LENGTH),
            tag.CELL: shortened(json.dumps(dict(planned.cell)), MAX_TAG_VAL_LENGTH),
            tag.REPLICATE: str(planned.replicate),
        }
        run = self._client.create_run(
            self.experiment_id,
            start_time=milliseconds(start),
            tags=tags,
            run_name=run_name(planned.name),
        )
        self._begun[planned.trial_id] = run
        return run

    def _upload(self, run: Run, name: str, content: bytes) -> None:
        """An artifact of the run; the client would ask again where these lie."""
        address = run.info.artifact_uri
        with tempfile.TemporaryDirectory() as folder, naming_artifacts(address):
            path = Path(folder, name)
            path.write_bytes(content)
            store = artifact_store(self._client.tracking_uri, address)
            store.log_artifact(str(path))  # type: ignore[no-untyped-call]

    def _end(self, planned: PlannedTrial, status: str, end: float) -> None:
        run_id = self._begun[planned.trial_id].info.run_id
        self._client.set_terminated(run_id, status, end_time=milliseconds(end))
        self._forget(planned)

    def _forget_deleted(self, planned: PlannedTrial) -> None:
        """Somebody may have deleted the run while the trial ran, which takes hours."""
        if planned.trial_id not in self._live:
            return
        found = self._client.get_run(self._begun[planned.trial_id].info.run_id)
        if found.info.lifecycle_stage == LifecycleStage.DELETED:
            self._forget(planned)

    def _forget(self, planned: PlannedTrial) -> None:
        self._logged.forget(self._begun.pop(planned.trial_id))
        self._live.discard(planned.trial_id)


def _settled(trial: Trial, rows: History) -> History:
    """Those whose step no later number takes: the record's summary takes the last step of all, and
    where a part of the warm-up is kept, the row of the kept takes that of its last epoch."""
    warmup, epochs = trial.warmup, trial.task.epochs
    later = {("task", epochs)} if epochs else {("untrained", 0), ("kept", 0)}
    if warmup is not None and (warmup.keep is not None or not epochs):
        later.add(("warmup", warmup.epochs))
    return [row for row in rows if (row["phase"], row["epoch"]) not in later]


def _run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(*tag) for tag in tags.items()]
