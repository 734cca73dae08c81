"""Trained weights: the same bits from every format; the network is theirs but for its head."""

import copy
import io
import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.error import URLError

import numpy as np
import pytest
import scipy.stats
import torch
import torchvision
from safetensors.torch import save_file
from support import identical, refused
from torch import Tensor, nn
from torchvision.models import WeightsEnum

from trainables.models.head import head, new_head
from trainables.models.own import NetworkError
from trainables.models.weights import (
    load_weights,
    read_weights,
    torchvision_weights,
    weights_digest,
)

State = dict[str, Tensor]


def network(classes: int = 3, width: int = 8) -> nn.Sequential:
    made = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, width, 3),
            bn1=nn.BatchNorm2d(width),
            flatten=nn.Flatten(),
            fc=nn.Linear(width * 4, classes),
        )
    )
    made(torch.randn(5, 3, 4, 4))  # running statistics of its own
    return made


def state() -> State:
    return dict(network().state_dict())


def same(one: State, other: State) -> bool:
    """Bit for bit, NaN and −0 included."""
    return one.keys() == other.keys() and all(
        value.dtype == other[name].dtype
        and value.shape == other[name].shape
        and bits(value) == bits(other[name])
        for name, value in one.items()
    )


def bits(value: Tensor) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value.detach().contiguous().numpy())
    return buffer.getvalue()


def in_npz(path: Path, arrays: State, prefix: str = "", **more: object) -> None:
    np.savez(path, **{f"{prefix}{name}": value.numpy() for name, value in arrays.items()}, **more)


def in_record(path: Path, arrays: State) -> None:
    other = {"meta": "{}", "history/phase": ["task"], "test/logits": np.zeros((2, 3))}
    in_npz(path, arrays, "probe/weights/", **other)


def parameters(saved: State) -> State:
    return {n: nn.Parameter(v, requires_grad=v.is_floating_point()) for n, v in saved.items()}


def in_torch(given: Callable[[State], object], **options: Any) -> Callable[[Path, State], None]:
    return lambda path, saved: torch.save(given(saved), path, **options)


FORMATS: dict[str, tuple[str, Callable[[Path, State], None]]] = {
    "pt": ("w.pt", in_torch(lambda saved: saved)),
    "pth": ("w.pth", in_torch(OrderedDict)),
    "legacy": ("w.pth", in_torch(lambda saved: saved, _use_new_zipfile_serialization=False)),
    "state_dict": ("w.pt", in_torch(lambda saved: {"state_dict": saved, "epoch": 3})),
    "model": ("w.pt", in_torch(lambda saved: {"model": saved, "best": 0.5})),
    "parameters": ("w.pt", in_torch(parameters)),
    "safetensors": ("w.safetensors", lambda path, saved: save_file(saved, str(path))),
    "npz": ("w.npz", in_npz),
    "record": ("record.npz", in_record),
}


# --- read_weights ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_back_the_same_bits(tmp_path, kind):
    name, write = FORMATS[kind]
    saved = state()
    saved["conv1.weight"].view(-1)[:3] = torch.tensor([float("nan"), -0.0, float("inf")])
    write(tmp_path / name, saved)
    read = read_weights(tmp_path / name)
    assert same(read, saved)
    assert not any(value.requires_grad for value in read.values())
    assert weights_digest(read) == weights_digest(saved)


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_half_precision_comes_back_too(tmp_path, ending):
    saved = {"a": torch.randn(3).bfloat16(), "b": torch.randn(3).half()}
    FORMATS[ending][1](tmp_path / f"w.{ending}", saved)
    identical(dict(read_weights(tmp_path / f"w.{ending}")), saved)


