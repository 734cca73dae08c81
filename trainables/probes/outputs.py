"""What a network says before it has learned its task (Cheon & Paik, Fig. 3 and Supp. Figs 14–16).

An untrained network is sure of inputs that it knows nothing of; a warmed-up one is at chance.
`start_outputs` has its logits of the data, and `confidence_map` those of the plane around the toy
network's points. Confidence and class bias follow from them, later.
"""

import torch
from torch import Tensor, nn

from trainables.data.points import REACH
from trainables.data.splits import Split
from trainables.probes.subject import Arrays, Subject
from trainables.training.loop import evaluate, evaluation_batches, finite

MAP_POINTS = 101  # a side, with the origin in the middle


def start_outputs(subject: Subject) -> Arrays:
    """Logits in eval mode, and how large each training input is.

    Returns:
        `{train,test,ood}` (n, classes), and `train_mean_square` (n,): the mean over an input's
        elements of its square, as the network takes it; float32 on the CPU.

    Raises:
        Diverged: a logit is not finite.
    """
    data = subject.data
    splits = {"train": data.train, "test": data.test, "ood": data.ood}
    arrays = {
        name: finite(evaluate(subject.network, split)).logits
        for name, split in splits.items()
        if split is not None
    }
    return arrays | {"train_mean_square": _mean_square(data.train)}


def _mean_square(split: Split) -> Tensor:
    """Of each input, (n,)."""
    parts = (split.taken(part)[0] for part in evaluation_batches(split))
    return torch.cat([inputs.flatten(1).square().mean(dim=1) for inputs in parts]).cpu()


def confidence_map(subject: Subject) -> Arrays:
    """The logits of a network that takes two coordinates, over a grid.

    Returns:
        `axis` (g,), the coordinates of the grid in both directions, and `logits` (g, g, classes):
        a row has one second coordinate (y), a column one first coordinate (x). Float32 on the CPU.

    Raises:
        ValueError: the network takes something else.
        Diverged: a logit is not finite.
    """
    train = subject.data.train
    if train.shape != (2,):
        raise ValueError(
            f"confidence_map: the network takes inputs of shape {train.shape}, not points (2,)"
        )
    half = MAP_POINTS // 2
    axis = torch.arange(-half, half + 1) / half * REACH
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    points = torch.stack([x, y], dim=-1).view(-1, 2)
    logits = _logits(subject.network, points.to(train.inputs.device))
    return {"axis": axis, "logits": logits.view(MAP_POINTS, MAP_POINTS, -1)}


def _logits(network: nn.Module, inputs: Tensor) -> Tensor:
    """Of inputs that have no labels, (n, classes)."""
    labels = torch.zeros(len(inputs), dtype=torch.int64, device=inputs.device)
    return finite(evaluate(network, Split(inputs, labels, inputs.shape[1:], None))).logits
