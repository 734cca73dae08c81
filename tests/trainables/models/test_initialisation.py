"""Initialisation against the laws it is named after; it depends on its generator alone."""

import copy
import math
from typing import TypeVar

import pytest
import torch
from support import identical, seeded
from torch import Tensor, nn

from trainables.config.base import Initialisation
from trainables.models.initialisation import initialise
from trainables.models.mlp import mlp
from trainables.models.vit import vit

Network = TypeVar("Network", bound=nn.Module)

DRAWN: list[Initialisation] = ["he", "xavier", "orthogonal"]
ERRORS = 5  # standard errors allowed

# a layer, its fan_in and its fan_out, counted by hand
LAYERS = {
    "linear": (nn.Linear(400, 300), 400, 300),
    "convolution": (nn.Conv2d(32, 64, 3, stride=2), 32 * 9, 64 * 9),
    "1×1 convolution": (nn.Conv2d(128, 256, 1), 128, 256),
    "transposed": (nn.ConvTranspose2d(64, 32, 2, stride=2), 64, 32 * 4),
    "transposed, stride 1": (nn.ConvTranspose2d(64, 32, 3), 64 * 9, 32 * 9),
}


def drawn(network: Network, method: Initialisation = "he", seed: int = 0) -> Network:
    """The network anew; the one given stays as it is."""
    made = copy.deepcopy(network)
    initialise(made, method, seeded(seed))
    return made


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def has_law(weights: Tensor, std: float) -> bool:
    """Mean 0 and this std, within sampling error."""
    error = std / math.sqrt(weights.numel())
    mean_fits = abs(weights.mean().item()) < ERRORS * error
    return mean_fits and abs(weights.std().item() - std) < ERRORS * error / math.sqrt(2)


def every_kind() -> nn.Sequential:
    """A network, not to be run, with each kind of layer."""
    return nn.Sequential(
        nn.Linear(6, 5),
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ConvTranspose2d(4, 2, 2, stride=2),
        nn.MultiheadAttention(8, 2),
        nn.LayerNorm(8),
        nn.Embedding(7, 8),
        nn.Linear(8, 3, bias=False),
    )


# Laws


@pytest.mark.parametrize("name", LAYERS)
def test_he_s_variance_is_2_over_fan_in_and_xavier_s_2_over_the_sum_of_both_fans(name):
    layer, fan_in, fan_out = LAYERS[name]
    assert has_law(drawn(layer, "he").weight, math.sqrt(2 / fan_in))
    assert has_law(drawn(layer, "xavier").weight, math.sqrt(2 / (fan_in + fan_out)))


@pytest.mark.parametrize("name", ["linear", "1×1 convolution", "transposed"])
@torch.no_grad()
def test_he_s_law_keeps_the_variance_through_a_relu(name):
    """What it is made for: relu of unit normals in, unit variance out."""
    layer, fan_in, _ = LAYERS[name]
    sides = () if isinstance(layer, nn.Linear) else (4, 4)
    features = fan_in if isinstance(layer, nn.Linear) else layer.in_channels
    inputs = torch.randn(1000, features, *sides, generator=seeded(1)).relu()
    assert drawn(layer, "he")(inputs).square().mean().item() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("name", LAYERS)
