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
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import CPU, CutShort, changed, keys, photographs, record, warmed_state
from lives import alone as lived_alone
from lives import live as live_one
from small import FACTS, WARM
from support import identical, numbers
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from analysis.results.records import Record
from trainables.config.loss import Loss
from trainables.config.model import ViT
from trainables.config.trial import Augmentation, Compute, Noise, Optimizer, Trial
from trainables.data.splits import Split
from trainables.fused import trials as fused
from trainables.fused.stack import Stack, stackable
from trainables.fused.trials import run_trials
from trainables.lifecycle import trial_run as life
from trainables.lifecycle.context import RunContext
from trainables.lifecycle.listener import Listener
from trainables.lifecycle.requests import Epoch, Predictions, Request
from trainables.models.build import Autocast, build
from trainables.models.mlp import mlp
from trainables.models.transformer import transformer
from trainables.models.unet import unet
from trainables.models.vit import vit
from trainables.storage.keys import checkpoint_key, record_key, warmup_key
from trainables.storage.storage import Storage
from trainables.tasks import NO_CLASS
from trainables.training.optimizers import make_optimizer

CLASSES = 5
SIDE = 8


# Steps, in float64


def narrow_resnet() -> nn.Module:
    """ResNet-10 of torchvision's blocks, 4 to 32 channels wide."""
    layers = [nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()]
    layers.append(BasicBlock(4, 4))
    for width in (4, 8, 16):
        shortcut = nn.Conv2d(width, 2 * width, 1, stride=2, bias=False), nn.BatchNorm2d(2 * width)
        layers.append(BasicBlock(width, 2 * width, 2, nn.Sequential(*shortcut)))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, CLASSES))


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

    def epochs(
        self,
        batches: list[list[tuple[Tensor, Tensor]]],
        trained: bool,
        loss: Loss | None = None,
    ) -> list[Request]:
        return [
            Epoch(
                network=network,
                optimizer=optimizer if trained else None,
                settings=self.settings,
                batches=iter(own),
                device=CPU,
                loss=loss,
                tick=self.ticks.append,
            )
            for network, optimizer, own in zip(self.networks, self.optimizers, batches, strict=True)
        ]

    def looks(self, splits: list[Split]) -> list[Request]:
        return list(map(Predictions, self.networks, splits))

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
    torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-9, equal_nan=True)


def one_by_one(passes: list[Request]) -> list[Any]:
    return [wanted.alone() for wanted in passes]


def random_batches(count: int, steps: int) -> list[list[tuple[Tensor, Tensor]]]:
    """Mini-batches of four for each of so many MLPs."""
    random = torch.Generator().manual_seed(7)
    return [[batch("mlp", 4, random) for _ in range(steps)] for _ in range(count)]


def train_both(alone: Bench, stacked: Bench, steps: int = 3) -> None:
    """The same steps of all networks, one by one and in a stack."""
    batches = random_batches(len(alone.networks), steps)
    one_by_one(alone.epochs(batches, True))
    Stack(stacked.networks).make(stacked.epochs(batches, True))


def split_of(name: str, examples: int, random: torch.Generator) -> Split:
    inputs, labels = batch(name, examples, random)
    several = labels.ndim > 1
    positions = torch.randint(6, (examples, 2), generator=random) if several else None
    return Split(inputs, labels, inputs.shape[1:], positions)


def compare(
    name: str,
    count: int,
    sizes: list[int],
    settings: Optimizer,
    trained: bool = True,
    loss: Loss | None = None,
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
        wanted = one_by_one(alone_.epochs(batches, trained, loss)) + one_by_one(
            alone_.looks(splits)
        )
        found = stack.make(stacked.epochs(batches, trained, loss))
        found += stack.make(stacked.looks(splits))
        equal([o.logits for o in found], [o.logits for o in wanted])
        identical([o.labels for o in found], [o.labels for o in wanted])
        equal(stacked.state(), alone_.state())
    assert sorted(stacked.ticks) == sorted(alone_.ticks)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_steps_in_a_stack_are_those_of_each_network_alone(name, optimizer):
    compare(name, 3, [4, 4, 3], OPTIMIZERS[optimizer])


@pytest.mark.parametrize("loss", ["label_smoothing", "focal"])
@pytest.mark.parametrize("name", ["mlp", "unet", "transformer"])
def test_a_stack_is_trained_with_the_task_s_loss(name, loss):
    compare(name, 2, [4, 3], OPTIMIZERS["momentum"], loss=Loss.model_validate(loss))


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
    train_both(alone_, stacked)
    assert not all(v.isfinite().all() for v in stacked.networks[1].state_dict().values())
    for k in (0, 2):
        ours, theirs = (list(b.networks[k].state_dict().values()) for b in (stacked, alone_))
        equal(ours, theirs)


def test_a_network_goes_on_alone_and_comes_back_into_a_stack():
    alone_ = Bench.of("mlp", 3, OPTIMIZERS["adam"])
    stacked = alone_.copied()
    for members in ([0, 1, 2], [1], [0, 2], [0, 1, 2]):
        batches = random_batches(3, 2)
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
    train_both(alone_, stacked)
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
        return self.scale * self.layer(inputs.flatten(1))


def averaging() -> nn.Module:
    """Batch normalisation without a momentum asks the host for its count of batches."""
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 6), nn.BatchNorm1d(6, momentum=None))


