"""A result is a function of its trial: whatever is cut short, shared, damaged or run before.

Every life here is real and tiny: photographs, three layers of eight units, fifteen steps. Records
are compared to the bit; only the seconds and the date may differ.
"""

import copy
import math
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lives import CPU, CutShort, alone, changed, keys, live, lived, photographs, record
from small import FACTS, WARM
from support import ROOT, identical, numbers
from torch import Tensor, nn

from analysis.metrics.classification import accuracy, negative_log_likelihood
from analysis.results.records import Record
from trainables.config.model import Mlp
from trainables.config.trial import Data, DataFacts, Noise, Optimizer, Task, Trial, Warmup
from trainables.data.examples import Examples, Source
from trainables.data.splits import normalised, prepare
from trainables.lifecycle import requests as passes
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.trial_run import run_trial
from trainables.models.build import build
from trainables.seeds import generator
from trainables.storage.keys import checkpoint_key, record_key, warmup_key
from trainables.storage.storage import Storage
from trainables.training.loop import Outputs

ERRORS = 5  # standard errors allowed

CONTROL = WARM.control()

# Warm-up: 3 epochs of ⌊50 / 3 / 8⌋ = 2 steps of 8; task: 3 epochs of 21 examples in 8, 8 and 5.
WARMUP, TASK = [8] * 6, [8, 8, 5] * 3
SIZES = {"warmup": WARMUP + TASK, "control": TASK}  # examples of each step, by arm
ENDS = {"warmup": [0, 2, 4, 6, 9, 12, 15], "control": [0, 3, 6, 9]}  # steps behind each row


@pytest.fixture(params=[WARM, CONTROL], ids=["warmup", "control"])
def trial(request) -> Trial:
    return request.param


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, Storage]:
    """Where each arm was lived, never cut short, by trial id."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    return {t.trial_id: alone(t, folder) for t in (WARM, CONTROL)}


@pytest.fixture(scope="module")
def uninterrupted(whole) -> dict[str, dict[str, Any]]:
    return {t.trial_id: numbers(t, whole[t.trial_id]) for t in (WARM, CONTROL)}


@pytest.fixture
def left(trial, whole) -> Record:
    """What the trial has left, never cut short."""
    return record(trial, whole[trial.trial_id])


def phases(trial: Trial) -> list[str]:
    return ["warmup", "task"] if trial.arm == "warmup" else ["task"]


def whole_life(trial: Trial) -> list[str]:
    """What a finished trial leaves in the storage, and nothing else."""
    kept = [f"records/{trial.trial_id}"]
    if trial.warmup is not None:
        kept.append(f"warmups/cpu/{trial.warmup_key}/{trial.measured_key}")
    return kept


def at_each(count: dict[str, int]) -> pytest.MarkDecorator:
    """Either arm, at each of so many places of its life."""
    places = [(t, nth) for t in (WARM, CONTROL) for nth in range(1, count[t.arm] + 1)]
    names = [f"{t.arm}-{nth}" for t, nth in places]
    return pytest.mark.parametrize(("trial", "nth"), places, ids=names)


# A life, by hand


def by_hand(trial: Trial) -> dict[str, Tensor]:
    """The logits of the paper's method in plain PyTorch, with nothing of `life` or `training`."""
    source, ood = photographs().source, photographs().ood
    assert source.validation is not None
    mean, std = (torch.tensor(c).view(1, 3, 1, 1) for c in (FACTS.mean, FACTS.std))

    def inputs(images: Examples, chosen: Tensor, normalised: bool = True) -> Tensor:
        scaled = images.inputs[chosen].float() / 255
        return (scaled - mean) / std if normalised else scaled

    def draw(images: Examples, count: int, seed: int, purpose: Any) -> Tensor:
        return torch.randperm(len(images), generator=generator(seed, purpose))[:count]

    network = build(trial, CPU).train()

    def step(adam: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
        adam.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        adam.step()

    if trial.warmup is not None:
        adam = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
        random = generator(trial.seed, "noise")
        for _ in range(6):
            noise = torch.randn(8, 3, 32, 32, generator=random)
            step(adam, noise, torch.randint(10, (8,), generator=random))

    subset = draw(source.train, 21, trial.subset_seed, "subset")
    images, labels = inputs(source.train, subset), source.train.labels[subset]
    adam = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=1e-3, fused=True)
    order = generator(trial.seed, "order")
    for _ in range(3):
        for batch in torch.randperm(21, generator=order).split(8):
            step(adam, images[batch], labels[batch])

    network.eval()
    validation = draw(source.validation, 12, 0, "validation")
    outside = inputs(ood.test, draw(ood.test, 9, 0, "ood"), trial.data.ood_normalised)
    with torch.no_grad():
        return {
            "validation": network(inputs(source.validation, validation)),
            "test": network(inputs(source.test, draw(source.test, 15, 0, "test"))),
            "ood": network(outside),
        }


