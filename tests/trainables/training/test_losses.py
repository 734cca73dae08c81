"""The losses of the task against PyTorch's own, a closed form, and each target by itself; a life is
trained with its loss in the task alone, and measured by cross-entropy."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from lives import changed, keys, live, lived, warmed_state
from small import WARM
from support import identical
from torch import Tensor

from analysis.results.records import Record
from trainables.config.loss import Loss
from trainables.storage.storage import Storage
from trainables.tasks import NO_CLASS
from trainables.training.losses import loss_of

REDUCTIONS = ("mean", "sum", "none")
FOCAL = Loss.model_validate({"name": "focal", "gamma": 2.0})
SMOOTHED = Loss.model_validate({"name": "label_smoothing", "amount": 0.2})


def drawn(targets: tuple[int, ...], seed: int = 0, classes: int = 5) -> tuple[Tensor, Tensor]:
    """Logits of six examples, float64, and labels; of several targets a third has no class."""
    random = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(6, classes, *targets, generator=random, dtype=torch.float64)
    labels = torch.randint(classes, (6, *targets), generator=random)
    if targets:
        labels[torch.rand(labels.shape, generator=random) < 1 / 3] = NO_CLASS
        labels[0] = NO_CLASS
        labels.view(-1)[-1] = 1
    return logits, labels


def by_hand(logits: Tensor, labels: Tensor, settings: Loss) -> Tensor:
    """Each target's loss, one after another, from its probabilities."""
    found = torch.zeros(labels.shape, dtype=logits.dtype)
    classes = logits.shape[1]
    for place in torch.cartesian_prod(*map(torch.arange, labels.shape)).view(-1, labels.ndim):
        example, *rest = map(int, place)
        label = int(labels[(example, *rest)])
        if label == NO_CLASS:
            continue
        p = [math.exp(float(z)) for z in logits[(example, slice(None), *rest)]]
        p = [each / sum(p) for each in p]
        if settings.gamma is not None:
            value = -((1 - p[label]) ** settings.gamma) * math.log(p[label])
        else:
            a = settings.amount or 0.0
            wanted = [(1 - a) * (k == label) + a / classes for k in range(classes)]
            value = -sum(w * math.log(each) for w, each in zip(wanted, p, strict=True))
        found[(example, *rest)] = value
    return found


@pytest.mark.parametrize("targets", [(), (4,), (3, 2)], ids=["classes", "tokens", "pixels"])
@pytest.mark.parametrize("loss", [FOCAL, SMOOTHED], ids=["focal", "label smoothing"])
def test_each_target_has_the_loss_of_the_formula_and_one_without_a_class_none(loss, targets):
    logits, labels = drawn(targets)
    expected = by_hand(logits, labels, loss)
    torch.testing.assert_close(loss_of(logits, labels, loss, "none"), expected)
    torch.testing.assert_close(loss_of(logits, labels, loss, "sum"), expected.sum())
    known = int((labels != NO_CLASS).sum())
    assert known < labels.numel() or not targets
    torch.testing.assert_close(loss_of(logits, labels, loss), expected.sum() / known)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("targets", [(), (3, 2)])
def test_without_settings_it_is_pytorch_s_cross_entropy_to_the_bit(targets, reduction):
    logits, labels = drawn(targets)
    expected = F.cross_entropy(logits, labels, reduction=reduction)
    assert torch.equal(loss_of(logits, labels, None, reduction), expected)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), gamma=st.floats(0, 6), amount=st.floats(0, 0.99))
def test_gamma_and_amount_of_nothing_are_cross_entropy_and_gradients_are_autograd_s(
    seed, gamma, amount
):
    logits, labels = drawn((3, 2), seed)
    plain = loss_of(logits, labels)
    for name in ("focal", "label_smoothing"):
        number = {"focal": "gamma", "label_smoothing": "amount"}[name]
        nothing = Loss.model_validate({"name": name, number: 0})
        torch.testing.assert_close(loss_of(logits, labels, nothing), plain)
        some = Loss.model_validate({"name": name, number: gamma if name == "focal" else amount})
        small = logits[:, :, :1, :1].clone().requires_grad_()
        some_labels = labels[:, :1, :1].clamp_min(0)
        assert torch.autograd.gradcheck(lambda z, s=some, y=some_labels: loss_of(z, y, s), small)


def test_focal_loss_asks_less_of_sure_targets_the_more_the_larger_gamma_is():
    logits, labels = torch.tensor([[2.0, 0.0]]), torch.tensor([0])
    sizes = [float(loss_of(logits, labels, Loss(name="focal", gamma=g))) for g in (0, 0.5, 1, 3)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == pytest.approx(math.log1p(math.exp(-2)))


@pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0, 3.0])
def test_a_target_of_probability_one_has_a_gradient_that_is_a_number(gamma):
    logits = torch.tensor([[1e3, 0.0], [0.0, 1.0]], requires_grad=True)
    loss_of(logits, torch.tensor([0, 0]), Loss(name="focal", gamma=gamma)).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad[0] == 0).all()
    assert (logits.grad[1] != 0).all()


def test_a_loss_is_given_by_its_name_with_the_number_of_its_source():
    assert Loss.model_validate("focal") == Loss(name="focal", gamma=3.0)
    assert Loss.model_validate("label_smoothing") == Loss(name="label_smoothing", amount=0.1)


# In a life


def final(record: Record) -> Tensor:
    return torch.as_tensor(record.logits["test"])


def test_the_warmup_and_what_is_measured_are_cross_entropy_s_and_the_task_is_not(tmp_path):
    records, warmed = {}, {}
    losses = {"none": None, "gamma 0": Loss(name="focal", gamma=0), "focal": FOCAL}
    for name, loss in losses.items():
        trial, storage = changed(WARM, task={"loss": loss}), Storage(tmp_path / name)
        records[name], warmed[name] = lived(trial, storage), warmed_state(trial, storage)
        logits, labels = final(records[name]), torch.as_tensor(records[name].labels["test"])
        measured = np.asarray(records[name].history["test_loss"])[-1]
        assert measured == pytest.approx(float(F.cross_entropy(logits.double(), labels)))
    identical(warmed["none"], warmed["focal"])
    plain, zero, focal = map(final, records.values())
    torch.testing.assert_close(zero, plain, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(focal, plain, atol=1e-4)


def test_trials_of_several_losses_share_one_warmup(tmp_path):
    storage = Storage(tmp_path)
    for loss in (None, FOCAL, SMOOTHED):
        live(changed(WARM, task={"loss": loss}), storage)
    assert len(keys(storage, "warmups")) == 1
    assert len(keys(storage, "records")) == 3
