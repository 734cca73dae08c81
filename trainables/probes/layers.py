"""How each layer's weights and outputs are distributed (Cheon & Paik, Supp. Fig. 13).

The warm-up barely changes the weights, while what a layer puts out shrinks, layer by layer.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.probes.subject import Arrays, Subject
from trainables.seeds import generator
from trainables.training.loop import evaluate

QUANTILES = 101  # 0, 1, …, 100 %

# of a layer's outputs; where it has more, every input's outputs at the same random places are
# taken, so that a convolution's 65,536 outputs of each of 1,000 images need not be held and sorted
VALUES = 2**20


def layers(subject: Subject) -> Arrays:
    """Each layer's weights, and its outputs (before activation) of test inputs in eval mode.

    Returns:
        for each layer `{layer}/weights` and `{layer}/outputs` (101,): quantiles; `{layer}/moments`
        (4,): mean and population std of the weights, then of the outputs; `{layer}/change` ():
        ‖W − W₀‖ / ‖W₀‖ with W₀ the untrained weights. Float32 on the CPU. Outputs of a layer that
        the network does not run are NaN.
    """
    outputs = _outputs(subject)
    arrays: Arrays = {}
    for name, layer in subject.layers.items():
        weight = layer.weight.detach().cpu().double()
        arrays |= {
            f"{name}/weights": _quantiles(weight),
            f"{name}/outputs": _quantiles(outputs[name]),
            f"{name}/moments": torch.cat([_moments(weight), _moments(outputs[name])]),
            f"{name}/change": _change(weight, subject.untrained(f"{name}.weight").cpu().double()),
        }
    return arrays


def _outputs(subject: Subject) -> Arrays:
    """Up to `VALUES` outputs of each layer, on the CPU."""
    split = subject.some_test
    with ExitStack() as stack:
        kept = {
            name: stack.enter_context(_keeping(module, max(VALUES // len(split), 1), subject.seed))
            for name, module in _where_outputs_appear(subject).items()
        }
        evaluate(subject.network, split)
        return {name: torch.cat([torch.empty(0), *parts]).double() for name, parts in kept.items()}


def _where_outputs_appear(subject: Subject) -> dict[str, nn.Module]:
    """The module whose outputs are the layer's: itself but for the last layer of an attention,
    whose weights PyTorch takes without running the layer."""
    modules = dict(subject.bare.named_modules())
    found: dict[str, nn.Module] = {}
    for name, layer in subject.layers.items():
        parent = modules[name.rpartition(".")[0]]
        attention = isinstance(parent, nn.MultiheadAttention) and layer is parent.out_proj
        found[name] = parent if attention else layer
    return found


@contextmanager
def _keeping(module: nn.Module, each: int, seed: int) -> Iterator[list[Tensor]]:
    """A list of what the module puts out, flat, up to so many values of each input."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, outputs: Any) -> None:
        values = outputs[0] if isinstance(outputs, tuple) else outputs
        values = values.detach().flatten(1)  # (n, elements)
        if values.shape[1] > each:
            values = values[:, _places(values.shape[1], each, seed).to(values.device)]
        # a copy, for an activation may come to work in place
        kept.append(values.flatten().to("cpu", torch.float32, copy=True))

    hook = module.register_forward_hook(keep)
    try:
        yield kept
    finally:
        hook.remove()


@lru_cache(maxsize=256)
def _places(elements: int, count: int, seed: int) -> Tensor:
    """So many of a layer's outputs, at random."""
    return torch.randperm(elements, generator=generator(seed, "elements"))[:count].clone()


def _quantiles(values: Tensor) -> Tensor:
    if not values.numel():
        return torch.full((QUANTILES,), torch.nan)
    return torch.from_numpy(np.quantile(values.numpy(), np.linspace(0, 1, QUANTILES))).float()


def _moments(values: Tensor) -> Tensor:
    """(2,): mean and population std."""
    if not values.numel():
        return torch.full((2,), torch.nan)
    return torch.stack([values.mean(), values.std(correction=0)]).float()


def _change(weight: Tensor, untrained: Tensor) -> Tensor:
    difference = (weight - untrained).norm()
    # a layer that starts at zero, and is there still, has not changed
    change: Tensor = difference / untrained.norm() if difference else difference
    return change.float()
