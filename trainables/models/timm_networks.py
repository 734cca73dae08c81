"""Networks by timm's names, `timm:convnext_atto`, with random weights (extra `timm`).

A network of the user's own in all else: named, hashed (by its name and timm's version), tried and
refused as those are. It is made for the data's classes and channels, and for their size where it
has one. Trained weights are given as any network's, by `model.weights`.
"""

from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from types import ModuleType
from typing import Any

from torch import nn

from trainables.errors import shown
from trainables.tasks import Shape

MODULE = "timm"


def registered(timm: ModuleType, name: str) -> Callable[..., nn.Module]:
    """The factory of timm's network `name`.

    Raises:
        ValueError: timm has none; says which come near.
    """
    if not timm.is_model(name):
        near = get_close_matches(name, timm.list_models(), n=3)
        instead = f"did you mean {', '.join(near)}?" if near else "timm.list_models() has them all"
        raise ValueError(f"timm {timm.__version__} has no network {shown(name)!r}; {instead}")
    return partial(_made, timm, name)


def offered(name: str, shape: Shape, classes: int) -> dict[str, Any]:
    """What a network of timm's is made for, by the names that timm has for it.

    Raises:
        ValueError: the examples are no images.
    """
    if len(shape) != 3:
        raise ValueError(f"{name} takes images, and the examples have shape {shape}; give another")
    return {"num_classes": classes, "in_chans": shape[0], "img_size": shape[1:]}


def _made(timm: ModuleType, name: str, **arguments: Any) -> nn.Module:
    for given in {"pretrained", "checkpoint_path"} & arguments.keys():
        raise ValueError(f"{given}: its weights are random; start from others by model.weights")
    network: nn.Module = timm.create_model(name, pretrained=False, **arguments)
    return network