@pytest.mark.parametrize("ood_normalised", [True, False])
def test_a_life_equals_the_method_written_out_by_hand_bit_for_bit(trial, ood_normalised, storage):
    trial = changed(trial, data={"ood_normalised": ood_normalised})
    left = lived(trial, storage)
    for split, logits in by_hand(trial).items():
        assert left.logits[split].tobytes() == logits.numpy().tobytes(), split


# What a life leaves


def test_a_finished_life_leaves_its_record_and_warmup_and_no_checkpoint(trial, storage):
    left = lived(trial, storage)
    assert left.status == "finished"
    assert left.examples == {"warmup": trial.warmup_examples, "task": trial.task_examples}
    assert keys(storage) == whole_life(trial)
    if trial.warmup is not None:
        assert warmup_key(trial, CPU) == whole_life(trial)[1]


def test_the_record_names_the_commit_of_the_code_that_made_it(storage):
    run_trial(CONTROL, photographs(), RunContext(storage, CPU, commit="3f2a"))
    assert record(CONTROL, storage).commit == "3f2a"


def test_the_history_has_a_row_when_untrained_and_after_every_epoch(trial, left):
    history = left.history
    named = [(phase, epoch) for phase in phases(trial) for epoch in (1, 2, 3)]
    assert list(zip(history["phase"], history["epoch"], strict=True)) == [("untrained", 0), *named]
    assert history["step"].tolist() == ENDS[trial.arm]
    behind = [sum(SIZES[trial.arm][:end]) for end in ENDS[trial.arm]]
    assert history["examples"].tolist() == behind
    assert history["seconds"].is_monotonic_increasing
    assert history["seconds"].iloc[-1] == pytest.approx(left.seconds["total"])
    assert set(left.seconds) == {"evaluation", "total", *phases(trial)}
    assert sum(left.examples.values()) == behind[-1]


def test_each_row_holds_the_metrics_of_what_its_phase_measures(left):
    measured = {"untrained": [], "warmup": ["noise"], "task": ["train"]}
    for _, row in left.history.iterrows():
        for split in ("validation", "test", "noise", "train"):
            expected = split in ("validation", "test", *measured[row["phase"]])
            for metric in ("loss", "accuracy", "confidence", "ece"):
                assert (not math.isnan(row.get(f"{split}_{metric}", math.nan))) is expected
    assert not [name for name in left.history if name.startswith("ood")]


def test_the_last_row_is_measured_on_the_logits_that_are_kept(left):
    for split in ("validation", "test"):
        logits, labels = left.logits[split], left.labels[split]
        assert left.history[f"{split}_loss"].iloc[-1] == negative_log_likelihood(logits, labels)
        assert left.history[f"{split}_accuracy"].iloc[-1] == accuracy(logits, labels)


def test_without_ood_images_none_are_evaluated(storage, whole):
    no_ood = TrialInputs(photographs().source)
    without = lived(changed(WARM, data={"ood": None}), storage, no_ood)
    assert set(without.logits) == {"validation", "test"}
    with_ood = record(WARM, whole[WARM.trial_id])
    assert without.logits["test"].tobytes() == with_ood.logits["test"].tobytes()


