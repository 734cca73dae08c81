"""The model section of a trial: which network, how large, and what it starts from.

| name                       | network                                      | for            |
|----------------------------|----------------------------------------------|----------------|
| mlp                        | the paper's multilayer perceptron            | classification |
| resnet18 … resnet152       | He et al. 2016, with a CIFAR stem            | classification |
| densenet121 … densenet201  | Huang et al. 2017, with a CIFAR stem         | classification |
| vit                        | vision transformer, Dosovitskiy et al. 2021  | classification |
| unet                       | U-Net, Ronneberger et al. 2015               | segmentation   |
| transformer                | causal transformer over tokens               | language       |
| package.module:factory     | your own                                     | what it is for |
| timm:NAME                  | timm's of that name, random weights          | classification |

`model: vit` is short for `model: {name: vit}`.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag

from trainables.config.base import Frozen, Initialisation, Kind


class NetworkFacts(Frozen):
    """What the network starts from, and what was found out of a user's by trying it; never written
    by hand."""

    weights: str | None = None  # digest
    code: str | None = None  # digest of what a factory is made of
    contiguous: bool = False  # it cannot be run in the memory format channels_last
    stateful: bool = False  # what it does depends on more than is in its state_dict
    head: str | None = None  # the layer that makes the logits, where another is registered last


class Network(Frozen):
    """What every network has.

    `weights`: a file of trained weights to start from (.pt, .safetensors, or a record with the
    probe `weights`), `torchvision` for those trained on ImageNet, or `study:NAME` for the network
    that another study has trained; the head is drawn anew.
    """

    name: str
    weights: str | None = None
    facts: NetworkFacts = NetworkFacts()


class Built(Network):
    """What the service's own networks have: the law of their first weights."""

    init: Initialisation = "he"


class Mlp(Built):
    """`depth` linear layers, `width` units in each hidden one."""

    name: Literal["mlp"] = "mlp"
    depth: int = Field(6, ge=2, le=100)
    width: int = Field(256, ge=2)
    feedback_alignment: bool = False  # fixed random weights carry the error back (Supp. Fig. 6)


class ResNet(Built):
    name: Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"] = "resnet18"
    stem: Literal["cifar", "imagenet"] = "cifar"


class DenseNet(Built):
    name: Literal["densenet121", "densenet161", "densenet169", "densenet201"] = "densenet121"
    stem: Literal["cifar", "imagenet"] = "cifar"


class ViT(Built):
    name: Literal["vit"] = "vit"
    depth: int = Field(7, ge=1)
    width: int = Field(384, ge=1)
    heads: int = Field(8, ge=1)
    mlp_width: int = Field(1536, ge=1)
    patch: int = Field(4, ge=1)  # pixels a side
    dropout: float = Field(0.01, ge=0, lt=1)


class UNet(Built):
    name: Literal["unet"] = "unet"
    depth: int = Field(3, ge=1)  # resolutions
    width: int = Field(16, ge=1)  # channels at the highest


class Transformer(Built):
    name: Literal["transformer"] = "transformer"
    depth: int = Field(2, ge=1)
    width: int = Field(64, ge=1)
    heads: int = Field(4, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)


class Own(Network):
    """A factory of the user's: called with `num_classes`, `input_shape` and the `arguments`."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


_FAMILIES: tuple[type[Built], ...] = (Mlp, ResNet, DenseNet, ViT, UNet, Transformer)
_FAMILY: dict[str, type[Built]] = {
    name: family
    for family in _FAMILIES
    for name in get_args(family.model_fields["name"].annotation)
}
_KINDS: dict[type[Network], tuple[Kind, ...]] = {
    UNet: ("segmentation",),
    Transformer: ("language",),
    Own: get_args(Kind),
}
NAMES = tuple(_FAMILY)


def family_of(name: str) -> type[Network]:
    return Own if ":" in name else _FAMILY[name]


def kinds_of(name: str) -> tuple[Kind, ...]:
    return _KINDS.get(family_of(name), ("classification",))


def _spelled_out(value: Any) -> Any:
    if isinstance(value, str):
        value = {"name": value}
    if isinstance(value, dict):
        value = {"name": "mlp"} | value
        name = value["name"]
        if not isinstance(name, str) or (":" not in name and name not in _FAMILY):
            raise ValueError(
                f"name: {name!r} is no network; choose from {', '.join(NAMES)}, or give your own "
                "as package.module:factory, or timm's as timm:NAME"
            )
    return value


def _tag(value: Any) -> str:
    if isinstance(value, Network):
        return f"<{type(value).__name__}>"
    return f"<{family_of(value['name']).__name__}>" if isinstance(value, dict) else ""


Model = Annotated[
    Annotated[Mlp, Tag("<Mlp>")]
    | Annotated[ResNet, Tag("<ResNet>")]
    | Annotated[DenseNet, Tag("<DenseNet>")]
    | Annotated[ViT, Tag("<ViT>")]
    | Annotated[UNet, Tag("<UNet>")]
    | Annotated[Transformer, Tag("<Transformer>")]
    | Annotated[Own, Tag("<Own>")],
    Discriminator(_tag),
    BeforeValidator(_spelled_out),
]
