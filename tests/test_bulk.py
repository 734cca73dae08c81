"""What the benchmark of reports writes in bulk is what the service leaves in MLflow."""

import sqlite3
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from analysis.results import download
from analysis.results.loading import load_study as load_results
from analysis.results.records import read_record
from analysis.results.summary import summarise
from benchmarks.bulk import TABLES, BulkClient
from benchmarks.report import moved
from sweep.inputs.datasets import Sources
from sweep.plan.plan import make_plan
from sweep.plan.study import Study
from sweep.tracking.ledger import Ledger, read_ledger
from sweep.tracking.publisher import Publisher
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.trial_run import run_trial
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage

OF_ITS_OWN = {"run_uuid", "artifact_uri", "input_uuid", "destination_id", "source_id"}
TRIALS = "SELECT run_uuid FROM tags WHERE key = 'kind' AND value = 'trial'"
OF_TRIALS = {  # table → which of its rows; of the others `run_uuid` says it
    "inputs": f"destination_id IN ({TRIALS})",
    "input_tags": "input_uuid IN (SELECT input_uuid FROM inputs "
    f"WHERE destination_id IN ({TRIALS}))",
}
STUDY = {
    "name": "bulk",
    "title": "Bulk",
    "answers": "Are they the same?",
    "base": {
        **{"model.depth": 2, "model.width": 4, "data.examples": 32, "data.validation": 20},
        **{"data.test": 30, "data.ood_examples": 20, "warmup.examples": 64, "warmup.batch": 32},
        **{"warmup.epochs": 1, "task.batch": 16, "task.epochs": 2},
    },
    "grids": {"std": {"warmup.noise.std": [0.5, 1.0]}},
    "exhibits": ["pairs"],
    "scales": {"laptop": {"replicates": 2}},
}


def rows(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all trials by table, but for ids of each store's own."""
    found = {}
    with sqlite3.connect(folder / "mlflow.db") as database:
        for table, columns in TABLES.items():
            kept = ", ".join(c for c in columns.split() if c not in OF_ITS_OWN)
            which = OF_TRIALS.get(table, f"run_uuid IN ({TRIALS})")
            query = f"SELECT {kept} FROM {table} WHERE {which}"
            if table == "tags":
                query += " AND key != 'mlflow.parentRunId'"
            found[table] = sorted(database.execute(query).fetchall(), key=repr)
    return found


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """(plan, sources, records by trial id)"""
    torch.set_num_threads(1)
    sources, storage = Sources(), Storage(tmp_path_factory.mktemp("storage"))
    plan = make_plan(Study.model_validate(STUDY), sources.resolve)
    context = RunContext(storage, torch.device("cpu"))
    for planned in plan.trials:
        run_trial(planned.trial, Inputs(sources.loaded, {}).of(planned.trial), context)
    return plan, sources, {t: storage.get(record_key(t)) for t in plan.by_id}


def test_bulk_leaves_what_the_publisher_leaves(lived, tmp_path, monkeypatch):
    plan, sources, payloads = lived
    first = plan.trials[0]  # as the benchmark has it: its last logits are not those of its history
    trial = first.trial.model_dump(mode="json")
    payloads = payloads | {first.trial_id: moved(payloads[first.trial_id], first.trial_id, trial)}
    for name in ("one by one", "bulk"):
        (tmp_path / name).mkdir()
        client = MlflowClient(f"sqlite:///{tmp_path / name}/mlflow.db")
        client.create_experiment("bulk", str(tmp_path / name / "artifacts"))
        if name == "bulk":
            client = BulkClient(client, tmp_path / name / "mlflow.db")
        publisher = Publisher(client, plan, Ledger(), sources.loaded, "abc")
        for planned in plan.trials:
            publisher.publish(planned, payloads[planned.trial_id])
        if name == "bulk":
            client.flush()
        publisher.close("FINISHED")
    one, bulk = rows(tmp_path / "one by one"), rows(tmp_path / "bulk")
    for table in TABLES:
        assert bulk[table] == one[table], table
        assert one[table]

    client = MlflowClient(f"sqlite:///{tmp_path}/bulk/mlflow.db")
    assert len(read_ledger(client, plan).done) == len(plan.trials) == 6
    monkeypatch.setattr(download, "summarise", lambda record: pytest.fail("it is in the metrics"))
    results = load_results(client, "bulk")
    assert results.count("finished") == 6
    for trial in results.trials:
        of_record = summarise(read_record(payloads[trial.trial_id]))
        assert list(trial.numbers.items()) == list(of_record.items())  # to the bit
    undisturbed = load_results(MlflowClient(f"sqlite:///{tmp_path}/one by one/mlflow.db"), "bulk")
    assert [t.numbers for t in results.trials] == [t.numbers for t in undisturbed.trials]


def test_a_moved_record_is_of_the_other_trial_and_no_other_is_like_it(lived):
    plan, _, payloads = lived
    payload = payloads[plan.trials[0].trial_id]
    one, two = (read_record(moved(payload, name, {"seed": 3})) for name in ("1f", "2f"))
    assert (one.trial_id, one.trial, two.trial_id) == ("1f", {"seed": 3}, "2f")
    assert (one.logits["test"] != two.logits["test"]).all()
    assert (one.labels["test"] == two.labels["test"]).all()