@pytest.mark.parametrize(
    ("examples", "epoch"),
    [(17, [8, 8]), (24, [8, 8, 8]), (2, [2])],  # of 17, the lone last one is left out
)
def test_on_examples_is_told_of_every_step(examples, epoch, storage):
    trial = changed(WARM, data={"examples": examples})
    told = live(trial, storage)
    assert [new for _, new in told] == WARMUP + epoch * 3
    assert [done for done, _ in told] == np.cumsum([new for _, new in told]).tolist()
    assert record(trial, storage).history["examples"].iloc[-1] == told[-1][0]


# The same trial, the same numbers


def test_the_comparison_sees_another_seed(storage, uninterrupted):
    other = changed(WARM, seed=1)
    live(other, storage)
    there, here = numbers(other, storage), uninterrupted[WARM.trial_id]
    alike = {name for name in here if name in there and there[name] == here[name]}
    assert not alike & {"test/logits", "validation/logits", "ood/logits", "history/test_loss"}
    assert alike >= {"test/labels", "history/step"}  # every seed is measured on the same images


@pytest.mark.parametrize("checkpoint_seconds", [0.0, 1e-9, 0.01, math.inf])
def test_two_runs_leave_the_same_numbers_however_often_a_checkpoint_is_written(
    trial, checkpoint_seconds, storage, uninterrupted
):
    live(trial, storage, checkpoint_seconds=checkpoint_seconds)
    assert numbers(trial, storage) == uninterrupted[trial.trial_id]


def test_other_trials_and_global_randomness_before_it_do_not_matter(trial, storage, uninterrupted):
    for seed in (5, 6):
        live(changed(WARM, seed=seed, model=Mlp(depth=2, width=4)), storage)
    torch.manual_seed(123)
    np.random.seed(123)
    random.seed(123)
    torch.randn(7)
    before = torch.random.get_rng_state()
    live(trial, storage)
    assert numbers(trial, storage) == uninterrupted[trial.trial_id]
    assert torch.equal(torch.random.get_rng_state(), before)


# Cut short: by an exception out of a step


@at_each({"warmup": 15, "control": 9})
def test_cut_short_at_any_step_it_goes_on_from_its_last_epoch_to_the_same_numbers(
    trial, nth, storage, uninterrupted
):
    """The exception comes out of the step, so the epoch that it would have ended has not ended."""
    assert len(live(trial, storage, nth)) == nth
    assert storage.get(record_key(trial.trial_id)) is None

    told = live(trial, storage)
    assert numbers(trial, storage) == uninterrupted[trial.trial_id]
    behind = max(end for end in ENDS[trial.arm] if end < nth)
    assert [new for _, new in told] == SIZES[trial.arm][behind:]
    assert [done for done, _ in told] == np.cumsum(SIZES[trial.arm])[behind:].tolist()
    assert keys(storage) == whole_life(trial)


def test_cut_short_again_and_again_it_still_gets_there(trial, storage, uninterrupted):
    lives = 0
    while storage.get(record_key(trial.trial_id)) is None:
        live(trial, storage, cut_after=4)  # one more than an epoch's steps
        lives += 1
    assert lives >= 3
    assert numbers(trial, storage) == uninterrupted[trial.trial_id]


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(
    trial=st.sampled_from([WARM, CONTROL]),
    cuts=st.lists(st.tuples(st.integers(1, 15), st.sampled_from([0.0, 0.003, math.inf]))),
)
def test_any_sequence_of_cuts_ends_in_the_same_numbers(
    trial, cuts, uninterrupted, tmp_path_factory
):
    storage = Storage(tmp_path_factory.mktemp("cuts"))
    for cut_after, checkpoint_seconds in cuts:
        live(trial, storage, cut_after, checkpoint_seconds)
    live(trial, storage)
    assert numbers(trial, storage) == uninterrupted[trial.trial_id]
    assert keys(storage) == whole_life(trial)


def test_without_checkpoints_it_starts_again_from_what_it_has(trial, storage, uninterrupted):
    live(trial, storage, len(SIZES[trial.arm]), checkpoint_seconds=math.inf)
    told = live(trial, storage)
    assert [new for _, new in told] == TASK  # the warm-up was stored when it ended
    assert numbers(trial, storage) == uninterrupted[trial.trial_id]


