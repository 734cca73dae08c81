"""Writing MLflow: an experiment per study, in it a run per scale and data, under it the trials.

A trial's run is made when its record is there, with the times at which it ran, and its status is
the last thing written: no crash leaves a run that claims to be done and is not. Everything follows
from the record, time stamps too, and MLflow keeps equal rows once: publishing again completes what
was cut short and doubles nothing.
"""

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from mlflow.entities import Run, RunTag
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NOTE, MLFLOW_SOURCE_NAME

from analysis.records import read_record
from analysis.store import running_children
from sweep.ledger import RECORD, Ledger
from sweep.mlflow_rows import (
    data_sets,
    metrics,
    milliseconds,
    parameters,
    started_at,
    version_tags,
)
from sweep.mlflow_view import experiment_tags
from sweep.planning import PlannedTrial, StudyPlan
from trainables.data.examples import Source

METRICS_PER_REQUEST = 1000  # MLflow's limit


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
        self._cut_short = dict(ledger.cut_short)
        for run in ledger.stale:  # of a launch that died; those of this plan are completed below
            client.set_terminated(run.info.run_id, "KILLED")
        self.experiment_id, self.parent_id = self._open(ledger.parent, launched)
        client.log_dict(self.parent_id, plan.as_json(commit), "plan.json")
        client.log_inputs(self.parent_id, data_sets(plan.base, sources))

    def publish(self, planned: PlannedTrial, payload: bytes, origin: Run | None = None) -> None:
        """One finished or diverged trial: parameters, history, summary, data sets, record.

        Args:
            payload: the record's bytes.
            origin: the run, of another study or scale, that the trial is adopted from.
        """
        record = read_record(payload)
        run_id = self._run(planned, started_at(record))
        rows, described = metrics(record), parameters(planned.trial)
        for at in range(0, len(rows), METRICS_PER_REQUEST):
            chosen = rows[at : at + METRICS_PER_REQUEST]
            self._client.log_batch(run_id, metrics=chosen, params=[] if at else described)
        self._client.log_inputs(run_id, data_sets(planned.trial, self._sources))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, RECORD)
            path.write_bytes(payload)
            self._client.log_artifact(run_id, str(path))
        tags = version_tags(record) | ({} if origin is None else _origin_tags(origin))
        self._end(run_id, "FINISHED", record.status, record.finished_at, tags)

    def publish_failure(self, planned: PlannedTrial, error: str, node: str = "") -> None:
        """One trial that failed for good; launching again tries it again."""
        run_id = self._run(planned, time.time())
        self._client.log_batch(run_id, params=parameters(planned.trial))
        self._client.log_text(run_id, error, "error.txt")
        tags = {"error": last_line(error)[:1000], "commit": self._commit}
        tags |= {"node": node} if node else {}
        self._end(run_id, "FAILED", "failed", time.time(), tags)

    def close(self, status: str) -> None:
        """The launch's end: FINISHED, FAILED or KILLED. A trial half published is KILLED."""
        parent = self._client.get_run(self.parent_id)
        for run in running_children(self._client, parent):
            self._client.set_terminated(run.info.run_id, "KILLED")
        self._client.set_terminated(self.parent_id, status)

    def _open(self, parent: Run | None, launched: bool) -> tuple[str, str]:
        """Experiment and parent run, made where they are missing; the run is marked as running."""
        plan, client = self._plan, self._client
        study, data = plan.study, plan.base.data.source
        tags = {
            MLFLOW_SOURCE_NAME: "sweep.launch",
            MLFLOW_RUN_NOTE: f"**{study.title}.** {study.answers}\n\nThe report is among the "
            "artifacts, `report/index.html`; the trials are the runs nested below.",
            "kind": "study",
            "study": study.name,
            "scale": plan.scale,
            "data": data,
            "launched_at": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
            "commit": self._commit,
        }
        if parent is not None:
            run_id = parent.info.run_id
            if not launched:
                del tags["launched_at"]
            client.log_batch(run_id, tags=[RunTag(*tag) for tag in tags.items()])
            client.update_run(run_id, status="RUNNING")
            return parent.info.experiment_id, run_id
        found = client.get_experiment_by_name(study.name)
        experiment_id = found.experiment_id if found else client.create_experiment(study.name)
        for key, value in experiment_tags(study, experiment_id).items():
            client.set_experiment_tag(experiment_id, key, value)
        run = client.create_run(experiment_id, tags=tags, run_name=f"{plan.scale}, {data}")
        return experiment_id, run.info.run_id

    def _run(self, planned: PlannedTrial, start: float) -> str:
        """The trial's run: the one that was cut short, or a new one."""
        begun = self._cut_short.pop(planned.trial_id, None)
        if begun is not None:
            return str(begun.info.run_id)
        tags = {
            MLFLOW_PARENT_RUN_ID: self.parent_id,
            MLFLOW_SOURCE_NAME: "sweep.launch",
            "kind": "trial",
            "study": self._plan.study.name,
            "scale": self._plan.scale,
            "trial_id": planned.trial_id,
            "arm": planned.trial.arm,
            "pair": planned.pair,
            "condition": planned.condition,
            "cell": json.dumps(dict(planned.cell)),
            "replicate": str(planned.replicate),
        }
        run = self._client.create_run(
            self.experiment_id, start_time=milliseconds(start), tags=tags, run_name=planned.name
        )
        return str(run.info.run_id)

    def _end(
        self, run_id: str, status: str, outcome: str, end: float, tags: Mapping[str, str]
    ) -> None:
        every = {**tags, "outcome": outcome}
        self._client.log_batch(run_id, tags=[RunTag(*tag) for tag in every.items()])
        self._client.set_terminated(run_id, status, end_time=milliseconds(end))


def last_line(text: str) -> str:
    """Of a traceback, the line that says what happened."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "unknown"


def _origin_tags(origin: Run) -> dict[str, str]:
    tags = {"adopted_from_run": origin.info.run_id}
    return tags | {"adopted_from_study": origin.data.tags.get("study", "")}
