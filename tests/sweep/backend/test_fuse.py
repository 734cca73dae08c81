"""Trials lived together, launched as a user does: fewer trials of Tune, and the same of ours."""

from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.experiment import Trial as TuneTrial
from support import numbers

from sweep.backend import tuner
from sweep.backend.groups import grouped
from sweep.backend.tuner import _TuneCallback
from sweep.launch import main
from sweep.options import Resources
from trainables.config.trial import Noise, Task, Trial, Warmup
from trainables.fused.trials import task_key, warmup_kind
from trainables.storage.storage import Storage

STUDY = ("noise_ablation", "--scale", "smoke")
FEWER = ("--set", "warmup.noise.distribution=[gaussian,pink]", "--set", "warmup.noise.std=[0.5,1]")

# A worker without a GPU stacks where this is imported, which it is for the first network of all.
STACKING = """
from pathlib import Path

from torch import nn

from trainables.fused import trials as fused
from trainables.fused.stack import Stack

fused.STACKED_ON = ("cpu",)
_make = Stack.make


def _noted(stack, passes):
    with Path(__file__).with_name("stacked").open("a") as file:
        file.write(f"{len(passes)}\\n")
    return _make(stack, passes)


Stack.make = _noted


def make(num_classes, input_shape):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(3072, 24), nn.ReLU(), nn.BatchNorm1d(24), nn.Linear(24, num_classes)
    )
"""


@pytest.fixture(scope="module")
def launched(new_place):
    """The study launched twice, its trials by themselves and four at a time."""
    apart, fused = new_place("apart"), new_place("fused")
    for place in (apart, fused):
        (place.folder / "stacking_net.py").write_text(STACKING)
    network = ("--set", "model=stacking_net:make")
    fuse = ("--set", "resources.fuse=4", "--concurrency", "1")
    apart.launch(*STUDY, *FEWER, *network)
    said = fused.launch(*STUDY, *FEWER, *network, *fuse, "--log", "log.jsonl")
    again = fused.launch(*STUDY, *FEWER, *network, *fuse)
    return SimpleNamespace(apart=apart, fused=fused, said=said, again=again)


@pytest.mark.slow
def test_each_trial_is_a_run_of_its_own_with_the_numbers_it_has_alone(launched):
    apart, fused = (place.results("noise_ablation") for place in (launched.apart, launched.fused))
    wanted = {trial.trial_id: trial.record for trial in apart.trials}
    found = {trial.trial_id: trial.record for trial in fused.trials}
    assert found.keys() == wanted.keys()
    assert len(found) == 8
    for trial_id, record in wanted.items():
        mine = found[trial_id]
        assert mine.status == record.status == "finished"
        assert list(mine.history["phase"]) == list(record.history["phase"])
        for split, logits in record.logits.items():
            np.testing.assert_allclose(mine.logits[split], logits, rtol=1e-2, atol=1e-2)
        for column in ("test_ece", "test_accuracy", "validation_loss"):
            np.testing.assert_allclose(mine.history[column], record.history[column], atol=2e-2)
        assert mine.seconds["total"] > 0
    # and not only because each was lived alone
    together = (launched.fused.folder / "stacked").read_text().split()
    assert "4" in together
    assert not (launched.apart.folder / "stacked").exists()


@pytest.mark.slow
def test_runs_progress_and_log_are_of_trials_not_of_groups(launched):
    assert "8 trials, 8 to run" in launched.said
    assert "fused: 8 trials in 2 groups" in launched.said
    assert "8/8 done, 0 reused, 0 running, 0 failed" in launched.said
    events = launched.fused.log("log.jsonl")
    for event in ("started", "finished", "published"):
        ids = [line["trial_id"] for line in events if line["event"] == event]
        assert len(ids) == len(set(ids)) == 8, event


@pytest.mark.slow
def test_a_second_launch_finds_all_done(launched):
    assert "8 trials, 0 to run, 8 done already" in launched.again
    assert "fused" not in launched.again
    assert launched.fused.stored("records") == launched.apart.stored("records")
    assert launched.fused.stored("warmups") == launched.apart.stored("warmups")