class Code:
    """Pickled, it writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.npz", "w.safetensors"])
@pytest.mark.parametrize("how", ["torch", "pickle", "numpy"])
def test_code_in_a_file_is_refused_and_never_run(tmp_path, name, how):
    path, trace = tmp_path / name, tmp_path / "ran"
    with path.open("wb") as file:
        match how:
            case "torch":
                torch.save({"a": torch.zeros(1), "b": Code(trace)}, file)
            case "pickle":
                pickle.dump({"a": Code(trace)}, file, protocol=2)
            case "numpy":
                np.savez(file, a=np.array([Code(trace)], dtype=object))
    with pytest.raises(NetworkError) as raised:
        read_weights(path)
    assert re.sub(r"\(\w+:", "(…:", str(raised.value)) == (
        f"model.weights: {path} cannot be read (…: damaged, or Python objects, which are never "
        "loaded); save the network's state_dict() in it"
    )
    assert not trace.exists()


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.npz", "w.safetensors"])
@pytest.mark.parametrize("damage", ["empty", "text", "half", "array"])
def test_a_damaged_file(tmp_path, name, damage):
    path = tmp_path / name
    next(write for file, write in FORMATS.values() if file == name)(path, state())
    whole = path.read_bytes()
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    contents = {"empty": b"", "text": b"some text", "half": whole[: len(whole) // 2]}
    path.write_bytes(contents.get(damage, buffer.getvalue()))
    with pytest.raises(NetworkError) as raised:
        read_weights(path)
    assert str(raised.value).startswith(f"model.weights: {path} cannot be read (")
    assert "\n" not in str(raised.value)


NO_WEIGHTS = (
    " holds no weights; save the network's state_dict() in it, or run the trial of a record with "
    "the probe `weights`"
)
NOT_A_TENSOR = (
    ": net is dict, not a tensor; save the network's state_dict() alone, or as `state_dict`"
)
# what is written, in which format, and what is said of the file
UNUSABLE = {
    **{
        f"no weights, {kind}": ({}, kind, NO_WEIGHTS)
        for kind in ("pt", "state_dict", "safetensors", "npz", "record")
    },
    "a tensor": (torch.zeros(3), "pt", " holds Tensor; save the network's state_dict() in it"),
    "deeper": ({"net": state(), "epoch": 3}, "pt", NOT_A_TENSOR),
}


@pytest.mark.parametrize(("saved", "kind", "says"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_without_weights_or_of_something_else(tmp_path, saved, kind, says):
    name, write = FORMATS[kind]
    write(tmp_path / name, saved)
    with refused(NetworkError, f"model.weights: {tmp_path / name}{says}"):
        read_weights(tmp_path / name)


def test_a_missing_file_and_an_unknown_ending(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    for path in (tmp_path / "absent.pt", tmp_path / "folder.npz"):
        with refused(NetworkError, f"model.weights: {path}: no such file; give the path of one"):
            read_weights(path)
    text = (
        "model.weights: w.ckpt is of no known kind; give a file that ends in "
        ".pt, .pth, .safetensors, .npz"
    )
    with refused(NetworkError, text):
        read_weights(Path("w.ckpt"))


# --- weights_digest ----------------------------------------------------------------------------


def test_the_digest_is_that_of_the_weights_and_not_of_their_order_or_layout():
    saved = state()
    shuffled = dict(reversed(saved.items()))
    shuffled["conv1.weight"] = saved["conv1.weight"].contiguous(memory_format=torch.channels_last)
    shuffled["bn1.bias"] = torch.stack([saved["bn1.bias"], torch.ones(8)], dim=1)[:, 0]
    assert weights_digest(shuffled) == weights_digest(saved)
    assert weights_digest(parameters(saved)) == weights_digest(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: saved["conv1.weight"].view(-1)[-1].add_(1e-6),
        lambda saved: saved.update({"fc.bias": saved["fc.bias"].view(torch.int32)}),
        lambda saved: saved.update({"fc.weight": saved["fc.weight"].T}),
        lambda saved: saved.update({"fc.weight": saved["fc.weight"].reshape(-1)}),
        lambda saved: saved.update({"fc2.bias": saved.pop("fc.bias")}),
        lambda saved: saved.pop("bn1.num_batches_tracked"),
        lambda saved: saved.update({"more": torch.zeros(0)}),
    ],
    ids=["value", "type", "transposed", "shape", "name", "fewer", "more"],
)
def test_the_digest_changes_with(change):
    saved = state()
    before = weights_digest(saved)
    change(saved)
    assert weights_digest(saved) != before


# --- load_weights ------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [3, 1000])
def test_all_but_the_head_comes_from_the_weights(classes):
    saved, made = dict(network(classes).state_dict()), network(3)
    old_head = made.fc.weight.clone()
    load_weights(made, saved, "w.pt")
    for name, value in made.state_dict().items():
        if not name.startswith("fc."):
            assert torch.equal(value, saved[name])
    assert torch.equal(made.fc.weight, old_head)


def test_weights_may_lack_the_head_and_the_counters_or_have_more_of_them():
    made, saved = network(), state()
    for name in ("fc.weight", "fc.bias", "bn1.num_batches_tracked"):
        del saved[name]
    load_weights(made, saved, "w.pt")
    assert torch.equal(made.conv1.weight, saved["conv1.weight"])
    load_weights(made, saved | {"bn9.num_batches_tracked": torch.tensor(1)}, "w.pt")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"conv1.weight": torch.zeros(8, 3, 7, 7)}, "(8, 3, 7, 7) there and (8, 3, 3, 3)"),
        ({"bn1.bias": None}, "absent there and (8,)"),
        ({"bn1.running_mean": None}, "absent there and (8,)"),
        ({"fc2.bias": torch.zeros(5)}, "(5,) there and absent"),
    ],
)
def test_weights_of_another_network_are_refused_and_change_nothing(change, said):
    made, (name,) = network(), change
    before = copy.deepcopy(dict(made.state_dict()))
    saved = {n: value for n, value in (state() | change).items() if value is not None}
    text = (
        f"model.weights: w.pt: {name} is {said} in the network; "
        "give weights of this network, or the network the settings they were trained with"
    )
    with refused(NetworkError, text):
        load_weights(made, saved, "w.pt")
    assert same(dict(made.state_dict()), before)


# --- head and new_head -------------------------------------------------------------------------


def test_a_single_layer_is_its_own_head():
    layer = nn.Linear(4, 3)
    assert head(layer) is layer
    load_weights(layer, {"weight": torch.zeros(9, 9)}, "w.pt")


def test_a_network_without_a_head():
    text = (
        "model.weights: Sequential has no Linear or Conv2d layer to be its head; "
        "leave the weights out"
    )
    with refused(NetworkError, text):
        head(nn.Sequential(nn.Flatten()))


@pytest.mark.parametrize(
    ("layer", "fan_out"),
    [
        (nn.Linear(3000, 10), 10),
        (nn.Conv2d(3000, 10, 1), 10),
        (nn.Conv2d(300, 10, 3, bias=False), 90),
    ],
    ids=["linear", "1×1", "3×3"],
)
def test_a_new_head_is_kaiming_normal_in_fan_out_and_nothing_else_changes(layer, fan_out):
    made = nn.Sequential(nn.Linear(5, 5), layer)
    before = made[0].weight.clone()
    new_head(made, torch.Generator().manual_seed(1))
    weights = layer.weight.detach().double().numpy().ravel()
    sigma = math.sqrt(2 / fan_out)
    assert scipy.stats.kstest(weights / sigma, "norm").pvalue > 0.01
    assert weights.std() == pytest.approx(sigma, rel=5 / math.sqrt(2 * weights.size))
    assert layer.bias is None or (layer.bias == 0).all()
    assert torch.equal(made[0].weight, before)


def test_a_new_head_depends_on_its_generator_alone():
    drawn = []
    for seed, generated in ((1, 5), (2, 5), (2, 6)):
        torch.manual_seed(seed)
        made = network()
        state_before = torch.random.get_rng_state()
        new_head(made, torch.Generator().manual_seed(generated))
        assert torch.equal(torch.random.get_rng_state(), state_before)
        drawn.append(made.fc.weight.clone())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[1], drawn[2])


# --- torchvision_weights -----------------------------------------------------------------------


def published(monkeypatch: pytest.MonkeyPatch, give: Callable[[], object]) -> list[str]:
    """In place of a download; the addresses that were asked for."""
    asked: list[str] = []

    def get_state_dict(
        weights: WeightsEnum, progress: bool, check_hash: bool, weights_only: bool
    ) -> object:
        assert (progress, check_hash, weights_only) == (False, True, True)
        asked.append(weights.url)
        return give()

    monkeypatch.setattr(WeightsEnum, "get_state_dict", get_state_dict)
    return asked


def test_torchvision_s_resnet18_starts_from_its_weights(monkeypatch):
    theirs = torchvision.models.resnet18()
    asked = published(monkeypatch, theirs.state_dict)
    made = torchvision.models.resnet18(num_classes=10)
    load_weights(made, torchvision_weights("resnet18"), "torchvision")
    assert asked == ["https://download.pytorch.org/models/resnet18-f37072fd.pth"]
    made.fc = theirs.fc
    images = torch.randn(2, 3, 64, 64)
    assert torch.equal(made.eval()(images), theirs.eval()(images))


def as_published(saved: State) -> State:
    """A DenseNet's names as they were in 2017, without counters."""
    return {
        re.sub(r"(denselayer\d+\.)(norm|conv)([12])", r"\1\2.\3", name): value
        for name, value in saved.items()
        if not name.endswith("num_batches_tracked")
    }


