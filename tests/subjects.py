"""What probes look at: a network with random examples around it."""

import torch
from torch import nn

from trainables.data.splits import Split, TaskData
from trainables.probes.subject import Subject

CONSTANTS = ((0.5,) * 3, (0.2,) * 3)


def split_of(n: int, seed: int, shape: tuple[int, ...], classes: int = 3) -> Split:
    """Standard normal inputs, with labels that know nothing of them."""
    random = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, *shape, generator=random)
    return Split(inputs, torch.randint(classes, (n,), generator=random), shape, None)


def subject_of(
    network: nn.Module,
    shape: tuple[int, ...],
    train: int = 60,
    test: int = 50,
    classes: int = 3,
    **fields: object,
) -> Subject:
    """Of a network as it is untrained, with so many examples."""
    parts = (split_of(n, seed, shape, classes) for seed, n in enumerate((train, 20, test, 30)))
    initial = {name: value.clone() for name, value in network.state_dict().items()}
    data = TaskData(*parts, CONSTANTS, CONSTANTS)
    return Subject(network, data, **{"batch": 8, "seed": 0, "initial": initial} | fields)
