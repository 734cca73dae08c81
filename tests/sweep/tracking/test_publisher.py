"""Publishing in a real store: long histories in several requests, and again without harm."""

import io
import json

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.utils.validation import MAX_ENTITIES_PER_BATCH

from sweep.tracking.ledger import read_ledger
from sweep.tracking.publisher import Publisher
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage


@pytest.fixture
def publish(finished, planned, sources, tmp_path):
    """Publish the tiny study's first warmed-up trial in a store of its own, from the ledger on."""
    plan = planned()
    warmed = next(p for p in plan.trials if p.trial.warmup)
    payload = Storage(finished.place.folder / "sweep_storage").get(record_key(warmed.trial_id))
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    client.create_experiment("tiny", (tmp_path / "artifacts").as_uri())

    def publish(epochs=1, **meta):
        ledger = read_ledger(client, plan)
        publisher = Publisher(client, plan, ledger, sources.loaded, "abc")
        publisher.publish(warmed, altered(payload, epochs, meta))
        experiment = client.get_experiment_by_name("tiny").experiment_id
        return client, client.search_runs([experiment], "tags.kind = 'trial'"), warmed, ledger

    return publish


def altered(payload, times, changes):
    """The record with its history so many times over, and some of its `meta` changed."""
    with np.load(io.BytesIO(payload)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    history = [name for name in arrays if name.startswith("history/")]
    rows = len(arrays["history/step"])
    arrays |= {name: np.tile(arrays[name], times) for name in history}
    later = np.repeat(np.arange(times), rows)
    for name in ("history/step", "history/epoch", "history/seconds"):
        arrays[name] = arrays[name] + later * (arrays[name].max() + 1)
    arrays["meta"] = np.array(json.dumps(json.loads(str(arrays["meta"])) | changes))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_a_history_longer_than_a_request_is_whole(publish, finished):
    client, (run,), planned, _ = publish(epochs=30)
    record = finished.results.by_id[planned.trial_id].record
    logged = client.get_metric_history(run.info.run_id, "test_ece")
    assert [m.value for m in logged] == record.history["test_ece"].tolist() * 30
    every = sum(len(client.get_metric_history(run.info.run_id, name)) for name in run.data.metrics)
    assert every > 2 * MAX_ENTITIES_PER_BATCH
    assert run.data.params["warmup.noise.distribution"] == "gaussian"


def test_a_publication_that_was_cut_short_is_completed_and_nothing_doubled(publish):
    client, (run,), planned, _ = publish()
    client.set_terminated(run.info.run_id, "KILLED")  # as if its launch had died in the middle
    _, runs, _, ledger = publish()
    assert set(ledger.cut_short) == {planned.trial_id}
    assert [r.info.run_id for r in runs] == [run.info.run_id]
    assert runs[0].info.status == "FINISHED"
    for metric in ("test_ece", "noise_loss", "seconds_total"):
        history = client.get_metric_history(run.info.run_id, metric)
        assert len(history) == len({m.step for m in history})
    assert len(runs[0].inputs.dataset_inputs) == 2


def test_a_trial_that_the_study_has_is_not_published_again(publish):
    _, (run,), planned, _ = publish()
    _, runs, _, ledger = publish()  # as of a proposal that a search gave up and comes to anew
    assert set(ledger.done) == {planned.trial_id}
    assert [r.info.run_id for r in runs] == [run.info.run_id]
    assert runs[0].info.end_time == run.info.end_time


@pytest.mark.parametrize("finished_at", [0.0, 4e9])  # of a clock that was never set, or far ahead
def test_a_record_that_a_wrong_clock_has_dated_is_published_as_any_other(
    publish, finished, finished_at
):
    client, (run,), planned, _ = publish(finished_at=finished_at)
    assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "finished")
    assert 0 <= run.info.start_time <= run.info.end_time == max(1, finished_at * 1000)
    record = finished.results.by_id[planned.trial_id].record
    logged = client.get_metric_history(run.info.run_id, "test_ece")
    assert [m.value for m in logged] == record.history["test_ece"].tolist()
    *_, ledger = publish(finished_at=finished_at)
    assert set(ledger.done) == {planned.trial_id}
