"""The time left is that of the networks that are planned, whatever else was run here."""

import pytest
import torch
from mlflow.entities import Metric, Param, Run, RunData, RunInfo, RunTag

from sweep.inputs.datasets import Sources
from sweep.plan.plan import make_plan
from sweep.plan.study import Study
from sweep.run import estimate
from sweep.run.estimate import seconds_by_measuring, seconds_from_runs
from sweep.run.worklist import make_worklist
from sweep.tracking.entities import parameters
from sweep.tracking.ledger import Ledger
from trainables.lifecycle.context import Inputs
from trainables.storage.storage import Storage

CPU = torch.device("cpu")
SOURCES = Sources()


@pytest.fixture
def planned(tiny, tmp_path):
    """Overrides → the work of a study with one pair in each of two networks."""
    grids = {"width": {"model.width": [8, 64]}}
    study = Study.model_validate({"name": "tiny"} | tiny | {"grids": grids})

    def make(**overrides):
        plan = make_plan(study, SOURCES.resolve, replicates=1, overrides=overrides)
        return make_worklist(plan, Ledger(), Storage(tmp_path), CPU)

    return make


def run_of(trial, seconds, examples, device="cpu"):
    """What MLflow holds of a finished trial."""
    metrics = {"seconds_total": seconds, "examples_task": examples, "examples_warmup": 0.0}
    data = RunData(
        metrics=[Metric(name, value, 0, 0) for name, value in metrics.items()],
        params=[Param(one.key, one.value) for one in parameters(trial)],
        tags=[RunTag("device", device)],
    )
    return Run(RunInfo("r", "1", "", "FINISHED", 0, 0, "active"), data)


def with_facts(trial, **facts):
    model = trial.model
    known = model.model_copy(update={"facts": model.facts.model_copy(update=facts)})
    return trial.model_copy(update={"model": known})


def examples_of(work, width):
    trials = [p for p in work.to_run if p.trial.model.width == width]
    return sum(work.examples[planned.trial_id] for planned in trials), trials[0].trial


def test_each_network_has_the_pace_of_its_own_runs(planned):
    work = planned()
    (few, narrow), (many, wide) = examples_of(work, 8), examples_of(work, 64)
    runs = [run_of(narrow, 1.0, 100.0), run_of(wide, 7.0, 100.0)]
    assert seconds_from_runs(work, runs) == pytest.approx(few * 0.01 + many * 0.07)
    assert seconds_from_runs(work, runs[:1]) is None


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
def test_runs_of_another_network_shape_or_arithmetic_say_nothing(planned, other):
    work, others = planned(), planned(**other)
    runs = [run_of(p.trial, 1.0, 100.0) for p in others.to_run]
    assert seconds_from_runs(work, runs) is None
    assert seconds_from_runs(others, runs) is not None


def test_runs_of_another_code_say_nothing_and_other_weights_take_no_more_time(planned):
    work = planned()
    for facts, known in (({"code": "other"}, False), ({"weights": "other"}, True)):
        runs = [run_of(with_facts(p.trial, **facts), 1.0, 100.0) for p in work.to_run]
        assert (seconds_from_runs(work, runs) is not None) == known


def test_runs_on_a_gpu_say_nothing_of_the_cpu(planned):
    work = planned()
    runs = [run_of(p.trial, 1.0, 100.0, "NVIDIA H100") for p in work.to_run]
    assert seconds_from_runs(work, runs) is None
    assert seconds_from_runs(work, runs, "cuda") is not None


def test_every_network_of_the_plan_is_measured(planned, monkeypatch):
    seconds = {8: 0.01, 64: 0.5}
    monkeypatch.setattr(
        estimate, "_per_example", lambda trial, *rest: (seconds[trial.model.width], 0.0)
    )
    monkeypatch.setattr(estimate, "SECONDS_A_TRIAL", 0.0)
    work = planned()
    expected = sum(work.examples[p.trial_id] * seconds[p.trial.model.width] for p in work.to_run)
    assert seconds_by_measuring(work, Inputs(SOURCES.loaded, {})) == pytest.approx(expected)
