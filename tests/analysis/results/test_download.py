"""Records come from where they lie, from the cache or by a download, and are the same each time."""

import dataclasses
from urllib.parse import urlparse

import numpy as np
import pytest
from studies import make_record, one_condition, publish

from analysis.cache import Cache
from analysis.results import download as reading
from analysis.results import places
from analysis.results.loading import load_study
from analysis.results.mlflow_store import local_artifact
from analysis.results.records import Record, RecordError, read_record, stored_record
from analysis.results.summary import summarise


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WARMUP_SWEEP_CACHE", str(tmp_path / "cache"))
    return Cache()


@pytest.fixture
def downloads(monkeypatch):
    """Names of what is downloaded, for artifacts that are not files of this machine."""
    fetched = []
    original = reading.artifact_store

    def counting(uri, address):
        store = original(uri, address)
        fetch = store._download_file
        store._download_file = lambda name, path: fetched.append(name) or fetch(name, path)
        store.list_artifacts = None  # one request is enough
        return store

    monkeypatch.setattr(places, "urlparse", lambda uri: urlparse("s3://elsewhere"))
    monkeypatch.setattr(reading, "artifact_store", counting)
    return fetched


def same(one, two):
    """Two records, all arrays to the bit."""
    for field in dataclasses.fields(Record):
        first, second = getattr(one, field.name), getattr(two, field.name)
        if field.name not in ("logits", "labels", "columns", "probes"):
            assert first == second
            continue
        assert list(first) == list(second)
        for name in first:
            np.testing.assert_array_equal(first[name], second[name], strict=True)
    assert one.history.equals(two.history)


def everything(study):
    return [(t.trial_id, t.outcome, t.note, dict(t.numbers)) for t in study.trials]


def test_a_stored_record_is_the_record_and_is_read_when_it_is_asked_for(tmp_path):
    path = tmp_path / "record.npz"
    path.write_bytes(make_record("a", warm=True))
    whole = read_record(path)
    stored = stored_record(path, path.read_bytes())
    same(stored, whole)
    path.unlink()
    assert set(stored.logits) == {"validation", "test", "ood"}
    with pytest.raises(RecordError, match=r"record\.npz: not a record, or a damaged one"):
        stored.logits["test"]


def test_a_study_is_the_same_cold_and_warm_and_with_no_cache(store, cache, tmp_path, monkeypatch):
    cold = load_study(store.client, "synthetic")
    known = cache.size()
    warm = load_study(store.client, "synthetic")
    assert cache.size() == known
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("WARMUP_SWEEP_CACHE", str(tmp_path / "file" / "cache"))
    without = load_study(store.client, "synthetic")
    assert everything(cold) == everything(warm) == everything(without)
    for trials in zip(cold.trials, warm.trials, without.trials, strict=True):
        if trials[0].record:
            run = store.client.get_run(trials[0].run_id)
            path = local_artifact(store.client, run, "record.npz")
            whole = read_record(path)
            assert trials[1].numbers == (summarise(whole) if whole.status == "finished" else {})
            for trial in trials:
                same(trial.record, whole)


def test_a_record_is_downloaded_once(store, cache, downloads):
    first = load_study(store.client, "synthetic")
    assert sorted(set(downloads)) == ["plan.json", "record.npz"]
    assert downloads.count("record.npz") == 28
    downloads.clear()
    again = load_study(store.client, "synthetic")
    assert downloads == ["plan.json"]  # which a launch may have changed
    assert everything(first) == everything(again)
    for one, two in zip(first.trials, again.trials, strict=True):
        if one.record:
            same(one.record, two.record)


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:-9], lambda c: c[:99] + b"?" * 9])
def test_a_damaged_record_in_the_cache_is_downloaded_again(store, cache, downloads, damage):
    first = load_study(store.client, "synthetic")
    path = sorted((cache.root / "records").rglob("*.npz"))[3]
    content = path.read_bytes()
    path.write_bytes(damage(content))
    downloads.clear()
    again = load_study(store.client, "synthetic")
    assert downloads.count("record.npz") == 1
    assert path.read_bytes() == content
    assert everything(first) == everything(again)


def test_where_the_cache_cannot_be_written_records_are_in_memory(
    store, tmp_path, monkeypatch, downloads
):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("WARMUP_SWEEP_CACHE", str(tmp_path / "file" / "cache"))
    study = load_study(store.client, "synthetic")
    assert study.count("finished") == 27
    assert all(t.record.logits["test"].shape == (400, 10) for t in study.trials if t.numbers)


def test_a_record_that_is_not_the_published_one_is_missing_and_says_so(store, cache):
    publish(store.client, one_condition(study="exchanged"), store.folder)
    trial = load_study(store.client, "exchanged").by_id["warm0x0"]
    other = store.folder / "record.npz"
    other.write_bytes(make_record("warm0x0", sharpness=9.0))
    store.client.log_artifact(trial.run_id, str(other))
    found = load_study(store.client, "exchanged").by_id["warm0x0"]
    assert (found.outcome, found.record) == ("missing", None)
    assert "damaged, or not the record that was published" in found.note


@pytest.mark.parametrize("said", ["", "../../../etc/passwd", "0" * 63, "G" * 64])
def test_a_digest_that_is_none_names_no_path(store, cache, downloads, said):
    spec = one_condition(study=f"told {len(said)} {said[:1]}")
    publish(store.client, spec, store.folder)
    for trial in load_study(store.client, spec.study).trials:
        store.client.set_tag(trial.run_id, "record_sha256", said)
    downloads.clear()
    assert load_study(store.client, spec.study).count("finished") == 2
    assert downloads.count("record.npz") == 2  # and not from the cache
