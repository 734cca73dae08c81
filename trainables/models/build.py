"""From a trial's model section to an untrained network."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trainables.models.densenet import densenet
from trainables.models.feedback import draw_feedback
from trainables.models.initialisation import initialise
from trainables.models.linear import speed_up
from trainables.models.mlp import mlp
from trainables.models.own import NetworkError, code_digest, own
from trainables.models.resnet import resnet
from trainables.models.settings import (
    Built,
    DenseNet,
    Mlp,
    Network,
    Own,
    ResNet,
    Transformer,
    UNet,
    ViT,
)
from trainables.models.transformer import transformer
from trainables.models.unet import unet
from trainables.models.vit import vit
from trainables.models.weights import load_weights, new_head
from trainables.seeds import generator, global_state
from trainables.tasks import Shape
from trainables.trial import Trial

_CPU = torch.device("cpu")

State = Mapping[str, Tensor]  # a network's parameters and buffers by name


def build(trial: Trial, device: torch.device, weights: State | None = None) -> nn.Module:
    """The trial's untrained network. Its weights are drawn on the CPU, so they are the same on
    every device, and from the seed alone, so they are the same for both members of a pair.

    Args:
        weights: what it starts from, where the model section names some; the head is drawn anew.

    Raises:
        NetworkError: the network cannot be made, or the weights are not its own.
    """
    model, seed = trial.model, trial.seed
    with global_state(seed, "construction", _CPU):
        network = _construct(model, trial.facts.shape, trial.facts.classes)
    if isinstance(model, Built):
        initialise(network, model.init, generator(seed, "weights"))
    if isinstance(model, Mlp) and model.feedback_alignment:
        draw_feedback(network, generator(seed, "feedback"))
    if model.weights is not None:
        if weights is None:
            raise ValueError(f"model.weights: {model.weights} has not been read")
        load_weights(network, weights, model.weights)
        new_head(network, generator(seed, "head"))
    speed_up(network)
    if trial.compute.channels_last or device.type == "cpu":  # where it always pays
        network = network.to(memory_format=torch.channels_last)
    if trial.compute.bfloat16:
        network = Autocast(network)
    return network.to(device)


class Autocast(nn.Module):
    """A network whose matrix products and convolutions are computed in bfloat16; its weights and
    its logits are float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        with torch.autocast(inputs.device.type, torch.bfloat16):
            logits: Tensor = self.network(inputs)
        return logits.float()


def _construct(model: Network, shape: Shape, classes: int) -> nn.Module:
    match model:
        case Mlp():
            return mlp(shape, classes, model.depth, model.width, model.feedback_alignment)
        case ResNet():
            return resnet(shape, classes, int(model.name.removeprefix("resnet")), model.stem)
        case DenseNet():
            return densenet(shape, classes, int(model.name.removeprefix("densenet")), model.stem)
        case ViT():
            return vit(
                shape,
                classes,
                model.depth,
                model.width,
                model.heads,
                model.mlp_width,
                model.patch,
                model.dropout,
            )
        case UNet():
            return unet(shape, classes, model.width, model.depth)
        case Transformer():
            return transformer(shape, classes, model.depth, model.width, model.heads, model.dropout)
        case Own():
            if code_digest(model.name) != model.facts.code:
                raise NetworkError(
                    f"model: {model.name} is not the code that was planned; launch again"
                )
            return own(model.name, shape, classes, model.arguments)
    raise TypeError(f"no network for {type(model).__name__}")
