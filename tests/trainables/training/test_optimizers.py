"""Optimizers against their update rules written out, the schedule against PyTorch's own."""

import pytest
import torch

from trainables.config.trial import Optimizer, Task
from trainables.training.optimizers import learning_rate, make_optimizer

STEPS = 6
DECAY = 0.1


def trajectory(settings: Optimizer) -> list[float]:
    """The one parameter, from 1, under the gradients of (x − 3)² / 2."""
    parameter = torch.nn.Parameter(torch.tensor([1.0], dtype=torch.float64))
    optimizer = make_optimizer([parameter], settings)
    seen = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        ((parameter - 3) ** 2 / 2).sum().backward()
        optimizer.step()
        seen.append(parameter.item())
    return seen


def sgd_by_hand(lr: float, momentum: float, decay: float) -> list[float]:
    x, velocity, seen = 1.0, 0.0, []
    for _ in range(STEPS):
        velocity = momentum * velocity + (x - 3) + decay * x
        x -= lr * velocity
        seen.append(x)
    return seen


def adam_by_hand(lr: float, coupled: float, decoupled: float) -> list[float]:
    x, m, v, seen = 1.0, 0.0, 0.0, []
    for t in range(1, STEPS + 1):
        gradient = (x - 3) + coupled * x
        x -= lr * decoupled * x
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        x -= lr * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
        seen.append(x)
    return seen


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"name": "sgd"}, sgd_by_hand(0.05, 0.0, DECAY)),
        ({"name": "sgd", "momentum": 0.9}, sgd_by_hand(0.05, 0.9, DECAY)),
        ({"name": "adam"}, adam_by_hand(0.05, DECAY, 0.0)),
        ({"name": "adamw"}, adam_by_hand(0.05, 0.0, DECAY)),
    ],
    ids=["sgd", "momentum", "adam: coupled L2", "adamw: decoupled"],
)
def test_a_step_is_the_published_update_rule(settings, expected):
    said = trajectory(Optimizer(lr=0.05, weight_decay=DECAY, **settings))
    assert said == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("epochs", [1, 2, 7, 50])
def test_the_cosine_is_pytorch_s(epochs):
    task = Task(epochs=epochs, schedule="cosine", optimizer=Optimizer(name="sgd", lr=0.1))
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for epoch in range(1, epochs + 1):
        assert learning_rate(task, epoch) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        theirs.step()


def test_without_a_schedule_the_learning_rate_stays():
    assert {learning_rate(Task(epochs=5), epoch) for epoch in range(1, 6)} == {2e-5}
