"""The Hessian's largest eigenvalue and trace against the Hessian itself, in float64."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from subjects import split_of
from torch import Tensor, nn
from torch.func import functional_call, hessian

from trainables.data.splits import Split, TaskData
from trainables.models.build import Autocast
from trainables.models.vit import vit
from trainables.probes.curvature import (
    TOLERANCE,
    VECTORS,
    Hessian,
    curvature,
    hutchinson_trace,
    largest_eigenvalue,
)
from trainables.probes.subject import Subject
from trainables.training.loop import Diverged

CLASSES = 3
SHAPE = (4,)


def subject_of(network: nn.Module, train: Split, seed: int = 0) -> Subject:
    return Subject(network, TaskData(train, train, train, None, ((), ()), ((), ())), 8, seed, {})


def small(seed: int, batches: int = 3) -> nn.Module:
    """83 weights, and running statistics that are not those of a batch."""
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.BatchNorm1d(6), nn.Linear(6, 3))
    with torch.no_grad():
        network[3].weight.mul_(3)
        for batch in range(batches):
            network(split_of(50, 100 + batch, SHAPE).inputs)
    return network


def exact(network: nn.Module, split: Split) -> np.ndarray:
    """The Hessian of the mean cross-entropy in float64, (rows, rows), by torch.func."""
    network = network.double().eval()
    weights = {name: value.detach() for name, value in network.named_parameters()}
    sizes = [value.numel() for value in weights.values()]

    def loss(flat: Tensor) -> Tensor:
        parts = {
            name: part.view_as(weights[name])
            for name, part in zip(weights, flat.split(sizes), strict=True)
        }
        logits = functional_call(network, parts, (split.inputs.double(),))
        return F.cross_entropy(logits, split.labels)

    return hessian(loss)(torch.cat([value.flatten() for value in weights.values()])).numpy()


@pytest.mark.parametrize("seed", range(4))
def test_eigenvalue_and_trace_are_those_of_the_exact_hessian(seed):
    train = split_of(300, seed, SHAPE)  # more than one part
    found = curvature(subject_of(small(seed), train, seed))
    matrix = exact(small(seed), train)
    assert found["eigenvalue"].item() == pytest.approx(
        np.linalg.eigvalsh(matrix)[-1], rel=TOLERANCE
    )
    # the variance of vᵀHv over random signs: 2·Σ_{i≠j} H_ij²
    error = np.sqrt(2 * (matrix**2).sum() - 2 * (np.diag(matrix) ** 2).sum()) / np.sqrt(VECTORS)
    assert abs(found["trace"].item() - np.trace(matrix)) < 4 * error
    assert found["trace_error"].item() == pytest.approx(error, rel=0.5)


class Negative(nn.Module):
    """Of one weight pair, with the logits (a² − 5·b², 0): at zero the loss of label 1 has the
    Hessian diag(1, −5), and that of label 0 its negative."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = nn.Parameter(torch.zeros(2))

    def forward(self, inputs: Tensor) -> Tensor:
        logit = (self.pair.square() * torch.tensor([1.0, -5.0])).sum()
        return torch.stack([logit, torch.zeros(())]).expand(len(inputs), 2)


@pytest.mark.parametrize(("label", "eigenvalue", "trace"), [(1, 1.0, -4.0), (0, 5.0, 4.0)])
def test_the_eigenvalue_is_the_largest_and_not_that_of_largest_size(label, eigenvalue, trace):
    split = Split(torch.zeros(10, 1), torch.full((10,), label), (1,), None)
    found = curvature(subject_of(Negative(), split))
    assert found["eigenvalue"].item() == pytest.approx(eigenvalue, rel=1e-6)
    assert found["trace"].item() == pytest.approx(trace, rel=1e-6)
    assert found["trace_error"].item() == pytest.approx(0.0, abs=1e-6)  # a diagonal has none


