"""What is kept of a warmed-up network: one property of it, and nothing else."""

import copy
from typing import Any

import pytest
import small
import torch
import torch.nn.functional as F
from lives import CPU, changed, photographs
from support import identical
from torch import Tensor, nn

from trainables.config.loss import Loss
from trainables.config.model import Mlp
from trainables.config.trial import Compute, Data, Optimizer, Trial
from trainables.data.splits import TaskData, prepare
from trainables.lifecycle.ablations import ablate, first_step
from trainables.models.build import build
from trainables.training.loop import evaluate

FACTS = small.FACTS.model_copy(update={"ood_digest": None})


def trial_of(kept: Any, optimizer: Optimizer | None = None, **changes: Any) -> Trial:
    return changed(
        small.WARM,
        model=Mlp(depth=3, width=12),
        data=Data(ood=None, examples=40, validation=5, test=20, facts=FACTS),
        warmup={"examples": 64, "epochs": 1, "batch": 32, "keep": kept},
        task={"epochs": 2, "batch": 16, "optimizer": optimizer or Optimizer(lr=1e-3)},
        **changes,
    )


def warmed(trial: Trial) -> tuple[nn.Module, dict[str, Tensor], TaskData]:
    """A network that has moved in everything it has, its state before, and its data."""
    network = build(trial, CPU)
    before = copy.deepcopy(network.state_dict())
    random = torch.Generator().manual_seed(7)
    adam = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(20):
        inputs = torch.randn(32, 3, 32, 32, generator=random)
        adam.zero_grad()
        F.cross_entropy(network(inputs), torch.randint(10, (32,), generator=random)).backward()
        adam.step()
    return network, before, prepare(trial, photographs().source, None, CPU)


def kept(kind: Any, **changes: Any) -> tuple[nn.Module, nn.Module, dict[str, Tensor], float]:
    """(what starts the task, the warmed-up network, the state before, factor of the lr)."""
    trial = trial_of(kind, **changes)
    network, before, data = warmed(trial)
    after = copy.deepcopy(network)
    return network, after, before, ablate(network, before, data, trial)


def test_where_nothing_is_named_all_of_the_network_is_kept():
    network, after, _, factor = kept(None)
    assert factor == 1.0
    identical(network.state_dict(), after.state_dict())


@pytest.mark.parametrize("kind", ["shuffled", "norms", "logit_variance", "step_size"])
def test_what_is_not_named_is_the_untrained_network_s(kind):
    network, after, before, _ = kept(kind)
    changed = {n for n, v in network.state_dict().items() if not torch.equal(v, before[n])}
    weights = {n for n, p in network.named_parameters() if p.ndim > 1}
    head = sorted(weights)[-1]
    allowed = {"shuffled": weights, "norms": weights, "logit_variance": {head}, "step_size": set()}
    assert changed == allowed[kind]
    assert not {n for n, v in after.state_dict().items() if torch.equal(v, before[n])}


def test_shuffled_weights_are_the_warmed_up_ones_at_other_places():
    network, after, _, _ = kept("shuffled")
    for (name, here), there in zip(network.named_parameters(), after.parameters(), strict=True):
        if here.ndim > 1:
            assert torch.equal(here.flatten().sort().values, there.flatten().sort().values), name
            assert (here == there).float().mean() < 0.1, name


def test_shuffled_weights_lie_elsewhere_for_another_seed():
    one, other, again = (kept("shuffled", seed=s)[0].state_dict() for s in (0, 1, 0))
    assert not any(torch.equal(v, other[n]) for n, v in one.items() if v.ndim > 1)
    identical(one, again)


def test_weights_of_equal_norm_point_where_the_untrained_ones_do():
    network, after, before, _ = kept("norms")
    for (name, here), there in zip(network.named_parameters(), after.parameters(), strict=True):
        if here.ndim > 1:
            here, there = here.detach(), there.detach()
            assert float(here.norm()) == pytest.approx(float(there.norm()), rel=1e-5), name
            cosine = F.cosine_similarity(here.flatten(), before[name].flatten(), dim=0)
            assert float(cosine) == pytest.approx(1.0, abs=1e-5), name


def test_logits_vary_as_in_the_warmed_up_network_and_rank_as_in_the_untrained():
    network, after, before, _ = kept("logit_variance")
    data = prepare(trial_of(None), photographs().source, None, CPU)
    untrained = build(trial_of(None), CPU)
    untrained.load_state_dict(before)
    here, there, first = (evaluate(n, data.train).logits for n in (network, after, untrained))
    assert float(here.var()) == pytest.approx(float(there.var()), rel=1e-4)
    assert torch.equal(here.argmax(dim=1), first.argmax(dim=1))
    assert abs(float(first.var()) / float(there.var()) - 1) > 0.2  # or nothing was shown


@pytest.mark.parametrize(
    "optimizer",
    [Optimizer(lr=1e-3), Optimizer(name="sgd", lr=1e-2, momentum=0.9)],
    ids=["adam", "sgd"],
)
def test_with_the_scaled_learning_rate_the_first_steps_are_equally_large(optimizer):
    trial = trial_of("step_size", optimizer)
    network, after, _, factor = kept("step_size", optimizer=optimizer)
    data = prepare(trial, photographs().source, None, CPU)
    scaled = optimizer.model_copy(update={"lr": optimizer.lr * factor})
    at_scaled = first_step(network, data, trial_of("step_size", scaled))
    assert at_scaled == pytest.approx(first_step(after, data, trial), rel=0.02)
    assert abs(factor - 1) > 0.1


@pytest.mark.parametrize("amount", [0.0, 0.3])
def test_a_first_step_is_the_change_of_the_logits_by_hand(amount):
    loss = Loss(name="label_smoothing", amount=amount) if amount else None
    trial = changed(trial_of(None, Optimizer(name="sgd", lr=0.01)), task={"loss": loss})
    network, _, data = warmed(trial)
    before = copy.deepcopy(network.state_dict())
    found = first_step(network, data, trial)
    identical(network.state_dict(), before)
    inputs, labels = data.train.inputs[:16], data.train.labels[:16]
    network.train()
    logits = network(inputs)
    smoothed = F.cross_entropy(logits, labels, label_smoothing=amount)
    gradients = torch.autograd.grad(smoothed, list(network.parameters()))
    with torch.no_grad():
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter -= 0.01 * gradient
        change = network(inputs) - logits
    assert found == pytest.approx(float(change.square().mean().sqrt()), rel=1e-5)


def test_a_network_in_bfloat16_can_be_kept_from():
    network, _, _, _ = kept("logit_variance", compute=Compute(bfloat16=True))
    assert all(bool(torch.isfinite(p).all()) for p in network.parameters())


def test_what_is_kept_is_no_part_of_the_warm_up_s_key_and_part_of_the_trial_s_id():
    plain, shuffled = trial_of(None), trial_of("shuffled")
    assert plain.warmup_key == shuffled.warmup_key
    assert plain.trial_id != shuffled.trial_id
