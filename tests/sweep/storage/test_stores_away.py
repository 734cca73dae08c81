"""What does not answer while trials are published is called by its name, and nothing is lost."""

from functools import partial

import pytest
from mlflow import MlflowClient

from analysis.results.download import artifact_bytes
from analysis.results.places import ArtifactsError
from sweep.tracking.ledger import read_ledger
from sweep.tracking.outbox import Outbox, Publication
from sweep.tracking.publisher import Publisher
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage


@pytest.fixture
def store(bucket, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    return bucket


@pytest.fixture
def lived(planned, live, tmp_path):
    """A plan, and the record of its first trial."""
    plan, storage = planned({"grids": {}}, replicates=1), Storage(tmp_path / "storage")
    return plan, storage.get(live(plan.trials[0].trial, storage))


@pytest.fixture
def publisher_of(sources, tmp_path):
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")

    def publisher_of(plan, artifacts=None):
        if artifacts:
            client.create_experiment("tiny", artifacts)
        return Publisher(client, plan, read_ledger(client, plan), sources.loaded, "abc")

    return publisher_of


def test_an_object_store_that_does_not_give_a_record(store, lived, publisher_of, tmp_path):
    plan, payload = lived
    planned, *_ = plan.trials
    storage, key = Storage(store.url), record_key(planned.trial_id)
    storage.put(key, payload)
    publisher = publisher_of(plan, (tmp_path / "artifacts").as_uri())
    store.server.kill()
    outbox = Outbox(publisher)
    outbox.put(Publication(planned, partial(Storage(store.url).get, key)))
    outbox.close()
    assert [publication.planned for publication in outbox.waiting] == [planned]
    assert outbox.away == "the storage"
    assert outbox.reason.startswith(f"{store.url}/{key}: ")


def test_an_object_store_that_does_not_take_an_artifact(store, lived, publisher_of, monkeypatch):
    plan, payload = lived
    planned, *_ = plan.trials
    publisher = publisher_of(plan, store.url)
    nowhere = "http://127.0.0.1:9"
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_S3_ENDPOINT_URL", nowhere)
        outbox = Outbox(publisher)
        outbox.put(Publication(planned, lambda: payload))
        outbox.close()
    assert [publication.planned for publication in outbox.waiting] == [planned]
    assert outbox.away == "the store of MLflow's artifacts"
    assert outbox.reason.startswith(store.url)
    assert nowhere in outbox.reason

    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", store.env["AWS_ENDPOINT_URL"])
    again, client = publisher_of(plan), publisher._client
    again.publish(planned, payload)
    (run,) = client.search_runs([again.experiment_id], "tags.kind = 'trial'")
    assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "finished")
    assert artifact_bytes(client, run, "record.npz") == payload
    with pytest.raises(ArtifactsError, match=f"{store.url}.*/nothing.npz: "):
        artifact_bytes(client, run, "nothing.npz")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", nowhere)
    with pytest.raises(ArtifactsError, match=f"{store.url}.*/record.npz: .*{nowhere}"):
        artifact_bytes(client, run, "record.npz")
