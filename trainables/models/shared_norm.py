"""Batch normalisation over a mini-batch that several workers share.

PyTorch's SyncBatchNorm does this on GPUs, and only there; on the CPU the layers here take its
place. Parameters, buffers and their names stay those of the layer that is replaced.
"""

from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SharedBatchNorm(_BatchNorm):
    """In training mode normalised by mean and variance over the examples of all workers, however
    many each has; otherwise the layer it was. Backpropagation goes through both sums."""

    def forward(self, input: Tensor) -> Tensor:
        """(n, channels, *) → the same; n may differ between workers, and be 0."""
        if not self.training:
            return super().forward(input)
        values = input.to(torch.promote_types(input.dtype, torch.float32))
        others = [axis for axis in range(values.ndim) if axis != 1]
        shape = [1, -1, *[1] * (values.ndim - 2)]
        count = values.new_full((1,), values.numel() // values.shape[1])
        sums = _summed(torch.cat([values.sum(others), count]))  # (channels + 1,)
        mean, count = sums[:-1] / sums[-1], sums[-1].detach()
        centred = values - mean.view(shape)  # two passes: squares of far-off means would cancel
        variance = _summed(centred.square().sum(others)) / count
        self._keep(mean.detach(), variance.detach() * count / (count - 1))
        normalised = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(input.dtype)

    def _check_input_dim(self, input: Tensor) -> None:
        """The layer that this one replaces has been tried on examples already."""

    @torch.no_grad()
    def _keep(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics; without a momentum they are averages over all batches."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        new = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), new)
        self.running_var.lerp_(variance.to(self.running_var.dtype), new)


def share_statistics(network: nn.Module, device: torch.device) -> nn.Module:
    """The network with every batch normalisation over the workers' whole mini-batch."""
    if device.type == "cuda":
        converted = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return cast(nn.Module, converted)
    for module in network.modules():
        if type(module) in _PLAIN:
            module.__class__ = SharedBatchNorm  # with its parameters, buffers and hooks
    return network


def unshareable(network: nn.Module) -> str | None:
    """The class of a batch normalisation whose arithmetic is its own, so that it cannot be done
    over several workers; None where there is none."""
    for module in network.modules():
        if isinstance(module, _BatchNorm) and type(module) not in _PLAIN:
            return type(module).__name__
    return None


def waits_for_others(network: nn.Module) -> bool:
    """Whether a pass in training mode is one that all workers must make together."""
    shared = (SharedBatchNorm, nn.SyncBatchNorm)
    return any(isinstance(module, shared) for module in network.modules())


class _Sum(torch.autograd.Function):
    """Over all workers; and so is the gradient, for every worker's loss depends on the sum."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradient)


def _summed(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)
    return total
