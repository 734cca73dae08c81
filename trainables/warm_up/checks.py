"""Whether a model can be warmed up at all, and where it lies."""

import torch
from torch import nn
from torch.nn.parameter import is_lazy


def dtype_of(model: nn.Module) -> torch.dtype:
    return next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)


def device_of(model: nn.Module, asked: torch.device | str | None) -> torch.device:
    if asked is not None:
        return torch.device(asked)
    found = list(dict.fromkeys(parameter.device for parameter in model.parameters()))
    if len(found) > 1:
        raise ValueError(
            f"device: missing; the model's parameters are on {' and '.join(map(str, found))}; give "
            "the one on which it takes its inputs"
        )
    return found[0]


def check_model(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: {type(model).__name__} is no torch.nn.Module; give one")
    parameters = list(model.parameters())
    if any(is_lazy(parameter) for parameter in parameters):
        raise ValueError("model: it has lazy layers without weights; pass it a batch first")
    if not any(parameter.requires_grad for parameter in parameters):
        raise ValueError(
            "model: it has no parameter that is trained (requires_grad); unfreeze some"
        )
    if any(parameter.is_meta for parameter in parameters):
        raise ValueError("model: it has parameters without values (device meta); load them first")
    if any(_sharded(parameter) for parameter in parameters):
        raise ValueError("model: its parameters are sharded; warm it up before they are")


def _sharded(parameter: nn.Parameter) -> bool:
    """By FSDP, whose modules hold parts, or DeepSpeed's ZeRO."""
    return type(parameter).__name__ in ("DTensor", "FlatParameter") or hasattr(parameter, "ds_id")
