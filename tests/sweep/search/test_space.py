"""The space: every level that is suggested makes a trial, and what cannot be is said beforehand."""

import optuna
import pytest
from support import refusal

from sweep.errors import InputError
from sweep.plan.fields import get_field
from sweep.search.settings import parse_search
from sweep.search.space import Space

SPACE = {
    "warmup.noise.distribution": ["gaussian", "pink"],
    "warmup.noise.std": {"low": 0.1, "high": 4.0, "log": True},
    "warmup.examples": {"low": 128, "high": 1024, "log": True},
    "warmup.optimizer.name": ["adam", "sgd"],
    "warmup.optimizer.momentum": {
        "low": 0.1,
        "high": 0.9,
        "when": {"warmup.optimizer.name": ["sgd"]},
    },
    "model.depth": {"low": 2, "high": 4},
    "data.examples": {"low": 32, "high": 128},
    "task.optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": True},
}


@pytest.fixture
def space(base_plan):
    def make(space=SPACE, base=None):
        return Space(parse_search({"space": space}), base or base_plan.plan.base, base_plan.resolve)

    return make


def suggestions(space, n=60):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [space.suggest(study.ask()) for _ in range(n)]


def test_every_suggestion_is_a_trial_with_these_levels_and_nothing_else_changed(space, base_plan):
    made = space()
    base = base_plan.plan.base
    for params in suggestions(made):
        trial = made.trial(params, seed=5)
        fields = trial.model_dump(mode="json")
        assert trial.seed == 5
        for field, level in params.items():
            assert get_field(fields, field) == level
        untouched = trial.model_copy(
            update={name: getattr(base, name) for name in ("warmup", "seed", "model")}
            | {"data": base.data, "task": base.task}
        )
        assert untouched.trial_id == base.trial_id


def test_levels_lie_in_their_ranges_whole_ones_are_whole_and_logarithmic_ones_spread_evenly(space):
    drawn = suggestions(space(), 400)
    examples = [p["warmup.examples"] for p in drawn]
    assert all(isinstance(n, int) and 128 <= n <= 1024 for n in examples)
    stds = [p["warmup.noise.std"] for p in drawn]
    assert all(0.1 <= s <= 4 for s in stds)
    below = sum(s < 0.1 * 40**0.5 for s in stds)  # the middle of the range's logarithm
    assert abs(below - 200) < 5 * 10  # five standard deviations of a fair coin


def test_a_condition_decides_whether_a_field_is_varied(space):
    for params in suggestions(space()):
        assert ("warmup.optimizer.momentum" in params) == (params["warmup.optimizer.name"] == "sgd")


def test_the_base_is_in_the_space_without_what_is_not_active_there(space):
    base = space().base
    assert base["warmup.noise.distribution"] == "gaussian"
    assert base["warmup.examples"] == 512
    assert "warmup.optimizer.momentum" not in base


def test_its_words_are_for_people(space):
    words = space().described()
    assert words["warmup.noise.std"] == "0.1 to 4, logarithmic"
    assert words["warmup.examples"] == "whole numbers 128 to 1024, logarithmic"
    assert words["warmup.optimizer.momentum"].endswith("(where warmup.optimizer.name is sgd)")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"warmup.noise.colour": ["red"]}, "warmup.noise.colour: no such field"),
        ({"warmup.noise.std": {"low": 2.0, "high": 4.0}}, "the base's 1.0 is not in 2 to 4"),
        ({"warmup.noise.distribution": ["pink", "waves"]}, "'gaussian' is not in pink, waves"),
        ({"warmup.noise.std": {"low": -1.0, "high": 4.0}}, "search.space.warmup.noise.std: -1"),
        ({"warmup.examples": {"low": 8, "high": 1024}}, "8 make no step of 32"),
        ({"data.examples": {"low": 32, "high": 40000}}, "40000 asked for, photos has"),
        (
            {
                "warmup.examples": {"low": 512, "high": 1024},
                "warmup.epochs": {"low": 1, "high": 90},
            },
            "make no step",
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(space, wrong, says):
    line = refusal(space, wrong)
    assert says in line
    assert line.startswith(("search.space", "warmup."))


def test_a_combination_that_cannot_be_is_found_though_each_level_can(space):
    both = {"warmup.examples": {"low": 64, "high": 1024}, "warmup.epochs": {"low": 1, "high": 16}}
    with pytest.raises(InputError, match=r"search\.space: .* cannot be: .*make no step"):
        space(both)


def test_levels_without_a_meaning_for_the_data_are_left_out(space, planned):
    text = {"data.source": "text", "data.ood": None, "model": "transformer"}
    base = planned({"grids": {}, "base": {}}, overrides=text).base
    made = space({"warmup.noise.distribution": ["gaussian", "pink", "laplace"]}, base)
    assert {p["warmup.noise.distribution"] for p in suggestions(made)} == {"gaussian", "laplace"}
    assert ["pink is for images" in reason for reason in made.left_out] == [True]
