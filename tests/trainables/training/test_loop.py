"""The training loop, a step at a time; metrics against others'. Whole lives are held against the
method written out by hand in `lifecycle/test_trial_run.py`, optimizers in `test_optimizers.py`."""

import copy
import math
from collections.abc import Iterator
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support import identical
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torchmetrics.classification import MulticlassCalibrationError

from trainables.config.trial import Augmentation, Noise, Optimizer
from trainables.data.splits import Split
from trainables.models.initialisation import initialise
from trainables.models.mlp import mlp
from trainables.seeds import generator, global_state
from trainables.tasks import NO_CLASS
from trainables.training.loop import (
    EVALUATED_EXAMPLES,
    Diverged,
    Outputs,
    evaluate,
    measure,
    prediction_batches,
    shuffled,
    train_epoch,
)
from trainables.training.optimizers import make_optimizer
from trainables.training.steps import noise_inputs, with_random_labels

SETTINGS = Optimizer(lr=1e-3, weight_decay=1e-2)


def network(seed: int = 0) -> nn.Sequential:
    with global_state(seed, "construction", torch.device("cpu")):
        made = mlp((3, 8, 8), 4, 4, 32)
    initialise(made, "he", generator(seed, "weights"))
    return made


def images(count: int, seed: int = 0) -> Split:
    """Examples with something to learn: their brightness follows the label."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (count,), generator=random)
    noise = torch.randn(count, 3, 8, 8, generator=random)
    return Split(noise + labels.view(-1, 1, 1, 1), labels, (3, 8, 8), None)


def numbered(count: int) -> Split:
    """Each example's input and label are its own number."""
    numbers = torch.arange(count)
    return Split(numbers.float().view(-1, 1, 1, 1), numbers, (1, 1, 1), None)


def batches_of(split: Split, size: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(split.inputs.split(size), split.labels.split(size), strict=True))


def adam(network: nn.Module) -> torch.optim.Optimizer:
    return make_optimizer(network.parameters(), SETTINGS)


def nothing(examples: int) -> None: ...


# One epoch


def test_what_steps_say_is_said_before_their_updates_in_training_mode_and_in_order():
    made, split = network(), images(40)
    other = copy.deepcopy(made)
    optimizer, expected = adam(other), []
    for inputs, labels in batches_of(split, 16):
        expected.append(copy.deepcopy(other).train()(inputs).detach())
        train_epoch(other, optimizer, iter([(inputs, labels)]), nothing)
    said = train_epoch(made, adam(made), iter(batches_of(split, 16)), nothing)
    assert torch.equal(said.logits, torch.cat(expected))
    assert torch.equal(said.labels, split.labels)
    assert not said.logits.requires_grad
    identical(made.state_dict(), other.state_dict())


def test_every_step_is_told_with_its_examples_after_it_was_made():
    made, told, weights = network(), [], []

    def tick(examples: int) -> None:
        told.append(examples)
        weights.append(made.state_dict()["1.weight"].clone())

    train_epoch(made, adam(made), iter(batches_of(images(70), 32)), tick)
    assert told == [32, 32, 6]
    states = [network().state_dict()["1.weight"], *weights]
    assert all(not torch.equal(a, b) for a, b in pairwise(states))
    assert torch.equal(weights[-1], made.state_dict()["1.weight"])


# Mini-batches


@settings(deadline=None)
@given(count=st.integers(1, 60), batch=st.integers(2, 20), seed=st.integers(0, 2**32))
def test_an_epoch_visits_each_example_once_but_a_lone_last_one(count, batch, seed):
    made = list(shuffled(numbered(count), batch, torch.Generator().manual_seed(seed)))
    visited = [int(label) for _, labels in made for label in labels]
    assert len(set(visited)) == len(visited)
    assert set(visited) <= set(range(count))
    whole, rest = divmod(count, batch)
    assert [len(labels) for _, labels in made] == [batch] * whole + ([rest] if rest > 1 else [])
    for inputs, labels in made:
        assert torch.equal(inputs.flatten().long(), labels)


