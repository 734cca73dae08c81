"""A warm-up that is taken home is that of a study's trial: the same bits, and the same history."""

import pytest
import torch
from lives import live, record, warmed_state
from support import identical, trial_of
from torch import nn

from sweep.inputs.datasets import Sources
from sweep.inputs.networks import Networks
from sweep.inputs.resolve import Resolver
from trainables.config.trial import Warmup
from trainables.models import linear
from trainables.models.build import build
from trainables.warm_up import warm_up
from trainables.warm_up.recipe import parse

CPU = torch.device("cpu")
SMALL = {
    **{"data.examples": 8, "data.validation": 4, "data.test": 4, "data.ood_examples": 4},
    **{"warmup.examples": 34, "warmup.epochs": 2, "warmup.batch": 8, "task.epochs": 0},
    **{"warmup.optimizer.lr": 1e-3, "task.batch": 4, "seed": 3},
}
IMAGES = {"data.resize": 8}
MOSAICS = {"data.source": "mosaics", "data.ood": "mosaics_ood"}
TEXT = {"data.source": "text", "data.ood": None}

CASES = {
    # as large as products have to be for another arithmetic than PyTorch's own, see `by_onednn`
    "mlp": {"warmup.batch": 128, "warmup.examples": 512},
    "feedback alignment": {"model.feedback_alignment": True, "model.depth": 3},
    "vit with dropout": {
        "model": {"name": "vit", "depth": 1, "width": 16, "heads": 2, "mlp_width": 16},
        **IMAGES,
    },
    "unet": {"model": {"name": "unet", "depth": 2, "width": 4}, **MOSAICS},
    "transformer with dropout": {"model": {"name": "transformer", "dropout": 0.1}, **TEXT},
    "noise": {"warmup.noise": {"distribution": "pink", "mean": 0.5, "std": 2}},
    "adamw": {"warmup.optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 0.1}},
    "sgd": {"warmup.optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9}},
    "statistics": {"warmup.train": "statistics"},
    "a view": {"model": {"name": "user_networks:View"}, **IMAGES},
    "a view in training": {"model": {"name": "user_networks:ViewInTraining"}, **IMAGES},
    "a layer without gradient": {"model": {"name": "user_networks:Unused"}, **IMAGES},
    "global states": {"model": {"name": "user_networks:DrawsInForward"}, **IMAGES},
}


@pytest.fixture(scope="module")
def resolver():
    return Resolver(Sources(), Networks())


@pytest.fixture(autouse=True)
def by_onednn(monkeypatch):
    """As on processors where it is the faster: products of other bits than those of PyTorch."""
    monkeypatch.setattr(linear, "_BY_ONEDNN", linear._AVAILABLE)


def as_at_home(network):
    """The network as its own code would have made it: plain layers, in the plain layout."""
    for layer in network.modules():
        if type(layer) is linear.Linear:
            layer.__class__ = nn.Linear
    return network.to(memory_format=torch.contiguous_format)


def asked(trial):
    """The arguments that say what the trial's fields say."""
    warmup = trial.warmup.model_dump(exclude={"keep"})
    facts = trial.facts
    return {
        **{"input_shape": facts.shape, "num_classes": facts.classes, "kind": facts.kind},
        **{"seed": trial.seed, "progress": False},
        **warmup,
    }


@pytest.mark.parametrize("name", CASES)
def test_the_weights_and_the_history_are_those_of_a_trial(name, resolver, storage):
    trial = resolver.resolve(trial_of(SMALL | CASES[name]))
    live(trial, storage, inputs=resolver.inputs.of(trial))
    stored = warmed_state(trial, storage)

    network = as_at_home(build(trial, CPU))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    history = warm_up(network, **asked(trial))
    after = network.state_dict()

    identical(dict(after), dict(stored))
    trained = trial.warmup.train == "all"
    assert any(not torch.equal(before[k], after[k]) for k in before)
    weights = dict(network.named_parameters())
    assert all(torch.equal(before[k], after[k]) for k in weights) is not trained

    measured = record(trial, storage).history
    measured = measured[measured["phase"] == "warmup"]
    assert [epoch["epoch"] for epoch in history] == list(measured["epoch"]) == [1, 2]
    assert [epoch["examples"] for epoch in history] == list(measured["examples"])
    for metric in ("loss", "accuracy", "confidence", "ece"):
        found = [epoch[metric] for epoch in history]
        assert found == pytest.approx(list(measured[f"noise_{metric}"]), rel=1e-5, abs=1e-6)


def test_another_seed_is_another_warm_up(resolver):
    trial = resolver.resolve(trial_of(SMALL))
    one, two = build(trial, CPU), build(trial, CPU)
    warm_up(one, **asked(trial))
    warm_up(two, **asked(trial) | {"seed": trial.seed + 1})
    assert not torch.equal(next(one.parameters()), next(two.parameters()))


def test_what_is_left_out_is_as_in_a_trial():
    """Of the recipe: else a short call would be another warm-up than a study's."""
    default = Warmup().model_dump()
    assert default.pop("keep") is None
    recipe = parse({})
    for field, value in default.items():
        found = getattr(recipe, field)
        assert (vars(found) if isinstance(value, dict) else found) == value