def test_orthogonal_rows_or_columns_are_orthonormal(name):
    weight = drawn(LAYERS[name][0], "orthogonal").weight.detach().double().flatten(1)
    rows, columns = weight.shape
    gram = weight @ weight.T if rows <= columns else weight.T @ weight
    torch.testing.assert_close(gram, torch.eye(min(rows, columns)).double(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("method", "variance"), [("he", 2 / 200), ("xavier", 2 / (200 + 200)), ("orthogonal", 1 / 200)]
)
def test_attention_s_query_key_value_and_output_are_matrices_of_their_own(method, variance):
    attention = drawn(nn.MultiheadAttention(200, 4), method)
    query, key, value = attention.in_proj_weight.detach().split(200)
    for matrix in (query, key, value, attention.out_proj.weight.detach()):
        assert has_law(matrix, math.sqrt(variance))
        if method == "orthogonal":
            torch.testing.assert_close(matrix @ matrix.T, torch.eye(200), rtol=0, atol=1e-5)
    assert not torch.equal(query, key)


def test_pytorch_leaves_everything_as_it_was():
    network = every_kind()
    before = torch.random.get_rng_state()
    identical(state(drawn(network, "pytorch")), state(network))
    assert torch.equal(torch.random.get_rng_state(), before)


# What else a network holds


@pytest.mark.parametrize("method", DRAWN)
def test_every_bias_of_a_weight_matrix_is_zero(method):
    network = every_kind()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 3)
    made = drawn(network, method)
    biases = [value for name, value in made.state_dict().items() if name.endswith("bias")]
    assert len(biases) == 7
    assert not any(bias.any() for bias in biases)


@pytest.mark.parametrize(
    "layer", [nn.BatchNorm1d(3), nn.BatchNorm2d(3), nn.LayerNorm(3), nn.GroupNorm(3, 3)]
)
def test_normalisation_becomes_the_identity_with_fresh_running_statistics(layer):
    fresh = state(layer)
    for value in layer.state_dict().values():
        value.fill_(7)
    made = state(drawn(layer))
    identical(made, fresh)
    assert made["weight"].tolist() == [1, 1, 1]
    assert made["bias"].tolist() == [0, 0, 0]
    if "running_mean" in made:
        assert made["running_mean"].tolist() == [0, 0, 0]
        assert made["running_var"].tolist() == [1, 1, 1]
        assert made["num_batches_tracked"] == 0


@pytest.mark.parametrize("method", DRAWN)
def test_embeddings_class_tokens_and_positions_stay(method):
    network = nn.ModuleList([vit((3, 8, 8), 2, 1, 8, 2, 16), nn.Embedding(5, 4)])
    nn.init.normal_(network.get_parameter("0.class_token"))
    before, after = state(network), state(drawn(network, method))
    for name in ("0.class_token", "0.encoder.pos_embedding", "1.weight"):
        assert torch.equal(before[name], after[name])
    assert not torch.equal(before["0.heads.head.weight"], after["0.heads.head.weight"])


# Randomness


def test_weights_are_drawn_in_the_order_of_the_modules_and_each_once():
    """By hand: the same bits from the same generator."""
    network = every_kind()
    before = torch.random.get_rng_state()
    made = drawn(network, seed=4)
    assert torch.equal(torch.random.get_rng_state(), before)
    by_hand = seeded(4)

    def normal(fan_in: int, *shape: int) -> Tensor:
        return torch.empty(shape).normal_(0.0, math.sqrt(2.0 / fan_in), generator=by_hand)

    assert torch.equal(made[0].weight, normal(6, 5, 6))
    assert torch.equal(made[1].weight, normal(27, 4, 3, 3, 3))
    assert torch.equal(made[3].weight, normal(4, 4, 2, 2, 2))
    query_key_value = torch.cat([normal(8, 8, 8) for _ in range(3)])
    assert torch.equal(made[4].in_proj_weight, query_key_value)
    assert torch.equal(made[4].out_proj.weight, normal(8, 8, 8))
    assert torch.equal(made[7].weight, normal(8, 3, 8))


@pytest.mark.parametrize("method", DRAWN)
def test_weights_depend_on_the_generator_alone_and_move_no_other(method):
    torch.manual_seed(1)
    first = drawn(mlp((3, 8, 8), 10, 3, 16), method)
    torch.manual_seed(2)
    again = mlp((3, 8, 8), 10, 3, 16)
    before = torch.random.get_rng_state()
    identical(state(first), state(drawn(again, method)))
    other = drawn(first, method, seed=1)
    assert not any(
        torch.equal(one.weight, two.weight)
        for one, two in zip(first, other, strict=True)
        if isinstance(one, nn.Linear)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
