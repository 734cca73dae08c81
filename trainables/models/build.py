"""From a trial's model section to an untrained network."""

import torch
from torch import nn

from trainables.models.mlp import mlp
from trainables.seeds import generator
from trainables.trial import Trial


def build(trial: Trial, device: torch.device) -> nn.Module:
    """The trial's untrained network. Weights are drawn on the CPU, so they are the same on every
    device, and from the seed alone, so they are the same for both members of a pair."""
    facts = trial.facts
    network = mlp(
        facts.shape,
        facts.classes,
        trial.model.depth,
        trial.model.width,
        generator(trial.seed, "weights"),
    )
    return network.to(device)
