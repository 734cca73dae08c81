"""What a warm-up must leave as it was: all of a model but the values of its weights and buffers."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn


class WorkingCopy:
    """The model's tensors as copies, which alone are worked on: the originals keep their values
    until the end, and their memory, layout and references for good."""

    def __init__(self, model: nn.Module) -> None:
        tensors = chain(model.parameters(), model.buffers())
        self._originals = [(tensor, tensor.data) for tensor in tensors]

    def begin(self, channels_last: bool) -> None:
        """Copy anew. channels_last: a layout in which convolutions on the CPU are the faster, and
        in which a study has them."""
        for tensor, original in self._originals:
            images = channels_last and original.ndim == 4
            layout = torch.channels_last if images else torch.preserve_format
            tensor.data = original.clone(memory_format=layout)
            tensor.grad = None

    def keep(self) -> None:
        """Give the originals the values of the copies."""
        for tensor, original in self._originals:
            if not torch.equal(original, tensor.data):  # one in expanded memory can't be written to
                original.copy_(tensor.data)

    def end(self) -> None:
        for tensor, original in self._originals:
            tensor.data = original


@contextmanager
def working_copy(model: nn.Module) -> Iterator[WorkingCopy]:
    """Whatever happens inside, gradients and the modes of all modules are as before afterwards; so
    are all values, unless they were kept."""
    modes = [(module, module.training) for module in model.modules()]
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    copy = WorkingCopy(model)
    try:
        yield copy
    finally:
        copy.end()
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for module, training in modes:
            module.training = training
