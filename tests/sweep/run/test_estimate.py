"""The time left is that of the networks that are planned, whatever else was run here."""

import pytest
import torch
from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag

from sweep.run import estimate
from sweep.run.estimate import seconds_by_measuring, seconds_from_runs
from sweep.run.worklist import make_worklist
from sweep.tracking.entities import parameters
from sweep.tracking.ledger import Ledger
from trainables.lifecycle.context import Inputs
from trainables.storage.storage import Storage

CPU = torch.device("cpu")
WIDTHS = {"width": {"model.width": [8, 64]}}
INFO = RunInfo("r", "1", "", "FINISHED", 0, 0, "active")


@pytest.fixture
def work_of(planned, tmp_path):
    """Overrides → the work of a study with one pair in each of two networks."""

    def work_of(grids=WIDTHS, **overrides):
        plan = planned({"grids": grids}, replicates=1, overrides=overrides)
        return make_worklist(plan, Ledger(), Storage(tmp_path), CPU)

    return work_of


@pytest.fixture
def measured(sources):
    return lambda work: seconds_by_measuring(work, Inputs(sources.loaded, {}))


def run_of(trial, seconds, examples, device="cpu", warmup=0.0):
    """What MLflow holds of a finished trial."""
    metrics = {"seconds_total": seconds, "examples_task": examples, "examples_warmup": warmup}
    data = RunData(
        metrics=[Metric(name, value, 0, 0) for name, value in metrics.items()],
        params=[Param(one.key, one.value) for one in parameters(trial)],
        tags=[RunTag("device", device)],
    )
    return Run(INFO, data)


def with_facts(trial, **facts):
    model = trial.model
    known = model.model_copy(update={"facts": model.facts.model_copy(update=facts)})
    return trial.model_copy(update={"model": known})


def examples_of(work, width):
    trials = [p for p in work.to_run if p.trial.model.width == width]
    return sum(work.examples[planned.trial_id] for planned in trials), trials[0].trial


def test_each_network_has_the_pace_of_its_own_finished_runs(work_of):
    work = work_of()
    (few, narrow), (many, wide) = examples_of(work, 8), examples_of(work, 64)
    runs = [run_of(narrow, 1.0, 100.0), run_of(wide, 7.0, 25.0, warmup=75.0)]
    unfinished = Run(INFO, RunData(metrics=[], params=[], tags=[]))
    expected = pytest.approx(few * 0.01 + many * 0.07)
    assert seconds_from_runs(work, [*runs, unfinished]) == expected
    assert seconds_from_runs(work, runs[:1]) is None
    assert seconds_from_runs(work, []) is None


@pytest.mark.parametrize(
    "other",
    [
        {"model.width": [9, 65]},
        {"model.depth": 3},
        {"compute.bfloat16": True},
        {"data.resize": 8},
        {"data.source": "digits", "data.ood": "textures"},
    ],
)
def test_runs_of_another_network_shape_or_arithmetic_say_nothing(work_of, other):
    work, others = work_of(), work_of(**other)
    runs = [run_of(p.trial, 1.0, 100.0) for p in others.to_run]
    assert seconds_from_runs(work, runs) is None
    assert seconds_from_runs(others, runs) is not None


def test_runs_of_another_code_say_nothing_and_other_weights_take_no_more_time(work_of):
    work = work_of()
    for facts, known in (({"code": "other"}, False), ({"weights": "other"}, True)):
        runs = [run_of(with_facts(p.trial, **facts), 1.0, 100.0) for p in work.to_run]
        assert (seconds_from_runs(work, runs) is not None) == known


def test_runs_on_a_gpu_say_nothing_of_the_cpu(work_of):
    work = work_of()
    runs = [run_of(p.trial, 1.0, 100.0, "NVIDIA H100") for p in work.to_run]
    assert seconds_from_runs(work, runs) is None
    assert seconds_from_runs(work, runs, "cuda") is not None


def test_a_short_measurement_gives_a_time_that_grows_with_the_work(work_of, measured):
    few, many = (measured(work_of(**more)) for more in ({}, {"task.epochs": 3000}))
    assert 0 < few < many / 5


def test_every_network_of_the_plan_is_measured(work_of, measured, monkeypatch):
    seconds = {8: 0.01, 64: 0.5}
    monkeypatch.setattr(
        estimate, "_per_example", lambda trial, *rest: (seconds[trial.model.width], 0.0)
    )
    monkeypatch.setattr(estimate, "SECONDS_A_TRIAL", 0.0)
    work = work_of()
    expected = sum(work.examples[p.trial_id] * seconds[p.trial.model.width] for p in work.to_run)
    assert measured(work) == pytest.approx(expected)


@pytest.mark.parametrize(("test", "images"), [(100, 100), (None, 2000)])
def test_each_epoch_is_measured_on_validation_test_and_training_images(
    work_of, measured, monkeypatch, test, images
):
    monkeypatch.setattr(estimate, "_per_example", lambda *looked_at: (0.0, 1.0))
    monkeypatch.setattr(estimate, "SECONDS_A_TRIAL", 0.0)
    work = work_of(grids={"lr": {"task.optimizer.lr": [1e-3, 1e-4, 1e-5]}}, **{"data.test": test})
    # three learning rates, so three controls and three warmed-up networks that share a warm-up of
    # two epochs; three epochs of the task each
    assert measured(work) == 6 * 3 * (50 + images + 64) + 2 * (50 + images)
