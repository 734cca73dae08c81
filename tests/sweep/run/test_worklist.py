"""Every planned trial is in one state, and shared warm-ups are counted once and computed first."""

import pytest
import torch
from mlflow.entities import Run, RunData, RunInfo

from sweep.inputs.datasets import Sources
from sweep.plan.plan import make_plan
from sweep.plan.study import Study
from sweep.run import estimate
from sweep.run.estimate import seconds_by_measuring, seconds_from_runs
from sweep.run.worklist import make_worklist
from sweep.tracking.entities import parameters
from sweep.tracking.ledger import Ledger
from trainables.lifecycle.context import Inputs
from trainables.storage.keys import record_key, warmup_key
from trainables.storage.storage import Storage

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def plan(tiny):
    grids = {"lr": {"task.optimizer.lr": [1e-3, 1e-4, 1e-5]}}
    study = Study.model_validate({"name": "tiny"} | tiny | {"grids": grids})
    return make_plan(study, Sources().resolve, replicates=3)


def run():
    info = RunInfo("r", "1", "", "FINISHED", 0, 0, "active")
    return Run(info, RunData(metrics=[], params=[], tags=[]))


def test_a_trial_is_done_adopted_stored_or_to_be_run(plan, tmp_path):
    storage = Storage(tmp_path)
    one, two, three, four, *rest = plan.trials
    storage.put(record_key(three.trial_id), b"a record")
    storage.put(record_key(four.trial_id), b"a record")
    path = tmp_path / record_key(four.trial_id)
    path.write_bytes(path.read_bytes()[:-1])  # damaged: it must be run again
    ledger = Ledger(done={one.trial_id: run()}, elsewhere={two.trial_id: run()})
    work = make_worklist(plan, ledger, storage, CPU)
    assert work.done == (one,)
    assert [planned for planned, _ in work.adopted] == [two]
    assert work.stored == (three,)
    assert {planned.trial_id for planned in work.to_run} == {p.trial_id for p in (four, *rest)}


def test_the_shortest_trial_makes_a_warm_up_and_those_that_share_it_come_last(plan, tmp_path):
    work = make_worklist(plan, Ledger(), Storage(tmp_path), CPU)
    warmed = [planned for planned in work.to_run if planned.trial.warmup]
    assert len(warmed) == 9
    assert work.shared_warmups == 6
    computing = [p for p in warmed if work.examples[p.trial_id] > p.trial.task_examples]
    assert [planned.replicate for planned in computing] == [0, 1, 2]
    kinds = ["makes", "control", "control", "control", "shares", "shares"]
    assert [
        "control" if not p.trial.warmup else "makes" if p in computing else "shares"
        for p in work.to_run
    ] == kinds * 3
    assert [p.replicate for p in work.to_run] == sorted(p.replicate for p in plan.trials)
    assert work.warmups == {p.trial_id: warmup_key(p.trial, CPU) for p in warmed}
    tasks = sum(planned.trial.task_examples for planned in plan.trials)
    assert sum(work.examples.values()) == tasks + 3 * 512


def test_a_stored_warm_up_need_not_be_computed_by_anyone(plan, tmp_path):
    storage = Storage(tmp_path)
    warmed = next(p for p in plan.trials if p.trial.warmup and p.replicate == 1)
    storage.put(warmup_key(warmed.trial, CPU), b"a state")
    work = make_worklist(plan, Ledger(), storage, CPU)
    assert work.shared_warmups == 7
    assert len(work.warmups) == 6


def test_the_longest_begin_first_and_the_shortest_makes_the_warm_up(tiny, tmp_path):
    sizes = {"size": {"data.examples": [64, 128, 32]}}
    study = Study.model_validate({"name": "tiny"} | tiny | {"grids": sizes})
    sized = make_plan(study, Sources().resolve, replicates=1)
    work = make_worklist(sized, Ledger(), Storage(tmp_path), CPU)
    assert [(p.trial.arm, p.trial.data.examples) for p in work.to_run] == [
        *(("warmup", 32), ("control", 128), ("control", 64), ("control", 32)),
        *(("warmup", 128), ("warmup", 64)),
    ]


def test_the_time_left_follows_the_pace_of_finished_runs(plan, tmp_path):
    work = make_worklist(plan, Ledger(), Storage(tmp_path), CPU)
    paced = run()
    paced.data.metrics.update(seconds_total=2.0, examples_warmup=300.0, examples_task=100.0)
    paced.data.params.update({one.key: one.value for one in parameters(plan.trials[0].trial)})
    expected = sum(work.examples.values()) * 2 / 400
    assert seconds_from_runs(work, [paced, run()]) == pytest.approx(expected)
    assert seconds_from_runs(work, []) is None


def test_a_short_measurement_gives_a_time_that_grows_with_the_work(plan, tmp_path):
    sources = Sources()
    work = make_worklist(plan, Ledger(), Storage(tmp_path), CPU)
    larger = make_plan(plan.study, sources.resolve, replicates=3, overrides={"task.epochs": 3000})
    more = make_worklist(larger, Ledger(), Storage(tmp_path), CPU)
    few, many = (seconds_by_measuring(w, Inputs(sources.loaded, {})) for w in (work, more))
    assert 0 < few < many / 5


@pytest.mark.parametrize(("test", "images"), [(100, 100), (None, 2000)])
def test_each_epoch_is_measured_on_validation_test_and_training_images(
    plan, tmp_path, monkeypatch, test, images
):
    monkeypatch.setattr(estimate, "_per_example", lambda *looked_at: (0.0, 1.0))
    monkeypatch.setattr(estimate, "SECONDS_A_TRIAL", 0.0)
    sources = Sources()
    asked = make_plan(plan.study, sources.resolve, replicates=1, overrides={"data.test": test})
    work = make_worklist(asked, Ledger(), Storage(tmp_path), CPU)
    # three learning rates, so three controls and three warmed-up networks that share a warm-up of
    # two epochs; three epochs of the task each
    expected = 6 * 3 * (50 + images + 64) + 2 * (50 + images)
    assert seconds_by_measuring(work, Inputs(sources.loaded, {})) == expected