def order_of(batches: Iterator[tuple[Tensor, Tensor]]) -> list[int]:
    return [int(label) for _, labels in batches for label in labels]


def test_each_epoch_has_an_order_of_its_own_and_the_generator_decides_all():
    one, other = (torch.Generator().manual_seed(1) for _ in range(2))
    outside = torch.random.get_rng_state()
    epochs = [order_of(shuffled(numbered(40), 8, one)) for _ in range(4)]
    assert [order_of(shuffled(numbered(40), 8, other)) for _ in range(4)] == epochs
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert torch.equal(torch.random.get_rng_state(), outside)


def test_any_example_may_be_the_one_that_is_dropped():
    random = torch.Generator().manual_seed(0)
    dropped = [set(range(5)) - set(order_of(shuffled(numbered(5), 2, random))) for _ in range(200)]
    counts = [dropped.count({number}) for number in range(5)]
    assert sum(counts) == 200
    assert min(counts) > 40 - 5 * math.sqrt(200 * 0.2 * 0.8)


# Evaluating


def test_evaluation_uses_running_statistics_and_moves_nothing():
    made = network()
    train_epoch(made, adam(made), iter(batches_of(images(64), 16)), nothing)
    before, outside = copy.deepcopy(made), torch.random.get_rng_state()
    gradients = [p.grad.clone() for p in made.parameters()]
    split = images(30, seed=2)
    said = evaluate(made, split)
    identical(made.state_dict(), before.state_dict())
    assert torch.equal(torch.random.get_rng_state(), outside)
    identical([p.grad for p in made.parameters()], gradients)
    assert not said.logits.requires_grad

    before.eval()
    assert torch.equal(said.logits, before(split.inputs))
    assert not torch.allclose(said.logits, before.train()(split.inputs), atol=1e-3)
    assert torch.equal(said.labels, split.labels)


def test_an_example_s_logits_do_not_depend_on_which_others_are_evaluated():
    made, split = network().eval(), images(2 * EVALUATED_EXAMPLES + 7)
    said = evaluate(made, split)
    assert (said.logits.shape, said.logits.dtype) == ((507, 4), torch.float32)
    assert torch.equal(said.labels, split.labels)
    for at in (0, 249, 250, 506):
        alone = made(split.inputs[at : at + 1])
        torch.testing.assert_close(said.logits[at : at + 1], alone, atol=1e-5, rtol=1e-5)


class Large:
    """A split of so many examples, wherever they lie."""

    def __init__(self, count: int, shape: tuple[int, ...], on_gpu: bool) -> None:
        self.shape, self.count = shape, count
        self.labels = SimpleNamespace(is_cuda=on_gpu)

    def __len__(self) -> int:
        return self.count


@pytest.mark.parametrize(
    ("shape", "on_gpu", "sizes"),
    [
        ((3, 32, 32), False, [250] * 4 + [100]),
        ((3, 32, 32), True, [1000, 100]),
        ((1, 4, 4), True, [1000, 100]),
        ((3, 224, 224), True, [20] * 55),
        ((3, 224, 224), False, [5] * 220),
    ],
)
def test_a_gpu_predicts_for_more_examples_at_once(shape, on_gpu, sizes):
    parts = prediction_batches(Large(1100, shape, on_gpu))
    found = [len(range(*part.indices(1100))) for part in parts]
    assert found == sizes


def test_dropout_is_off_in_evaluation_and_on_in_training():
    made = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.Dropout(0.5))
    split = images(20)
    assert torch.equal(evaluate(made, split).logits, evaluate(made, split).logits)
    said = train_epoch(made, adam(made), iter(batches_of(split, 20)), nothing)
    assert (said.logits == 0).any()


# On a GPU, which is waited for where Python needs to know a number of its own


