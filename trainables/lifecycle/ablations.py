"""What of a warmed-up network does it? Starts that keep one property of it, and nothing else.

| keep           | the task starts with                                                            |
|----------------|---------------------------------------------------------------------------------|
| shuffled       | the warmed-up weights, at random places within each weight tensor               |
| norms          | the untrained weights, each tensor scaled to its norm after the warm-up         |
| logit_variance | the untrained network, its head scaled: its logits vary as after the warm-up    |
| step_size      | the untrained network, its learning rate scaled: the first step changes the     |
|                | logits as much as the warmed-up network's                                       |

After Supplementary Fig. 23 of Cheon & Paik (2026), which asks whether the effect is one of the
effective learning rate or of the distribution of the weights. What is not named is the untrained
network's: biases, batch normalisation, its statistics. Adam's first step has the same size in every
weight, so a step is measured by what it does to the logits.
"""

import copy

import torch
from torch import Tensor, nn

from trainables.config.trial import Trial
from trainables.data.splits import TaskData
from trainables.models.build import State
from trainables.models.head import head
from trainables.seeds import generator
from trainables.training.loop import evaluate
from trainables.training.losses import loss_of
from trainables.training.optimizers import learning_rate, make_optimizer

ITERATIONS = 20  # to find a learning rate
TOLERANCE = 0.01  # of the size of its step


def ablate(network: nn.Module, untrained: State, data: TaskData, trial: Trial) -> float:
    """Make of a warmed-up network one that has only what the trial's warm-up keeps of it.

    Args:
        network: as the warm-up has left it; changed in place.
        untrained: its parameters and buffers before.

    Returns:
        what the task's learning rate is to be multiplied with.
    """
    if trial.warmup is None or trial.warmup.keep is None:
        return 1.0
    warmed = copy.deepcopy(network)
    network.load_state_dict(untrained)
    match trial.warmup.keep:
        case "shuffled":
            _shuffled(network, warmed, trial.seed)
        case "norms":
            _same_norms(network, warmed)
        case "logit_variance":
            _same_logit_variance(network, warmed, data)
        case "step_size":
            return _same_step_size(network, warmed, data, trial)
    return 1.0


@torch.no_grad()
def _shuffled(network: nn.Module, warmed: nn.Module, seed: int) -> None:
    random = generator(seed, "shuffle")
    for to, weight in zip(_weights(network), _weights(warmed), strict=True):
        order = torch.randperm(weight.numel(), generator=random).to(weight.device)
        to.copy_(weight.flatten()[order].view_as(weight))


@torch.no_grad()
def _same_norms(network: nn.Module, warmed: nn.Module) -> None:
    for weight, other in zip(_weights(network), _weights(warmed), strict=True):
        weight.mul_(other.norm() / weight.norm())


@torch.no_grad()
def _same_logit_variance(network: nn.Module, warmed: nn.Module, data: TaskData) -> None:
    """Of all logits of the training examples, in eval mode."""
    there, here = (evaluate(n, data.train).logits.double().std() for n in (warmed, network))
    layer = head(network)
    layer.weight.mul_(there / here)
    if layer.bias is not None:
        layer.bias.mul_(there / here)


def _same_step_size(network: nn.Module, warmed: nn.Module, data: TaskData, trial: Trial) -> float:
    """The factor by iteration: steps are proportional to small learning rates, but to no others."""
    wanted, scale = first_step(warmed, data, trial), 1.0
    for _ in range(ITERATIONS):
        ratio = wanted / first_step(network, data, trial, scale)
        scale *= ratio
        if abs(ratio - 1) < TOLERANCE:
            break
    return scale


def first_step(network: nn.Module, data: TaskData, trial: Trial, scale: float = 1.0) -> float:
    """Root mean square by which the task's first step changes the logits of its own mini-batch, the
    first examples of the training subset, in training mode, at `scale` times the task's learning
    rate. The network stays as it is."""
    stepped = copy.deepcopy(network).train()
    settings = trial.task
    optimizer = make_optimizer(stepped.parameters(), settings.optimizer)
    for group in optimizer.param_groups:
        group["lr"] = scale * learning_rate(settings, 1)
    inputs, labels = data.train.taken(slice(settings.batch))
    before: Tensor = stepped(inputs)
    loss_of(before, labels, settings.loss).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    with torch.no_grad():
        change: Tensor = stepped(inputs) - before
    return float(change.double().square().mean().sqrt())


def _weights(network: nn.Module) -> list[nn.Parameter]:
    """The weight tensors; not biases and batch normalisation, which have one dimension."""
    return [parameter for parameter in network.parameters() if parameter.ndim > 1]
