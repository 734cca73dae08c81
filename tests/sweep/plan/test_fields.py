"""Dotted fields are set, read and listed, and a wrong one is named with what there is instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import refusal

from sweep.errors import InputError
from sweep.plan.fields import flat, get_field, parse_trial, set_field, with_fields
from trainables.config.trial import Trial

NAMES = st.text("abc", min_size=1, max_size=2)
NESTED = st.recursive(
    st.integers(), lambda inner: st.dictionaries(NAMES, inner, min_size=1), max_leaves=8
)


@given(st.dictionaries(NAMES, NESTED))
def test_flat_fields_set_one_by_one_make_the_same_nesting(fields):
    rebuilt = {}
    for dotted, value in flat(fields).items():
        set_field(rebuilt, dotted, value)
        assert get_field(rebuilt, dotted) == value
    assert rebuilt == fields


def test_changing_a_copy_leaves_the_original():
    fields = {"task": {"epochs": 3}}
    assert with_fields(fields, {"task.epochs": 4}) == {"task": {"epochs": 4}}
    assert fields == {"task": {"epochs": 3}}


def test_a_model_may_be_given_by_its_name_alone():
    fields = with_fields({"model": "mlp"}, {"model.depth": 3})
    assert parse_trial(fields) == Trial.model_validate({"model": {"name": "mlp", "depth": 3}})


def test_an_absent_part_has_no_value():
    assert get_field({"warmup": None}, "warmup.noise.std") is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"task.epoch": 3}, "task.epoch: no such field; did you mean 'epochs'?"),
        ({"tusk.epochs": 3}, "tusk: no such field; did you mean 'task'?"),
        ({"warmup.noise.shape": 3}, "warmup.noise.shape: no such field; there is distribution"),
        ({"task.epochs": "many"}, "task.epochs: 'many' is refused"),
        ({"task.epochs": -1}, "task.epochs: -1 is refused: Input should be greater than or equal"),
        ({"warmup.noise.std": -1}, "warmup.noise.std: -1 is refused"),
        ({"warmup.noise.distribution": "red"}, "not a noise distribution; choose from gaussian"),
        ({"task.optimizer.lr": float("nan")}, "task.optimizer.lr"),
        ({"warmup.examples": 100, "warmup.epochs": 3}, "give at least 384"),
        ({"data.facts.digest": "0"}, "data.facts.digest: is found by loading the data"),
        ({"task.epochs.more": 3}, "task.epochs: "),
        ({"task..epochs": 3}, "'task..epochs' is not a field"),
        ({"": 3}, "'' is not a field"),
        ({"seed": -1}, "seed: -1"),
        ({"model": "lenet"}, "model: name: 'lenet' is no network; choose from mlp, resnet18"),
        ({"model.depht": 3}, "model.depht: no such field of mlp; did you mean 'depth'?"),
        ({"model": "resnet18", "model.depth": 3}, "model.depth: no such field of resnet18; "),
        ({"model.depth": 1}, "model.depth: 1 is refused"),
        ({"model.facts.code": "0"}, "model.facts.code: is found by loading"),
        ({"task.optimizer.momentum": 0.9, "task.optimizer.lr": 1}, "momentum: adam has none"),
        ({"task.augmentation.turn": 3}, "task.augmentation.turn: no such field; there is crop"),
        (
            {"task.loss": "mse"},
            "task.loss.name: 'mse' is refused: Input should be 'label_smoothing'",
        ),
        ({"task.loss.gamma": 1}, "task.loss.name: must be given"),
        (
            {"task.loss": "focal", "task.loss.gama": 1},
            "task.loss.gama: no such field; did you",
        ),
        ({"task.loss": "focal", "task.loss.amount": 1}, "task.loss.amount: 1 is refused: "),
        ({"arm": "placebo"}, "arm: 'placebo' is refused: Input should be 'control' or 'warmup'"),
    ],
)
def test_a_wrong_field_is_one_line_with_name_value_and_remedy(changes, says):
    assert says in refusal(lambda: parse_trial(with_fields({}, changes)))


def test_a_plain_value_holds_no_fields():
    with pytest.raises(InputError, match=r"task\.epochs is 3 and holds no fields"):
        set_field({"task": {"epochs": 3}}, "task.epochs.more", 1)
