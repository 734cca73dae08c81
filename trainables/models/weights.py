"""Trained weights to start from: read, fitted into a network, and given a new head.

| from         | what is read                                                               |
|--------------|----------------------------------------------------------------------------|
| .pt, .pth    | torch.save of a state dict, or of a dict with one as `state_dict`, `model` |
| .safetensors | a state dict                                                               |
| .npz         | a record with the probe `weights`, or arrays by the state dict's names     |
| torchvision  | ImageNet's, for a ResNet or DenseNet: its weights IMAGENET1K_V1            |

Of files, Python objects are never loaded.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainables.models.head import named_head
from trainables.models.own import NetworkError

State = Mapping[str, Tensor]  # a network's parameters and buffers by name

_IN_RECORD = "probe/weights/"
_NESTED = ("state_dict", "model")  # where training scripts keep a state dict in a larger dict


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, on the CPU.

    Raises:
        NetworkError: there is none.
    """
    reader = _READERS.get(path.suffix)
    if reader is None:
        raise NetworkError(
            f"model.weights: {path} is of no known kind; give a file that ends in "
            f"{', '.join(_READERS)}"
        )
    if not path.is_file():
        raise NetworkError(f"model.weights: {path}: no such file; give the path of one")
    try:
        content = reader(path)
    except Exception as error:  # on a damaged file, decoders raise anything
        raise NetworkError(
            f"model.weights: {path} cannot be read ({type(error).__name__}: damaged, or Python "
            "objects, which are never loaded); save the network's state_dict() in it"
        ) from error
    return _normal(_state_in(path, content))


def torchvision_weights(name: str) -> dict[str, Tensor]:
    """Torchvision's weights of `resnet18` … `densenet201`, trained on ImageNet; downloaded unless
    they are in PyTorch's cache.

    Raises:
        NetworkError: it has none of that name, or they cannot be fetched.
    """
    from torchvision.models import get_model_weights  # type: ignore[attr-defined]  # slow

    try:
        weights = get_model_weights(name)["IMAGENET1K_V1"]
    except (ValueError, KeyError) as error:
        raise NetworkError(
            f"model.weights: torchvision has none for {name}; give a file"
        ) from error
    try:
        state = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, EOFError, RuntimeError, UnpicklingError) as error:  # away, or cut short
        raise NetworkError(
            f"model.weights: torchvision's for {name} cannot be fetched ({type(error).__name__}); "
            f"fetch {weights.url} on a machine with internet and give the file"
        ) from error
    return _normal(state)


def weights_digest(state: State) -> str:
    """sha256 of the names, types, shapes and values, whatever file they were in."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_weights(network: nn.Module, state: State, name: str) -> None:
    """Copy the state into the network, all but the head.

    Args:
        name: of the weights, as the user wrote it.

    Raises:
        NetworkError: the two differ in an entry other than the head's and BatchNorm's counters.
    """
    name_of_head = named_head(network)[0]
    prefix = f"{name_of_head}." if name_of_head else ""
    ours, theirs = _without_head(network.state_dict(), prefix), _without_head(state, prefix)
    for entry in [*ours, *theirs]:
        here, there = (_shape(entries.get(entry)) for entries in (ours, theirs))
        if here != there and not entry.endswith("num_batches_tracked"):
            raise NetworkError(
                f"model.weights: {name}: {entry} is {there} there and {here} in the network; "
                "give weights of this network, or the network the settings they were trained with"
            )
    network.load_state_dict(theirs, strict=False)


def _without_head(state: State, prefix: str) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith(prefix)}


def _shape(value: object) -> str:
    if isinstance(value, Tensor):
        return str(tuple(value.shape))
    return "absent" if value is None else type(value).__name__  # a layer's extra state


def _from_torch(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _from_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file  # late: no other network needs the package

    return load_file(path)


def _from_npz(path: Path) -> dict[str, Tensor]:
    with np.load(path, allow_pickle=False) as archive:
        names = archive.files
        if "history/phase" in names:  # a record
            names = [name for name in names if name.startswith(_IN_RECORD)]
        return {name.removeprefix(_IN_RECORD): torch.from_numpy(archive[name]) for name in names}


_READERS: dict[str, Callable[[Path], Any]] = {
    ".pt": _from_torch,
    ".pth": _from_torch,
    ".safetensors": _from_safetensors,
    ".npz": _from_npz,
}


def _state_in(path: Path, content: Any) -> dict[str, Tensor]:
    """The state dict that a file's content is or has."""
    if not isinstance(content, Mapping):
        raise NetworkError(
            f"model.weights: {path} holds {type(content).__name__}; "
            "save the network's state_dict() in it"
        )
    nested = (content[key] for key in _NESTED if isinstance(content.get(key), Mapping))
    state = next(nested, content)
    if not state:
        raise NetworkError(
            f"model.weights: {path} holds no weights; save the network's state_dict() in it, "
            "or run the trial of a record with the probe `weights`"
        )
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise NetworkError(
                f"model.weights: {path}: {name} is {type(value).__name__}, not a tensor; "
                "save the network's state_dict() alone, or as `state_dict`"
            )
    return dict(state)


def _normal(state: State) -> dict[str, Tensor]:
    """Without gradients, and by today's names: in the DenseNets that torchvision publishes,
    `denselayer1.norm1.weight` is still `denselayer1.norm.1.weight`."""
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")
    return {old.sub(r"\1", name): value.detach() for name, value in state.items()}
