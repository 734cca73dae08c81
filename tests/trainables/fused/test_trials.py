"""Trials that are lived together have the numbers they have alone.

A GPU is not needed: the stack is the same on the CPU, where it does not pay and is asked for here.
Steps are compared in float64, where rounding is far below 1e-10; whole lives in float32.
"""

import contextlib
import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import FACTS, WARM
from support import numbers
from torch import Tensor, nn

from analysis.results.records import Record, read_record
from trainables.config.model import ViT
from trainables.config.trial import (
    Augmentation,
    Compute,
    Noise,
    Optimizer,
    Trial,
)
from trainables.data.examples import Source
from trainables.data.photos import photos, photos_ood
from trainables.data.splits import Split
from trainables.fused import trials as fused
from trainables.fused.stack import Stack, stackable
from trainables.fused.trials import run_trials
from trainables.lifecycle import trial_run as life
from trainables.lifecycle.context import RunContext, TrialInputs
from trainables.lifecycle.requests import Epoch, Predictions, Request
from trainables.lifecycle.trial_run import run_trial
from trainables.models.build import Autocast, build
from trainables.models.mlp import mlp
from trainables.models.transformer import transformer
from trainables.models.unet import unet
from trainables.models.vit import vit
from trainables.storage.keys import checkpoint_key, record_key, warmup_key
from trainables.storage.serialization import pack, unpack
from trainables.storage.storage import Storage
from trainables.tasks import NO_CLASS
from trainables.training.optimizers import make_optimizer

CPU = torch.device("cpu")
CLASSES = 5
SIDE = 8


# Steps, in float64


def narrow_resnet() -> nn.Module:
    """ResNet-10 of torchvision's blocks, 4 to 32 channels wide."""
    from torchvision.models.resnet import BasicBlock, ResNet

    network = ResNet(BasicBlock, [1, 1, 1, 1], num_classes=CLASSES)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


IMAGE = (3, SIDE, SIDE)
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: mlp(IMAGE, CLASSES, depth=3, width=7),
    "feedback alignment": lambda: mlp(IMAGE, CLASSES, 3, 7, feedback_alignment=True),
    "resnet": narrow_resnet,
    "vit": lambda: vit(IMAGE, CLASSES, depth=2, width=8, heads=2, mlp_width=12, dropout=0.0),
    "unet": lambda: unet(IMAGE, CLASSES, width=3, depth=2),
    "transformer": lambda: transformer((6,), CLASSES, depth=1, width=8, heads=2),
}
# Adam divides by √v + 1e-8: where a gradient is but rounding, 1e-16, that is 1e-8 of the rate
OPTIMIZERS = {
    "adam": Optimizer(name="adam", lr=1e-3, weight_decay=1e-2),
    "adamw": Optimizer(name="adamw", lr=1e-3, weight_decay=1e-2),
    "momentum": Optimizer(name="sgd", lr=1e-2, momentum=0.9),
    "sgd": Optimizer(name="sgd", lr=1e-2),
}


def batch(name: str, examples: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    if name == "transformer":
        tokens = torch.randint(CLASSES, (2, examples, 6), generator=random)
        return tokens[0], tokens[1]
    inputs = torch.randn(examples, *IMAGE, generator=random, dtype=torch.float64)
    targets = (examples, SIDE, SIDE) if name == "unet" else (examples,)
    labels = torch.randint(CLASSES, targets, generator=random)
    if name == "unet":  # of each network another part of the targets has no class
        labels[:, : int(torch.randint(1, 4, (), generator=random))] = NO_CLASS
    return inputs, labels


@dataclass
class Bench:
    """Networks, each with its own optimizer, mini-batches and examples to be looked at."""

    networks: list[nn.Module]
    optimizers: list[torch.optim.Optimizer]
    settings: Optimizer
    ticks: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, count: int, settings: Optimizer) -> "Bench":
        networks = []
        for seed in range(count):
            torch.manual_seed(seed)
            networks.append(NETWORKS[name]().double())
        return cls(networks, [make_optimizer(n.parameters(), settings) for n in networks], settings)

    def copied(self) -> "Bench":
        networks, optimizers = copy.deepcopy((self.networks, self.optimizers))
        return Bench(networks, optimizers, self.settings)

    def epochs(self, batches: list[list[tuple[Tensor, Tensor]]], trained: bool) -> list[Request]:
        return [
            Epoch(
                network=network,
                optimizer=optimizer if trained else None,
                settings=self.settings,
                batches=iter(own),
                device=CPU,
                tick=self.ticks.append,
            )
            for network, optimizer, own in zip(self.networks, self.optimizers, batches, strict=True)
        ]

    def looks(self, splits: list[Split]) -> list[Request]:
        return [
            Predictions(network, split)
            for network, split in zip(self.networks, splits, strict=True)
        ]

    def state(self) -> list[Tensor]:
        found = []
        for network, optimizer in zip(self.networks, self.optimizers, strict=True):
            found += [without_keys(*item) for item in network.state_dict().items()]
            names = [name for name, p in network.named_parameters() if p.requires_grad]
            for index, state in optimizer.state_dict()["state"].items():
                found += [without_keys(names[index], v) for v in state.values() if v is not None]
        return found


