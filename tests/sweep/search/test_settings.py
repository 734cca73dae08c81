"""The `search:` section: what is wrong is told in one line with field, value and remedy."""

from typing import get_args

import pytest
from support import refusal

from analysis.results.objectives import OBJECTIVES
from sweep.plan.study import load_study
from sweep.search.settings import ObjectiveName, parse_search

STD = {"warmup.noise.std": {"low": 0.1, "high": 4.0, "log": True}}


def test_the_objectives_that_may_be_named_are_those_that_there_are():
    assert set(get_args(ObjectiveName)) == set(OBJECTIVES)


def test_what_is_left_out_has_its_default():
    search = parse_search({"space": STD})
    assert (search.objectives, search.seeds, search.sampler) == (["ece"], 3, "tpe")
    assert search.stopping is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "search.space: must be given"),
        ({"space": {}}, "search.space"),
        ({"space": {"task.epochs": []}}, "search.space.task.epochs"),
        ({"space": {"a": {"low": 2, "high": 1}}}, "2 is not below high, 1"),
        ({"space": {"a": {"low": 0.0, "high": 1.0, "log": True}}}, "0.0 has no logarithm"),
        ({"space": {"a": {"low": 1}}}, "search.space.a.high: must be given"),
        ({"space": {"a": {"low": 1, "high": 2, "steps": 3}}}, "steps: no such field"),
        ({"space": {"seed": [1, 2]}}, "space.seed: proposals share their seeds"),
        ({"space": STD | {"b": {"choices": [1], "when": {"c": [1]}}}}, "c is not in the space"),
        ({"space": STD, "objectives": ["test_ece"]}, "search.objectives.0: 'test_ece'"),
        ({"space": STD, "objectives": ["ece", "ece"]}, "one is named twice"),
        ({"space": STD, "objectives": ["ece", "nll"], "stopping": "median"}, "compares one"),
        ({"space": STD, "sampler": "grid"}, "search.sampler: 'grid' is refused"),
        ({"space": STD, "seeds": 0}, "search.seeds: 0 is refused"),
        ({"space": STD, "accuracy_drop": -0.1}, "search.accuracy_drop: -0.1 is refused"),
        ({"space": STD, "pruner": "median"}, "search.pruner: no such field"),
    ],
)
def test_a_wrong_section_is_told_in_one_line(fields, says):
    assert says in refusal(parse_search, fields)


def test_the_shipped_search_varies_the_noise_and_the_optimizer_of_the_warm_up():
    study = load_study("warmup_search")
    for name, scale in study.scales.items():
        search = parse_search({**study.search, **scale.search})
        assert {
            "warmup.noise.distribution",
            "warmup.noise.std",
            "warmup.examples",
            "warmup.optimizer.name",
            "warmup.optimizer.lr",
            "warmup.optimizer.weight_decay",
        } == search.space.keys(), name
