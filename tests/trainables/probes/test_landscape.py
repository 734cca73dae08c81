"""Directions, slices, plane and path against weights that are set by hand."""

import copy

import numpy as np
import pytest
import subjects
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from subjects import split_of
from torch import Tensor, nn

from analysis.metrics.calibration import expected_calibration_error
from trainables.data.splits import Split
from trainables.probes.directions import Direction, random_directions
from trainables.probes.landscape import MARGIN, path, plane, slices
from trainables.probes.subject import Subject

SHAPE = (2, 5, 5)
CLASSES = 3
STEPS = 41
SIDE = 17


def network_of(seed: int, scale: float = 1.0) -> nn.Module:
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(36, CLASSES)
    )
    with torch.no_grad():
        network[0].weight.mul_(scale)
        network[4].weight.mul_(4.0)
        for batch in range(3):
            network(split_of(50, 100 + batch, SHAPE).inputs)
    return network


def subject_of(network: nn.Module, **fields: object) -> Subject:
    return subjects.subject_of(network, SHAPE, **fields)


def at(network: nn.Module, *steps: tuple[float, Direction]) -> nn.Module:
    """A copy, moved by hand."""
    moved = copy.deepcopy(network).eval()
    with torch.no_grad():
        for name, weight in moved.named_parameters():
            for step, way in steps:
                weight += step * way[name]
    return moved


def loss_of(network: nn.Module, split: Split) -> float:
    with torch.inference_mode():
        return F.cross_entropy(network(split.inputs), split.labels).item()


def ece_of(network: nn.Module, split: Split) -> float:
    with torch.inference_mode():
        confidence, predicted = network(split.inputs).softmax(dim=1).max(dim=1)
    return expected_calibration_error(confidence.numpy(), (predicted == split.labels).numpy())


# Directions


def filters(values: Tensor) -> np.ndarray:
    return np.linalg.norm(values.detach().numpy().reshape(len(values), -1), axis=1)


def test_every_filter_of_a_direction_is_as_long_as_the_network_s_own():
    network = network_of(0)
    ways = random_directions(subject_of(network), 2)
    for way in ways:
        for name in ("0.weight", "4.weight"):
            weight = network.get_parameter(name)
            assert filters(way[name]) == pytest.approx(filters(weight), rel=1e-5)
            assert len(set(filters(weight).round(6).tolist())) > 1
        assert all(not way[name].any() for name in ("0.bias", "1.weight", "1.bias", "4.bias"))
        assert list(way) == [name for name, _ in network.named_parameters()]
    # independent, so nearly at right angles where there are many dimensions
    a, b = (way["4.weight"].flatten() for way in ways)
    assert abs(F.cosine_similarity(a, b, dim=0)) < 0.4


def test_members_of_a_pair_go_the_same_ways_each_at_its_own_length():
    control, warmed = network_of(0), network_of(1, scale=0.5)
    of_control, of_warmed = (random_directions(subject_of(n), 2) for n in (control, warmed))
    for one, other in zip(of_control, of_warmed, strict=True):
        for name in ("0.weight", "4.weight"):
            a, b = one[name].flatten(1), other[name].flatten(1)
            assert torch.allclose(F.normalize(a), F.normalize(b), atol=1e-6)
            assert not torch.allclose(a, b, rtol=0.01)
    elsewhere = random_directions(subject_of(control, seed=1), 1)[0]
    assert not torch.equal(elsewhere["0.weight"], of_control[0]["0.weight"])


# Slices and plane


