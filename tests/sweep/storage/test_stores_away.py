"""What does not answer while trials are published is called by its name, and nothing is lost."""

from functools import partial
from pathlib import Path

import pytest
import torch
from buckets import s3_server
from mlflow import MlflowClient

from sweep.inputs.datasets import Sources
from sweep.plan.plan import make_plan
from sweep.plan.study import Study
from sweep.tracking.ledger import read_ledger
from sweep.tracking.outbox import Outbox, Publication
from sweep.tracking.publisher import Publisher
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.trial_run import run_trial
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage


@pytest.fixture
def server(monkeypatch):
    with s3_server() as one:
        for name, value in (one.env | {"AWS_MAX_ATTEMPTS": "1"}).items():
            monkeypatch.setenv(name, value)
        yield one


@pytest.fixture
def lived(tiny, tmp_path):
    """A plan, its sources, and the record of its first trial."""
    torch.set_num_threads(1)
    sources = Sources()
    study = Study.model_validate(tiny | {"name": "tiny", "grids": {}})
    plan = make_plan(study, sources.resolve, replicates=1)
    storage, trial = Storage(tmp_path / "storage"), plan.trials[0].trial
    inputs = Inputs(sources.loaded, {}).of(trial)
    run_trial(trial, inputs, RunContext(storage, torch.device("cpu")))
    return plan, sources, storage.get(record_key(plan.trials[0].trial_id))


def publisher_of(plan, sources, tmp_path, artifacts):
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    client.create_experiment("tiny", artifacts)
    return Publisher(client, plan, read_ledger(client, plan), sources.loaded, "abc")


def test_an_object_store_that_does_not_give_a_record(server, lived, tmp_path):
    plan, sources, payload = lived
    planned, *_ = plan.trials
    storage, key = Storage(server.url), record_key(planned.trial_id)
    storage.put(key, payload)
    publisher = publisher_of(plan, sources, tmp_path, (tmp_path / "artifacts").as_uri())
    server.server.kill()
    outbox = Outbox(publisher)
    outbox.put(Publication(planned, partial(Storage(server.url).get, key)))
    outbox.close()
    assert [publication.planned for publication in outbox.waiting] == [planned]
    assert outbox.away == "the storage"
    assert outbox.reason.startswith(f"{server.url}/{key}: ")


def test_an_object_store_that_does_not_take_an_artifact(server, lived, tmp_path, monkeypatch):
    plan, sources, payload = lived
    planned, *_ = plan.trials
    publisher = publisher_of(plan, sources, tmp_path, server.url)
    client = publisher._client
    nowhere = "http://127.0.0.1:9"
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_S3_ENDPOINT_URL", nowhere)
        outbox = Outbox(publisher)
        outbox.put(Publication(planned, lambda: payload))
        outbox.close()
    assert [publication.planned for publication in outbox.waiting] == [planned]
    assert outbox.away == "the store of MLflow's artifacts"
    assert outbox.reason.startswith(server.url)
    assert nowhere in outbox.reason

    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", server.env["AWS_ENDPOINT_URL"])
    again = Publisher(client, plan, read_ledger(client, plan), sources.loaded, "abc")
    again.publish(planned, payload)
    (run,) = client.search_runs([again.experiment_id], "tags.kind = 'trial'")
    assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "finished")
    found = client.download_artifacts(run.info.run_id, "record.npz", str(tmp_path))
    assert Path(found).read_bytes() == payload
