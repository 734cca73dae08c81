"""A factory is given those of num_classes and input_shape that it takes, and no other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from trainables.models.fit import fits
from trainables.models.own import NetworkError, own

SHAPE = (3, 4, 4)
BOTH = {"num_classes": 7, "input_shape": SHAPE}

GIVEN = """
import functools
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, width=3):
        super().__init__()
        self.given = {"num_classes": num_classes, "width": width}

class Says(nn.Module):
    def __init__(self, given):
        super().__init__()
        self.given = given

def both(num_classes, input_shape):
    return Says(dict(num_classes=num_classes, input_shape=input_shape))

def classes(num_classes=1000): return Says(dict(num_classes=num_classes))
def shape(*, input_shape): return Says(dict(input_shape=input_shape))
def neither(): return Says({})
def positional(num_classes=5, /): return Says(dict(num_classes=num_classes))
def keywords(**given): return Says(given)
def named_and_more(input_shape, **given): return Says(dict(input_shape=input_shape) | given)
def handed_on(*, weights=None, progress=True, **kwargs): return Net(**kwargs)
def handed_on_twice(**kwargs): return handed_on(**kwargs)
def of_none(**kwargs): return neither(**kwargs)
partial = functools.partial(both, input_shape=(1, 2, 3))
def breaks(**kwargs): return Net(kwargs["num_classes"], depth=1)
"""


def given(write: Callable[..., Path], factory: str, arguments: dict[str, Any]) -> dict[str, Any]:
    write(GIVEN)
    made: Any = own(f"my_net:{factory}", SHAPE, 7, arguments)
    return dict(made.given)


@pytest.mark.parametrize(
    ("factory", "expected"),
    [
        ("both", BOTH),
        ("classes", {"num_classes": 7}),
        ("shape", {"input_shape": SHAPE}),
        ("neither", {}),
        ("positional", {"num_classes": 5}),
        ("keywords", BOTH),
        ("named_and_more", BOTH),
        ("handed_on", {"num_classes": 7, "width": 3}),
        ("handed_on_twice", {"num_classes": 7, "width": 3}),
        ("of_none", {}),
        ("partial", BOTH),
        ("Net", {"num_classes": 7, "width": 3}),
    ],
)
def test_it_is_given_what_it_takes(write, factory, expected):
    assert given(write, factory, {}) == expected


def test_arguments_come_on_top_and_win(write):
    assert given(write, "handed_on", {"width": 9}) == {"num_classes": 7, "width": 9}
    assert given(write, "handed_on", {"num_classes": 4}) == {"num_classes": 4, "width": 3}


@pytest.mark.parametrize("factory", ["breaks", "Net"])
def test_an_argument_of_the_user_s_own_that_it_does_not_take_is_told_of(write, factory):
    with pytest.raises(NetworkError, match="unexpected keyword argument 'depth'"):
        given(write, factory, {"depth": 1})


TIMM = """
from torch import nn

class ResNet(nn.Module):
    def __init__(self, num_classes=1000, in_chans=3, drop_rate=0.0):
        super().__init__()
        self.features = nn.Conv2d(in_chans, 4, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(4, num_classes)
    def forward(self, x):
        return self.fc(self.pool(self.features(x)).flatten(1))

def create_model(model_name, pretrained=False, pretrained_cfg=None, *, scriptable=None, **kwargs):
    kwargs = {k: v for k, v in kwargs.items() if v is not None}
    return {"resnet": ResNet}[model_name](**kwargs)
"""


def test_a_registry_of_timm_s_signature_works_directly(write):
    write(TIMM, "my_timm.py")
    made = own("my_timm:create_model", SHAPE, 7, {"model_name": "resnet", "drop_rate": 0.1})
    fits(made, "classification", SHAPE, 7)


def test_torchvision_s_networks_work_directly():
    made = own("torchvision.models:resnet18", (3, 32, 32), 7, {})
    assert isinstance(made, nn.Module)
    fits(made, "classification", (3, 32, 32), 7)


def test_one_that_takes_no_number_of_classes_and_has_another_is_told_so(write):
    write(
        "from torch import nn\n"
        "def make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(48, 9))\n"
    )
    made = own("my_net:make", SHAPE, 7, {})
    with pytest.raises(NetworkError, match=r"for 2 examples is \(2, 9\); 7 classes need \(2, 7\)"):
        fits(made, "classification", SHAPE, 7)
