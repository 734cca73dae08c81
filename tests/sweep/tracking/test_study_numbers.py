"""A study's own run: the numbers of its report, by condition, while they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from analysis.statistics.comparison import MEASURES, compare
from sweep.tracking.study_numbers import StudyNumbers, _names

WORDS = {"test_ece": "ECE", "test_accuracy": "accuracy", "test_nll": "NLL", "ood_auroc": "AUROC"}


def test_they_are_those_of_the_report(finished, planned):
    results, numbers = finished.results, StudyNumbers(planned(), {})
    for trial in results.trials:
        numbers.add(trial.trial_id, trial.numbers)
    found = numbers.metrics()
    for condition in ("gaussian", "pink"):
        assert found[f"pairs/{condition}"] == 2
        for measure in MEASURES:
            expected, word = compare(results, condition, measure), WORDS[measure.key]
            assert found[f"{word} difference/{condition}"] == pytest.approx(expected.difference)
            difference = found[f"{word} with/{condition}"] - found[f"{word} without/{condition}"]
            assert difference == pytest.approx(expected.difference)
    assert numbers.done == len(results.trials)


def test_they_stand_in_mlflow_when_the_launch_has_ended(finished):
    (parent,) = finished.place.runs(kind="study")
    told = parent.data.metrics
    assert told["progress/trials done"] == len(finished.results.trials)
    assert told["progress/share of examples"] == 1.0
    expected = compare(finished.results, "gaussian", MEASURES[0])
    assert told["ECE difference/gaussian"] == pytest.approx(expected.difference)


def test_a_pair_counts_when_both_have_finished_and_a_diverged_network_never(planned):
    plan = planned()
    warmed = next(p for p in plan.trials if p.trial.warmup)
    numbers = StudyNumbers(plan, {warmed.trial_id: {"test_ece": 0.25}})
    assert numbers.metrics() == {}
    numbers.add(warmed.pair, {})
    assert numbers.metrics() == {}
    numbers.add(warmed.pair, {"test_ece": 0.5, "seconds_total": 3.0})
    name = warmed.condition
    assert numbers.metrics() == {
        f"pairs/{name}": 1.0,
        f"ECE without/{name}": 0.5,
        f"ECE with/{name}": 0.25,
        f"ECE difference/{name}": -0.25,
    }


@given(st.lists(st.text(max_size=300), unique=True, max_size=8))
def test_every_condition_has_a_name_of_its_own_that_mlflow_takes(conditions):
    names = _names(conditions)
    assert len(set(names.values())) == len(conditions)
    for name in names.values():
        _validate_metric_name(f"ECE difference/{name}")