NOT_STACKED: dict[str, Callable[[], nn.Module]] = {
    "vit with dropout": lambda: vit(IMAGE, CLASSES, 2, 8, 2, 12, dropout=0.01),
    "dropout": lambda: nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, CLASSES)),
    "branching": Branching,
    "own constant": OwnConstant,
    "averaging": averaging,
}


@pytest.mark.parametrize("name", [*NETWORKS, *NOT_STACKED])
def test_what_cannot_be_stacked_is_found_out(name):
    networks = []
    for seed in range(2):
        torch.manual_seed(seed)
        networks.append((NETWORKS | NOT_STACKED)[name]().double())
    random = torch.Generator().manual_seed(0)
    batches = [batch(name, 4, random) for _ in networks]
    assert stackable(networks, batches, CPU) is (name in NETWORKS)


# Whole lives


def of_seed(seed: int, trial: Trial = WARM) -> Trial:
    return changed(trial, seed=seed)


PINK = changed(WARM, warmup={"noise": Noise(distribution="pink")})
GROUP = [of_seed(0), of_seed(0).control(), of_seed(1), of_seed(1).control(), of_seed(1, PINK)]


class Stacked(list[tuple[int, type]]):
    """What each stack made: of how many networks which kind of pass."""

    @property
    def epochs(self) -> list[int]:
        return [n for n, kind in self if kind is Epoch]


@pytest.fixture
def stacking(monkeypatch) -> Stacked:
    """Stack on the CPU."""
    made, make, can_be_stacked = Stacked(), Stack.make, fused._can_be_stacked

    def spied(stack: Stack, passes: Any) -> Any:
        made.append((len(passes), type(passes[0])))
        return make(stack, passes)

    def unseen(*arguments: Any) -> bool:
        """What is tried beforehand is not counted."""
        said = can_be_stacked(*arguments)
        made.clear()
        return said

    monkeypatch.setattr(fused, "STACKED_ON", ("cpu",))
    monkeypatch.setattr(fused, "_can_be_stacked", unseen)
    monkeypatch.setattr(Stack, "make", spied)
    return made