def without_keys(name: str, value: Tensor) -> Tensor:
    """Attention is the same whatever the bias of its keys: that one's gradient is nothing but
    rounding, of which Adam makes steps as large as any."""
    if "in_proj_bias" not in name or not value.ndim:
        return value
    query, _, values = value.chunk(3)
    return torch.cat([query, values])


def equal(one: list[Tensor], two: list[Tensor]) -> None:
    assert len(one) == len(two)
    for a, b in zip(one, two, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9, equal_nan=True)


def one_by_one(passes: list[Request]) -> list[Any]:
    return [wanted.alone() for wanted in passes]


def split_of(name: str, examples: int, random: torch.Generator) -> Split:
    inputs, labels = batch(name, examples, random)
    several = labels.ndim > 1
    positions = torch.randint(6, (examples, 2), generator=random) if several else None
    return Split(inputs, labels, inputs.shape[1:], positions)


def compare(
    name: str, count: int, sizes: list[int], settings: Optimizer, trained: bool = True
) -> None:
    """Two epochs of steps of so many examples, and what is predicted after each."""
    random = torch.Generator().manual_seed(7)
    alone_ = Bench.of(name, count, settings)
    stacked = alone_.copied()
    stack = Stack(stacked.networks)
    for own in (False, True):
        batches = [[batch(name, size, random) for size in sizes] for _ in range(count)]
        common = split_of(name, 9, random)
        splits = [split_of(name, 9, random) if own else common for _ in range(count)]
        wanted = one_by_one(alone_.epochs(batches, trained)) + one_by_one(alone_.looks(splits))
        found = stack.make(stacked.epochs(batches, trained)) + stack.make(stacked.looks(splits))
        equal([o.logits for o in found], [o.logits for o in wanted])
        assert all(torch.equal(a.labels, b.labels) for a, b in zip(found, wanted, strict=True))
        equal(stacked.state(), alone_.state())
    assert sorted(stacked.ticks) == sorted(alone_.ticks)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_steps_in_a_stack_are_those_of_each_network_alone(name, optimizer):
    compare(name, 3, [4, 4, 3], OPTIMIZERS[optimizer])


@given(
    st.integers(1, 5),
    st.lists(st.integers(3, 9), min_size=1, max_size=3),
    st.sampled_from(sorted(OPTIMIZERS)),
)
@settings(deadline=None, max_examples=25)
def test_however_many_networks_and_steps(count, sizes, optimizer):
    compare("mlp", count, sizes, OPTIMIZERS[optimizer])


@pytest.mark.parametrize("name", ["mlp", "resnet"])
def test_without_an_optimizer_only_the_statistics_move(name):
    compare(name, 2, [4, 4], OPTIMIZERS["adam"], trained=False)


def test_a_network_that_overflows_leaves_the_others_as_they_are():
    alone_ = Bench.of("mlp", 3, OPTIMIZERS["adam"])
    with torch.no_grad():
        next(alone_.networks[1].parameters()).fill_(math.inf)
    stacked = alone_.copied()
    random = torch.Generator().manual_seed(7)
    batches = [[batch("mlp", 4, random) for _ in range(3)] for _ in range(3)]
    one_by_one(alone_.epochs(batches, True))
    Stack(stacked.networks).make(stacked.epochs(batches, True))
    assert not all(v.isfinite().all() for v in stacked.networks[1].state_dict().values())
    for k in (0, 2):
        equal(
            list(stacked.networks[k].state_dict().values()),
            list(alone_.networks[k].state_dict().values()),
        )