class Asked(TorchDispatchMode):
    """Counts the operations that need to know a tensor's values, or copy one of another kind."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(
            at is not None and at.dtype is torch.bool for at in args[1]
        )
        if by_mask or name in ("_local_scalar_dense", "nonzero", "masked_select", "equal"):
            self.asked.append(name)
        return func(*args, **(kwargs or {}))


def pixels(count: int) -> Split:
    """Images with a class for every pixel, or none."""
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(4, (count, 8, 8), generator=random)
    labels[torch.rand(labels.shape, generator=random) < 0.3] = NO_CLASS
    return Split(torch.randn(count, 3, 8, 8, generator=random), labels, (3, 8, 8), None)


def noise(targets: tuple[int, ...]) -> Iterator[tuple[Tensor, Tensor]]:
    settings, random = Noise(distribution="laplace", mean=0.5, std=2.0), generator(0, "noise")
    return with_random_labels(
        lambda: noise_inputs("segmentation", (8, 3, 8, 8), 4, settings, random),
        *(3, 4, (8, *targets), random),
    )


@pytest.mark.parametrize(
    "batches",
    [
        lambda: shuffled(
            pixels(24),
            8,
            generator(0, "order"),
            (Augmentation(crop=2, flip=True), generator(0, "augmentation")),
        ),
        lambda: noise((8, 8)),
    ],
    ids=["augmented pixels", "noise"],
)
def test_no_step_waits_for_a_number(batches):
    made, counted = nn.Conv2d(3, 4, 1), []
    optimizer, drawn = adam(made), batches()
    with Asked() as asking:
        said = train_epoch(
            made, optimizer, drawn, lambda examples: counted.append(list(asking.asked))
        )
    assert len(counted) == 3
    assert counted[-1] == []
    assert asking.asked  # afterwards it does: which of them have a class
    assert NO_CLASS not in said.labels


# Measuring


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 300),
    classes=st.integers(2, 12),
    scale=st.floats(0.1, 5),
)
def test_metrics_agree_with_torch_and_torchmetrics(seed, count, classes, scale):
    random = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(count, classes, generator=random)
    labels = torch.randint(classes, (count,), generator=random)
    measured = measure(Outputs(logits, labels))

    probabilities = logits.double().softmax(dim=1)
    confidence, predicted = probabilities.max(dim=1)
    assert measured["loss"] == pytest.approx(F.cross_entropy(logits.double(), labels).item())
    assert measured["accuracy"] == pytest.approx((predicted == labels).double().mean().item())
    assert measured["confidence"] == pytest.approx(confidence.mean().item())
    # torchmetrics works in float32: a confidence within its rounding of an edge may change bins
    on_an_edge = (confidence * 10 - (confidence * 10).round()).abs().min() < 1e-5
    if not on_an_edge:
        theirs = MulticlassCalibrationError(classes, n_bins=10, norm="l1")
        expected = theirs(probabilities, labels).item()
        assert measured["ece"] == pytest.approx(expected, abs=1e-6)


def test_a_network_that_is_sure_and_right_half_the_time_has_an_ece_of_a_half():
    logits, labels = torch.tensor([[1e4, 0.0], [1e4, 0.0]]), torch.tensor([0, 1])
    measured = measure(Outputs(logits, labels))
    assert measured == {"loss": 5000.0, "accuracy": 0.5, "confidence": 1.0, "ece": 0.5}
    assert list(measured) == ["loss", "accuracy", "confidence", "ece"]
    assert {type(value) for value in measured.values()} == {float}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [(0, 0), (6, 3)])
def test_one_output_that_is_not_finite_is_divergence(value, at):
    logits, labels = torch.zeros(7, 4), torch.zeros(7, dtype=torch.int64)
    measure(Outputs(logits, labels))
    logits[at] = value
    with pytest.raises(Diverged, match="finite"):
        measure(Outputs(logits, labels))
