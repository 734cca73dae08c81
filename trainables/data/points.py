"""`points`: the plane of the paper's toy network, where there is nothing to learn.

Cheon & Paik (2026), Fig. 3a–d: two-dimensional points uniform on [−10, 10]² with two classes drawn
evenly **whatever the point**. The labels carry no information: no network can be right in more than
half of the test points, other than by chance, and a calibrated one is never more than half
confident. Inputs are float32 and used as they are. `points_ood`: test points further out, uniform
on [−30, 30]² without the inner square.
"""

import torch
from torch import Generator, Tensor

from trainables.data.examples import Examples, Source, no_examples

REACH = 10.0  # of the square, from its centre
OOD_REACH = 30.0
EXAMPLES = 1000  # of every split

_CLASS_NAMES = ("0", "1")


def points() -> Source:
    """1,000 training, 1,000 validation and 1,000 test points."""
    randoms = (torch.Generator().manual_seed(seed) for seed in range(3))
    train, validation, test = (_labelled(_uniform(EXAMPLES, REACH, r), r) for r in randoms)
    return Source("points", train, validation, test, _CLASS_NAMES)


def points_ood() -> Source:
    """1,000 test points outside the square of `points`."""
    random = torch.Generator().manual_seed(3)
    drawn = _uniform(2 * EXAMPLES, OOD_REACH, random)
    outside = drawn[drawn.abs().amax(dim=1) > REACH]  # eight in nine
    test = _labelled(outside[:EXAMPLES].clone(), random)
    return Source("points_ood", no_examples(test), None, test, _CLASS_NAMES)


def _uniform(count: int, reach: float, random: Generator) -> Tensor:
    """Points uniform on [−reach, reach)²: (count, 2)."""
    return (2 * torch.rand((count, 2), generator=random) - 1) * reach


def _labelled(inputs: Tensor, random: Generator) -> Examples:
    """The points with labels that do not look at them."""
    return Examples(inputs, torch.randint(2, (len(inputs),), generator=random))
