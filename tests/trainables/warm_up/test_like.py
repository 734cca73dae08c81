"""A recipe is read from the files that studies and searches leave, as they mean it."""

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support import refused

from analysis.results.search import BEST as CONDITION
from sweep.inputs.datasets import Sources
from sweep.plan.plan import make_plan
from sweep.plan.study import Study, load_study
from sweep.search.plan import confirming
from sweep.search.proposals import Proposal
from sweep.search.settings import parse_search
from sweep.search.space import Space
from trainables.config.noise import DISTRIBUTIONS
from trainables.config.trial import Warmup
from trainables.config.yaml_text import write_yaml
from trainables.warm_up.like import BEST, read_recipe
from trainables.warm_up.recipe import parse

SPACE = {
    "warmup.noise.distribution": ["gaussian", "pink", "constant"],
    "warmup.noise.std": {"low": 0.1, "high": 4.0, "log": True},
    "warmup.optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": True},
    "task.optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": True},
}
BASE = {"warmup.examples": 12_800, "warmup.optimizer": {"name": "sgd", "lr": 1e-3, "momentum": 0.5}}


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "best.yaml"
        path.write_text(content if isinstance(content, str) else write_yaml(content), "utf-8")
        return path

    return write


def as_a_trial(recipe):
    """The recipe as the service's own section, by its own rules."""
    fields = {name: getattr(recipe, name) for name in ("examples", "epochs", "batch", "train")}
    parts = {"noise": vars(recipe.noise), "optimizer": vars(recipe.optimizer)}
    return Warmup.model_validate(fields | parts)


@pytest.fixture(scope="module")
def found():
    """A search around a base that is not the default."""
    about = {"title": "t", "answers": "a", "scales": {"laptop": {"replicates": 1}}}
    study = Study.model_validate({"name": "tiny", "base": BASE, **about})
    resolve = Sources().resolve
    base = make_plan(study, resolve, "laptop", 2).base
    search = parse_search({"space": SPACE, "seeds": 2, "trials": 2})
    space = Space(search, base, resolve)
    return space, base, study, search


@pytest.mark.parametrize("changes", [{}, {"warmup.noise.distribution": "pink"}, None])
def test_of_a_search_the_best_is_read(changes, found, file):
    space, base, study, search = found
    everything = {
        **{"warmup.noise.distribution": "constant", "warmup.noise.std": 2.5},
        **{"warmup.optimizer.lr": 2e-5, "task.optimizer.lr": 1e-3},
    }
    params = space.base | (everything if changes is None else changes)
    best = Proposal(0, "COMPLETE", params, 2, (0.1,), None)
    written = confirming(study, "laptop", base, best, space, search, 3)
    path = file(written.model_dump(mode="json", exclude_defaults=True, exclude={"name"}))
    assert load_study(str(path)).grids  # it is a study's file

    wanted = space.trial(params, 0).warmup
    assert as_a_trial(parse(read_recipe(path))) == wanted


def test_the_name_of_the_best_is_that_of_a_search():
    assert BEST == CONDITION


RECIPES = {
    "itself": {"noise": {"distribution": "pink", "std": 2}, "examples": 6400},
    "dotted": {"noise.distribution": "pink", "noise.std": 2, "examples": 6400},
    "a section": {"warmup": {"noise": {"distribution": "pink", "std": 2}, "examples": 6400}},
    "a base": {"base": {"warmup.noise": {"distribution": "pink"}, "warmup.noise.std": 2}
               | {"warmup.examples": 6400, "task.epochs": 3}},
}  # fmt: skip


@pytest.mark.parametrize("how", RECIPES)
def test_a_recipe_is_read_however_it_is_written(how, file):
    recipe = parse(read_recipe(file(RECIPES[how])))
    noise = {"distribution": "pink", "std": 2}
    assert as_a_trial(recipe) == Warmup.model_validate({"noise": noise, "examples": 6400})


def test_numbers_are_those_of_a_study_file(file):
    text = "optimizer: {name: sgd, lr: 1e-2}\nexamples: 012_800\n"
    assert isinstance(yaml.safe_load("1e-2"), str)  # what PyYAML alone would make of it
    recipe = parse(read_recipe(file(text)))
    assert (recipe.optimizer.lr, recipe.examples) == (0.01, 12_800)


SEVERAL = "so it holds more than one recipe; write the one to use into a file of its own, as"
REFUSED = {
    "a study that varies it": (
        {"grids": {"std": {"warmup.noise.std": [1, 2]}}},
        f"the study varies warmup.noise.std, {SEVERAL}",
    ),
    "a study of several sizes": ({"sizes": "mlp"}, f"the study varies sizes, {SEVERAL}"),
    "a scale that changes it": (
        {"scales": {"laptop": {"set": {"warmup.examples": 2}}}},
        f"the study varies warmup.examples, {SEVERAL}",
    ),
    "a control": ({"warmup": None}, "warmup: None is no warm-up; give its fields"),
    "a field of a text": ({"noise": "pink", "noise.std": 2}, "noise.std: noise is 'pink' and"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_one_recipe_is_refused(name, file):
    content, reason = REFUSED[name]
    path = file(content)
    with pytest.raises(ValueError, match=rf"^like: {re.escape(str(path))}: {re.escape(reason)}"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: 1\na: 2", "is not YAML: 'a' is given in line 1 and again in line 2; keep one of them"),
        ("- 1", "holds no fields; give a warm-up's, such as examples: 51200"),
    ],
)
def test_a_file_that_is_none_is_refused(content, reason, file):
    path = file(content)
    with refused(ValueError, f"like: {path} {reason}"):
        read_recipe(path)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with refused(
        ValueError, f"like: {tmp_path} cannot be read (IsADirectoryError); check the path"
    ):
        read_recipe(tmp_path)


numbers = st.one_of(
    st.integers(-2, 600), st.floats(allow_nan=True), st.booleans(), st.none(), st.just("1")
)
names = st.sampled_from(["adam", "adamw", "sgd", "rmsprop", 3])
noises = st.fixed_dictionaries(
    {},
    optional={
        "distribution": st.sampled_from([*DISTRIBUTIONS, "white", None]),
        **{"mean": numbers, "std": numbers, "scale": numbers},
    },
)
optimizers = st.fixed_dictionaries(
    {}, optional={"name": names, "lr": numbers, "weight_decay": numbers, "momentum": numbers}
)
recipes = st.fixed_dictionaries(
    {},
    optional={
        **{"noise": noises, "optimizer": optimizers, "steps": numbers},
        **{"examples": numbers, "epochs": numbers, "batch": numbers},
        "train": st.sampled_from(["all", "statistics", "none"]),
        "keep": st.sampled_from([None, None, "norms"]),
    },
)


@given(recipes)
def test_what_is_accepted_means_what_it_means_in_a_study(fields):
    try:
        recipe = parse(fields)
    except (TypeError, ValueError):
        return
    assert as_a_trial(recipe) == Warmup.model_validate(fields)


@given(recipes)
def test_what_a_study_refuses_is_refused(fields):
    try:
        Warmup.model_validate(fields)
    except ValidationError:
        with pytest.raises((TypeError, ValueError)):
            parse(fields)