def test_on_the_cpu_the_numbers_are_the_same_to_the_bit(finished, place):
    study = place.write("tiny")
    assert "no faster" in place.launch(study, "--set", "resources.fuse=3")
    stores = [Storage(p.folder / "sweep_storage") for p in (finished.place, place)]
    assert len(finished.results.trials) == 8
    for trial in finished.results.trials:
        one, two = (numbers(trial, store) for store in stores)
        assert one == two


# Which go together


def trial(seed, std, epochs, length):
    warmup = length and Warmup(noise=Noise(std=std), examples=length * 64, epochs=1, batch=64)
    arm = "warmup" if length else "control"
    return Trial(arm=arm, seed=seed, warmup=warmup or None, task=Task(epochs=epochs))


TRIALS = st.builds(
    trial,
    st.integers(0, 9),
    st.sampled_from([0.5, 1.0]),
    st.integers(1, 2),
    st.integers(0, 2),  # 0: a control
)


@given(st.lists(TRIALS, max_size=30, unique_by=repr), st.integers(1, 6))
@settings(deadline=None)
def test_every_trial_is_in_one_group_of_its_task_and_kind_of_warm_up(trials, size):
    groups = grouped(trials, size)
    assert sorted(map(repr, trials)) == sorted(repr(t) for group in groups for t in group)
    for group in groups:
        assert 1 <= len(group) <= size
        assert len({task_key(t) for t in group}) == 1
        assert len({warmup_kind(t) for t in group} - {None}) <= 1
        places = [trials.index(t) for t in group]
        assert places == sorted(places)


def test_groups_are_filled_and_come_in_the_order_of_their_first_trials():
    trials = [trial(seed, std, 1, length) for seed in range(3) for std, length in [(1, 0), (1, 1)]]
    assert grouped(trials, 4) == [trials[:4], trials[4:]]
    assert grouped(trials, 1) == [[t] for t in trials]
    lengths = [trial(seed, 1.0, 1, length) for seed in range(2) for length in (1, 2)]
    assert grouped(lengths, 4) == [lengths[::2], lengths[1::2]]


# What Tune says of a group


@pytest.fixture
def say(monkeypatch):
    """Tell of a group of three what Tune would; what is made of it, trial by trial."""
    told = Mock()
    tell = _TuneCallback(told, Resources())
    group = SimpleNamespace(
        config={"work": {"ids": ["a", "b", "c"]}},
        error_file=None,
        run_metadata=TuneTrial("group", stub=True).run_metadata,
    )
    monkeypatch.setattr(tuner, "node_of", lambda error: "")

    def say(event, *result):
        told.reset_mock()
        getattr(tell, f"on_trial_{event}")(1, [], group, *result)
        return [(name, arguments[0]) for name, arguments, _ in told.method_calls]

    return say


def test_after_a_fault_only_those_without_a_record_are_tried_again_or_have_failed(say):
    assert say("start") == [("started", name) for name in "abc"]
    assert say("result", {"examples": 7, "by_trial": {"a": 3, "b": 4}, "left": ["b"]}) == [
        ("trained", "a"),
        ("trained", "b"),
        ("finished", "b"),
    ]
    assert say("recover") == [("retried", "a"), ("retried", "c")]
    assert say("start") == [("started", "a"), ("started", "c")]
    assert say("result", {"by_trial": {}, "left": ["b", "a"]}) == [("finished", "a")]


@pytest.mark.parametrize(("event", "outcome"), [("error", "failed"), ("complete", "finished")])
def test_those_without_a_record_have_failed_or_finished_in_the_end(say, event, outcome):
    assert say("result", {"by_trial": {}, "left": ["a"]}) == [("finished", "a")]
    assert say(event) == [(outcome, "b"), (outcome, "c")]


# What is asked for


def test_a_dry_run_says_how_many_groups_there_are(here, said):
    fused = said(main, "tiny.yaml", "--dry-run", "--set", "resources.fuse=5")
    assert "8 trials in 2 groups, each lived one after another" in " ".join(fused.split())
    assert "fused" not in said(main, "tiny.yaml", "--dry-run")
