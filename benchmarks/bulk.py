"""A study of thousands of trials in MLflow within a minute: what a launch would leave, in bulk.

The runs are written by the service's own `Publisher`. Only the client that it is given differs: it
keeps the rows of a trial until it ends, and writes those of many trials into MLflow's SQLite file
in one transaction, as MLflow writes them one by one. `tests/test_bulk.py` publishes one trial both
ways and reads the same back. For measuring alone: it goes past MLflow, and fits its tables of 3.17.
"""

import sqlite3
import uuid
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

RUNS = 500  # a transaction
TABLES = {  # table → columns
    "runs": "run_uuid name status start_time end_time artifact_uri experiment_id source_type "
    "source_name entry_point_name user_id source_version lifecycle_stage",
    "tags": "run_uuid key value",
    "params": "run_uuid key value",
    "metrics": "run_uuid key value timestamp step is_nan",
    "latest_metrics": "run_uuid key value timestamp step is_nan",
    "inputs": "input_uuid source_type source_id destination_type destination_id",
    "input_tags": "input_uuid name value",
}


class BulkClient:
    """Stands for a `MlflowClient` on SQLite: runs that are made here are written in bulk.

    Everything else, the study's own run among it, goes to the client itself. The data sets must be
    in the database, as the study's run brings them there.
    """

    def __init__(self, client: MlflowClient, database: Path) -> None:
        self._client = client
        self._database = sqlite3.connect(database)
        self._artifacts: dict[str, str] = {}  # experiment → where
        self._rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in TABLES}
        self._open: dict[str, SimpleNamespace] = {}  # run id → its row to be

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create_run(
        self, experiment_id: str, start_time: int = 0, tags: Any = None, run_name: str = ""
    ) -> Any:
        if tags["kind"] != "trial":
            return self._client.create_run(experiment_id, tags=tags, run_name=run_name)
        if experiment_id not in self._artifacts:
            found = self._client.get_experiment(experiment_id)
            self._artifacts[experiment_id] = found.artifact_location
        run_id = uuid.uuid4().hex
        self._open[run_id] = SimpleNamespace(
            name=run_name,
            start=start_time,
            experiment=experiment_id,
            artifacts=f"{self._artifacts[experiment_id]}/{run_id}/artifacts",
        )
        self._tags(run_id, {**tags, MLFLOW_RUN_NAME: run_name})
        place = self._open[run_id].artifacts
        info = SimpleNamespace(run_id=run_id, artifact_uri=place, start_time=start_time)
        return SimpleNamespace(info=info, data=SimpleNamespace(metrics={}))

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
    ) -> None:
        if run_id not in self._open:
            self._client.log_batch(run_id, metrics, params, tags)
            return
        self._rows["params"] += [(run_id, p.key, p.value) for p in params]
        self._tags(run_id, {tag.key: tag.value for tag in tags})
        rows = [(run_id, m.key, m.value, m.timestamp, m.step, False) for m in metrics]
        self._rows["metrics"] += rows
        latest = {row[1]: row for row in sorted(rows, key=lambda row: (row[4], row[3], row[2]))}
        self._rows["latest_metrics"] += latest.values()

    def log_inputs(self, run_id: str, datasets: Sequence[DatasetInput]) -> None:
        if run_id not in self._open:
            self._client.log_inputs(run_id, datasets)
            return
        for used in datasets:
            (data_set,) = self._database.execute(
                "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND digest = ?",
                (self._open[run_id].experiment, used.dataset.digest),
            ).fetchone()
            input_id = uuid.uuid4().hex
            self._rows["inputs"].append((input_id, "DATASET", data_set, "RUN", run_id))
            self._rows["input_tags"] += [(input_id, tag.key, tag.value) for tag in used.tags]

    def set_terminated(self, run_id: str, status: str, end_time: int | None = None) -> None:
        if run_id not in self._open:
            self._client.set_terminated(run_id, status, end_time)
            return
        run = self._open.pop(run_id)
        row = (run_id, run.name, status, run.start, end_time, run.artifacts, run.experiment)
        self._rows["runs"].append((*row, "UNKNOWN", "", "", "unknown", "", "active"))
        if len(self._rows["runs"]) >= RUNS:
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        with self._database:
            for table, rows in self._rows.items():
                columns = TABLES[table].split()
                marks = ", ".join("?" * len(columns))
                self._database.executemany(
                    f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows
                )
                rows.clear()

    def _tags(self, run_id: str, tags: dict[str, str]) -> None:
        self._rows["tags"] += [(run_id, key, value) for key, value in tags.items()]
