"""An epoch of several networks, one after another or as a stack, again and again."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from trainables.config.trial import Optimizer
from trainables.lifecycle.requests import Epoch
from trainables.training.loop import Outputs
from trainables.training.optimizers import make_optimizer

ADAM = Optimizer(name="adam", lr=1e-4)


def epochs(
    networks: Sequence[nn.Module],
    batches: Sequence[Sequence[tuple[Tensor, Tensor]]],
    device: torch.device,
    make: Callable[[list[Epoch]], list[Outputs]],
) -> Callable[[], list[Outputs]]:
    """What trains each network on its own mini-batches, the same ones every time.

    make: carries out the epochs that it is given, one of each network.
    """
    optimizers = [make_optimizer(network.parameters(), ADAM) for network in networks]

    def epoch() -> list[Outputs]:
        return make(
            [
                Epoch(
                    network=network,
                    optimizer=optimizer,
                    settings=ADAM,
                    batches=iter(own),
                    device=device,
                )
                for network, optimizer, own in zip(networks, optimizers, batches, strict=True)
            ]
        )

    return epoch
