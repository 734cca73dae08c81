"""Loss and calibration error of the networks around one (Cheon & Paik, Supp. Figs 19, 20 and 22).

`slices` and `plane` go along random filter-normalised directions, from −1 to 1 times the weights'
own size; `path` lies in the plane in which the weights themselves have moved most. At each point
only the weights differ: batch normalisation keeps its statistics, in eval mode. The loss is the
mean cross-entropy of up to 512 training examples, the ECE (10 bins) that of up to 1,000 test
examples; where a network's outputs are not finite, both are NaN.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import confidence_and_correct, negative_log_likelihood
from trainables.data.splits import Split
from trainables.models.build import State
from trainables.probes.directions import Direction, random_directions
from trainables.probes.subject import Arrays, Subject
from trainables.training.loop import Outputs, evaluate

DIRECTIONS = 2
SLICE_STEPS = 41  # from −1 to 1, as many on either side of 0
PLANE_STEPS = 17  # a side
MARGIN = 0.25  # of the path's extent, around it on each side
AT_ONCE = 2**18  # weights of every point of a path


def slices(subject: Subject) -> Arrays:
    """The loss along two random directions.

    Returns:
        `steps` (s,) and `loss` (2, s), float32 on the CPU.
    """
    steps, train = _steps(SLICE_STEPS), subject.some_training
    with _weights_kept(subject.network) as origin:
        loss = [
            [_loss_at(subject.network, train, origin, [(step, way)]) for step in steps.tolist()]
            for way in random_directions(subject, DIRECTIONS)
        ]
    return {"steps": steps, "loss": torch.tensor(loss)}


def plane(subject: Subject) -> Arrays:
    """Loss and ECE in the plane of the same two directions.

    Returns:
        `steps` (s,), `loss` and `ece` (s, s): a row has one step in the second direction, a column
        one in the first. Float32 on the CPU.
    """
    steps = _steps(PLANE_STEPS)
    with _weights_kept(subject.network) as origin:
        ways = random_directions(subject, DIRECTIONS)
        return {"steps": steps} | _surface(subject, origin, ways, steps, steps)


def path(subject: Subject) -> Arrays:
    """The way of the weights through the task, in the plane of their two principal components.

    Returns:
        `coordinates` (epochs + 1, 2) of the weights at the start and after each epoch, from the
        last ones as the origin, the start in the first quadrant; `share` (2,) of their variance;
        `x` (s,) and `y` (s,) around them; `loss` and `ece` (s, s), row = y. Float32 on the CPU.
    """
    ways, coordinates, share = _principal(subject.path)
    x, y = (_around(coordinate) for coordinate in coordinates.T)
    with _weights_kept(subject.network):
        surface = _surface(subject, subject.path[-1], ways, x, y)
    return {"coordinates": coordinates, "share": share, "x": x, "y": y} | surface


def _steps(count: int) -> Tensor:
    """From −1 to 1, with 0 in the middle."""
    half = count // 2
    return torch.arange(-half, half + 1) / half


def _around(coordinate: Tensor) -> Tensor:
    """A side of the grid, which holds all the path's coordinates."""
    low, high = coordinate.min().item(), coordinate.max().item()
    margin = MARGIN * (high - low) or 1.0  # a path that does not move this way
    return torch.linspace(low - margin, high + margin, PLANE_STEPS)


def _surface(
    subject: Subject, origin: State, ways: Sequence[Direction], x: Tensor, y: Tensor
) -> Arrays:
    """`loss` and `ece` (y, x) at origin + x · the first way + y · the second."""
    network, train, test = subject.network, subject.some_training, subject.some_test
    loss, ece = torch.empty(len(y), len(x)), torch.empty(len(y), len(x))
    for row, up in enumerate(y.tolist()):
        for column, right in enumerate(x.tolist()):
            steps = list(zip((right, up), ways, strict=True))
            loss[row, column] = _loss_at(network, train, origin, steps)
            ece[row, column] = _ece(network, test)
    return {"loss": loss, "ece": ece}


def _loss_at(
    network: nn.Module, split: Split, origin: State, steps: Sequence[tuple[float, Direction]]
) -> float:
    """The loss after so many steps from the origin, where the network's weights then stay."""
    with torch.no_grad():
        for name, weight in network.named_parameters():
            weight.copy_(origin[name])
            for step, way in steps:
                weight.add_(way[name], alpha=step)
    outputs = evaluate(network, split)
    if not _is_finite(outputs):
        return torch.nan
    return negative_log_likelihood(outputs.logits.numpy(), outputs.labels.numpy())


def _ece(network: nn.Module, split: Split) -> float:
    outputs = evaluate(network, split)
    if not _is_finite(outputs):
        return torch.nan
    logits, labels = outputs.logits.numpy(), outputs.labels.numpy()
    return expected_calibration_error(*confidence_and_correct(logits, labels))


def _is_finite(outputs: Outputs) -> bool:
    return bool(torch.isfinite(outputs.logits).all())


@contextmanager
def _weights_kept(network: nn.Module) -> Iterator[State]:
    """A copy of the network's weights, which it has again afterwards."""
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    try:
        yield before
    finally:
        with torch.no_grad():
            for name, value in network.named_parameters():
                value.copy_(before[name])


def _principal(path: Sequence[State]) -> tuple[list[Direction], Tensor, Tensor]:
    """The two principal components of the weights along a path.

    The components are found from the products of the k points with each other, (k, k), for there
    are few points and many weights.

    Returns:
        the components, of norm 1; the points' coordinates (k, 2), from the last as the origin; the
        components' shares of the variance (2,). A component that has no variance is zero.
    """
    products = _products(path)
    centring = torch.eye(len(path), dtype=torch.float64) - 1 / len(path)
    variances, points = torch.linalg.eigh(centring @ products @ centring)
    rounding = torch.finfo(torch.float32).eps * variances[-1].clamp_min(0.0)
    ways: list[Direction] = []
    coordinates = torch.zeros(len(path), 2, dtype=torch.float64)
    share = torch.zeros(2)
    for component in range(min(2, len(path))):
        variance, point = variances[-1 - component], points[:, -1 - component]
        if variance <= rounding:
            break
        combination = centring @ point / variance.sqrt()  # of the points, to the component
        along = products @ combination
        sign = 1.0 if along[0] >= 0 else -1.0
        coordinates[:, component] = sign * along
        share[component] = variance / variances.sum()
        ways.append(_combined(path, sign * combination))
    nowhere = {name: torch.zeros_like(value) for name, value in path[-1].items()}
    return [*ways, nowhere, nowhere][:2], coordinates.float(), share


def _products(path: Sequence[State]) -> Tensor:
    """(k, k) float64 on the CPU: of each point's difference from the last with each other's."""
    total = torch.zeros(len(path), len(path), dtype=torch.float64)
    for name in path[-1]:
        parts = (torch.split(point[name].flatten(), AT_ONCE) for point in path)
        for part in zip(*parts, strict=True):
            values = torch.stack(part).double()  # (k, a few of the weights)
            values -= values[-1].clone()
            total += (values @ values.T).cpu()
    return total


def _combined(path: Sequence[State], coefficients: Tensor) -> Direction:
    """Σ coefficient · (point − last point); the coefficients are (k,)."""
    direction = {}
    for name, last in path[-1].items():
        total = torch.zeros_like(last, dtype=torch.float64)
        for coefficient, point in zip(coefficients.tolist(), path, strict=True):
            total += coefficient * (point[name] - last)
        direction[name] = total.to(last.dtype)
    return direction
