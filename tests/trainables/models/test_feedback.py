"""Feedback alignment against its definition, written out by hand in float64."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from support import seeded
from torch import Tensor, nn

from trainables.models.feedback import FeedbackLinear, draw_feedback
from trainables.models.mlp import mlp

N, WIDTHS = 8, (5, 7, 6, 3)  # examples; inputs, two hidden layers, classes


def three_layers(kind: type[nn.Linear] = FeedbackLinear) -> nn.Sequential:
    torch.manual_seed(0)
    one, two, three = (kind(*widths) for widths in itertools.pairwise(WIDTHS))
    return nn.Sequential(one, nn.ReLU(), two, nn.ReLU(), three).double()


def data() -> tuple[Tensor, Tensor]:
    """Inputs, float64 (N, 5), and labels (N,)."""
    inputs = torch.randn(N, WIDTHS[0], generator=seeded(1), dtype=torch.float64)
    return inputs, torch.arange(N) % WIDTHS[-1]


def gradients(network: nn.Module, inputs: Tensor, labels: Tensor) -> list[Tensor]:
    """Of the cross-entropy, for each weight and bias in turn, and last for the inputs."""
    inputs = inputs.clone().requires_grad_()
    loss = nn.functional.cross_entropy(network(inputs), labels)
    return list(torch.autograd.grad(loss, [*network.parameters(), inputs]))


def layers_of(network: nn.Module) -> list[FeedbackLinear]:
    return [layer for layer in network.modules() if isinstance(layer, FeedbackLinear)]


# Training mode


def test_gradients_are_the_definition_s():
    """Error δ₃ = (softmax − one-hot) / n; δ₂ = δ₃ B₃ ∘ 1[h₂ > 0], δ₁ = δ₂ B₂ ∘ 1[h₁ > 0]; for the
    weights δᵀ h, for the biases Σ δ, for the inputs δ₁ B₁."""
    network, (inputs, labels) = three_layers(), data()
    (w1, b1), (w2, b2), (w3, b3) = (
        (layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in layers_of(network)
    )
    f1, f2, f3 = (layer.feedback.numpy() for layer in layers_of(network))
    h0 = inputs.numpy()
    h1 = np.maximum(0, h0 @ w1.T + b1)
    h2 = np.maximum(0, h1 @ w2.T + b2)
    exponentials = np.exp(h2 @ w3.T + b3)
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    e3 = (probabilities - np.eye(WIDTHS[-1])[labels.numpy()]) / N
    e2 = (e3 @ f3) * (h2 > 0)
    e1 = (e2 @ f2) * (h1 > 0)
    expected = [e1.T @ h0, e1.sum(0), e2.T @ h1, e2.sum(0), e3.T @ h2, e3.sum(0), e1 @ f1]
    for found, right in zip(gradients(network, inputs, labels), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), right, rtol=0, atol=1e-14)


def test_with_its_own_weights_for_feedback_it_is_backpropagation():
    network = three_layers()
    for layer in layers_of(network):
        layer.feedback.copy_(layer.weight.detach())
    ordinary = three_layers(nn.Linear)
    ordinary.load_state_dict(
        {name: value for name, value in network.state_dict().items() if "feedback" not in name}
    )
    pairs = zip(gradients(network, *data()), gradients(ordinary, *data()), strict=True)
    for found, right in pairs:
        torch.testing.assert_close(found, right, rtol=0, atol=1e-12)


def test_outputs_are_those_of_a_linear_layer():
    layer, (inputs, _) = FeedbackLinear(5, 4).double(), data()
    expected = inputs @ layer.weight.T + layer.bias
    torch.testing.assert_close(layer.train()(inputs), expected)
    torch.testing.assert_close(layer.eval()(inputs), expected)


def test_gradients_of_a_pass_in_bfloat16_are_float32_and_the_same_but_for_rounding():
    network, (inputs, labels) = three_layers().float(), data()
    full = gradients(network, inputs.float(), labels)
    inputs = inputs.float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(inputs)
    loss = nn.functional.cross_entropy(logits.float(), labels)
    half = torch.autograd.grad(loss, [*network.parameters(), inputs])
    for found, right in zip(half, full, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, right, rtol=0.1, atol=0.01)


def test_weights_come_into_line_with_the_feedback():
    """Lillicrap et al.'s Fig. 1, smaller: learning a linear map, the hidden layer's error by
    feedback turns towards the true one, from about 90° to well below 45°."""
    torch.manual_seed(0)
    network = nn.Sequential(FeedbackLinear(30, 20), FeedbackLinear(20, 10))
    target = torch.randn(30, 10, generator=seeded(1)) / math.sqrt(30)
    inputs = torch.randn(500, 30, generator=seeded(2))
    for layer in layers_of(network):
        nn.init.uniform_(layer.weight, -0.01, 0.01)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.5)

    def angle() -> float:
        error = (network(inputs) - inputs @ target).detach()
        last = layers_of(network)[1]
        fed_back, true = error @ last.feedback, error @ last.weight.detach()
        cosine = nn.functional.cosine_similarity(fed_back.flatten(), true.flatten(), dim=0)
        return math.degrees(math.acos(cosine.item()))

    before = angle()
    losses = []
    for _ in range(300):
        optimizer.zero_grad()
        loss = (network(inputs) - inputs @ target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert before > 75
    assert angle() < 45
    assert losses[-1] < 0.1 * losses[0]


# Eval mode


def test_in_eval_mode_gradients_are_true_and_in_training_mode_they_are_not():
    """By central differences of every input element."""
    network, (inputs, labels) = three_layers(), data()
    trained = gradients(network.train(), inputs, labels)[-1]
    found = gradients(network.eval(), inputs, labels)[-1]
    assert (trained - found).abs().max() > 0.01
    step = 1e-6
    for place in np.ndindex(*inputs.shape):
        ahead, behind = inputs.clone(), inputs.clone()
        ahead[place] += step
        behind[place] -= step
        with torch.no_grad():
            rise = nn.functional.cross_entropy(network(ahead), labels)
            rise = rise - nn.functional.cross_entropy(network(behind), labels)
        assert found[place].item() == pytest.approx(rise.item() / (2 * step), abs=1e-8)


# The feedback weights


def test_feedback_is_kept_with_the_network_and_is_no_parameter():
    network = mlp((5,), 3, depth=2, width=4, feedback_alignment=True)
    assert {"1.feedback", "4.feedback"} < network.state_dict().keys()
    assert not any("feedback" in name for name, _ in network.named_parameters())
    assert not any(layer.feedback.requires_grad for layer in layers_of(network))


def test_feedback_does_not_change_in_training():
    network, (inputs, labels) = three_layers(), data()
    start = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs), labels).backward()
        optimizer.step()
    for layer, before in zip(layers_of(network), layers_of(start), strict=True):
        assert torch.equal(layer.feedback, before.feedback)
        assert not torch.equal(layer.weight, before.weight)


def test_every_layer_of_the_mlp_has_feedback_and_the_same_parameters_otherwise():
    plain, aligned = (mlp((12,), 3, 4, 8, feedback_alignment=on) for on in (False, True))
    assert [type(layer) for layer in aligned] == [
        FeedbackLinear if type(layer) is nn.Linear else type(layer) for layer in plain
    ]
    assert [(name, value.shape) for name, value in aligned.named_parameters()] == [
        (name, value.shape) for name, value in plain.named_parameters()
    ]


def test_feedback_has_the_weights_law_and_comes_from_the_generator_layer_by_layer():
    network = mlp((300,), 10, depth=3, width=200, feedback_alignment=True)
    others = {name: value.clone() for name, value in network.named_parameters()}
    global_state = torch.random.get_rng_state()
    draw_feedback(network, seeded(3))
    by_hand = seeded(3)
    for layer in layers_of(network):
        law = torch.empty(layer.out_features, layer.in_features)
        law.normal_(0.0, math.sqrt(2.0 / layer.in_features), generator=by_hand)
        assert torch.equal(layer.feedback, law)
    assert all(torch.equal(value, others[name]) for name, value in network.named_parameters())
    assert torch.equal(torch.random.get_rng_state(), global_state)


def test_a_layer_has_feedback_of_that_law_from_the_start():
    feedback = FeedbackLinear(400, 300).feedback
    assert feedback.shape == (300, 400)
    assert feedback.std().item() == pytest.approx(math.sqrt(2 / 400), rel=5 / math.sqrt(2 * 120000))