def test_a_network_goes_on_alone_and_comes_back_into_a_stack():
    alone_ = Bench.of("mlp", 3, OPTIMIZERS["adam"])
    stacked = alone_.copied()
    random = torch.Generator().manual_seed(7)
    for members in ([0, 1, 2], [1], [0, 2], [0, 1, 2]):
        batches = [[batch("mlp", 4, random) for _ in range(2)] for _ in range(3)]
        one_by_one([alone_.epochs(batches, True)[k] for k in members])
        passes = [stacked.epochs(batches, True)[k] for k in members]
        if len(members) == 1:
            one_by_one(passes)
        else:
            Stack([wanted.network for wanted in passes]).make(passes)
    equal(stacked.state(), alone_.state())


def test_only_the_trained_part_of_networks_moves():
    alone_ = Bench.of("mlp", 2, OPTIMIZERS["adam"])
    for network in alone_.networks:
        for parameter in list(network.parameters())[:-2]:
            parameter.requires_grad_(False)
    heads = [list(network.parameters())[-2:] for network in alone_.networks]
    alone_.optimizers = [make_optimizer(head, OPTIMIZERS["adam"]) for head in heads]
    stacked = alone_.copied()
    batches = [[batch("mlp", 4, torch.Generator().manual_seed(k))] * 3 for k in range(2)]
    one_by_one(alone_.epochs(batches, True))
    Stack(stacked.networks).make(stacked.epochs(batches, True))
    equal(stacked.state(), alone_.state())


# What can be stacked


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3 * SIDE * SIDE, CLASSES)

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.layer(inputs.flatten(1))
        return logits if float(logits.detach().sum()) > 0 else -logits