# Cut short: while measuring, and while writing


@at_each({"warmup": 2 + 3 * 2 + 3 * 3 + 1, "control": 2 + 3 * 3 + 1})  # evaluations
def test_cut_short_while_measuring_it_ends_in_the_same_numbers(
    trial, nth, storage, uninterrupted, monkeypatch
):
    calls = 0
    evaluate = passes.evaluate

    def cut(*arguments: Any) -> Outputs:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise CutShort
        return evaluate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(passes, "evaluate", cut)
        live(trial, storage)
    assert storage.get(record_key(trial.trial_id)) is None
    live(trial, storage)
    assert numbers(trial, storage) == uninterrupted[trial.trial_id]
    assert keys(storage) == whole_life(trial)


class PowerCut(Storage):
    """Fails at its nth write, before or after what was written has its name."""

    def __init__(self, root: Path, nth: int, after: bool) -> None:
        super().__init__(root)
        self.left, self.after = nth, after

    def put(self, key: str, payload: bytes) -> None:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise CutShort
        super().put(key, payload)
        if self.left == 0:
            raise CutShort


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@at_each({"warmup": 2 + 1 + 2 + 1, "control": 2 + 1})  # checkpoints, the warm-up, the record
def test_cut_short_while_writing_it_ends_in_the_same_numbers_and_leaves_nothing_behind(
    trial, nth, after, storage, uninterrupted
):
    cut = PowerCut(storage.root, nth, after)
    live(trial, cut)
    assert cut.left == 0
    live(trial, storage)
    assert numbers(trial, storage) == uninterrupted[trial.trial_id]
    assert keys(storage) == whole_life(trial)


# In another process

ELSEWHERE = """
import os, signal, sys
import torch
from trainables.config.trial import Trial
from trainables.data.photos import photos, photos_ood
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.listener import Listener
from trainables.lifecycle.trial_run import run_trial
from trainables.storage.storage import Storage

torch.set_num_threads(1)
torch.manual_seed(77)
trial, root = Trial.model_validate_json(sys.argv[1]), sys.argv[2]
inputs, cpu = TrialInputs(photos(), photos_ood()), torch.device("cpu")
run_trial(trial, inputs, RunContext(Storage(root + "/whole"), cpu))
assert "torch._dynamo" not in sys.modules  # PyTorch's compiler: seconds, and never used

def kill(done, new):
    if done > 48 + 21:  # in the second epoch of the task
        os.kill(os.getpid(), signal.SIGKILL)

context = RunContext(Storage(root + "/killed"), cpu, checkpoint_seconds=0)
run_trial(trial, inputs, context, Listener(kill))
"""


def test_another_process_leaves_the_same_numbers_and_if_killed_is_succeeded_by_this_one(
    tmp_path, uninterrupted
):
    there = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, WARM.model_dump_json(), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert there.returncode == -signal.SIGKILL, there.stderr
    assert numbers(WARM, Storage(tmp_path / "whole")) == uninterrupted[WARM.trial_id]

    killed = Storage(tmp_path / "killed")
    assert killed.get(record_key(WARM.trial_id)) is None
    assert [new for _, new in live(WARM, killed)] == [8, 8, 5] * 2
    assert numbers(WARM, killed) == uninterrupted[WARM.trial_id]


# Warm-ups are shared

SHARING = {
    "task": changed(WARM, task=Task(epochs=2, batch=6, optimizer=Optimizer(lr=0.01))),
    "more examples": changed(WARM, data={"examples": 30, "subset_seed": 4}),
    "other ood": changed(WARM, data={"ood_normalised": False}),
}


@pytest.mark.parametrize("trial", SHARING.values(), ids=SHARING)
def test_a_shared_warmup_gives_the_numbers_of_one_s_own_without_its_work(trial, storage, tmp_path):
    live(WARM, storage)
    told = live(trial, storage)
    assert sum(new for _, new in told) == trial.task_examples
    assert told[0][0] == trial.warmup_examples + told[0][1]
    assert numbers(trial, storage) == numbers(trial, alone(trial, tmp_path))
    assert len(keys(storage, "warmups")) == 1


