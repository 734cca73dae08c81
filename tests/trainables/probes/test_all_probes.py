"""What holds for every probe: the network is left as it was, the same again gives the same bits,
and any network for classification will do."""

import copy
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

import pytest
import subjects
import torch
import torch.nn.functional as F
from support import identical
from torch import Tensor, nn
from torchvision.models import DenseNet
from torchvision.models.resnet import BasicBlock, ResNet

from trainables.config.loss import Loss
from trainables.config.probes import ALONG, END, PROBES, START
from trainables.models.build import Autocast
from trainables.models.feedback import FeedbackLinear
from trainables.models.initialisation import initialise
from trainables.models.mlp import mlp
from trainables.models.vit import vit
from trainables.probes.subject import Subject

CLASSES = 3
IMAGE = (3, 8, 8)


def subject_of(network: nn.Module, shape: tuple[int, ...]) -> Subject:
    """Of a network that has moved since it was untrained."""
    untrained = subjects.subject_of(network, shape, train=24, test=12, seed=4)
    random = torch.Generator().manual_seed(9)
    path = []
    for _ in range(3):
        with torch.no_grad():
            for weight in network.parameters():
                weight += 0.01 * torch.randn(weight.shape, generator=random)
        path.append({name: value.detach().clone() for name, value in network.named_parameters()})
    return replace(untrained, path=tuple(path))


def with_dropout() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(192, 5), nn.Dropout(0.5), nn.ReLU(), nn.BatchNorm1d(5),
        nn.Linear(5, CLASSES),
    )  # fmt: skip


def small_vit() -> nn.Module:
    return vit(IMAGE, CLASSES, depth=1, width=8, heads=2, mlp_width=8, dropout=0.1)


def made(factory: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    network = factory()
    initialise(network, "he", torch.Generator().manual_seed(0))
    return network


def of(probe: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A network with dropout and batch normalisation that the probe is for."""
    if probe == "confidence_map":
        return made(lambda: mlp((2,), CLASSES, 3, 5)), (2,)
    return made(with_dropout), IMAGE


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_leaves_everything_as_it_found_it(probe):
    network, shape = of(probe)
    subject = subject_of(network, shape)
    network.get_submodule("1").weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    trained = [parameter.requires_grad for parameter in network.parameters()]
    identities = [id(parameter) for parameter in network.parameters()]
    random = torch.get_rng_state()
    PROBES[probe].measure(subject)
    identical(network.state_dict(), before)
    assert [parameter.requires_grad for parameter in network.parameters()] == trained
    assert [id(parameter) for parameter in network.parameters()] == identities
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


@pytest.mark.parametrize("probe", PROBES)
def test_the_same_again_gives_the_same_bits_in_either_mode(probe):
    network, shape = of(probe)
    subject = subject_of(network, shape)
    network.train()
    first = PROBES[probe].measure(subject)
    torch.manual_seed(123)  # nothing is drawn from the global state
    network.eval()
    identical(first, PROBES[probe].measure(subject))
    assert all(array.device.type == "cpu" for array in first.values())


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (lambda: mlp(IMAGE, CLASSES, 3, 6), IMAGE),
    "mlp of points": (lambda: mlp((2,), CLASSES, 3, 6), (2,)),
    "mlp, feedback alignment": (lambda: mlp(IMAGE, CLASSES, 3, 6, True), IMAGE),
    "resnet": (lambda: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=CLASSES), IMAGE),
    "densenet": (lambda: DenseNet(4, (2, 2), 8, num_classes=CLASSES), (3, 32, 32)),
    "vit": (small_vit, IMAGE),
    "vit, bfloat16": (lambda: Autocast(small_vit()), IMAGE),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("probe", ["layers", "gradients", "curvature", "slices"])
def test_any_network_can_be_probed(probe, name, monkeypatch):
    factory, shape = NETWORKS[name]
    few = {"curvature": ("VECTORS", "MOST_ITERATIONS"), "slices": ("SLICE_STEPS",)}
    module = import_module(PROBES[probe].measure.__module__)
    for constant in few.get(probe, ()):
        monkeypatch.setattr(module, constant, 2)
    subject = subject_of(made(factory), shape)
    arrays = PROBES[probe].measure(subject)
    assert all(array.dtype == torch.float32 for array in arrays.values())
    assert all(array.isfinite().all() for array in arrays.values())
    if probe in ("layers", "gradients"):
        assert list(dict.fromkeys(key.partition("/")[0] for key in arrays)) == list(subject.layers)
        linear = (nn.Linear, nn.Conv2d)
        bare = [n for n, m in subject.bare.named_modules() if isinstance(m, linear)]
        assert list(subject.layers) == bare


def test_gradients_are_those_of_the_task_s_loss():
    subject = subject_of(made(lambda: mlp(IMAGE, CLASSES, 3, 6)), IMAGE)
    subject = replace(subject, batch=24, loss=Loss(name="label_smoothing", amount=0.3))
    found = PROBES["gradients"].measure(subject)
    inputs, labels = subject.data.train.taken(slice(24))
    subject.network.train().zero_grad()
    F.cross_entropy(subject.network(inputs), labels, label_smoothing=0.3).backward()
    for name, layer in subject.layers.items():
        torch.testing.assert_close(found[f"{name}/norms"][0], layer.weight.grad.norm())


def test_feedback_alignment_is_probed_as_it_trains():
    """Its gradients are not the true ones, which the same weights have without it."""
    aligned = made(lambda: mlp(IMAGE, CLASSES, 3, 6, feedback_alignment=True))
    plain = made(lambda: mlp(IMAGE, CLASSES, 3, 6))
    for layer in aligned.modules():
        if isinstance(layer, FeedbackLinear):
            layer.draw_feedback(torch.Generator().manual_seed(3))
    found, true = (PROBES["gradients"].measure(subject_of(n, IMAGE)) for n in (aligned, plain))
    assert torch.allclose(found["7/norms"], true["7/norms"], rtol=1e-4)  # the last layer's
    assert not torch.allclose(found["1/norms"], true["1/norms"], rtol=1e-2)
    curved, straight = (PROBES["curvature"].measure(subject_of(n, IMAGE)) for n in (aligned, plain))
    assert torch.allclose(curved["eigenvalue"], straight["eigenvalue"], rtol=1e-3)


class Computed(nn.Module):
    """A layer whose weight is computed, as under weight normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.normalised = nn.utils.parametrizations.weight_norm(nn.Linear(192, 4))
        self.last = nn.Linear(4, CLASSES)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.normalised(self.flatten(inputs)))


@pytest.mark.parametrize("probe", ["layers", "gradients"])
def test_layers_whose_weight_is_computed_are_left_out(probe):
    arrays = PROBES[probe].measure(subject_of(Computed(), IMAGE))
    assert {key.partition("/")[0] for key in arrays} == {"last"}


def test_the_registry_says_when_each_probe_measures():
    moments = {name: probe.moments for name, probe in PROBES.items()}
    assert moments == {
        "confidence_map": START, "start_outputs": START, "layers": START, "gradients": START,
        "curvature": ALONG, "slices": ALONG, "plane": (0.0, 1.0),
        "path": END, "odin": END, "features": END, "other_protocol": END, "weights": END,
        "shift": END,
    }  # fmt: skip
    assert [name for name, probe in PROBES.items() if probe.needs_path] == ["path"]


def test_weights_have_the_bare_network_s_names():
    plain = subject_of(made(small_vit), IMAGE)
    wrapped = replace(plain, network=Autocast(plain.network))
    identical(PROBES["weights"].measure(plain), PROBES["weights"].measure(wrapped))
