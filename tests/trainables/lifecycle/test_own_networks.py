"""The lives of users' networks: cut short, shared or stacked, they come to what they come to alone.

Records are compared to the bit. Every network is one of `user_networks`, on a few random images.
"""

import contextlib
import math
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import FACTS, WARM
from support import ROOT, numbers

from analysis.results.records import read_record
from trainables.config.model import NetworkFacts, Own
from trainables.config.trial import Trial
from trainables.data.examples import Examples, Source
from trainables.fused import trials as fused
from trainables.fused.stack import Stack
from trainables.fused.trials import run_trials
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.trial_run import run_trial
from trainables.models.build import build
from trainables.models.code import code_digest
from trainables.preflight.repetition import rehearse
from trainables.storage.keys import record_key, warmup_key
from trainables.storage.storage import CHECKPOINTS, WARMUPS, Storage

CPU = torch.device("cpu")
SMALL = FACTS.model_copy(update={"shape": (3, 6, 6), "classes": 4})
STEPS = 6 + 9  # of the warm-up and the task


@cache
def images() -> Source:
    random = np.random.default_rng(0)

    def some(n: int) -> Examples:
        pixels = random.integers(0, 256, (n, 3, 6, 6), dtype=np.uint8)
        return Examples(torch.from_numpy(pixels), torch.arange(n) % 4)

    return Source("made", some(60), None, some(20), tuple("abcd"))


@cache
def trial_of(name: str) -> Trial:
    """The trial, looked at as a launch does."""
    path = f"user_networks:{name}"
    model = Own(name=path, facts=NetworkFacts(code=code_digest(path)))
    data = WARM.data.model_copy(update={"facts": SMALL})
    return rehearse(WARM.model_copy(update={"model": model, "data": data}), CPU).trial


class CutShort(BaseException):
    """As KeyboardInterrupt is."""


def live(trial: Trial, storage: Storage, cut_after: int | None = None) -> int:
    """Run the trial, or so many of its steps, with a checkpoint after every epoch; its steps."""
    steps = 0

    def count(done: int, new: int) -> None:
        nonlocal steps
        steps += 1
        if steps == cut_after:
            raise CutShort

    context = RunContext(storage, CPU, checkpoint_seconds=0)
    with contextlib.suppress(CutShort):
        run_trial(trial, TrialInputs(images(), images()), context, count)
    return steps


def alone(trial: Trial, folder: Path) -> dict[str, Any]:
    storage = Storage(folder / "alone")
    live(trial, storage)
    return numbers(trial, storage)


def kept(storage: Storage, kind: str) -> list[Path]:
    return [path for path in (Path(storage.root) / kind).rglob("*") if path.is_file()]


NAMES = ["Counting", "InAClosure", "SavedAsCode", "Saved", "DrawsInForward", "Cached", "View"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cut_after", [3, 5, 9, 14])
def test_what_is_cut_short_ends_in_the_same_numbers(tmp_path, name, cut_after):
    trial, storage = trial_of(name), Storage(tmp_path / "storage")
    assert live(trial, storage, cut_after) == cut_after
    steps = live(trial, storage)
    assert numbers(trial, storage) == alone(trial, tmp_path)
    assert (steps == STEPS) == trial.model.facts.stateful  # all of it anew, or the rest of it


@pytest.mark.parametrize("name", NAMES)
def test_a_warm_up_is_shared_only_where_all_of_it_is_stored(tmp_path, name):
    trial, storage = trial_of(name), Storage(tmp_path / "storage")
    task = trial.task.model_copy(update={"epochs": 2})
    other = trial.model_copy(update={"task": task})
    live(trial, storage)
    steps = live(other, storage)
    assert numbers(other, storage) == alone(other, tmp_path)
    stateful = trial.model.facts.stateful
    assert steps == (6 + 6 if stateful else 6)
    assert len(kept(storage, WARMUPS)) == (not stateful)
    assert not kept(storage, CHECKPOINTS)
    assert (warmup_key(trial, CPU) == warmup_key(other, CPU)) == (not stateful)


def test_a_pair_starts_from_one_network_though_it_draws_when_it_is_measured(tmp_path):
    trial, storage = trial_of("DrawsInForward"), Storage(tmp_path)
    histories = []
    for member in (trial, trial.control()):
        torch.rand(3), np.random.rand(3)  # whatever was drawn before
        live(member, storage)
        record = read_record(storage.get(record_key(member.trial_id)) or b"")
        histories.append(record.history.drop(columns="seconds").iloc[0])
    assert histories[0]["phase"] == histories[1]["phase"] == "untrained"
    columns = ["validation_loss", "test_loss", "test_confidence"]
    assert list(histories[0][columns]) == list(histories[1][columns])


def test_another_process_comes_to_the_same(tmp_path):
    trial = trial_of("DrawsInForward")
    code = (
        "import pathlib, test_own_networks as here; here.torch.set_num_threads(1); "
        f"here.live(here.trial_of('DrawsInForward'), here.Storage(pathlib.Path({str(tmp_path)!r})))"
    )
    path = f"{ROOT}:{ROOT / 'tests'}:{Path(__file__).parent}"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=True)
    assert numbers(trial, Storage(tmp_path)) == alone(trial, tmp_path / "here")