NO_CONSTANTS = FACTS.model_copy(update={"mean": None, "std": None})  # those of its own subset
NOT_SHARING = {
    "another seed": (WARM, changed(WARM, seed=1)),
    "another noise": (WARM, changed(WARM, warmup={"noise": Noise(std=2)})),
    "other images measured": (WARM, changed(WARM, data={"test": 14})),
    "constants of another subset": (
        changed(WARM, data={"facts": NO_CONSTANTS, "examples": 21}),
        changed(WARM, data={"facts": NO_CONSTANTS, "examples": 30}),
    ),
}


@pytest.mark.parametrize(("first", "second"), NOT_SHARING.values(), ids=NOT_SHARING)
def test_a_warmup_that_would_not_be_one_s_own_is_not_taken(first, second, storage, tmp_path):
    live(first, storage)
    assert live(second, storage)[0] == (8, 8)
    assert numbers(second, storage) == numbers(second, alone(second, tmp_path))


def test_a_warmup_cut_short_is_taken_from_another_trial_that_has_finished_it(
    storage, uninterrupted
):
    live(WARM, storage, cut_after=4)
    live(SHARING["task"], storage)
    assert live(WARM, storage)[0] == (48 + 8, 8)
    assert numbers(WARM, storage) == uninterrupted[WARM.trial_id]


# Damage


def damage(storage: Storage, key: str) -> None:
    path = storage.root / key
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(("cut_after", "again"), [(3, WARMUP + TASK), (10, TASK)])
def test_a_damaged_checkpoint_counts_as_none(cut_after, again, storage, uninterrupted):
    live(WARM, storage, cut_after)
    damage(storage, checkpoint_key(WARM, CPU))
    assert [new for _, new in live(WARM, storage)] == again
    assert numbers(WARM, storage) == uninterrupted[WARM.trial_id]


def test_a_damaged_warmup_is_computed_again_and_repaired(storage, uninterrupted):
    live(SHARING["task"], storage)
    key = warmup_key(WARM, CPU)
    damage(storage, key)
    assert [new for _, new in live(WARM, storage)] == SIZES[WARM.arm]
    assert numbers(WARM, storage) == uninterrupted[WARM.trial_id]
    assert storage.get(key) is not None


def test_a_damaged_record_is_computed_again(trial, storage, uninterrupted):
    live(trial, storage)
    damage(storage, record_key(trial.trial_id))
    assert [new for _, new in live(trial, storage)] == TASK
    assert numbers(trial, storage) == uninterrupted[trial.trial_id]


def test_a_finished_trial_is_not_run_again(trial, storage):
    live(trial, storage)
    payload = storage.get(record_key(trial.trial_id))
    assert live(trial, storage) == []
    assert storage.get(record_key(trial.trial_id)) == payload


# Divergence


def diverging(phase: str, trial: Trial = WARM, lr: float = 1e20) -> Trial:
    return changed(trial, **{phase: {"optimizer": Optimizer(lr=lr)}})


@pytest.mark.parametrize(
    ("trial", "rows", "warmups"),
    [
        (diverging("warmup"), 1, 0),  # one that diverged is not shared
        (diverging("task"), 4, 1),
        (diverging("task", CONTROL), 1, 0),
    ],
    ids=["warmup", "task", "task of a control"],
)
def test_a_diverged_trial_leaves_its_history_and_no_logits_and_is_not_run_again(
    trial, rows, warmups, storage
):
    left = lived(trial, storage)
    assert left.status == "diverged"
    assert not left.logits
    assert not left.labels
    assert len(left.history) == rows
    assert np.isfinite(left.history["test_loss"]).all()
    assert sum(left.examples.values()) == left.history["examples"].iloc[-1]  # not those planned
    assert not keys(storage, "checkpoints")
    assert len(keys(storage, "warmups")) == warmups
    assert live(trial, storage) == []


