"""What is drawn and shipped, as digests: run as a file, in a process of its own, it prints them."""

import hashlib
import json

import torch

from trainables.config.noise import DISTRIBUTIONS
from trainables.data.sources import load
from trainables.models.initialisation import initialise
from trainables.models.mlp import mlp
from trainables.noise import sample
from trainables.seeds import generator

WITH_OOD = ("photos", "mosaics", "text", "points")
SHIPPED = (*WITH_OOD, *(f"{name}_ood" for name in WITH_OOD), "digits", "textures")


def network_digest(network: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


def noise() -> dict[str, str]:
    """By distribution."""
    found = {}
    for name in DISTRIBUTIONS:
        drawn = sample(name, (16, 3, 32, 32), torch.Generator().manual_seed(3))
        found[name] = hashlib.sha256(drawn.numpy().tobytes()).hexdigest()
    return found


def weights() -> dict[str, str]:
    """Of the MLP, by depth."""
    found = {}
    for depth in (2, 6):
        network = mlp((3, 32, 32), 10, depth, 256)
        initialise(network, "he", generator(5, "weights"))
        found[str(depth)] = network_digest(network)
    return found


def sources() -> dict[str, str]:
    """Of all that ships, by name."""
    return {name: load(name).digest for name in SHIPPED}


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(99)
    print(json.dumps({"sources": sources(), "weights": weights(), "noise": noise()}))
