"""Trials of every family of networks on examples that are made here, of NumPy and PyTorch alone.

The examples can be learnt: gratings of a class's own direction, rectangles of such to be told from
the ground, tokens that mostly follow from the last one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from trainables.config.trial import Data, DataFacts, Optimizer, Task, Trial, Warmup
from trainables.data.examples import Examples, Source
from trainables.lifecycle.context import TrialInputs

CLASSES, TOKENS = 10, 32
POOL = 2  # times as many examples as a trial trains on


@dataclass(frozen=True)
class Size:
    side: int  # pixels; of a text, twice as many tokens
    train: int
    test: int
    batch: int
    epochs: int


TINY = Size(side=8, train=24, test=8, batch=8, epochs=2)
FULL = Size(side=32, train=1024, test=500, batch=128, epochs=4)
LONG = Size(side=32, train=8192, test=500, batch=128, epochs=4)  # for timing, on a GPU

MODELS: dict[str, tuple[str, dict[str, Any]]] = {  # name → kind of task, model section
    "mlp": ("classification", {"name": "mlp", "depth": 6, "width": 256}),
    "resnet18": ("classification", {"name": "resnet18"}),
    "vit": ("classification", {"name": "vit"}),
    "unet": ("segmentation", {"name": "unet"}),
    "transformer": ("language", {"name": "transformer"}),
    "densenet121": ("classification", {"name": "densenet121"}),
}
NEEDS = {"resnet18": "torchvision", "densenet121": "torchvision"}


def trial_of(name: str, size: Size) -> tuple[Trial, TrialInputs]:
    """A warmed-up trial of the network, and its data."""
    kind, model = MODELS[name]
    source = SOURCES[kind](size)
    facts = DataFacts(
        kind=source.kind,
        digest=source.digest,
        ood_digest=None,
        shape=source.shape,
        classes=source.classes,
        mean=() if kind == "language" else (0.5,) * 3,
        std=() if kind == "language" else (0.25,) * 3,
    )
    trial = Trial(
        model=model,
        data=Data(source=kind, ood=None, examples=size.train, validation=size.test, facts=facts),
        warmup=Warmup(
            examples=2 * size.train, epochs=2, batch=size.batch, optimizer=Optimizer(lr=1e-4)
        ),
        task=Task(epochs=size.epochs, batch=size.batch, optimizer=Optimizer(lr=3e-4)),
    )
    return trial, TrialInputs(source)


def lacking(name: str) -> str | None:
    """The package that the network needs and that is not here."""
    package = NEEDS.get(name)
    return None if package is None or find_spec(package) else package


def _images(size: Size) -> Source:
    random = torch.Generator().manual_seed(0)

    def made(count: int) -> Examples:
        labels = torch.arange(count) % CLASSES
        return Examples(_pixels(_gratings(labels, size.side, random), random), labels)

    return _source("classification", made, size, CLASSES)


def _scenes(size: Size) -> Source:
    random = torch.Generator().manual_seed(0)

    def made(count: int) -> Examples:
        inside = torch.randint(1, CLASSES, (count,), generator=random)
        corners = torch.randint(size.side // 2, (2, count, 1, 1), generator=random)
        y, x = torch.meshgrid(*[torch.arange(size.side)] * 2, indexing="ij")
        covered = torch.ones(count, size.side, size.side, dtype=torch.bool)
        for along, corner in ((y, corners[0]), (x, corners[1])):
            covered &= (along >= corner) & (along < corner + size.side // 2)
        ground = _gratings(torch.zeros_like(inside), size.side, random)
        scene = torch.where(covered, _gratings(inside, size.side, random), ground)
        return Examples(_pixels(scene, random), torch.where(covered, inside[:, None, None], 0))

    return _source("segmentation", made, size, CLASSES)


def _texts(size: Size) -> Source:
    random = torch.Generator().manual_seed(0)

    def made(count: int) -> Examples:
        tokens = [torch.randint(TOKENS, (count,), generator=random)]
        for _ in range(2 * size.side):
            step = torch.randint(2, (count,), generator=random)
            tokens.append((3 * tokens[-1] + step) % TOKENS)
        text = torch.stack(tokens, dim=1)
        return Examples(text[:, :-1].contiguous(), text[:, 1:].contiguous())

    return _source("language", made, size, TOKENS)


def _source(kind: Any, made: Callable[[int], Examples], size: Size, classes: int) -> Source:
    return Source(
        name=kind,
        train=made(POOL * size.train),
        validation=made(size.test),
        test=made(size.test),
        class_names=tuple(map(str, range(classes))),
        kind=kind,
    )


def _gratings(labels: Tensor, side: int, random: torch.Generator) -> Tensor:
    """(n, side, side) in [−1, 1], each at a place of its own."""
    y, x = torch.meshgrid(*[torch.arange(side) / side] * 2, indexing="ij")
    angle = math.pi * labels[:, None, None] / CLASSES
    phase = torch.rand((len(labels), 1, 1), generator=random)
    return torch.sin(2 * math.pi * (2 * (angle.cos() * x + angle.sin() * y) + phase))


def _pixels(values: Tensor, random: torch.Generator) -> Tensor:
    """uint8 (n, 3, side, side), with noise on it."""
    noise = torch.randn((len(values), 3, *values.shape[1:]), generator=random)
    return (128 + 50 * values[:, None] + 40 * noise).clamp(0, 255).to(torch.uint8)


SOURCES = {"classification": _images, "segmentation": _scenes, "language": _texts}