def test_a_diverging_trial_diverges_alike_after_it_was_cut_short(storage, tmp_path):
    trial = diverging("task")
    live(trial, storage, cut_after=8)
    assert [new for _, new in live(trial, storage)] == [8, 8, 5]
    assert numbers(trial, storage) == numbers(trial, alone(trial, tmp_path))


def test_divergence_in_a_later_epoch_keeps_the_rows_before_it(storage):
    """At some learning rate float32 overflows in the second or third epoch: found by trying."""
    for lr in np.geomspace(3e8, 1e9, 12):
        left = lived(diverging("task", CONTROL, float(lr)), storage)
        if left.status == "diverged" and len(left.history) > 1:
            break
    else:
        pytest.fail("no learning rate diverges in a later epoch")
    assert left.history["phase"].tolist() == ["untrained", *["task"] * (len(left.history) - 1)]
    assert np.isfinite(left.history["train_loss"].iloc[1:]).all()


def tiny_source(train: int = 30, level: int | None = None, classes: int = 3) -> Source:
    """Grey images of random pixels, or all of one level; no validation images of its own."""
    made = torch.Generator().manual_seed(0)

    def images(count: int) -> Examples:
        pixels = torch.randint(256, (count, 1, 4, 4), generator=made, dtype=torch.uint8)
        if level is not None:
            pixels.fill_(level)
        return Examples(pixels, torch.arange(count) % classes)

    return Source("tiny", images(train), None, images(8), tuple("abcdefghij"[:classes]))


def tiny_trial(std: float = 0.25, mean: float = 0.5, **fields: Any) -> Trial:
    facts = DataFacts(
        digest="t", ood_digest="o", shape=(1, 4, 4), classes=3, mean=(mean,), std=(std,)
    )
    data = Data(examples=12, validation=6, ood_examples=4, facts=facts)
    return changed(WARM, data=data, **fields)


def test_a_network_whose_first_outputs_are_not_finite_has_diverged(storage):
    trial = tiny_trial(std=1e-40)
    assert live(trial, storage, inputs=TrialInputs(tiny_source(), tiny_source())) == []
    left = record(trial, storage)
    assert left.status == "diverged"
    assert left.history.empty


def test_a_network_that_is_finite_but_on_ood_images_has_diverged_too(storage):
    """Black images are zero here, white ones too large for float32."""
    trial = tiny_trial(std=1e-40, mean=0.0)
    black, white = tiny_source(level=0), tiny_source(level=255)
    left = lived(trial, storage, TrialInputs(black, white))
    assert np.isfinite(left.history["test_loss"]).all()
    assert left.status == "diverged"
    assert not left.logits


# What the network is trained on


@dataclass
class Epoch:
    weights: dict[str, Tensor]  # before its first step
    optimizer: dict[str, Any]  # state, before its first step
    inputs: list[Tensor] = field(default_factory=list)  # by step
    labels: list[Tensor] = field(default_factory=list)


@pytest.fixture
def seen(monkeypatch) -> list[Epoch]:
    """Every epoch that is trained, as the training loop is given it."""
    epochs: list[Epoch] = []
    train_epoch = passes.train_epoch

    def spied(network: nn.Module, optimizer: Any, batches: Any, *others: Any) -> Outputs:
        epoch = Epoch(
            copy.deepcopy(network.state_dict()), copy.deepcopy(optimizer.state_dict()["state"])
        )
        epochs.append(epoch)

        def watched() -> Iterator[tuple[Tensor, Tensor]]:
            for inputs, labels in batches:
                epoch.inputs.append(inputs.clone())
                epoch.labels.append(labels.clone())
                yield inputs, labels

        return train_epoch(network, optimizer, watched(), *others)

    monkeypatch.setattr(passes, "train_epoch", spied)
    return epochs