# --- stacks ------------------------------------------------------------------------------------


def together(trials: Sequence[Trial], storage: Storage) -> None:
    context = RunContext(storage, CPU, checkpoint_seconds=math.inf)
    run_trials(trials, TrialInputs(images(), images()), context)


def stacks_made(monkeypatch: pytest.MonkeyPatch) -> list[Stack]:
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
    group = [trial, trial.model_copy(update={"seed": 1})]
    assert fused._can_be_stacked(group, CPU, None) is can


@pytest.mark.parametrize("name", ["Counting", "InAClosure", "Saved", "DrawsInForward"])
def test_what_a_stack_cannot_have_is_lived_one_after_another(tmp_path, monkeypatch, name):
    stacks_made(monkeypatch)
    trial, storage = trial_of(name), Storage(tmp_path / "storage")
    group = [trial, trial.control(), trial.model_copy(update={"seed": 1})]
    together(group, storage)
    for member in group:
        assert numbers(member, storage) == alone(member, tmp_path / member.trial_id)


def test_where_a_stack_fails_on_the_way_its_trials_go_on_alone(tmp_path, monkeypatch):
    made = stacks_made(monkeypatch)
    real, passes = Stack.make, [0]

    def fails(self: Stack, asked: Any) -> Any:
        passes[0] += 1
        if passes[0] == 8:
            raise RuntimeError("vmap: data-dependent control flow")
        return real(self, asked)

    monkeypatch.setattr(fused, "_can_be_stacked", lambda *arguments: True)
    monkeypatch.setattr(Stack, "make", fails)
    trial, storage = trial_of("Net"), Storage(tmp_path / "storage")
    group = [trial.model_copy(update={"seed": seed}) for seed in range(3)]
    left: list[str] = []
    context = RunContext(storage, CPU)
    run_trials(group, TrialInputs(images(), images()), context, on_record=left.append)
    assert made
    assert sorted(left) == sorted(member.trial_id for member in group)
    for member in group:
        assert numbers(member, storage) == alone(member, tmp_path / member.trial_id)


# --- the head ----------------------------------------------------------------------------------


def test_a_head_s_warm_up_trains_the_layer_that_makes_the_logits(tmp_path):
    assert WARM.warmup is not None
    warmup = WARM.warmup.model_copy(update={"train": "head"})
    task = WARM.task.model_copy(update={"epochs": 0})
    probes = {"warmup": warmup, "task": task, "probes": ("weights",)}
    trial = trial_of("HeadFirst").model_copy(update=probes)
    storage = Storage(tmp_path)
    live(trial, storage)
    record = read_record(storage.get(record_key(trial.trial_id)) or b"")
    first = build(trial, CPU).state_dict()
    moved = {
        name
        for name, value in first.items()
        if not np.array_equal(record.probes[f"weights/{name}"], value.numpy())
    }
    assert moved == {"classifier.weight", "classifier.bias"}


def test_features_are_what_the_layer_that_makes_the_logits_takes(tmp_path):
    trial = trial_of("HeadFirst").model_copy(update={"probes": ("features",)})
    storage = Storage(tmp_path)
    live(trial, storage)
    record = read_record(storage.get(record_key(trial.trial_id)) or b"")
    found = record.probes
    logits = found["features/test"] @ found["features/weight"].T + found["features/bias"]
    np.testing.assert_allclose(logits, record.logits["test"], rtol=1e-4, atol=1e-5)


def test_a_network_with_extra_state_can_be_probed_and_kept_in_part(tmp_path):
    assert WARM.warmup is not None
    warmup = WARM.warmup.model_copy(update={"keep": "norms"})
    trial = trial_of("Saved").model_copy(update={"probes": ("weights", "plane"), "warmup": warmup})
    live(trial, Storage(tmp_path))
    assert numbers(trial, Storage(tmp_path))["status"] == "finished"
