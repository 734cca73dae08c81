"""The head is the layer that makes the logits, wherever it is registered."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from trainables.models.densenet import densenet
from trainables.models.fit import random_inputs
from trainables.models.head import found_head, head, mark_head, named_head
from trainables.models.mlp import mlp
from trainables.models.resnet import resnet
from trainables.models.transformer import transformer
from trainables.models.unet import unet
from trainables.models.vit import vit

SHAPE = (3, 8, 8)
CLASSES = 5


class Says(nn.Module):
    """Two layers, of which the one that makes the logits is registered first."""

    def __init__(self, after: Callable[[Tensor], Tensor] = lambda logits: logits) -> None:
        super().__init__()
        self.classifier = nn.Linear(6, CLASSES)
        self.body = nn.Linear(192, 6)
        self.after = after

    def forward(self, inputs: Tensor) -> Tensor:
        return self.after(self.classifier(self.body(inputs.flatten(1)).relu()))


class Pooled(nn.Module):
    """A convolution to classes, averaged over places, as SqueezeNet has it; registered first."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = nn.Conv2d(4, CLASSES, 1)
        self.body = nn.Conv2d(3, 4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.classes(self.body(inputs)).relu().mean((2, 3))


def found(network: nn.Module, inputs: Tensor | None = None) -> str | None:
    network.eval()
    given = random_inputs("classification", SHAPE, CLASSES, 2) if inputs is None else inputs
    return found_head(network, given, CLASSES)


@pytest.mark.parametrize(
    ("network", "name"),
    [
        (Says(), "classifier"),
        (Says(lambda logits: logits * 0.5 + 1), "classifier"),
        (Says(lambda logits: logits.flip(1)), "classifier"),
        (Pooled(), "classes"),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, CLASSES)), "1"),
    ],
    ids=["as they are", "scaled", "in another order", "averaged", "in a row"],
)
def test_it_is_found_by_what_it_gives(network, name):
    assert found(network) == name


def test_of_two_with_as_many_outputs_it_is_the_one_whose_outputs_are_the_logits():
    class Two(Says):
        def __init__(self) -> None:
            super().__init__()
            self.auxiliary = nn.Linear(6, CLASSES)

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = self.body(inputs.flatten(1)).relu()
            logits: Tensor = self.classifier(hidden)
            self.auxiliary(hidden)
            return logits

    assert found(Two()) == "classifier"


def test_there_is_none_where_no_layer_makes_them():
    assert found(nn.Sequential(nn.Flatten(), nn.Linear(192, 7), nn.Softplus(), Cut())) is None
    assert found(nn.Sequential(nn.Flatten(), Cut())) is None


class Cut(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values[:, :CLASSES]


TOKENS = torch.randint(CLASSES, (2, 9), generator=torch.Generator().manual_seed(0))
FAMILIES: dict[str, tuple[Callable[[], nn.Module], Tensor | None]] = {
    "mlp": (lambda: mlp(SHAPE, CLASSES, 3, 6), None),
    "resnet": (lambda: resnet(SHAPE, CLASSES, 18, "cifar"), None),
    "densenet": (lambda: densenet(SHAPE, CLASSES, 121, "cifar"), None),
    "vit": (lambda: vit(SHAPE, CLASSES, 1, 8, 2, 8, 4, 0.0), None),
    "unet": (lambda: unet(SHAPE, CLASSES, 4, 2), None),
    "transformer": (lambda: transformer((9,), CLASSES, 1, 8, 2, 0.0), TOKENS),
}


@pytest.mark.parametrize(("make", "inputs"), FAMILIES.values(), ids=FAMILIES)
def test_of_the_service_s_own_it_is_the_one_that_is_registered_last(make, inputs):
    network = make()
    assert found(network, inputs) == named_head(network)[0]


def test_one_that_is_marked_is_the_head():
    network = Says()
    assert head(network) is network.body
    mark_head(network, "classifier")
    assert head(network) is network.classifier
    assert head(nn.Sequential(network)) is network.classifier