@pytest.mark.parametrize("seed", [0, 3])
def test_both_of_a_pair_start_from_the_same_weights_and_see_the_same_mini_batches(
    seed, storage, seen
):
    warm = changed(WARM, seed=seed)
    rows = [lived(t, storage).history.iloc[0] for t in (warm, warm.control())]
    of_warmup, of_task, of_control = seen[:3], seen[3:6], seen[6:]
    assert len(of_control) == 3
    identical(of_warmup[0].weights, of_control[0].weights)
    for one, other in zip(of_task, of_control, strict=True):
        assert len(one.inputs) == 3
        identical([one.inputs, one.labels], [other.inputs, other.labels])

    measured = [f"{s}_{m}" for s in ("validation", "test") for m in ("loss", "accuracy", "ece")]
    assert rows[0][measured].tolist() == rows[1][measured].tolist()


def test_every_epoch_of_the_task_sees_the_subset_in_another_order(storage, seen):
    live(CONTROL, storage)
    epochs = [torch.cat(epoch.inputs).flatten(1) for epoch in seen]
    assert all(len(epoch) == 21 for epoch in epochs)
    for one, other in pairwise(epochs):
        assert not torch.equal(one, other)
        assert torch.equal(torch.unique(one, dim=0), torch.unique(other, dim=0))


def test_seeds_draw_subsets_of_their_own_unless_one_is_given_to_all(storage, seen):
    def subset(seed: int, subset_seed: int | None) -> set[bytes]:
        live(changed(CONTROL, seed=seed, data={"subset_seed": subset_seed}), storage)
        return images_of(torch.cat(seen[-1].inputs))

    own, another_own = subset(1, None), subset(2, None)
    given, the_same = subset(1, 9), subset(2, 9)
    assert given == the_same
    assert given != own != another_own


def test_training_never_sees_an_image_that_is_validated_on():
    """A source without validation images gives some of its training images, then the subset."""
    source = tiny_source(train=20)
    trials = [tiny_trial(seed=seed).control() for seed in range(20)]
    made = [prepare(trial, source, None, CPU) for trial in trials]
    everything = images_of(normalised(source.train.inputs, (0.5,), (0.25,)))
    held_out = images_of(made[0].validation.inputs)
    assert len(everything) == 20
    assert len(held_out) == 6
    for data in made:
        assert images_of(data.validation.inputs) == held_out  # the same for every trial
        assert images_of(data.train.inputs) <= everything - held_out
        assert len(images_of(data.train.inputs)) == 12  # without replacement
    assert set.union(*(images_of(data.train.inputs) for data in made)) == everything - held_out


def images_of(inputs: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in inputs}


def test_the_task_starts_with_a_fresh_optimizer_and_the_warmed_network(storage, seen):
    live(WARM, storage)
    steps = [{int(state["step"]) for state in epoch.optimizer.values()} or {0} for epoch in seen]
    assert steps == [{0}, {2}, {4}, {0}, {3}, {6}]
    assert not torch.equal(seen[3].weights["1.weight"], seen[0].weights["1.weight"])
    assert int(seen[3].weights["3.num_batches_tracked"]) == 6


TEN_GREY = DataFacts(
    digest="t", ood_digest=None, shape=(1, 4, 4), classes=10, mean=(0.5,), std=(0.25,)
)
# a warm-up of 12,000 examples of 1×4×4 in batches of 500 for a network of ten classes
WARMING = Trial(
    model=Mlp(depth=2, width=4),
    data=Data(examples=4, validation=4, test=4, ood=None, facts=TEN_GREY),
    warmup=Warmup(examples=12_000, epochs=4, batch=500),
    task=Task(epochs=1, batch=4),
)


def warmed_on(
    trial: Trial, storage: Storage, seen: list[Epoch], source: Source | None = None
) -> tuple[Tensor, Tensor]:
    """The inputs (examples, 16) and labels (examples,) of all of the warm-up."""
    live(trial, storage, inputs=TrialInputs(source or tiny_source(classes=10)))
    assert [len(epoch.inputs) for epoch in seen[-5:]] == [6, 6, 6, 6, 1]
    inputs = torch.cat([inputs for epoch in seen[-5:-1] for inputs in epoch.inputs])
    return inputs.flatten(1), torch.cat([y for epoch in seen[-5:-1] for y in epoch.labels])


