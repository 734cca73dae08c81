"""A network of the user's own: found by its path, given what it takes, tried on its task, every
error in one line."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support import identical, refused
from torch import Tensor, nn

from trainables.models.fit import fits
from trainables.models.own import NetworkError, own

SHAPE = (3, 4, 4)
GOOD = """
import math
from torch import nn

answer = 42

class Net(nn.Sequential):
    def __init__(self, num_classes, input_shape, width=5):
        hidden = nn.Linear(math.prod(input_shape), width)
        super().__init__(nn.Flatten(), hidden, nn.Linear(width, num_classes))

def make(num_classes, input_shape, width=5):
    if width < 0:
        raise RuntimeError("first line\\nno negative width\\n")
    return Net(num_classes, input_shape, width)

def nothing(num_classes, input_shape):
    pass

def lazy(num_classes, input_shape):
    return nn.LazyLinear(num_classes)

def _private(num_classes, input_shape):
    pass

def fails(num_classes, input_shape):
    raise AssertionError
"""

# --- own ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["my_net:make", "my_net:Net"])
def test_a_function_and_a_class_make_the_network(write, name):
    write(GOOD)
    made = own(name, SHAPE, 7, {"width": 6})
    assert [tuple(weight.shape) for weight in made.parameters()] == [(6, 48), (6,), (7, 6), (7,)]
    fits(made, "classification", SHAPE, 7)


def test_a_factory_may_be_in_a_package(write):
    write("", "my_package/__init__.py")
    write(GOOD, "my_package/nets.py")
    assert isinstance(own("my_package.nets:make", SHAPE, 7, {}), nn.Module)


@pytest.mark.parametrize(
    "name", ["my_net", "my_net:", ":make", "my_net.py:make:x", "my net:make", "my_net:a.b", "./a:b"]
)
def test_a_malformed_path(name):
    with refused(NetworkError, f"model: {name!r} is no import path; write package.module:factory"):
        own(name, SHAPE, 7, {})


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import my_absent", "ModuleNotFoundError: No module named 'my_absent'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def make(:", "SyntaxError: invalid syntax (my_net.py, line 1)"),
        ("raise SystemExit(2)", "SystemExit: 2"),
        ("raise KeyError", "KeyError"),
    ],
)
def test_a_module_that_raises_on_import(write, code, said):
    write(code)
    text = (
        f"model: my_net:make: importing my_net raises {said}; it must import in this environment, "
        "as `python -c 'import my_net'` shows"
    )
    with refused(NetworkError, text):
        own("my_net:make", SHAPE, 7, {})


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("make", {"width": -1}, "RuntimeError: no negative width"),
        ("make", {"wdith": 1}, "TypeError: make() got an unexpected keyword argument 'wdith'"),
        ("fails", {}, "AssertionError"),
    ],
)
def test_a_factory_that_raises(write, name, arguments, said):
    write(GOOD)
    given = "".join(f", {argument}={value}" for argument, value in arguments.items())
    text = (
        f"model: my_net:{name}, called with (num_classes=7, input_shape=(3, 4, 4){given}), raises "
        f"{said}; change model.arguments or the factory"
    )
    with refused(NetworkError, text):
        own(f"my_net:{name}", SHAPE, 7, arguments)


REMEDY = "the folder of the command is searched: my_net.py in it is my_net:make"
NO_NETWORK = {
    "my_nte:make": f": no module my_nte; {REMEDY}",
    "my_package.nte:make": f": no module my_package.nte; {REMEDY}",
    "my_absent.nets:make": f": no module my_absent; {REMEDY}",
    "my_net.nets:make": f": no module my_net.nets; {REMEDY}",
    "my_net:maek": ": no such attribute; did you mean 'make'?",
    "my_net:xyz": ": no such attribute; there is Net, make, nothing, lazy, fails",
    "my_empty:make": ": no such attribute; there is none",
    "my_net:answer": " is int, which cannot be called; "
    "give a function or class that makes the network",
    "my_net:nothing": " returns NoneType; let it return a torch.nn.Module",
    "my_net:lazy": " makes lazy layers, without weights as yet; give their sizes",
}


@pytest.mark.parametrize(("name", "says"), NO_NETWORK.items(), ids=NO_NETWORK)
def test_what_makes_no_network_is_refused(write, name, says):
    write(GOOD)
    write("", "my_package/__init__.py")
    write("answer = 42", "my_empty.py")
    with refused(NetworkError, f"model: {name}{says}"):
        own(name, SHAPE, 7, {})


# --- its arguments: those of num_classes and input_shape that it takes, and no other --------------

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


# --- fits --------------------------------------------------------------------------------------


class Says(nn.Module):
    """A network whose output is any function of its input."""

    def __init__(self, output: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.output = output

    def forward(self, inputs: Tensor) -> object:
        return self.output(inputs)


@pytest.mark.parametrize(
    ("kind", "shape", "expected", "dtype"),
    [
        ("classification", (3, 4, 5), (2, 7), torch.float32),
        ("classification", (6,), (2, 7), torch.float32),
        ("segmentation", (3, 4, 5), (2, 7, 4, 5), torch.float32),
        ("language", (9,), (2, 7, 9), torch.int64),
    ],
)
def test_the_output_has_the_classes_in_dimension_1_and_the_targets_behind(
    kind, shape, expected, dtype
):
    given: list[Tensor] = []

    def output(inputs: Tensor) -> Tensor:
        given.append(inputs)
        assert not torch.is_grad_enabled()
        return torch.zeros(len(inputs), *expected[1:])

    random = torch.random.get_rng_state()
    fits(Says(output), kind, shape, 7)
    assert {tuple(one.shape) for one in given} == {(2, *shape), (1, *shape)}
    assert given[0].dtype == dtype
    assert len(given[0].unique()) > 1
    assert torch.equal(torch.random.get_rng_state(), random)
    if kind == "language":
        assert 0 <= given[0].min() <= given[0].max() < 7
    wrong = (2, 8, *expected[2:])
    text = f"model: its output for 2 examples is {wrong}; 7 classes need {expected}"
    with refused(NetworkError, text):
        fits(Says(lambda inputs: torch.zeros(wrong)), kind, shape, 7)


INTEGERS = torch.zeros(2, 7, dtype=torch.int64)
UNFIT: dict[str, Callable[[Tensor], object]] = {
    "its output is tuple; let it return the logits, one tensor": lambda inputs: (inputs, inputs),
    "its output for 2 examples is (7, 2); 7 classes need (2, 7)": lambda inputs: torch.zeros(7, 2),
    "its output is torch.int64; let it return float32 logits": lambda inputs: INTEGERS,
    "its output for standard normal inputs or random tokens is not finite; look for a division by "
    "zero or a logarithm": lambda inputs: torch.tensor([[0.0] * 7, [0.0] * 6 + [float("inf")]]),
    "it raises RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x6 and 5x2) on 2 examples "
    "of (6,); its inputs are a batch of these": lambda inputs: inputs @ torch.zeros(5, 2),
}


@pytest.mark.parametrize(("text", "output"), UNFIT.items())
def test_a_network_that_does_not_fit(text, output):
    with refused(NetworkError, f"model: {text}"):
        fits(Says(output), "classification", (6,), 7)


@pytest.mark.parametrize("classes", [7, 8], ids=["fits", "does not"])
def test_the_network_is_left_as_it_was(classes):
    network = nn.Sequential(nn.Linear(6, 7), nn.BatchNorm1d(7), nn.Dropout())
    network[1].eval()  # frozen
    before = copy.deepcopy(network.state_dict())
    try:
        fits(network, "classification", (6,), classes)
    except NetworkError:
        assert classes == 8
    assert [module.training for module in network.modules()] == [True, True, False, True]
    identical(network.state_dict(), before)
    network(torch.randn(2, 6)).sum().backward()  # and it can still be trained
