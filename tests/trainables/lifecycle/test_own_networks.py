"""The lives of users' networks: cut short, shared or stacked, they come to what they come to alone.

Records are compared to the bit. Every network is one of `user_networks`, on a few random images.
"""

import math
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lives import CPU, alone, changed, keys, live, lived, of_user
from support import ROOT, numbers

from trainables.config.trial import Trial
from trainables.data.examples import Examples, Source
from trainables.fused import trials as fused
from trainables.fused.stack import Stack
from trainables.fused.trials import run_trials
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.listener import Listener
from trainables.models.build import build
from trainables.preflight.repetition import rehearse
from trainables.storage.keys import warmup_key
from trainables.storage.storage import CHECKPOINTS, WARMUPS, Storage

STEPS = 6 + 9  # of the warm-up and the task


@cache
def images() -> TrialInputs:
    random = np.random.default_rng(0)

    def some(n: int) -> Examples:
        pixels = random.integers(0, 256, (n, 3, 6, 6), dtype=np.uint8)
        return Examples(torch.from_numpy(pixels), torch.arange(n) % 4)

    source = Source("made", some(60), None, some(20), tuple("abcd"))
    return TrialInputs(source, source)


@cache
def trial_of(name: str) -> Trial:
    """The trial, looked at as a launch does."""
    return rehearse(of_user(name), CPU).trial


def numbers_alone(trial: Trial, folder: Path) -> dict[str, Any]:
    return numbers(trial, alone(trial, folder, images()))


NAMES = ["Counting", "InAClosure", "SavedAsCode", "Saved", "DrawsInForward", "Cached", "View"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cut_after", [3, 5, 9, 14])
def test_what_is_cut_short_ends_in_the_same_numbers(storage, tmp_path, name, cut_after):
    trial = trial_of(name)
    assert len(live(trial, storage, cut_after, inputs=images())) == cut_after
    steps = len(live(trial, storage, inputs=images()))
    assert numbers(trial, storage) == numbers_alone(trial, tmp_path)
    assert (steps == STEPS) == trial.model.facts.stateful  # all of it anew, or the rest of it


@pytest.mark.parametrize("name", NAMES)
def test_a_warm_up_is_shared_only_where_all_of_it_is_stored(storage, tmp_path, name):
    trial = trial_of(name)
    other = changed(trial, task={"epochs": 2})
    live(trial, storage, inputs=images())
    steps = len(live(other, storage, inputs=images()))
    assert numbers(other, storage) == numbers_alone(other, tmp_path)
    stateful = trial.model.facts.stateful
    assert steps == (6 + 6 if stateful else 6)
    assert len(keys(storage, WARMUPS)) == (not stateful)
    assert not keys(storage, CHECKPOINTS)
    assert (warmup_key(trial, CPU) == warmup_key(other, CPU)) == (not stateful)


def test_a_pair_starts_from_one_network_though_it_draws_when_it_is_measured(storage):
    trial = trial_of("DrawsInForward")
    rows = []
    for member in (trial, trial.control()):
        torch.rand(3), np.random.rand(3)  # whatever was drawn before
        rows.append(lived(member, storage, images()).history.iloc[0])
    assert rows[0]["phase"] == rows[1]["phase"] == "untrained"
    columns = ["validation_loss", "test_loss", "test_confidence"]
    assert list(rows[0][columns]) == list(rows[1][columns])


def test_another_process_comes_to_the_same(tmp_path):
    trial = trial_of("DrawsInForward")
    code = (
        "import pathlib, sys, test_own_networks as here; here.torch.set_num_threads(1); "
        "here.live(here.trial_of('DrawsInForward'), here.Storage(pathlib.Path(sys.argv[1])), "
        "inputs=here.images())"
    )
    path = f"{ROOT}:{ROOT / 'tests'}:{Path(__file__).parent}"
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, env={"PYTHONPATH": path}, check=True)
    assert numbers(trial, Storage(tmp_path)) == numbers_alone(trial, tmp_path / "here")


# --- stacks ------------------------------------------------------------------------------------


@pytest.fixture
def stacks_made(monkeypatch) -> list[Stack]:
    made: list[Stack] = []
    real = Stack.__init__

    def noted(self: Stack, networks: Any) -> None:
        real(self, networks)
        made.append(self)

    monkeypatch.setattr(Stack, "__init__", noted)
    monkeypatch.setattr(fused, "STACKED_ON", ("cpu",))
    return made


@pytest.mark.parametrize(
    ("name", "can"), [("Net", True), ("Late", False), ("DrawsSeldom", False), ("Saved", False)]
)
def test_state_and_draws_are_no_stack_s_though_a_few_examples_come_to_the_same(name, can):
    trial = trial_of(name)
    group = [trial, changed(trial, seed=1)]
    assert fused._can_be_stacked(group, CPU, None) is can


@pytest.mark.parametrize("name", ["Counting", "InAClosure", "Saved", "DrawsInForward"])
def test_what_a_stack_cannot_have_is_lived_one_after_another(storage, tmp_path, stacks_made, name):
    trial = trial_of(name)
    group = [trial, trial.control(), changed(trial, seed=1)]
    run_trials(group, images(), RunContext(storage, CPU, checkpoint_seconds=math.inf))
    for member in group:
        assert numbers(member, storage) == numbers_alone(member, tmp_path)


def test_where_a_stack_fails_on_the_way_its_trials_go_on_alone(
    storage, tmp_path, monkeypatch, stacks_made
):
    real, passes = Stack.make, [0]

    def fails(self: Stack, asked: Any) -> Any:
        passes[0] += 1
        if passes[0] == 8:
            raise RuntimeError("vmap: data-dependent control flow")
        return real(self, asked)

    monkeypatch.setattr(fused, "_can_be_stacked", lambda *arguments: True)
    monkeypatch.setattr(Stack, "make", fails)
    group = [changed(trial_of("Net"), seed=seed) for seed in range(3)]
    left: list[str] = []

    def listener_of(trial_id: str) -> Listener:
        return Listener(on_record=lambda: left.append(trial_id))

    run_trials(group, images(), RunContext(storage, CPU), listener_of)
    assert stacks_made
    assert sorted(left) == sorted(member.trial_id for member in group)
    for member in group:
        assert numbers(member, storage) == numbers_alone(member, tmp_path)


# --- the head ----------------------------------------------------------------------------------


def test_a_head_s_warm_up_trains_the_layer_that_makes_the_logits(storage):
    sections = {"warmup": {"train": "head"}, "task": {"epochs": 0}, "probes": ("weights",)}
    trial = changed(trial_of("HeadFirst"), **sections)
    left = lived(trial, storage, images())
    moved = {
        name
        for name, value in build(trial, CPU).state_dict().items()
        if not np.array_equal(left.probes[f"weights/{name}"], value.numpy())
    }
    assert moved == {"classifier.weight", "classifier.bias"}


def test_features_are_what_the_layer_that_makes_the_logits_takes(storage):
    left = lived(changed(trial_of("HeadFirst"), probes=("features",)), storage, images())
    found = left.probes
    logits = found["features/test"] @ found["features/weight"].T + found["features/bias"]
    np.testing.assert_allclose(logits, left.logits["test"], rtol=1e-4, atol=1e-5)


def test_a_network_with_extra_state_can_be_probed_and_kept_in_part(storage):
    trial = changed(trial_of("Saved"), probes=("weights", "plane"), warmup={"keep": "norms"})
    assert lived(trial, storage, images()).status == "finished"