def test_no_noise_is_ever_seen_twice(storage, seen):
    inputs, _ = warmed_on(WARMING, storage, seen)
    assert len(torch.unique(inputs, dim=0)) == len(inputs) == 12_000


def test_labels_of_noise_are_uniform_fresh_and_independent_of_it(storage, seen):
    inputs, labels = warmed_on(WARMING, storage, seen)
    counts = torch.bincount(labels, minlength=10)
    assert scipy.stats.chisquare(counts).pvalue > 0.01
    assert len({tuple(batch.tolist()) for batch in labels.split(500)}) == 24
    for label in range(10):
        of_label = inputs[labels == label].double()
        assert of_label.mean(dim=0).abs().max() < ERRORS / math.sqrt(len(of_label))
        squares = of_label.square().mean(dim=0)
        assert (squares - 1).abs().max() < ERRORS * math.sqrt(2 / len(of_label))
    one_hot = F.one_hot(labels).double()
    successive = np.corrcoef(one_hot[1:].T, one_hot[:-1].T)[:10, 10:]
    assert np.abs(successive).max() < ERRORS / math.sqrt(len(labels))


@pytest.mark.parametrize(
    ("name", "mean", "std"), [("gaussian", 0, 1), ("uniform", 3, 2), ("bernoulli", -1, 0.5)]
)
def test_the_noise_is_the_one_that_the_trial_asks_for(name, mean, std, storage, seen):
    noise = Noise(distribution=name, mean=mean, std=std)
    inputs, _ = warmed_on(changed(WARMING, warmup={"noise": noise}), storage, seen)
    standard = (inputs.double() - mean) / std
    assert standard.mean().abs() < ERRORS / math.sqrt(inputs.numel())
    assert standard.square().mean() == pytest.approx(1, abs=ERRORS * math.sqrt(2 / inputs.numel()))
    largest = {"gaussian": (4, 7), "uniform": (1.7, math.sqrt(3)), "bernoulli": (1, 1)}[name]
    assert largest[0] - 1e-6 <= standard.abs().max() <= largest[1] + 1e-6


def test_noise_depends_on_the_seed_and_on_nothing_in_the_data(storage, seen):
    first, _ = warmed_on(WARMING, storage, seen)
    another_seed, _ = warmed_on(changed(WARMING, seed=1), storage, seen)
    facts = TEN_GREY.model_copy(update={"digest": "white"})
    white = changed(WARMING, data={"facts": facts})
    other_images, _ = warmed_on(white, storage, seen, tiny_source(classes=10, level=255))
    assert torch.equal(first, other_images)
    assert not torch.isclose(first, another_seed).any(dim=1).all()
    assert abs(np.corrcoef(first.ravel(), another_seed.ravel())[0, 1]) < ERRORS / math.sqrt(192_000)


# What warm-up does (Cheon & Paik): the loss falls to a little above ln C, accuracy stays at chance


@pytest.fixture(scope="module")
def warmed(tmp_path_factory) -> Record:
    trial = changed(
        WARMING,
        model=Mlp(depth=4, width=64),
        warmup={"examples": 80_000, "epochs": 5, "batch": 128, "optimizer": Optimizer(lr=1e-3)},
    )
    storage = Storage(tmp_path_factory.mktemp("warmed"))
    return lived(trial, storage, TrialInputs(tiny_source(classes=10)))


def test_warmup_brings_the_loss_from_above_to_a_little_above_ln_c(warmed):
    losses = warmed.history["noise_loss"].dropna()
    assert losses.iloc[0] > losses.iloc[-1] + 0.05
    assert math.log(10) < losses.iloc[-1] < math.log(10) + 0.1


def test_in_warmup_accuracy_stays_at_chance(warmed):
    found = warmed.history["noise_accuracy"].dropna()
    examples = 125 * 128  # of each epoch
    assert (found - 0.1).abs().max() < ERRORS * math.sqrt(0.1 * 0.9 / examples)


def test_warmup_brings_confidence_down_towards_chance(warmed):
    untrained, *_, last = warmed.history[warmed.history["phase"] != "task"]["test_confidence"]
    assert untrained > 0.3
    assert 0.1 < last < 0.2
