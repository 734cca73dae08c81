"""A state comes back from its bytes as it was: tensors, plain values, and what PyTorch reads its
layers' versions from."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from trainables.storage.serialization import pack, unpack

CPU = torch.device("cpu")


class Extra(nn.Module):
    """A layer with a state of its own."""

    def __init__(self, extra: Any) -> None:
        super().__init__()
        self.extra = extra

    def get_extra_state(self) -> Any:
        return self.extra

    def set_extra_state(self, state: Any) -> None:
        self.extra = state


def through(state: dict[str, Any]) -> dict[str, Any]:
    return unpack(pack(state), CPU)


def test_a_state_dict_keeps_its_order_and_the_versions_of_its_layers():
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    state = network.state_dict()
    back = through({"network": state})["network"]
    assert type(back) is OrderedDict
    assert list(back) == list(state)
    assert back._metadata == state._metadata
    assert back._metadata["1"]["version"] == 2


def test_a_layer_that_reads_by_its_version_is_told_the_right_one():
    network = nn.BatchNorm1d(3)
    with torch.no_grad():
        network.num_batches_tracked.fill_(7)
    read = nn.BatchNorm1d(3)
    state = through({"network": network.state_dict()})["network"]
    del state["num_batches_tracked"]  # of a state of version 1 it would be made up
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        read.load_state_dict(state)


@pytest.mark.parametrize(
    "extra",
    [3, 2.5, "text", None, (1, 2), {"a": [1, {"b": 2}]}, {4, 5}, b"bytes", 1j, torch.Size([2])],
    ids=repr,
)
def test_extra_state_comes_back_with_its_type(extra):
    state = through({"network": nn.Sequential(Extra(extra)).state_dict()})
    read = nn.Sequential(Extra(None))
    read.load_state_dict(state["network"])
    assert read[0].extra == extra
    assert type(read[0].extra) is type(extra)


def test_a_view_is_saved_without_what_it_is_a_view_of_however_deep_it_lies():
    large = torch.arange(100_000.0)
    state = {"a": ({"b": [large[:2]]},), "c": OrderedDict(d=large[2:4])}
    assert len(pack(state)) < 5_000
    back = through(state | {"whole": large})
    assert torch.equal(back["a"][0]["b"][0], large[:2])
    assert torch.equal(back["c"]["d"], large[2:4])
    assert torch.equal(back["whole"], large)


@pytest.mark.parametrize("value", [np.ones(2), object(), int], ids=["array", "object", "class"])
def test_what_would_run_code_to_be_read_is_refused(value):
    with pytest.raises(Exception, match="Weights only load failed"):
        through({"value": value})
