"""A study is read back from a real MLflow store with everything that happened to its trials."""

import json
from collections import Counter

import numpy as np
import pytest
from studies import Spec, make_plan, one_condition, publish

from analysis.results import loading
from analysis.results import mlflow_store as module
from analysis.results.loading import load_study
from analysis.results.plan import PlanError, levels, parse_plan
from analysis.results.study_results import ResultsError, pairs, planned_pairs


def test_every_planned_trial_has_its_outcome(store):
    study = load_study(store.client, "synthetic")
    assert [t.trial_id for t in study.trials] == [t.trial_id for t in study.plan.trials]
    counts = Counter(trial.outcome for trial in study.trials)
    assert counts == {"finished": 27, "failed": 1, "missing": 1, "diverged": 1}
    for trial in study.trials:
        assert (trial.record is not None) == (trial.outcome in ("finished", "diverged"))
        assert (trial.run_id is None) == (trial.outcome == "missing")
        assert bool(trial.numbers) == (trial.outcome == "finished")


def test_a_pair_joins_a_trial_with_the_control_of_its_replicate(store):
    study = load_study(store.client, "synthetic")
    complete = pairs(study, "uniform")
    assert [with_.replicate for _, with_ in complete] == [0, 3, 4, 5]
    for without, with_ in complete:
        assert (without.arm, with_.arm) == ("control", "warmup")
        assert without.replicate == with_.replicate
        assert without.trial_id == with_.pair
    assert len(planned_pairs(study, "uniform")) == 6
    assert [with_.replicate for _, with_ in pairs(study, "gaussian")] == [0, 1, 2, 4, 5]


def test_paging_loses_no_trial(store, monkeypatch):
    monkeypatch.setattr(module, "PAGE", 7)
    study = load_study(store.client, "synthetic")
    assert study.count("finished") == 27


def test_several_processes_read_what_one_reads(store, monkeypatch):
    alone = load_study(store.client, "synthetic")
    monkeypatch.setattr(loading, "_FEW", 1)
    shared = load_study(store.client, "synthetic")
    assert len(alone.trials) == 30
    for one, other in zip(alone.trials, shared.trials, strict=True):
        same = ("trial_id", "outcome", "run_id", "note", "replicate", "pair", "numbers")
        assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]
        if one.record is not None:
            assert one.record.trial == other.record.trial
            for split, logits in one.record.logits.items():
                assert np.array_equal(logits, other.record.logits[split])


def test_the_launch_last_begun_is_read_unless_another_is_asked_for(store):
    made = {}
    for scale, data, launched in [
        ("laptop", "photos", "2026-03"),
        ("smoke", "photos", "2026-01"),
        ("smoke", "npz:a.npz", "2026-02"),
    ]:
        spec = one_condition(study="launches", scale=scale, data=data)
        made[scale, data] = publish(store.client, spec, store.folder, launched)
    load = lambda **asked: load_study(store.client, "launches", **asked).parent_run_id  # noqa: E731
    assert load() == made["laptop", "photos"]
    assert load(scale="smoke") == made["smoke", "npz:a.npz"]
    assert load(scale="smoke", data="photos") == made["smoke", "photos"]
    assert load(parent_run_id=made["smoke", "photos"]) == made["smoke", "photos"]
    with pytest.raises(ResultsError, match=r"at scale paper; .*laptop on photos.*smoke on npz"):
        load(scale="paper")


def test_an_unknown_study_is_answered_with_the_known_ones(store):
    with pytest.raises(ResultsError, match=r"no study 'nothing'.*synthetic"):
        load_study(store.client, "nothing")


def test_a_run_that_is_no_launch_of_the_study_is_refused(store):
    trial = load_study(store.client, "synthetic").trials[0]
    with pytest.raises(ResultsError, match="not a launch"):
        load_study(store.client, "synthetic", parent_run_id=trial.run_id)
    with pytest.raises(ResultsError, match="no run"):
        load_study(store.client, "synthetic", parent_run_id="0" * 32)


def test_a_finished_run_outranks_a_failed_one_of_the_same_trial(store):
    spec = one_condition(study="retried")
    parent = publish(store.client, spec, store.folder)
    experiment = store.client.get_experiment_by_name("retried").experiment_id
    tags = {"mlflow.parentRunId": parent, "kind": "trial", "trial_id": "warm0x0"}
    later = store.client.create_run(experiment, tags=tags | {"outcome": "failed"}).info.run_id
    store.client.set_terminated(later, "FAILED")
    study = load_study(store.client, "retried")
    assert study.count("finished") == 2
    assert later not in {trial.run_id for trial in study.trials}


def test_a_running_or_damaged_trial_is_missing_and_says_why(store):
    spec = one_condition(study="broken", outcomes={("", 0): "missing"})
    parent = publish(store.client, spec, store.folder)
    experiment = store.client.get_experiment_by_name("broken").experiment_id
    tags = {"mlflow.parentRunId": parent, "kind": "trial", "trial_id": "control0"}
    store.client.create_run(experiment, tags=tags)
    other = load_study(store.client, "broken").by_id["warm0x0"]
    bad = store.folder / "record.npz"
    bad.write_bytes(b"PK\x03\x04 not any more")
    store.client.log_artifact(other.run_id, str(bad))
    study = load_study(store.client, "broken")
    assert [t.outcome for t in study.trials] == ["missing", "missing"]
    assert "running" in study.by_id["control0"].note
    assert "damaged" in study.by_id["warm0x0"].note


def test_a_launch_without_a_plan_is_one_line(store):
    experiment = store.client.create_experiment("planless")
    store.client.create_run(experiment, tags={"kind": "study", "study": "planless"})
    with pytest.raises(ResultsError, match=r"plan\.json"):
        load_study(store.client, "planless")


def test_levels_are_the_numbers_of_a_numeric_grid():
    plan = parse_plan(json.dumps(make_plan(Spec())))
    expected = {"gaussian, std 0.5": 0.5, "gaussian": 1.0, "gaussian, std 2": 2.0}
    assert levels(plan, "std") == expected
    assert levels(plan, "distribution") == {}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"study": "a"}'])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(PlanError, match="not a plan"):
        parse_plan(text)
