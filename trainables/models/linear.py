"""Linear layers whose larger products are computed by oneDNN where PyTorch's choice is slow.

PyTorch gives float32 matrix products on the CPU to MKL, which on other makers' processors leaves
the wider half of the vector units unused: on one core of an EPYC with AVX-512, 111 GFLOP/s, where
oneDNN, a part of PyTorch too, does 210 to 260. On Intel's own, MKL is the faster one (a Xeon with
AVX-512 and AMX: 155 to 180, oneDNN 115 to 170) and everything is left to it. Values differ in their
last digits, as they do between MKL on two processors. Small products, other types and devices, and
autocast are PyTorch's choice everywhere.
"""

import inspect
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# multiplications from which oneDNN's longer way to its kernel is made up for, with a margin
LARGE = 2**20


def cpuinfo(field: str) -> str:
    """What Linux says of the processor; elsewhere its name, with the maker on Windows."""
    described = Path("/proc/cpuinfo")
    if not described.exists():
        return platform.processor()
    lines = (line.partition(":") for line in described.read_text().splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == field), "")


def mkl_is_slow(capability: str, maker: str) -> bool:
    """Whether MKL does not use the vector units of such a processor.

    capability: of PyTorch's kernels here, as `torch.backends.cpu` has it.
    """
    there = torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    return bool(there and capability == "AVX512" and "Intel" not in maker)


_AVAILABLE = hasattr(torch.ops.mkldnn, "_linear_pointwise")  # of a PyTorch with oneDNN
_BY_ONEDNN = _AVAILABLE and mkl_is_slow(
    torch.backends.cpu.get_cpu_capability(), cpuinfo("vendor_id")
)


class Linear(nn.Linear):
    """`nn.Linear`, with the products of this file."""

    def forward(self, inputs: Tensor) -> Tensor:  # (..., in_features) → (..., out_features)
        return linear(inputs, self.weight, self.bias)


def speed_up(network: nn.Module) -> list[nn.Linear]:
    """Every plain linear layer of the network computes as `Linear` does from here on; which these
    are."""
    plain = [layer for layer in network.modules() if type(layer) is nn.Linear]
    for layer in plain:
        layer.__class__ = Linear
    return plain


@contextmanager
def sped_up(network: nn.Module) -> Iterator[None]:
    """As after `speed_up`, for as long as the context lasts."""
    plain = speed_up(network)
    try:
        yield
    finally:
        for layer in plain:
            layer.__class__ = nn.Linear


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """inputs · weightᵀ + bias, as `F.linear`: (..., k), (m, k), (m,) → (..., m)."""
    if not _BY_ONEDNN or inputs.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return F.linear(inputs, weight, bias)
    if torch.compiler.is_compiling():  # a network of the user's, whose compiler has its own way
        return F.linear(inputs, weight, bias)
    if not inputs.dtype == weight.dtype == torch.float32 or inputs.numel() * len(weight) < LARGE:
        return F.linear(inputs, weight, bias)
    rows = inputs if inputs.ndim == 2 else inputs.reshape(-1, inputs.shape[-1])
    product: Tensor = OneDnnProduct.apply(rows, weight, bias)
    return product if inputs.ndim == 2 else product.view(*inputs.shape[:-1], len(weight))


class OneDnnProduct(torch.autograd.Function):
    """(n, k), (m, k), (m,) → (n, m). Its gradients are such products themselves, so that second
    derivatives follow, and of several networks at once it is that of each."""

    @staticmethod
    def forward(inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # strides are the operator's business: a transposed matrix is not copied
        found: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
        return found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        of_inputs, of_weight, of_bias = ctx.needs_input_grad
        error = error.contiguous()  # of a sum it is one number, expanded
        return (
            linear(error, weight.t()) if of_inputs else None,
            linear(error.t(), inputs.t()) if of_weight else None,
            error.sum(0) if of_bias else None,
        )

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], *given: Tensor | None
    ) -> tuple[Tensor, int]:
        each = [
            [argument] * info.batch_size
            if dim is None or argument is None
            else argument.unbind(dim)
            for argument, dim in zip(given, in_dims, strict=True)
        ]
        return torch.stack([OneDnnProduct.apply(*one) for one in zip(*each, strict=True)]), 0


# PyTorch asks for it at every call, and finding it out takes as long as a small product
OneDnnProduct.forward.__signature__ = inspect.signature(OneDnnProduct.forward)  # type: ignore[attr-defined]
