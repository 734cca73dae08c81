"""Products by oneDNN are PyTorch's own, in value and in every derivative."""

import copy
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from trainables.models import linear as chosen
from trainables.models.feedback import FeedbackLinear
from trainables.models.linear import LARGE, Linear, linear, mkl_is_slow, speed_up
from trainables.models.mlp import mlp

# rounding of a sum of k products of standard normals, with room
TOLERANCE = {"rtol": 1e-5, "atol": 2e-4}

large = pytest.mark.skipif(not chosen._AVAILABLE, reason="this PyTorch has no oneDNN")


@pytest.fixture(autouse=True, scope="module")
def _by_onednn() -> Iterator[None]:
    """As on a processor where MKL is slow, whatever this one is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chosen, "_BY_ONEDNN", chosen._AVAILABLE)
        yield


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def calls(work: object) -> int:
    """How many products oneDNN computes meanwhile."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        work()  # type: ignore[operator]
    return sum(e.count for e in profiler.key_averages() if e.key == "mkldnn::_linear_pointwise")


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 300),
    columns=st.integers(1, 700),
    outputs=st.integers(1, 300),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_values_and_gradients_are_those_of_pytorch_in_float64(rows, columns, outputs, bias, seed):
    given = [drawn(rows, columns, seed=seed), drawn(outputs, columns, seed=seed + 1)]
    given += [drawn(outputs, seed=seed + 2)] if bias else []
    weigh = drawn(rows, outputs, seed=seed + 3)  # so that the gradients are of something

    def all_of(function: object, dtype: torch.dtype) -> list[Tensor]:
        leaves = [tensor.to(dtype).requires_grad_() for tensor in given]
        found = function(*leaves)  # type: ignore[operator]
        return [found, *torch.autograd.grad((found * weigh.to(dtype)).sum(), leaves)]

    for ours, exact in zip(
        all_of(linear, torch.float32), all_of(F.linear, torch.float64), strict=True
    ):
        torch.testing.assert_close(ours, exact.float(), **TOLERANCE)


@large
@pytest.mark.parametrize("shape", [(256, 512), (4, 64, 512), (2, 2, 64, 512)])
def test_a_batch_of_any_shape_is_a_batch(shape):
    inputs, weight = drawn(*shape), drawn(64, 512, seed=1)
    found = linear(inputs, weight)
    assert calls(lambda: linear(inputs, weight)) == 1
    torch.testing.assert_close(found, F.linear(inputs, weight), **TOLERANCE)


@large
def test_transposed_and_expanded_matrices_give_the_same_product():
    inputs, weight = drawn(512, 128).t(), drawn(512, 256, seed=1).t()
    torch.testing.assert_close(linear(inputs, weight), inputs @ weight.t(), **TOLERANCE)
    leaf = weight.detach().clone().requires_grad_()
    linear(inputs, leaf).sum().backward()  # its error is one number, expanded
    torch.testing.assert_close(leaf.grad, inputs.sum(0).expand_as(leaf).contiguous(), **TOLERANCE)


@large
def test_second_derivatives_are_those_of_pytorch():
    network = mlp((3, 16, 16), 10, depth=3, width=64)
    inputs, labels = drawn(64, 3, 16, 16), torch.arange(64) % 10

    def curvature(network: nn.Module) -> list[Tensor]:
        """The Hessian times a vector of ones."""
        weights = list(network.parameters())
        loss = F.cross_entropy(network(inputs), labels)
        slopes = torch.autograd.grad(loss, weights, create_graph=True)
        return list(torch.autograd.grad(sum(slope.sum() for slope in slopes), weights))  # type: ignore[arg-type]

    fast = copy.deepcopy(network)
    speed_up(fast)
    exact = curvature(copy.deepcopy(network).double().float())
    assert calls(lambda: curvature(fast)) > 3
    for ours, theirs in zip(curvature(fast), exact, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


@large
def test_networks_side_by_side_compute_what_each_computes_alone():
    inputs, weights, biases = drawn(3, 64, 512), drawn(3, 64, 512, seed=1), drawn(3, 64, seed=2)
    together = torch.vmap(linear)(inputs, weights, biases)
    shared = torch.vmap(linear, in_dims=(None, 0, None))(inputs[0], weights, biases[0])
    for k in range(3):
        assert torch.equal(together[k], linear(inputs[k], weights[k], biases[k]))
        assert torch.equal(shared[k], linear(inputs[0], weights[k], biases[0]))

    def loss(weight: Tensor, inputs: Tensor, bias: Tensor) -> Tensor:
        return linear(inputs, weight, bias).square().sum()

    slopes = torch.vmap(torch.func.grad(loss))(weights, inputs, biases)
    alone = [
        torch.func.grad(loss)(w, x, b) for w, x, b in zip(weights, inputs, biases, strict=True)
    ]
    torch.testing.assert_close(slopes, torch.stack(alone))


@large
def test_small_products_other_types_and_autocast_are_left_to_pytorch():
    side = round(LARGE ** (1 / 3))
    big, small = drawn(side + 2, side + 2), drawn(side - 2, side - 2)
    assert calls(lambda: linear(big, big)) == 1
    assert calls(lambda: linear(small, small)) == 0
    assert torch.equal(linear(small, small), F.linear(small, small))
    assert torch.equal(linear(big.double(), big.double()), F.linear(big.double(), big.double()))
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(big, big).dtype == torch.bfloat16


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="this PyTorch has no MKL")
def test_mkl_is_asked_wherever_it_uses_the_whole_processor(monkeypatch):
    assert mkl_is_slow("AVX512", "AuthenticAMD")
    assert not mkl_is_slow("AVX512", "GenuineIntel")
    assert not mkl_is_slow("AVX2", "AuthenticAMD")
    monkeypatch.setattr(chosen, "_BY_ONEDNN", False)
    big = drawn(256, 512)
    assert calls(lambda: linear(big, big)) == 0
    assert torch.equal(linear(big, big), F.linear(big, big))


def test_a_network_is_sped_up_where_its_layers_are_plain():
    network = nn.Sequential(nn.Linear(4, 4), nn.MultiheadAttention(4, 2), FeedbackLinear(4, 4))
    names = list(network.state_dict())
    attention = network[1].out_proj
    kind = type(attention)
    speed_up(network)
    assert type(network[0]) is Linear
    assert type(attention) is kind  # PyTorch reads its weights, and does not call it
    assert type(network[2]) is FeedbackLinear
    assert list(network.state_dict()) == names


@large
def test_a_compiled_network_still_compiles():
    network = nn.Sequential(nn.Linear(512, 64))
    speed_up(network)
    inputs = drawn(256, 512)
    compiled = torch.compile(network, backend="aot_eager")
    torch.testing.assert_close(compiled(inputs), network(inputs), **TOLERANCE)
    assert calls(lambda: compiled(inputs)) == 0  # Inductor refuses the operator
