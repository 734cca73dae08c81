"""What a warm-up draws its batches from: noise of a shape, or a function of the user's."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from trainables.errors import choices
from trainables.tasks import Shape
from trainables.training.steps import noise_inputs
from trainables.warm_up.recipe import Recipe, whole

Kind = Literal["classification", "segmentation", "language"]
Draw = Callable[[torch.Generator, int], Any]  # (generator, examples) → a batch of inputs

_KINDS = ("classification", "segmentation", "language")


def drawn(
    recipe: Recipe,
    kind: Kind,
    input_shape: Sequence[int] | None,
    classes: int,
    inputs: Draw | None,
    noise_given: bool,
) -> tuple[Shape | None, Draw]:
    """Shape of one input, if it is said, and what draws a batch of them."""
    if kind not in _KINDS:
        raise ValueError(f"kind: {kind!r} is unknown; {choices(str(kind), _KINDS)}")
    if inputs is not None:
        if not callable(inputs):
            raise TypeError(f"inputs: {inputs!r} is no function; give lambda generator, n: …")
        if noise_given or input_shape is not None:
            given = "noise" if noise_given else "input_shape"
            raise ValueError(
                f"{given}: beside inputs, which draws the batch; leave one of them out"
            )
        return None, inputs
    if input_shape is None:
        raise ValueError(
            "input_shape: missing; give the shape of one input, such as (3, 32, 32), or inputs, "
            "a function that draws a batch"
        )
    if isinstance(input_shape, str) or not isinstance(input_shape, Sequence) or not input_shape:
        raise TypeError(f"input_shape: {input_shape!r} is no shape; give one such as (3, 32, 32)")
    shape = tuple(whole("input_shape", side, 1) for side in input_shape)
    if kind == "segmentation" and len(shape) != 3:
        raise ValueError(f"input_shape: {shape} is no image; give (channels, height, width)")

    def draw(random: torch.Generator, n: int) -> Tensor:
        return noise_inputs(kind, (n, *shape), classes, recipe.noise, random)

    draw(torch.Generator().manual_seed(0), 1)  # noise that does not fit the shape says so
    return shape, draw


def placed(batch: Any, device: torch.device, dtype: torch.dtype | None) -> Any:
    """The batch on the model's device, and its numbers of the model's type."""
    place = partial(placed, device=device, dtype=dtype)
    if isinstance(batch, Mapping):
        return {name: place(value) for name, value in batch.items()}
    if isinstance(batch, tuple | list):
        return tuple(place(value) for value in batch)
    if not isinstance(batch, Tensor):
        return batch
    return batch.to(device, dtype if batch.is_floating_point() else None)