class OwnConstant(Branching):
    """With a number that is neither a parameter nor a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = float(torch.rand(()))

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.layer(inputs.flatten(1))
        return self.scale * logits


def averaging() -> nn.Module:
    """Batch normalisation without a momentum asks the host for its count of batches."""
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 6), nn.BatchNorm1d(6, momentum=None))


@pytest.mark.parametrize(
    ("make", "can"),
    [(make, True) for make in NETWORKS.values()]
    + [
        (lambda: vit(IMAGE, CLASSES, 2, 8, 2, 12, dropout=0.01), False),
        (lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, CLASSES)), False),
        (Branching, False),
        (OwnConstant, False),
        (averaging, False),
    ],
    ids=[*NETWORKS, "vit with dropout", "dropout", "branching", "own constant", "averaging"],
)
def test_what_cannot_be_stacked_is_found_out(make, can):
    networks = []
    for seed in range(2):
        torch.manual_seed(seed)
        networks.append(make().double())
    name = {transformer: "transformer"}.get(make, "")  # type: ignore[call-overload]
    name = next((n for n, made in NETWORKS.items() if made is make), name)
    random = torch.Generator().manual_seed(0)
    batches = [batch(name, 4, random) for _ in networks]
    assert stackable(networks, batches, CPU) is can


# Whole lives


def changed(trial: Trial, **sections: Any) -> Trial:
    """With fields of sections changed, or sections put in."""
    new = {
        name: getattr(trial, name).model_copy(update=value) if isinstance(value, dict) else value
        for name, value in sections.items()
    }
    return trial.model_copy(update=new)


def of_seed(seed: int, trial: Trial = WARM) -> Trial:
    return changed(trial, seed=seed)


PINK = changed(WARM, warmup={"noise": Noise(distribution="pink")})
GROUP = [of_seed(0), of_seed(0).control(), of_seed(1), of_seed(1).control(), of_seed(1, PINK)]


@cache
def photographs() -> tuple[Source, Source]:
    return photos(), photos_ood()


@pytest.fixture
def stacking(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, type]]:
    """Stack on the CPU; what each stack made: of how many networks which kind of pass."""
    made: list[tuple[int, type]] = []
    make = Stack.make

    def spied(stack: Stack, passes: Any) -> Any:
        made.append((len(passes), type(passes[0])))
        return make(stack, passes)

    monkeypatch.setattr(fused, "STACKED_ON", ("cpu",))
    monkeypatch.setattr(fused, "_can_be_stacked", _unseen(fused._can_be_stacked, made))
    monkeypatch.setattr(Stack, "make", spied)
    return made


def _unseen(trying: Callable[..., bool], made: list[Any]) -> Callable[..., bool]:
    """The trial of a stack is not counted."""

    def tried(*arguments: Any) -> bool:
        said = trying(*arguments)
        made.clear()
        return said

    return tried


class Precise(Autocast):
    """A network in float64, whatever it is given: what rounding makes of a few units with a few
    examples by the end of a life is as large as what a fault would make."""

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.network(inputs.double())
        return logits


@pytest.fixture
def precise(monkeypatch: pytest.MonkeyPatch) -> None:
    def build_precise(*arguments: Any) -> nn.Module:
        return Precise(build(*arguments).double())

    monkeypatch.setattr(life, "build", build_precise)
    monkeypatch.setattr(fused, "build", build_precise)


class CutShort(BaseException):
    """As KeyboardInterrupt and SystemExit are: nothing that code would catch by accident."""


def live(
    trials: list[Trial],
    storage: Storage,
    cut_after: int | None = None,
    checkpoint_seconds: float = 0.0,
) -> dict[str, list[int]]:
    """Live them together, or as many steps of all as `cut_after` says; examples told, by trial."""
    told: dict[str, list[int]] = {}

    def on_examples(trial_id: str, new: int) -> None:
        told.setdefault(trial_id, []).append(new)
        if sum(map(len, told.values())) == cut_after:
            raise CutShort

    with contextlib.suppress(CutShort):
        run_trials(
            trials,
            TrialInputs(*photographs()),
            RunContext(storage, CPU, checkpoint_seconds=checkpoint_seconds),
            on_examples,
            lambda trial_id: told.setdefault("left", []).append(trial_id),  # type: ignore[arg-type]
        )
    return told


def alone(trial: Trial, folder: Path) -> Storage:
    storage = Storage(folder / trial.trial_id)
    context = RunContext(storage, CPU, checkpoint_seconds=math.inf)
    run_trial(trial, TrialInputs(*photographs()), context)
    return storage


def record(trial: Trial, storage: Storage) -> Record:
    return read_record(storage.get(record_key(trial.trial_id)) or b"")


def close(one: Record, two: Record, tolerance: float = 1e-6) -> None:
    """Of the same trial, to within rounding."""
    assert (one.trial_id, one.status, one.examples) == (two.trial_id, two.status, two.examples)
    assert list(one.history) == list(two.history)
    assert one.history["phase"].equals(two.history["phase"])
    for name in one.history.columns.drop(["phase", "seconds"]):
        np.testing.assert_allclose(
            one.history[name], two.history[name], tolerance, tolerance, err_msg=name
        )
    assert one.logits.keys() == two.logits.keys()
    for split, logits in one.logits.items():
        np.testing.assert_allclose(
            logits, two.logits[split], rtol=tolerance, atol=tolerance, err_msg=split
        )
    assert one.probes.keys() == two.probes.keys()
    for name, array in one.probes.items():
        np.testing.assert_allclose(
            array, two.probes[name], rtol=tolerance, atol=tolerance, err_msg=name
        )


def keys(storage: Storage) -> list[str]:
    return sorted(str(p.relative_to(storage.root)) for p in storage.root.rglob("*") if p.is_file())


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "storage")


def test_each_leaves_the_record_and_warm_up_that_it_leaves_alone(
    storage, tmp_path, stacking, precise
):
    told = live(GROUP, storage)
    everything: set[str] = set()
    for trial in GROUP:
        own = alone(trial, tmp_path)
        close(record(trial, storage), record(trial, own))
        everything |= set(keys(own))
        if trial.warmup:
            key = warmup_key(trial, CPU)
            there, here = (unpack(s.get(key) or b"", CPU)["network"] for s in (own, storage))
            for name, value in there.items():
                torch.testing.assert_close(here[name], value, rtol=1e-6, atol=1e-7)
            # no more bytes than those of one network
            assert len(storage.get(key) or b"") < 1.05 * len(own.get(key) or b"")
    assert keys(storage) == sorted(everything)  # and no checkpoint
    assert {t.trial_id for t in GROUP} == set(told["left"])
    for trial in GROUP:
        assert told[trial.trial_id] == [8] * 6 * bool(trial.warmup) + [8, 8, 5] * 3
    # three warm up together, and then all five go through the task
    assert [n for n, kind in stacking if kind is Epoch] == [3, 3, 3, 5, 5, 5]


def test_in_float32_the_logits_are_close(storage, tmp_path, stacking):
    """After as many steps as rounding does not outgrow."""
    short = changed(WARM, task={"epochs": 1}, warmup={"examples": 24})
    trials = [short, short.control(), of_seed(3, short)]
    live(trials, storage)
    for trial in trials:
        close(record(trial, storage), record(trial, alone(trial, tmp_path)), tolerance=1e-3)


def test_the_seconds_of_all_are_those_of_the_group(storage, stacking):
    started = time.perf_counter()
    live(GROUP, storage)
    took = time.perf_counter() - started
    spent = [record(trial, storage).seconds for trial in GROUP]
    assert 0 < sum(own["total"] for own in spent) < took
    assert all((("warmup" in own) == bool(t.warmup)) for own, t in zip(spent, GROUP, strict=True))


def test_without_a_gpu_they_are_lived_one_after_another_to_the_bit(storage, tmp_path):
    live(GROUP, storage)
    for trial in GROUP:
        assert numbers(trial, storage) == numbers(trial, alone(trial, tmp_path))


@pytest.mark.parametrize("cut_after", [1, 8, 19, 27, 33, 47, 62])
def test_cut_short_they_end_as_if_they_had_not_been(
    cut_after, storage, tmp_path, stacking, precise
):
    live(GROUP, storage, cut_after)
    assert len(keys(storage)) or cut_after < 18
    live(GROUP, storage)
    live(GROUP, Storage(tmp_path / "whole"))
    for trial in GROUP:
        close(record(trial, storage), record(trial, Storage(tmp_path / "whole")))
    assert not [key for key in keys(storage) if key.startswith("checkpoints")]


def test_what_was_begun_together_one_can_finish_alone(storage, tmp_path, stacking, precise):
    live(GROUP, storage, 18 + 5 * 4)  # the first epoch of the task is behind them
    for trial in GROUP:
        size = len(storage.get(checkpoint_key(trial, CPU)) or pytest.fail("no checkpoint"))
        steps: list[int] = []
        inputs, context = TrialInputs(*photographs()), RunContext(storage, CPU)
        run_trial(trial, inputs, context, lambda _, new, s=steps: s.append(new))
        assert steps == [8, 8, 5] * 2
        own = alone(trial, tmp_path)
        close(record(trial, storage), record(trial, own))
        live_alone_until_checkpoint(trial, Storage(tmp_path / "size" / trial.trial_id))
        whole = Storage(tmp_path / "size" / trial.trial_id).get(checkpoint_key(trial, CPU))
        assert size < 1.05 * len(whole or b"")


def live_alone_until_checkpoint(trial: Trial, storage: Storage) -> None:
    """A checkpoint after the first epoch of the task."""
    behind = 6 * bool(trial.warmup) + 4
    steps: list[int] = []

    def count(_: int, new: int) -> None:
        steps.append(new)
        if len(steps) == behind:
            raise CutShort

    with contextlib.suppress(CutShort):
        context = RunContext(storage, CPU, checkpoint_seconds=0)
        run_trial(trial, TrialInputs(*photographs()), context, count)


def test_what_was_begun_alone_goes_on_together(storage, tmp_path, stacking, precise):
    live_alone_until_checkpoint(GROUP[0], storage)
    told = live(GROUP, storage)
    assert told[GROUP[0].trial_id] == [8, 8, 5] * 2
    for trial in GROUP:
        close(record(trial, storage), record(trial, alone(trial, tmp_path)))
    # two warm up; then three controls and they have an epoch to make up for
    assert [n for n, kind in stacking if kind is Epoch] == [2, 2, 2, 4, 5, 5]


def test_one_that_diverges_ends_so_and_the_others_go_on(storage, tmp_path, stacking, precise):
    wild = changed(of_seed(2), warmup={"noise": Noise(std=1e38)})
    trials = [of_seed(0), wild, of_seed(1)]
    live(trials, storage)
    assert [record(trial, storage).status for trial in trials] == [
        "finished",
        "diverged",
        "finished",
    ]
    for trial in trials:
        close(record(trial, storage), record(trial, alone(trial, tmp_path)))
    assert (2, Epoch) in stacking


class Refusing(Storage):
    """Does not take one record."""

    refused = ""

    def put(self, key: str, payload: bytes) -> None:
        if key == self.refused:
            raise OSError("no space left")
        super().put(key, payload)


@pytest.mark.parametrize("together", [True, False])
def test_one_that_fails_leaves_the_others_their_records_and_comes_again_alone(
    together, tmp_path, monkeypatch, precise
):
    if together:
        monkeypatch.setattr(fused, "STACKED_ON", ("cpu",))
    storage = Refusing(tmp_path / "storage")
    storage.refused = record_key(GROUP[1].trial_id)
    with pytest.raises(OSError, match="no space left"):
        live(GROUP, storage)
    left = {key for key in keys(storage) if key.startswith("records")}
    assert left == {record_key(t.trial_id) for t in GROUP if t is not GROUP[1]}
    storage.refused = ""
    told = live(GROUP, storage)
    assert set(told) == {GROUP[1].trial_id, "left"}
    assert set(told["left"]) == {trial.trial_id for trial in GROUP}
    close(record(GROUP[1], storage), record(GROUP[1], alone(GROUP[1], tmp_path)))


def test_trials_with_one_warm_up_make_it_once(storage, tmp_path, stacking, precise):
    kept = [changed(WARM, warmup={"keep": keep}) for keep in (None, "norms", "step_size")]
    trials = [*kept, WARM.control()]
    told = live(trials, storage)
    assert told[trials[0].trial_id][:6] == [8] * 6
    assert all(told[trial.trial_id] == [8, 8, 5] * 3 for trial in trials[1:])
    for trial in trials:
        close(record(trial, storage), record(trial, alone(trial, tmp_path)))
    # one learns at a rate of its own, by itself
    assert [n for n, kind in stacking if kind is Epoch] == [3, 3, 3]


def test_a_learning_rate_of_its_own_is_kept_in_a_checkpoint(storage, tmp_path, stacking, precise):
    trials = [changed(WARM, warmup={"keep": "step_size"}), of_seed(1), of_seed(2)]
    live(trials, storage, cut_after=18 + 2 * 9 + 1)  # two epochs of the task are behind them
    stacking.clear()
    live(trials, storage)
    for trial in trials:
        close(record(trial, storage), record(trial, alone(trial, tmp_path)))
    assert [n for n, kind in stacking if kind is Epoch] == [2]  # the other is by itself


@pytest.mark.parametrize("train", ["head", "statistics"])
def test_a_warm_up_of_a_part_of_the_network(train, storage, tmp_path, stacking, precise):
    trials = [changed(trial, warmup={"train": train}) for trial in (of_seed(0), of_seed(1))]
    live(trials, storage)
    for trial in trials:
        close(record(trial, storage), record(trial, alone(trial, tmp_path)))
    assert [n for n, kind in stacking if kind is Epoch] == [2] * 6


def test_normalisation_augmentation_schedule_and_probes_are_each_trial_s_own(
    storage, tmp_path, stacking, precise
):
    facts = FACTS.model_copy(update={"mean": None, "std": None})  # of each subset
    one = changed(
        WARM,
        data={"facts": facts, "ood_each_epoch": True},
        task={"schedule": "cosine", "augmentation": Augmentation(crop=2, flip=True)},
        probes=("features", "gradients", "odin", "path", "start_outputs", "weights"),
    )
    trials = [one, of_seed(1, one), one.control()]
    live(trials, storage)
    for trial in trials:
        close(record(trial, storage), record(trial, alone(trial, tmp_path)))
    assert [n for n, kind in stacking if kind is Epoch] == [2] * 3 + [3] * 3


@pytest.mark.parametrize(
    "one",
    [
        changed(WARM, model=ViT(depth=1, width=8, heads=2, mlp_width=8, patch=16, dropout=0.2)),
        changed(WARM, compute=Compute(channels_last=True)),
    ],
    ids=["dropout", "channels last"],
)
def test_what_cannot_be_stacked_is_lived_one_after_another_to_the_bit(
    one, storage, tmp_path, stacking, precise
):
    trials = [one, of_seed(1, one), one.control()]
    live(trials, storage)
    assert not stacking
    for trial in trials:
        assert numbers(trial, storage) == numbers(trial, alone(trial, tmp_path))


def test_trials_of_two_tasks_are_refused(storage):
    with pytest.raises(ValueError, match="of one task"):
        live([WARM, changed(WARM, task={"epochs": 4})], storage)


def test_too_little_memory_says_what_to_lower(storage, stacking, monkeypatch):
    monkeypatch.setattr(fused, "_can_be_stacked", lambda *arguments: True)

    def full(stack: Stack, passes: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Stack, "make", full)
    with pytest.raises(MemoryError, match=r"5 networks at once .* lower resources.fuse"):
        live(GROUP, storage)


def test_a_view_is_packed_without_the_rest_of_what_it_is_a_view_of():
    large = torch.arange(100_000.0)
    state = {"network": {"a": large[:10]}, "list": [{"b": large.view(10, -1)[1]}], "whole": large}
    packed = pack({"network": state["network"]})
    assert len(packed) < 5000
    back = unpack(pack(state), CPU)
    assert torch.equal(back["network"]["a"], large[:10])
    assert torch.equal(back["list"][0]["b"], large[10_000:20_000])
    assert torch.equal(back["whole"], large)
