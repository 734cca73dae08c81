"""A network of the user's own: found by its path, tried on its task, every error in one line."""

from collections.abc import Callable

import pytest
import torch
from support import refused
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


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (
            lambda inputs: (torch.zeros(2, 7), inputs),
            "its output is tuple; let it return the logits, one tensor",
        ),
        (
            lambda inputs: torch.zeros(7, 2),
            "its output for 2 examples is (7, 2); 7 classes need (2, 7)",
        ),
        (
            lambda inputs: torch.zeros(2, 7, dtype=torch.int64),
            "its output is torch.int64; let it return float32 logits",
        ),
        (
            lambda inputs: torch.tensor([[0.0] * 7, [0.0] * 6 + [float("inf")]]),
            "its output for standard normal inputs or random tokens is not finite; "
            "look for a division by zero or a logarithm",
        ),
        (
            lambda inputs: inputs @ torch.zeros(5, 2),
            "it raises RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x6 and 5x2) "
            "on 2 examples of (6,); its inputs are a batch of these",
        ),
    ],
    ids=["tuple", "shape", "integers", "infinite", "raises"],
)
def test_a_network_that_does_not_fit(output, text):
    with refused(NetworkError, f"model: {text}"):
        fits(Says(output), "classification", (6,), 7)


@pytest.mark.parametrize("classes", [7, 8], ids=["fits", "does not"])
def test_the_network_is_left_as_it_was(classes):
    network = nn.Sequential(nn.Linear(6, 7), nn.BatchNorm1d(7), nn.Dropout())
    network[1].eval()  # frozen
    before = {name: value.clone() for name, value in network.state_dict().items()}
    try:
        fits(network, "classification", (6,), classes)
    except NetworkError:
        assert classes == 8
    assert [module.training for module in network.modules()] == [True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network(torch.randn(2, 6)).sum().backward()  # and it can still be trained
