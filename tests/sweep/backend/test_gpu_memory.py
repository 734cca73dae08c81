"""Trials that run out of a GPU's memory, on a GPU that Ray takes this machine at its word to have.

The network says that there is too little, as PyTorch would, unless it has a whole GPU, or always.
"""

import os
import pickle

import pytest
import ray
import torch
from support import ROOT

from sweep.backend import tuner
from sweep.backend.failures import what_happened
from sweep.backend.tuner import run_trials
from sweep.options import Resources
from trainables.config.model import NetworkFacts, Own
from trainables.lifecycle.context import Inputs, RunContext
from trainables.models.code import code_digest
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage

NETWORK = """
import ray
import torch
from torch import nn


class Large(nn.Linear):
    def __init__(self, inputs, outputs, least):
        super().__init__(inputs, outputs)
        self.least = least

    def forward(self, x):
        share = ray.get_runtime_context().get_assigned_resources().get("GPU", 0)
        if share < self.least:
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 1"
            )
        return super().forward(x.flatten(1))


def make(num_classes, input_shape, least):
    return Large(input_shape[0] * input_shape[1] * input_shape[2], num_classes, least)
"""


class Told:
    """What a launch is told of its trials."""

    def __init__(self) -> None:
        self.ends: dict[str, str] = {}
        self.lines: list[tuple[str, str]] = []
        self.starts: list[str] = []

    def started(self, trial_id: str) -> None:
        self.starts.append(trial_id)

    def trained(self, trial_id: str, examples: int) -> None: ...
    def measured(self, trial_id: str, rows: object) -> None: ...

    def finished(self, trial_id: str) -> None:
        self.ends[trial_id] = "finished"

    def retried(self, trial_id: str, error: str) -> None:
        self.lines.append((trial_id, what_happened(error)))

    def failed(self, trial_id: str, error: str, node: str) -> None:
        self.ends[trial_id] = "failed"
        self.lines.append((trial_id, what_happened(error)))


@pytest.fixture
def one_gpu(tmp_path, monkeypatch):
    """A Ray with two CPUs and what it takes for a GPU, whose workers find the network."""
    (tmp_path / "large.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(tmp_path)]))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "1")  # ours must be set here too, where Ray runs
    ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def kept(monkeypatch):
    """Bytes that Tune keeps of each trial that is over, before and after it is forgotten."""
    found, forget = [], tuner._forget

    def size(trial) -> int:
        told = trial.run_metadata
        return len(pickle.dumps((told.metric_analysis, told.metric_n_steps, told.last_result)))

    def watched(trial) -> None:
        before = size(trial)
        forget(trial)
        found.append((before, size(trial)))

    monkeypatch.setattr(tuner, "_forget", watched)
    return found


def test_who_ran_out_of_memory_is_tried_again_alone_and_not_with_the_same_share(
    one_gpu, tmp_path, planned, sources, kept, capfd
):
    plan = planned({"base": {"data.source": "digits", "data.ood": None, "data.validation": 50}})
    control = next(p.trial for p in plan.trials if p.trial.arm == "control")

    def trial(seed: int, least: float):
        facts = NetworkFacts(code=code_digest("large:make"))
        model = Own(name="large:make", arguments={"least": least}, facts=facts)
        return control.model_copy(update={"model": model, "seed": seed})

    fits, larger, too_large = trial(0, 0.5), trial(1, 1.0), trial(2, 2.0)
    told, storage = Told(), Storage(tmp_path / "storage")
    run_trials(
        [larger, too_large, fits],
        Inputs(sources.loaded, {}),
        RunContext(storage, torch.device("cpu")),
        tmp_path / "scratch",
        Resources(gpus=0.5, retries=2),
        told,
    )
    assert "experiment" not in capfd.readouterr().out  # Tune's own word
    assert told.ends == {
        fits.trial_id: "finished",
        larger.trial_id: "finished",
        too_large.trial_id: "failed",
    }
    assert {t.trial_id: told.starts.count(t.trial_id) for t in (fits, larger, too_large)} == {
        fits.trial_id: 1,
        larger.trial_id: 2,
        too_large.trial_id: 2,
    }
    out = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB with"
    again = f"{out} --gpus-per-trial 0.5: it is tried again with a GPU of its own"
    said = [(trial_id, line.partition(", which")[0]) for trial_id, line in told.lines]
    assert set(said[:2]) == {(larger.trial_id, again), (too_large.trial_id, again)}
    assert said[2] == (
        too_large.trial_id,
        f"{out} --gpus-per-trial 1: a smaller task.batch, --set compute.bfloat16=true, or a GPU "
        "with more memory",
    )
    assert len(said) == 3
    assert storage.get(record_key(larger.trial_id)) is not None
    assert len(kept) == 5  # every one that ended, as often as it was begun
    assert all(after < 0.1 * before for before, after in kept)


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        (Resources(gpus=0.25, fuse=4), Resources(gpus=1, fuse=1)),
        (Resources(gpus=2, fuse=4), Resources(gpus=2, fuse=1)),
        (Resources(gpus=1), None),
        (Resources(), None),
        (Resources(gpus=1, workers=2), None),
    ],
)
def test_more_memory_is_all_of_a_gpu_for_one_trial(asked, more):
    assert asked.with_more_memory == more