def test_slices_are_the_loss_with_the_weights_set_by_hand():
    network = network_of(0)
    subject = subject_of(network)
    arrays = slices(subject)
    steps, ways = arrays["steps"], random_directions(subject, 2)
    assert steps.numpy() == pytest.approx(np.linspace(-1, 1, STEPS), abs=1e-7)
    assert arrays["loss"].shape == (2, STEPS)
    for d, way in enumerate(ways):
        expected = [loss_of(at(network, (s, way)), subject.data.train) for s in steps.tolist()]
        assert arrays["loss"][d].numpy() == pytest.approx(expected, rel=1e-4)
    own = loss_of(network.eval(), subject.data.train)
    assert arrays["loss"][:, STEPS // 2].numpy() == pytest.approx(own, rel=1e-6)
    assert not torch.allclose(arrays["loss"][0], arrays["loss"][1])


def test_a_plane_s_rows_go_the_second_way_and_its_columns_the_first():
    network = network_of(0)
    subject = subject_of(network)
    arrays = plane(subject)
    steps, (first, second) = arrays["steps"], random_directions(subject, 2)
    assert steps.numpy() == pytest.approx(np.linspace(-1, 1, SIDE), abs=1e-7)
    assert arrays["loss"].shape == arrays["ece"].shape == (SIDE, SIDE)
    for row, column in [(0, 0), (0, 16), (16, 0), (8, 8), (3, 10), (12, 5)]:
        moved = at(network, (steps[column].item(), first), (steps[row].item(), second))
        loss, ece = loss_of(moved, subject.data.train), ece_of(moved, subject.data.test)
        assert arrays["loss"][row, column].item() == pytest.approx(loss, rel=1e-4)
        assert arrays["ece"][row, column].item() == pytest.approx(ece, abs=1e-4)


def test_a_plane_goes_through_the_slices():
    subject = subject_of(network_of(0))
    along, around = slices(subject)["loss"], plane(subject)["loss"]
    shared = slice(0, STEPS, 5)  # −1, −¾, …, 1
    assert torch.allclose(around[8, ::2], along[0, shared], rtol=1e-5)
    assert torch.allclose(around[::2, 8], along[1, shared], rtol=1e-5)


def test_of_many_examples_some_are_looked_at_the_same_ones_for_every_trial():
    seen: list[int] = []
    one = subject_of(network_of(0), train=2000, test=3000)
    one.network.register_forward_hook(lambda m, inputs, o: seen.append(len(o)))
    slices(one)
    assert sum(seen) == 2 * STEPS * 512
    other = subject_of(one.network, train=9, test=3000, seed=3)
    assert torch.equal(one.some_test.inputs, other.some_test.inputs)
    drawn = {tuple(example.flatten().tolist()) for example in one.some_test.inputs}
    assert len(drawn) == 1000
    assert drawn < {tuple(example.flatten().tolist()) for example in one.data.test.inputs}


def test_where_outputs_are_not_finite_there_is_no_number():
    """A network of nearly the largest weights, which a step of 1 makes infinite."""
    network = network_of(0)
    with torch.no_grad():
        network[4].weight.fill_(3e38)
    arrays = plane(subject_of(network))
    for array in (arrays["loss"], arrays["ece"]):
        assert array.isnan().any()
        assert not array.isinf().any()


# Path


def path_of(network: nn.Module, epochs: int, seed: int = 0) -> tuple[dict[str, Tensor], ...]:
    """Weights that wander and end at the network's."""
    random = torch.Generator().manual_seed(seed)
    point = {name: value.detach().clone() for name, value in network.named_parameters()}
    found = [point]
    for epoch in range(epochs):
        point = {
            name: value + 0.1 / (1 + epoch) * torch.randn(value.shape, generator=random)
            for name, value in point.items()
        }
        found.append(point)
    return tuple(reversed(found))


def flat(states: tuple[dict[str, Tensor], ...]) -> np.ndarray:
    """(k, weights) float64."""
    rows = [torch.cat([value.flatten() for value in state.values()]) for state in states]
    return torch.stack(rows).double().numpy()


@pytest.mark.parametrize("epochs", [2, 7])
def test_the_path_s_plane_is_that_of_its_principal_components(epochs):
    network = network_of(0)
    states = path_of(network, epochs)
    arrays = path(subject_of(network, path=states))
    points = flat(states)
    components = PCA(2).fit(points)
    expected = (points - points[-1]) @ components.components_.T
    expected *= np.sign(expected[0])  # the start in the first quadrant
    assert arrays["coordinates"].numpy() == pytest.approx(expected, abs=1e-4)
    assert arrays["share"].numpy() == pytest.approx(components.explained_variance_ratio_, abs=1e-5)
    assert arrays["share"].sum() <= 1 + 1e-6
    assert arrays["coordinates"].shape == (epochs + 1, 2)
    assert arrays["coordinates"][-1].tolist() == [0.0, 0.0]


def test_the_path_s_plane_is_evaluated_at_its_coordinates():
    network = network_of(0)
    states = path_of(network, 5)
    subject = subject_of(network, path=states)
    arrays = path(subject)
    points = flat(states)
    ways = PCA(2).fit(points).components_
    ways *= np.sign((points[0] - points[-1]) @ ways.T)[:, None]
    for row, column in [(0, 0), (0, 16), (16, 0), (8, 8), (3, 10)]:
        moved = copy.deepcopy(network).eval()
        x, y = arrays["x"][column].item(), arrays["y"][row].item()
        place = torch.from_numpy(points[-1] + x * ways[0] + y * ways[1]).float()
        nn.utils.vector_to_parameters(place, moved.parameters())
        loss, ece = loss_of(moved, subject.data.train), ece_of(moved, subject.data.test)
        assert arrays["loss"][row, column].item() == pytest.approx(loss, rel=1e-4)
        assert arrays["ece"][row, column].item() == pytest.approx(ece, abs=1e-4)


def test_the_path_lies_inside_its_plane_with_a_margin():
    network = network_of(0)
    arrays = path(subject_of(network, path=path_of(network, 5)))
    for axis, coordinate in zip((arrays["x"], arrays["y"]), arrays["coordinates"].T, strict=True):
        extent = coordinate.max() - coordinate.min()
        assert axis[0].item() == pytest.approx((coordinate.min() - MARGIN * extent).item())
        assert axis[-1].item() == pytest.approx((coordinate.max() + MARGIN * extent).item())
        assert len(axis) == SIDE


@pytest.mark.parametrize(("epochs", "share"), [(0, [0.0, 0.0]), (1, [1.0, 0.0])])
def test_a_path_of_fewer_dimensions_has_no_share_in_the_others(epochs, share):
    network = network_of(0)
    subject = subject_of(network, path=path_of(network, epochs))
    arrays = path(subject)
    assert arrays["share"].tolist() == pytest.approx(share)
    assert not arrays["coordinates"][:, 1].any()
    assert torch.equal(arrays["loss"], arrays["loss"][:1].expand(SIDE, -1))  # y leads nowhere
    assert all(array.isfinite().all() for array in arrays.values())
    if epochs:
        distance = np.linalg.norm(np.diff(flat(subject.path), axis=0))
        assert arrays["coordinates"][0, 0].item() == pytest.approx(distance, rel=1e-5)
