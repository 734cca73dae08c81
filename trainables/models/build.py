"""From a trial's model section to an untrained network."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from trainables.config.model import (
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
from trainables.config.trial import Trial
from trainables.models.code import code_digest
from trainables.models.densenet import densenet
from trainables.models.feedback import draw_feedback
from trainables.models.head import mark_head, new_head
from trainables.models.initialisation import initialise
from trainables.models.linear import speed_up
from trainables.models.mlp import mlp
from trainables.models.own import NetworkError, own
from trainables.models.resnet import resnet
from trainables.models.transformer import transformer
from trainables.models.unet import unet
from trainables.models.vit import vit
from trainables.models.weights import load_weights
from trainables.seeds import generator, global_state
from trainables.tasks import Shape

State = Mapping[str, Tensor]  # a network's parameters and buffers by name


def build(trial: Trial, device: torch.device, weights: State | None = None) -> nn.Module:
    """The trial's untrained network. Its weights are drawn on the CPU, so they are the same on
    every device, and from the seed alone, so they are the same for both members of a pair: whether
    from PyTorch, NumPy or `random`. In memory it lies as it is run the fastest, if it can be.

    Args:
        weights: what it starts from, where the model section names some; the head is drawn anew.

    Raises:
        NetworkError: the network cannot be made, or the weights are not its own.
    """
    model, seed = trial.model, trial.seed
    # it is imported before anything is seeded for the network
    if isinstance(model, Own) and code_digest(model.name) != model.facts.code:
        raise NetworkError(f"model: {model.name} is not the code that was planned; launch again")
    with global_state(seed, "construction", device):
        network = _construct(model, trial.facts.shape, trial.facts.classes)
    if model.facts.head is not None:
        mark_head(network, model.facts.head)
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
    faster = trial.compute.channels_last or device.type == "cpu"  # where it always pays
    if faster and not model.facts.contiguous:
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


# called with the section's own fields by their names
_MAKERS: Mapping[type[Network], Callable[..., nn.Module]] = {
    Mlp: mlp,
    ViT: vit,
    UNet: unet,
    Transformer: transformer,
}


def _construct(model: Network, shape: Shape, classes: int) -> nn.Module:
    match model:
        case Own():
            return own(model.name, shape, classes, model.arguments)
        case ResNet():
            return resnet(shape, classes, int(model.name.removeprefix("resnet")), model.stem)
        case DenseNet():
            return densenet(shape, classes, int(model.name.removeprefix("densenet")), model.stem)
    sizes = model.model_dump(exclude=set(Built.model_fields))
    return _MAKERS[type(model)](shape, classes, **sizes)
