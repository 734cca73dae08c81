"""The networks for images against the paper's sizes, torchvision's weights and what they see."""

from collections.abc import Callable

import pytest
import torch
import torchvision
from support import refused, seeded
from torch import Tensor, nn

from trainables.models.densenet import densenet
from trainables.models.initialisation import initialise
from trainables.models.resnet import resnet
from trainables.models.vit import vit

CIFAR = (3, 32, 32)
SHAPES = [CIFAR, (1, 28, 28), (3, 64, 64)]
STEMS = ["cifar", "imagenet"]
SMALL = {"depth": 2, "width": 24, "heads": 4, "mlp_width": 48}  # a ViT of 64 patches in no time

# the name of each kind of network, and how to make it for a shape and a number of classes
MAKE: dict[str, Callable[[tuple[int, ...], int], nn.Module]] = {
    "resnet18, cifar": lambda shape, classes: resnet(shape, classes, 18, "cifar"),
    "resnet18, imagenet": lambda shape, classes: resnet(shape, classes, 18, "imagenet"),
    "resnet50, cifar": lambda shape, classes: resnet(shape, classes, 50, "cifar"),
    "densenet121, cifar": lambda shape, classes: densenet(shape, classes, 121, "cifar"),
    "densenet121, imagenet": lambda shape, classes: densenet(shape, classes, 121, "imagenet"),
    "vit": vit,
}


def images(n: int, shape: tuple[int, ...] = CIFAR) -> Tensor:
    return torch.randn(n, *shape, generator=seeded())


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in network.state_dict().items()}


def small_vit() -> nn.Module:
    """In float64, where a difference is a difference, and without dropout."""
    network = vit(CIFAR, 10, **SMALL)
    initialise(network, "he", seeded())
    return network.double().eval()


# Sizes


PARAMETERS = {  # the paper's
    (resnet, 18): 11_173_962,
    (resnet, 34): 21_282_122,
    (resnet, 50): 23_520_842,
    (resnet, 101): 42_512_970,
    (resnet, 152): 58_156_618,
    (densenet, 121): 6_956_426,
    (densenet, 161): 26_482_570,
    (densenet, 169): 12_493_450,
    (densenet, 201): 18_104_458,
}
EVERY = pytest.mark.parametrize(("make", "layers"), PARAMETERS)


@EVERY
def test_resnets_and_densenets_have_the_paper_s_parameters(make, layers):
    with torch.device("meta"):
        assert parameters(make(CIFAR, 10, layers, "cifar")) == PARAMETERS[make, layers]


def test_the_vit_has_the_paper_s_parameters():
    with torch.device("meta"):
        assert parameters(vit(CIFAR, 10)) == 12_472_378


@EVERY
def test_imagenet_s_networks_have_torchvision_s_weights(make, layers):
    with torch.device("meta"):
        theirs = torchvision.models.get_model(f"{make.__name__}{layers}")
        assert shapes(make((3, 224, 224), 1000, layers, "imagenet")) == shapes(theirs)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("resnet18, imagenet", torchvision.models.resnet18),
        ("densenet121, imagenet", torchvision.models.densenet121),
    ],
)
def test_with_torchvision_s_weights_imagenet_s_networks_give_torchvision_s_logits(name, theirs):
    reference = theirs(num_classes=10).eval()
    network = MAKE[name](CIFAR, 10).eval()
    network.load_state_dict(reference.state_dict())
    with torch.no_grad():
        assert torch.equal(network(images(2)), reference(images(2)))


# Shapes


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (name, shape)
        for name in MAKE
        for shape in SHAPES
        if (name, shape) != ("densenet121, imagenet", (1, 28, 28))  # too small, see below
    ],
)
def test_a_network_gives_an_image_one_logit_a_class(name, shape):
    network = MAKE[name](shape, 7)
    initialise(network, "he", seeded())
    with torch.no_grad():
        logits = network(images(2, shape))
    assert logits.shape == (2, 7)
    assert logits.isfinite().all()


@pytest.mark.parametrize(("stem", "side"), [("cifar", 32), ("imagenet", 8)])
@pytest.mark.parametrize(
    ("make", "first"), [(resnet, "layer1"), (densenet, "features.denseblock1")]
)
def test_the_stem_sets_the_resolution_of_the_first_block(make, first, stem, side):
    network = make(CIFAR, 10, 18 if make is resnet else 121, stem)
    seen = []
    block = network.get_submodule(first)
    block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    with torch.no_grad():
        network(images(2))
    assert seen == [(2, 64, side, side)]


