"""What a warm-up does to a model, and all that it leaves as it was."""

import copy
import io
import re

import numpy as np
import pytest
import torch
from support import identical, refused
from together import together
from torch import nn

from trainables.seeds import global_positions
from trainables.warm_up import warm_up
from trainables.warm_up.once import warm_up_once

SMALL = {"examples": 32, "epochs": 2, "batch": 8, "progress": False}
SMALL |= {"optimizer": {"name": "adam", "lr": 0.01}, "num_classes": 4}
IMAGES = SMALL | {"input_shape": (3, 8, 8)}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.2))
        self.head = nn.Linear(4 * 36, 4)

    def forward(self, x):
        return self.head(self.body(x).flatten(1))


class Returning(Net):
    """Gives what `made` makes of the logits."""

    def __init__(self, made):
        super().__init__()
        self.made = made

    def forward(self, x):
        return self.made(super().forward(x))


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_network_learns_labels_that_can_be_learned():
    """Steps are steps of training: with one class drawn, the loss falls to nothing."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    untrained = copy.deepcopy(model)
    history = warm_up(
        model, **SMALL | {"examples": 6400, "epochs": 4, "batch": 64}, input_shape=(12,)
    )
    # random labels: log 4 is the best that there is, and confidence comes down to chance
    assert history[0]["loss"] > history[-1]["loss"] > np.log(4) - 0.01
    assert history[0]["confidence"] > history[-1]["confidence"] > 0.25
    assert history[0]["ece"] > history[-1]["ece"]
    noise = torch.randn(1000, 12)
    sure = [float(m(noise).softmax(1).max(1).values.mean()) for m in (untrained, model)]
    assert sure[0] > sure[1]


def test_all_but_the_values_is_left_as_it_was():
    model = Net().train()
    model.body[1].eval()
    model.head.weight.requires_grad_(False)
    model.body[0].weight.grad = torch.ones(4, 3, 3, 3)
    frozen, before = model.head.weight.clone(), state_of(model)
    modes = [module.training for module in model.modules()]
    places = {name: (t.data_ptr(), t.stride()) for name, t in model.state_dict().items()}
    random_states = global_positions()

    warm_up(model, **IMAGES)

    assert [module.training for module in model.modules()] == modes
    assert global_positions() == random_states
    assert {n: (t.data_ptr(), t.stride()) for n, t in model.state_dict().items()} == places
    assert type(model.head) is nn.Linear
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert torch.equal(gradients.pop("body.0.weight"), torch.ones(4, 3, 3, 3))
    assert set(gradients.values()) == {None}
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"body.0.weight", "body.0.bias", "body.1.weight", "body.1.bias", "head.bias"}
    assert torch.equal(model.head.weight, frozen)
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert changed == {*before} - {"head.weight"}


def test_an_optimizer_that_is_there_already_goes_on_with_the_weights():
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    warm_up(model, **IMAGES)
    before = state_of(model)
    model.eval()(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    assert not torch.equal(model.head.weight, before["head.weight"])


class FailsLate(Net):
    passes = 0

    def forward(self, x):
        self.passes += self.training
        if self.passes == 4:
            raise KeyboardInterrupt
        return super().forward(x)


@pytest.mark.parametrize(
    ("model", "changes", "error"),
    [
        (FailsLate(), {}, KeyboardInterrupt),
        (Net(), {"optimizer": {"name": "sgd", "lr": 1e30}, "epochs": 1}, ValueError),
    ],
)
def test_a_model_that_could_not_be_warmed_up_is_as_before(model, changes, error):
    before, random_states = state_of(model), global_positions()
    with pytest.raises(error):
        warm_up(model, **IMAGES | changes)
    identical(state_of(model), before)
    assert global_positions() == random_states
    assert all(parameter.grad is None for parameter in model.parameters())
    assert type(model.head) is nn.Linear


def test_of_frozen_layers_the_statistics_alone_move():
    model = Net()
    before = state_of(model)
    warm_up(model, **IMAGES, train="statistics")
    changed = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    moving = {f"body.1.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")}
    assert changed == moving


# --- what it is trained on ---------------------------------------------------------------------


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.image = nn.Embedding(11, 4), nn.Linear(6, 4)

    def forward(self, tokens, image=None, scale=1):
        return self.words(tokens).mean(1) * scale + self.image(image)


def tokens_and_image(generator, n):
    tokens = torch.randint(11, (n, 5), generator=generator)
    return tokens, torch.randn(n, 6, generator=generator)


def by_name(generator, n):
    return dict(zip(("tokens", "image"), tokens_and_image(generator, n), strict=True))


def test_several_inputs_are_drawn_by_a_function():
    """By place or by name; from the generator, so the same seed gives the same weights."""
    model = TwoInputs()
    twin = copy.deepcopy(model)
    before = state_of(model)
    warm_up(model, **SMALL, inputs=tokens_and_image)
    warm_up(twin, **SMALL, inputs=by_name)
    identical(state_of(model), state_of(twin))
    assert not torch.equal(model.words.weight, before["words.weight"])


def test_what_is_no_tensor_is_handed_on():
    model = TwoInputs()
    twin = copy.deepcopy(model)
    warm_up(model, **SMALL, inputs=lambda g, n: (*tokens_and_image(g, n), 1))
    warm_up(twin, **SMALL, inputs=by_name)
    identical(state_of(model), state_of(twin))


def test_a_drawn_batch_is_the_noise_it_stands_for():
    model = Net()
    twin = copy.deepcopy(model)
    warm_up(model, **SMALL, inputs=lambda g, n: torch.randn(n, 3, 8, 8, generator=g))
    warm_up(twin, **IMAGES)
    identical(state_of(model), state_of(twin))


@pytest.mark.parametrize("kind", ["segmentation", "language"])
def test_every_target_is_drawn(kind):
    """As many predictions as an example has pixels or tokens: a bias learns all of them."""
    shape = {"segmentation": (3, 4, 6), "language": (7,)}[kind]

    class Bias(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.randn(4, *(shape[1:] if len(shape) > 1 else shape)))

        def forward(self, x):
            assert x.dtype == (torch.int64 if kind == "language" else torch.float32)
            assert tuple(x.shape[1:]) == shape
            return self.bias.expand(len(x), *self.bias.shape)

    model = Bias()
    before = model.bias.clone()
    warm_up(model, **SMALL, input_shape=shape, kind=kind)
    assert bool((model.bias != before).all())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_model_of_another_precision_is_given_inputs_of_its_own(dtype):
    model = Net().to(dtype)
    before = state_of(model)
    (*_, last) = warm_up(model, **IMAGES)
    assert np.isfinite(last["loss"])
    assert model.head.weight.dtype == dtype
    assert not torch.equal(model.head.weight, before["head.weight"])


def test_gradients_are_there_where_they_were_switched_off():
    with torch.no_grad():
        warm_up(Net(), **IMAGES)
        assert not torch.is_grad_enabled()


def test_logits_are_taken_from_what_the_model_returns():
    model = Returning(lambda logits: {"features": None, "scores": logits})
    twin = Net()
    twin.load_state_dict(model.state_dict())
    warm_up(model, **IMAGES, logits=lambda output: output["scores"])
    warm_up(twin, **IMAGES)
    identical(state_of(model), state_of(twin))


def test_a_file_says_what_is_not_said_by_an_argument(tmp_path):
    recipe = {"epochs": 2, "batch": 8, "examples": 9999, "optimizer": {"name": "sgd", "lr": 1e-2}}
    path = tmp_path / "recipe.yaml"
    path.write_text(f"warmup: {recipe}")
    model = Net()
    twin = copy.deepcopy(model)
    where = {"input_shape": (3, 8, 8), "num_classes": 4, "progress": False}
    history = warm_up(model, like=path, examples=32, **where)
    assert [epoch["examples"] for epoch in history] == [16, 32]
    warm_up(twin, **recipe | {"examples": 32} | where)
    identical(state_of(model), state_of(twin))


# --- what is refused ---------------------------------------------------------------------------

LOGITS = "not a tensor; give logits=lambda output: "
MODELS = {
    "a softmax": (lambda x: x.softmax(1), "model: its outputs are a softmax, and the loss takes"),
    "a log-softmax": (lambda x: x.log_softmax(1), "model: its outputs are a log-softmax, and"),
    "a sigmoid": (torch.sigmoid, "model: its outputs are numbers between 0 and 1, as of a"),
    "a tuple": (lambda x: (x, x), f"model: it returns tuple, {LOGITS}output[0], or whichever"),
    "a dict": (
        lambda x: {"a": x, "b": x},
        f"model: it returns dict, {LOGITS}output[…], which has 'a', 'b'",
    ),
    "too many": (
        lambda x: torch.cat([x, x], 1),
        "model: its output for 2 examples is (2, 8); 4 classes need (2, 4)",
    ),
    "too few": (lambda x: x[:, :1], "model: its output for 2 examples is (2, 1); 4 classes need"),
    "one of all": (lambda x: x[:1], "model: its output for 2 examples is (1, 4); 4 classes need"),
    "not finite": (lambda x: x / 0, "model: its output is not finite; look for a division"),
    "an error": (lambda x: x @ x, "model: it raises RuntimeError: mat1 and mat2 shapes"),
    "no gradient": (lambda x: x.detach(), "model: backpropagation through it raises RuntimeError"),
}


class Output(dict):
    def __init__(self, logits):
        super().__init__(logits=logits)
        self.logits = logits


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_gives_no_logits_is_refused(name):
    made, said = MODELS[name]
    model = Returning(made)
    before = state_of(model)
    with pytest.raises(ValueError, match=f"^{re.escape(said)}.*\\Z"):  # in one line
        warm_up(model, **IMAGES)
    identical(state_of(model), before)


def test_an_output_with_logits_is_told_how_to_give_them():
    with refused(ValueError, f"model: it returns Output, {LOGITS}output.logits"):
        warm_up(Returning(Output), **IMAGES)


def test_classes_that_come_last_are_told_where_they_belong():
    model = nn.Sequential(nn.Embedding(4, 8), nn.Linear(8, 4))
    said = (
        "model: its output for 2 examples is (2, 5, 4), the classes last; give "
        "logits=lambda output: … .movedim(-1, 1)"
    )
    with refused(ValueError, said):
        warm_up(model, **SMALL, input_shape=(5,), kind="language")


ARGUMENTS = {
    "half an example": ({"examples": 51_200.0}, TypeError, "examples: 51200.0 is no whole number;"),
    "true epochs": ({"epochs": True}, TypeError, "epochs: True is no whole number; give one,"),
    "a text": ({"batch": "8"}, TypeError, "batch: '8' is no whole number; give one, 2 or more"),
    "a batch of one": ({"batch": 1}, ValueError, "batch: 1 is too small; give 2 or more"),
    "no step": ({"examples": 15}, ValueError, "examples: 15 make no step of 8 in each of 2 epochs"),
    "a seed": ({"seed": -1}, ValueError, "seed: -1 is too small; give 0 or more"),
    "half a seed": ({"seed": 0.5}, TypeError, "seed: 0.5 is no whole number; give one, 0 or more"),
    "one class": ({"num_classes": 1}, ValueError, "num_classes: 1 is too small; give 2 or more"),
    "classes": ({"num_classes": 4.0}, TypeError, "num_classes: 4.0 is no whole number; give one"),
    "noise": ({"noise": "white"}, ValueError, "noise: 'white' is not a noise distribution; choose"),
    "a number": ({"noise": 3}, TypeError, "noise: 3 holds no fields; give a mapping or the name"),
    "std": ({"noise": {"std": 0}}, ValueError, "noise.std: 0 cannot be; give a number > 0"),
    "images only": (
        {"noise": "pink", "input_shape": (12,)},
        ValueError,
        "pink noise needs a shape (batch, channels, height, width), got (1, 12): ",
    ),
    "an optimizer": (
        {"optimizer": "adam"}, TypeError, "optimizer: 'adam' holds no fields; give a mapping",
    ),
    "another optimizer": (
        {"optimizer": {"name": "adamax", "lr": 1}}, ValueError, "optimizer.name: 'adamax' is",
    ),
    "no lr": ({"optimizer": {}}, ValueError, "optimizer.lr: missing; give the learning rate of"),
    "lr": ({"optimizer": {"lr": "1e-4"}}, TypeError, "optimizer.lr: '1e-4' is no number; give one"),
    "momentum": (
        {"optimizer": {"lr": 1.0, "momentum": 0.9}},
        ValueError,
        "optimizer.momentum: adam has none; leave it out, or use name: sgd",
    ),
    "the head": ({"train": "head"}, ValueError, "train: 'head' cannot be had here; freeze the"),
    "no shape": ({"input_shape": None}, ValueError, "input_shape: missing; give the shape of one"),
    "a side": ({"input_shape": 784}, TypeError, "input_shape: 784 is no shape; give one such as"),
    "half a pixel": ({"input_shape": (3, 8.5, 8)}, TypeError, "input_shape: 8.5 is no whole"),
    "no pixel": ({"input_shape": (3, 0, 8)}, ValueError, "input_shape: 0 is too small; give 1"),
    "no image": (
        {"input_shape": (8,), "kind": "segmentation"}, ValueError, "input_shape: (8,) is no image;",
    ),
    "a kind": ({"kind": "regression"}, ValueError, "kind: 'regression' is unknown; there is"),
    "no function": ({"logits": "logits"}, TypeError, "logits: 'logits' is no function;"),
    "both": (
        {"inputs": tokens_and_image}, ValueError, "input_shape: beside inputs, which draws the",
    ),
    "another shape": ({"input_shape": (3, 9, 9)}, ValueError, "model: it raises RuntimeError:"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_argument_that_cannot_be_is_refused(name):
    changes, error, said = ARGUMENTS[name]
    model = Net()
    before = state_of(model)
    with pytest.raises(error, match=f"^{re.escape(said)}.*\\Z"):
        warm_up(model, **IMAGES | changes)
    identical(state_of(model), before)


@pytest.mark.parametrize(
    ("model", "error", "said"),
    [
        (lambda x: x, TypeError, "model: function is no torch.nn.Module; give one"),
        (Net().requires_grad_(False), ValueError, "model: it has no parameter that is trained"),
        (nn.Flatten(), ValueError, "model: it has no parameter that is trained"),
        (nn.LazyLinear(4), ValueError, "model: it has lazy layers without weights; pass it a"),
        (Net().to("meta"), ValueError, "model: it has parameters without values (device meta);"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused(model, error, said):
    with pytest.raises(error, match=f"^{re.escape(said)}.*\\Z"):
        warm_up(model, **IMAGES)


# --- what it says on the way -------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("progress", [True, False])
def test_a_terminal_is_told_how_far_it_is_if_it_is_wanted(progress, monkeypatch):
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    monkeypatch.setattr("trainables.warm_up.progress._SECONDS", 0.0)
    warm_up(Net(), **IMAGES | {"progress": progress})
    shown = [line.replace("\x1b[K", "") for line in terminal.getvalue().split("\r")[1:]]
    if progress:
        assert [line.split(",")[0] for line in shown[:-1]] == [
            f"Warm-up: {percent}%" for percent in (25, 50, 75, 100)
        ]
        assert all(line.endswith(" s left") for line in shown[:-1])
        assert re.fullmatch(r"Warm-up: done in \d+ s\n", shown[-1])
    else:
        assert shown == []


def test_nothing_is_said_where_there_is_no_terminal(capfd, monkeypatch):
    warm_up(Net(), **IMAGES | {"progress": True})
    monkeypatch.setattr("sys.stderr", None)
    warm_up(Net(), **IMAGES | {"progress": True})
    assert capfd.readouterr() == ("", "")


# --- several processes -------------------------------------------------------------------------


def warmed_up_beside_others(workers, settings):
    torch.manual_seed(workers.rank)
    model = nn.Linear(5, 4)
    twin = copy.deepcopy(model)
    warm_up_once(model, settings, shows=False)
    warm_up(twin, **settings)
    return state_of(model), state_of(twin)


def test_every_process_has_the_weights_of_the_first():
    (first, alone), (second, other) = together(
        2, warmed_up_beside_others, SMALL | {"input_shape": (5,)}
    )
    identical(first, alone)
    identical(second, alone)
    assert not torch.equal(other["weight"], alone["weight"])