@pytest.mark.parametrize(
    "spectrum",
    [
        np.linspace(-10, 1, 60),
        np.linspace(-10, -1, 60),
        np.concatenate([[-1000.0], np.linspace(0, 3, 200)]),
        np.concatenate([[5.0] * 3, np.zeros(100)]),
        np.concatenate([[1e-3, 1.0, 50.0], np.random.default_rng(0).normal(0, 0.1, 300)]),
        np.zeros(20),
    ],
)
def test_lanczos_finds_the_largest_eigenvalue_of_any_spectrum(spectrum):
    random = np.random.default_rng(1)
    basis, _ = np.linalg.qr(random.normal(size=(len(spectrum), len(spectrum))))
    matrix = torch.from_numpy(basis * spectrum @ basis.T)
    start = torch.from_numpy(random.normal(size=len(spectrum)))
    found = largest_eigenvalue(lambda vector: matrix @ vector, start)
    assert found == pytest.approx(spectrum.max(), rel=TOLERANCE, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_are_those_of_the_exact_hessian(dtype):
    train = split_of(300, 1, SHAPE)
    typed = Split(train.inputs.to(dtype), train.labels, train.shape, None)
    product = Hessian(small(0).to(dtype), typed).product
    matrix = exact(small(0), train)
    found = torch.stack([product(row) for row in torch.eye(len(matrix), dtype=torch.float64)])
    limit = 1e-5 if dtype == torch.float32 else 1e-12
    assert found.numpy() == pytest.approx(matrix, abs=limit)


def test_the_trace_is_the_mean_over_signs_that_all_parts_of_the_examples_meet():
    train = split_of(300, 3, SHAPE)  # more than one part
    matrix = torch.from_numpy(exact(small(3), train))
    random = torch.Generator().manual_seed(7)
    signs = [2 * torch.empty(len(matrix)).bernoulli_(0.5, generator=random) - 1 for _ in range(3)]
    samples = torch.stack([v @ matrix @ v for v in (each.double() for each in signs)])
    found = hutchinson_trace(Hessian(small(3), train), 3, torch.Generator().manual_seed(7))
    expected = samples.mean().item(), samples.numpy().std(ddof=1) / np.sqrt(3)
    assert found == pytest.approx(expected, rel=1e-4)


def test_attention_has_second_derivatives():
    """PyTorch's fast kernels have none."""
    shape = (3, 8, 8)
    torch.manual_seed(0)
    network = vit(shape, CLASSES, depth=1, width=4, heads=2, mlp_width=4, dropout=0.1)
    nn.init.normal_(network.heads[0].weight)
    train = split_of(20, 0, shape)
    operator = Hessian(network, train)
    vector = torch.randn(operator.size, generator=torch.Generator().manual_seed(1)).double()
    found = operator.product(vector)

    def gradient(step: float) -> Tensor:
        """In float64, a step along the vector."""
        moved = vit(shape, CLASSES, depth=1, width=4, heads=2, mlp_width=4, dropout=0.1).double()
        moved.load_state_dict(network.state_dict())
        moved.eval()
        with torch.no_grad():
            flat = nn.utils.parameters_to_vector(moved.parameters()) + step * vector
            nn.utils.vector_to_parameters(flat, moved.parameters())
        loss = F.cross_entropy(moved(train.inputs.double()), train.labels)
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, moved.parameters())])

    difference = (gradient(1e-5) - gradient(-1e-5)) / 2e-5
    assert torch.allclose(found, difference, atol=1e-4 * difference.abs().max().item())


def test_frozen_weights_are_no_part_of_the_hessian():
    train = split_of(100, 0, SHAPE)
    network = small(0)
    network[0].requires_grad_(False)
    frozen = sum(parameter.numel() for parameter in network[0].parameters())
    corner = exact(small(0), train)[frozen:, frozen:]
    found = curvature(subject_of(network, train))["eigenvalue"].item()
    assert found == pytest.approx(np.linalg.eigvalsh(corner)[-1], rel=TOLERANCE)
    assert not network[0].weight.requires_grad


def test_a_network_that_trains_in_bfloat16_is_measured_without_it():
    train = split_of(100, 0, SHAPE)
    plain, wrapped = (curvature(subject_of(n, train)) for n in (small(0), Autocast(small(0))))
    assert plain == wrapped


def test_a_hessian_that_is_not_finite_has_diverged():
    network = small(0)
    with torch.no_grad():
        network[3].weight.fill_(torch.nan)
    with pytest.raises(Diverged):
        curvature(subject_of(network, split_of(20, 0, SHAPE)))