def test_densenet_s_published_names_are_today_s(monkeypatch, tmp_path):
    theirs = torchvision.models.densenet121()
    old = as_published(dict(theirs.state_dict()))
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    published(monkeypatch, lambda: old)
    torch.save(old, tmp_path / "densenet121.pth")
    expected = theirs.eval()(images := torch.randn(1, 3, 32, 32))
    for saved in (torchvision_weights("densenet121"), read_weights(tmp_path / "densenet121.pth")):
        made = torchvision.models.densenet121()
        load_weights(made, saved, "torchvision")
        made.classifier = theirs.classifier
        assert torch.equal(made.eval()(images), expected)


@pytest.mark.parametrize(
    "name",
    [
        *(f"resnet{n}" for n in (18, 34, 50, 101, 152)),
        *(f"densenet{n}" for n in (121, 161, 169, 201)),
    ],
)
def test_torchvision_has_weights_for_every_resnet_and_densenet(monkeypatch, name):
    asked = published(monkeypatch, lambda: {"a": nn.Parameter(torch.zeros(1))})
    assert not torchvision_weights(name)["a"].requires_grad
    assert f"/{name}-" in asked[0]


@pytest.mark.parametrize("name", ["mlp", "vit", "my_net:make"])
def test_torchvision_has_no_weights_for_other_networks(name):
    with refused(NetworkError, f"model.weights: torchvision has none for {name}; give a file"):
        torchvision_weights(name)


@pytest.mark.parametrize(
    "error", [URLError("no route"), ConnectionResetError(), RuntimeError("invalid hash value")]
)
def test_weights_that_cannot_be_fetched(monkeypatch, error):
    published(monkeypatch, Mock(side_effect=error))
    text = (
        f"model.weights: torchvision's for resnet18 cannot be fetched ({type(error).__name__}); "
        "fetch https://download.pytorch.org/models/resnet18-f37072fd.pth on a machine with "
        "internet and give the file"
    )
    with refused(NetworkError, text):
        torchvision_weights("resnet18")