class Precise(Autocast):
    """A network in float64, whatever it is given: what rounding makes of a few units with a few
    examples by the end of a life is as large as what a fault would make."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs.double())


@pytest.fixture
def precise(monkeypatch) -> None:
    def build_precise(*arguments: Any) -> nn.Module:
        return Precise(build(*arguments).double())

    monkeypatch.setattr(life, "build", build_precise)
    monkeypatch.setattr(fused, "build", build_precise)


def live(
    trials: list[Trial], storage: Storage, cut_after: int | None = None
) -> dict[str, list[int]]:
    """Live them together, or as many steps of all as `cut_after` says; examples told, by trial."""
    told: dict[str, list[int]] = {}

    def listener_of(trial_id: str) -> Listener:
        def on_examples(_: int, new: int) -> None:
            told.setdefault(trial_id, []).append(new)
            if sum(map(len, told.values())) == cut_after:
                raise CutShort

        return Listener(
            on_examples,
            on_record=lambda: told.setdefault("left", []).append(trial_id),  # type: ignore[arg-type]
        )

    with contextlib.suppress(CutShort):
        run_trials(
            trials,
            photographs(),
            RunContext(storage, CPU, checkpoint_seconds=0),
            listener_of,
        )
    return told


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Callable[[Trial], Storage]:
    """A storage in which a trial was lived alone: once in each precision."""
    folder = tmp_path_factory.mktemp("alone")

    def lived(trial: Trial) -> Storage:
        return lived_alone(trial, folder / ("float32" if life.build is build else "float64"))

    return lived


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> Storage:
    """Filled by the first test that lives the group in it, in float64, and read by the others."""
    return Storage(tmp_path_factory.mktemp("together"))


def close(one: Record, two: Record, tolerance: float = 1e-6) -> None:
    """Of the same trial, to within rounding."""
    assert (one.trial_id, one.status, one.examples) == (two.trial_id, two.status, two.examples)
    assert list(one.history) == list(two.history)
    assert one.history["phase"].equals(two.history["phase"])
    for name in one.history.columns.drop(["phase", "seconds"]):
        here, there = one.history[name], two.history[name]
        np.testing.assert_allclose(here, there, tolerance, tolerance, err_msg=name)
    assert one.logits.keys() == two.logits.keys()
    assert one.probes.keys() == two.probes.keys()
    arrays, others = one.logits | one.probes, two.logits | two.probes
    for name, array in arrays.items():
        np.testing.assert_allclose(array, others[name], tolerance, tolerance, err_msg=name)


@pytest.fixture
def as_alone(storage, alone) -> Callable[[list[Trial], float], None]:
    """Compares what trials have left in the storage with what each leaves alone."""

    def compared(trials: list[Trial], tolerance: float = 1e-6) -> None:
        for trial in trials:
            close(record(trial, storage), record(trial, alone(trial)), tolerance)

    return compared


def test_each_leaves_the_record_and_warm_up_that_it_leaves_alone(
    storage, alone, as_alone, stacking, precise
):
    told = live(GROUP, storage)
    as_alone(GROUP)
    everything: set[str] = set()
    for trial in GROUP:
        own = alone(trial)
        everything |= set(keys(own))
        if trial.warmup:
            there, here = (warmed_state(trial, s) for s in (own, storage))
            torch.testing.assert_close(dict(here), dict(there), rtol=1e-6, atol=1e-7)
            # no more bytes than those of one network
            key = warmup_key(trial, CPU)
            assert len(storage.get(key) or b"") < 1.05 * len(own.get(key) or b"")
    assert keys(storage) == sorted(everything)  # and no checkpoint
    assert {t.trial_id for t in GROUP} == set(told["left"])
    for trial in GROUP:
        assert told[trial.trial_id] == [8] * 6 * bool(trial.warmup) + [8, 8, 5] * 3
    # three warm up together, and then all five go through the task
    assert stacking.epochs == [3, 3, 3, 5, 5, 5]


def test_in_float32_the_logits_are_close(storage, as_alone, stacking):
    """After as many steps as rounding does not outgrow."""
    short = changed(WARM, task={"epochs": 1}, warmup={"examples": 24})
    trials = [short, short.control(), of_seed(3, short)]
    live(trials, storage)
    as_alone(trials, tolerance=1e-3)


def test_the_seconds_of_all_are_those_of_the_group(storage, stacking):
    started = time.perf_counter()
    live(GROUP, storage)
    took = time.perf_counter() - started
    spent = [record(trial, storage).seconds for trial in GROUP]
    assert 0 < sum(own["total"] for own in spent) < took
    assert all((("warmup" in own) == bool(t.warmup)) for own, t in zip(spent, GROUP, strict=True))


def test_without_a_gpu_they_are_lived_one_after_another_to_the_bit(storage, alone):
    live(GROUP, storage)
    for trial in GROUP:
        assert numbers(trial, storage) == numbers(trial, alone(trial))


@pytest.mark.parametrize("cut_after", [1, 8, 19, 27, 33, 47, 62])
def test_cut_short_they_end_as_if_they_had_not_been(
    cut_after, storage, together, stacking, precise
):
    live(GROUP, storage, cut_after)
    assert len(keys(storage)) or cut_after < 18
    live(GROUP, storage)
    live(GROUP, together)
    for trial in GROUP:
        close(record(trial, storage), record(trial, together))
    assert not keys(storage, "checkpoints")


def test_what_was_begun_together_one_can_finish_alone(
    storage, tmp_path, as_alone, stacking, precise
):
    live(GROUP, storage, 18 + 5 * 4)  # the first epoch of the task is behind them
    own = Storage(tmp_path / "own")
    for trial in GROUP:
        live_one(trial, own, cut_after=behind_a_checkpoint(trial))
        size, alone = (len(s.get(checkpoint_key(trial, CPU))) for s in (storage, own))
        assert size < 1.05 * alone
        assert [new for _, new in live_one(trial, storage)] == [8, 8, 5] * 2
    as_alone(GROUP)


def behind_a_checkpoint(trial: Trial) -> int:
    """Steps after which there is one of the first epoch of the task."""
    return 6 * bool(trial.warmup) + 4


def test_what_was_begun_alone_goes_on_together(storage, as_alone, stacking, precise):
    live_one(GROUP[0], storage, cut_after=behind_a_checkpoint(GROUP[0]))
    told = live(GROUP, storage)
    assert told[GROUP[0].trial_id] == [8, 8, 5] * 2
    as_alone(GROUP)
    # two warm up; then three controls and they have an epoch to make up for
    assert stacking.epochs == [2, 2, 2, 4, 5, 5]


def test_one_that_diverges_ends_so_and_the_others_go_on(storage, as_alone, stacking, precise):
    wild = changed(of_seed(2), warmup={"noise": Noise(std=1e38)})
    trials = [of_seed(0), wild, of_seed(1)]
    live(trials, storage)
    statuses = [record(trial, storage).status for trial in trials]
    assert statuses == ["finished", "diverged", "finished"]
    as_alone(trials)
    assert (2, Epoch) in stacking


class Refusing(Storage):
    """Does not take one record."""

    refused = ""

    def put(self, key: str, payload: bytes) -> None:
        if key == self.refused:
            raise OSError("no space left")
        super().put(key, payload)


@pytest.mark.parametrize("stacked", [True, False])
def test_one_that_fails_leaves_the_others_their_records_and_comes_again_alone(
    stacked, tmp_path, alone, monkeypatch, precise
):
    if stacked:
        monkeypatch.setattr(fused, "STACKED_ON", ("cpu",))
    storage = Refusing(tmp_path / "storage")
    storage.refused = record_key(GROUP[1].trial_id)
    with pytest.raises(OSError, match="no space left"):
        live(GROUP, storage)
    others = sorted(record_key(trial.trial_id) for trial in GROUP if trial is not GROUP[1])
    assert keys(storage, "records") == others
    storage.refused = ""
    told = live(GROUP, storage)
    assert set(told) == {GROUP[1].trial_id, "left"}
    assert set(told["left"]) == {trial.trial_id for trial in GROUP}
    close(record(GROUP[1], storage), record(GROUP[1], alone(GROUP[1])))


def test_trials_with_one_warm_up_make_it_once(storage, as_alone, stacking, precise):
    kept = [changed(WARM, warmup={"keep": keep}) for keep in (None, "norms", "step_size")]
    trials = [*kept, WARM.control()]
    told = live(trials, storage)
    assert told[trials[0].trial_id][:6] == [8] * 6
    assert all(told[trial.trial_id] == [8, 8, 5] * 3 for trial in trials[1:])
    as_alone(trials)
    # one learns at a rate of its own, by itself
    assert stacking.epochs == [3, 3, 3]


def test_a_learning_rate_of_its_own_is_kept_in_a_checkpoint(storage, as_alone, stacking, precise):
    trials = [changed(WARM, warmup={"keep": "step_size"}), of_seed(1), of_seed(2)]
    live(trials, storage, cut_after=18 + 2 * 9 + 1)  # two epochs of the task are behind them
    stacking.clear()
    live(trials, storage)
    as_alone(trials)
    assert stacking.epochs == [2]  # the other is by itself


@pytest.mark.parametrize("train", ["head", "statistics"])
def test_a_warm_up_of_a_part_of_the_network(train, storage, as_alone, stacking, precise):
    trials = [changed(trial, warmup={"train": train}) for trial in (of_seed(0), of_seed(1))]
    live(trials, storage)
    as_alone(trials)
    assert stacking.epochs == [2] * 6


def test_normalisation_augmentation_schedule_and_probes_are_each_trial_s_own(
    storage, as_alone, stacking, precise
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
    as_alone(trials)
    assert stacking.epochs == [2] * 3 + [3] * 3


@pytest.mark.parametrize(
    "one",
    [
        changed(WARM, model=ViT(depth=1, width=8, heads=2, mlp_width=8, patch=16, dropout=0.2)),
        changed(WARM, compute=Compute(channels_last=True)),
    ],
    ids=["dropout", "channels last"],
)
def test_what_cannot_be_stacked_is_lived_one_after_another_to_the_bit(
    one, storage, alone, stacking, precise
):
    trials = [one, of_seed(1, one), one.control()]
    live(trials, storage)
    assert not stacking
    for trial in trials:
        assert numbers(trial, storage) == numbers(trial, alone(trial))


def test_trials_of_two_tasks_are_refused(storage):
    with pytest.raises(ValueError, match="of one task"):
        live([WARM, changed(WARM, task={"epochs": 4})], storage)


def test_too_little_memory_says_what_to_lower(storage, stacking, monkeypatch):
    monkeypatch.setattr(fused, "_can_be_stacked", lambda *arguments: True)

    full = torch.OutOfMemoryError("CUDA out of memory")
    monkeypatch.setattr(Stack, "make", Mock(side_effect=full))
    with pytest.raises(MemoryError, match=r"5 networks at once .* lower resources.fuse"):
        live(GROUP, storage)