@pytest.mark.parametrize(("stem", "smallest"), [("cifar", 8), ("imagenet", 29)])
def test_a_densenet_takes_images_down_to_its_smallest_and_says_so(stem, smallest):
    shape = (1, smallest, smallest)
    with torch.no_grad():
        assert densenet(shape, 10, 121, stem)(images(2, shape)).shape == (2, 10)
    with pytest.raises(ValueError, match=rf"model\.stem: {stem} takes images of {smallest} pixels"):
        densenet((1, smallest, smallest - 1), 10, 121, stem)


# Gradients


@pytest.mark.parametrize("name", MAKE)
def test_a_backward_pass_reaches_every_parameter(name):
    network = MAKE[name](CIFAR, 10)
    initialise(network, "he", seeded())
    nn.functional.cross_entropy(network(images(4)), torch.arange(4)).backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


# The vision transformer


@torch.no_grad()
def test_the_vit_sees_every_patch():
    """One pixel of one patch is changed in each of 64 images."""
    network = small_vit()
    image = images(1).double()
    changed = image.repeat(64, 1, 1, 1)
    for patch in range(64):
        row, column = divmod(patch, 8)
        changed[patch, patch % 3, 4 * row + patch % 4, 4 * column + patch // 4 % 4] += 1
    moved = (network(changed) - network(image)).abs().amax(dim=1)
    assert moved.min() > 1e-6


@torch.no_grad()
def test_the_vit_tells_patches_apart_by_their_positions_alone():
    network = small_vit()
    image = images(1).double()
    rolled = image.roll(4, dims=-1)  # the same patches, each in another place
    assert (network(rolled) - network(image)).abs().max() > 1e-6
    network.get_parameter("encoder.pos_embedding").zero_()
    torch.testing.assert_close(network(rolled), network(image), rtol=0, atol=1e-12)


@torch.no_grad()
def test_a_token_is_two_linear_maps_of_its_patch():
    """By hand: the patch at row 2, column 5 of the 8×8."""
    network = small_vit()
    image = images(1).double()
    embedding = network.get_submodule("conv_proj")
    first, second = (layer.weight.flatten(1) for layer in embedding)  # (48, 48), (24, 48)
    patch = image[0, :, 8:12, 20:24].flatten()
    torch.testing.assert_close(embedding(image)[0, :, 2, 5], second @ (first @ patch))


def test_positions_are_drawn_with_a_std_of_two_hundredths():
    positions = vit(CIFAR, 10).get_parameter("encoder.pos_embedding").detach()
    assert positions.shape == (1, 65, 384)
    assert positions.std().item() == pytest.approx(0.02, rel=5 / (2 * positions.numel()) ** 0.5)


def test_dropout_is_after_positions_attention_and_each_layer_of_the_mlps():
    network = vit(CIFAR, 10, **SMALL, dropout=0.25)
    rates = [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)]
    assert rates == [0.25] * (1 + 3 * SMALL["depth"])
    attentions = [each for each in network.modules() if isinstance(each, nn.MultiheadAttention)]
    assert [attention.dropout for attention in attentions] == [0, 0]  # of their own weights


@pytest.mark.parametrize(
    ("settings", "says", "choice"),
    [
        ({"patch": 5}, "patch: 5 does not divide images of 32×32", "1, 2, 4, 8, 16 or 32"),
        ({"patch": 64}, "patch: 64 does not divide images of 32×32", "1, 2, 4, 8, 16 or 32"),
        ({"width": 6, "heads": 4}, "heads: 4 does not divide a width of 6", "1, 2, 3 or 6"),
    ],
)
def test_a_setting_that_divides_nothing_is_refused_with_those_that_do(settings, says, choice):
    with refused(ValueError, f"model.{says}; give {choice}"):
        vit(CIFAR, 10, **settings)


@pytest.mark.parametrize("shape", [(3, 32, 28), (2,)])
def test_a_vit_is_refused_what_is_no_square_image(shape):
    with pytest.raises(ValueError, match=r"^model: vit takes square images, .* use data\.resize$"):
        vit(shape, 10)
