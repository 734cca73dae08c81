"""Every planned trial is in one state, and shared warm-ups are counted once and computed first."""

import pytest
import torch
from mlflow.entities import Run, RunData, RunInfo

from sweep.run.worklist import make_worklist
from sweep.tracking.ledger import Ledger
from trainables.storage.keys import record_key, warmup_key
from trainables.storage.storage import Storage

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def plan(planned):
    grids = {"lr": {"task.optimizer.lr": [1e-3, 1e-4, 1e-5]}}
    return planned({"grids": grids}, replicates=3)


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


def test_the_longest_begin_first_and_the_shortest_makes_the_warm_up(planned, tmp_path):
    sized = planned({"grids": {"size": {"data.examples": [64, 128, 32]}}}, replicates=1)
    work = make_worklist(sized, Ledger(), Storage(tmp_path), CPU)
    assert [(p.trial.arm, p.trial.data.examples) for p in work.to_run] == [
        *(("warmup", 32), ("control", 128), ("control", 64), ("control", 32)),
        *(("warmup", 128), ("warmup", 64)),
    ]
