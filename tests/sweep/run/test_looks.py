"""Pairs that are added in looks: the plan of each, its design, and launches of it."""

import json
import math
import time

import pytest
from ready import SMALL
from support import refusal

from analysis.results.loading import load_study
from sweep.backend.tuner import _GroupSearcher
from sweep.launch import main
from sweep.options import Options
from sweep.plan.looks import most_pairs, planned_looks
from sweep.run import looks as in_looks
from sweep.run.looks import begun

ONE = SMALL | {"exhibits": ["pairs"]}  # one condition, and trials of a tenth of a second


@pytest.mark.parametrize(
    ("replicates", "looks"),
    [
        (None, (6, 10, 16, 30)),
        (30, (6, 10, 16, 30)),
        (8, (6, 8)),
        (11, (6, 11)),
        (12, (6, 10, 12)),
        (60, (6, 10, 16, 30, 50, 60)),
        (2000, (6, 10, 16, 30, 50, 80, 130, 210, 340, 550, 890, 1440, 2000)),
    ],
)
def test_looks_are_the_planned_ones_and_all(replicates, looks):
    assert planned_looks(replicates) == looks
    assert most_pairs(replicates) == looks[-1]


@pytest.mark.parametrize("replicates", [1, 7, 2001])
def test_too_few_replicates_for_two_looks_or_too_many_are_refused(replicates):
    said = refusal(planned_looks, replicates)
    assert said.startswith(f"--replicates {replicates}: --until looks at 6 pairs first")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("tiny.yaml --until 0", "argument --until: '0': give half the width of an interval"),
        ("tiny.yaml --until -0.01", "argument --until"),
        ("tiny.yaml --until nan", "argument --until: 'nan'"),
        ("tiny.yaml --until inf", "argument --until: 'inf'"),
        ("tiny.yaml --until soon", "argument --until: 'soon'"),
        ("tiny.yaml --until 0.01 --budget 30", "argument --budget: '30': write a time such as 90s"),
        ("tiny.yaml --until 0.01 --budget 0m", "argument --budget"),
        ("tiny.yaml --budget 30m", "--budget: limits the time of --until; give both"),
        ("tiny.yaml --until 0.01 --replicates 6", "--replicates 6: --until looks at 6 pairs first"),
        ("warmup_search --until 0.01", "--until: warmup_search is a search; leave it out"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(here, refused, words, says):
    assert says in refused(main, *words.split())
    assert not (here / "mlflow.db").exists()


def test_a_study_without_pairs_is_refused(planned_alone):
    said = refusal(begun, planned_alone, Options("tiny", until=0.01, replicates=8))
    assert said == "--until: tiny has no pairs to compare; leave it out"


@pytest.fixture
def planned_alone(planned):
    alone = planned({"grids": {}, "base": {"arm": "control", "warmup": None}}, replicates=8)
    assert {p.trial.arm for p in alone.trials} == {"control"}
    return alone


def test_a_dry_run_says_the_looks_and_the_time_at_most(here, said):
    out = " ".join(
        said(main, "tiny.yaml", "--dry-run", "--until", "0.01", "--budget", "2h").split()
    )
    assert "Pairs 30 a condition at most" in out
    assert "Looks at 6, 10, 16 and 30 pairs until the interval of the mean difference in ECE" in out
    assert "of 3 conditions" in out
    assert "Time at most " in out
    assert "Budget 2.0 h, after which no trial begins" in out
    assert not (here / "mlflow.db").exists()


def test_the_next_look_plans_open_conditions_and_their_controls(planned):
    plan = planned(replicates=8)
    looks = begun(plan, Options("tiny", until=0.01, replicates=8))
    assert list(looks.conditions) == ["gaussian", "pink", "gaussian, std 0.5"]
    first = in_looks.planned(plan, looks)
    assert len(first.trials) == 6 * 4
    assert {p.replicate for p in first.trials} == set(range(6))
    assert json.loads(first.tags["looks"])["looks"] == [6, 8]


def test_of_a_study_that_names_it_one_condition_decides_and_the_others_go_along(planned):
    plan = planned({"decided_by": "pink"}, replicates=8)
    looks = begun(plan, Options("tiny", until=0.01, replicates=8))
    assert list(looks.conditions) == ["pink"]
    assert looks.design.conditions == 1
    first = in_looks.planned(plan, looks)
    assert {p.condition for p in first.trials} == {"", "gaussian", "pink", "gaussian, std 0.5"}
    assert {p.replicate for p in first.trials} == set(range(6))
    unknown = planned({"decided_by": "warm-up"}, replicates=8)
    said = refusal(begun, unknown, Options("tiny", until=0.01, replicates=8))
    assert said.startswith("decided_by: 'warm-up' is no condition of tiny; name one of gaussian")


def test_a_study_s_own_until_holds_where_nothing_else_is_asked(here, said):
    asked = [
        "assess",
        "--data",
        "digits",
        "--ood",
        "none",
        "--set",
        "probes=[start_outputs]",
        "--dry-run",
    ]
    out = " ".join(said(main, *asked).split())
    assert "Looks at 6, 10, 16 and 30 pairs until the interval of the mean difference in" in out
    assert "is ± 0.01 at most, of “warm-up”" in out
    fixed = " ".join(said(main, *asked, "--replicates", "4").split())
    assert "Looks" not in fixed
    assert "Pairs 4 a condition" in fixed
    other = " ".join(said(main, *asked, "--until", "0.02", "--budget", "30m").split())
    assert "is ± 0.02 at most" in other
    assert "Budget 30 min" in other


def test_after_the_deadline_no_trial_begins():
    class Trial:
        trial_id = "a"

        def model_dump(self, mode):
            return {}

    soon = _GroupSearcher([[Trial()]], {}, time.monotonic() + 60)
    assert soon.suggest("1")["work"]["ids"] == ["a"]
    assert _GroupSearcher([[Trial()]], {}, time.monotonic() - 1).suggest("1") == "FINISHED"
    assert _GroupSearcher([[Trial()]], {}, math.inf).suggest("1") != "FINISHED"


# Launches


def tags_of(place):
    (run,) = place.runs("small", kind="study")
    return run.data.tags


def test_looks_are_taken_once_and_an_interrupted_launch_goes_on(place):
    study = place.put("small", ONE)
    until = (study, "--until", "0.000001", "--replicates", "8")
    process = place.start(*until, "--concurrency", "1")
    place.wait_for(lambda: len(place.stored("records")) >= 3)
    place.interrupt(process)
    assert json.loads(tags_of(place)["looks"])["looks"] == [6, 8]
    assert "look.1" not in tags_of(place)

    said = place.launch(*until)
    assert "Look 1 of 2: 6 pairs of 1 condition" in said
    assert "16 trials, 4 to run, 12 done already" in said
    assert "look 2 of 2: 8/8 pairs; 16/16 done" in said
    assert "8 of 8 pairs were used, and no look is left. Cannot tell yet: " in said
    assert len(place.runs("small")) == 16
    assert_found(place, 1, 6)
    assert_found(place, 2, 8)

    # between its looks, as an interruption would leave it; what was found stays as it was
    (run,) = place.runs("small", kind="study")
    place.client.delete_tag(run.info.run_id, "look.2")
    found = run.data.tags["look.1"].replace("open", "narrow")
    place.client.set_tag(run.info.run_id, "look.1", found)
    again = place.launch(*until)
    assert "12 trials, 0 to run, 12 done already" in again  # of the pairs that decided it
    assert "Look " not in again
    assert "6 of 8 pairs were used, and that decided it." in again
    assert (tags_of(place)["look.1"], "look.2" in tags_of(place)) == (found, False)
    assert "a design is not changed" in place.launch(study, "--until", "0.1", code=2)
    place.launch(study, "--replicates", "8", command="publish")
    assert len(place.results("small").trials) == 12  # and none is missing that no look has planned


def assert_found(place, look, pairs):
    """What the look's tag says is of its first replicates."""
    results = place.results("small")
    ((_, found),) = json.loads(tags_of(place)[f"look.{look}"]).items()
    warmed = [t for t in results.trials if t.arm == "warmup" and t.replicate < pairs]
    change = [t.numbers["test_ece"] - results.by_id[t.pair].numbers["test_ece"] for t in warmed]
    assert found[:2] == [pairs, pairs]
    assert found[2] == pytest.approx(sum(change) / pairs)


@pytest.mark.slow
def test_pairs_that_are_there_are_looked_at_in_order_and_the_budget_ends(place):
    study = place.put("small", ONE)
    place.launch(study, "--replicates", "9")
    said = place.launch(study, "--until", "10", "--replicates", "12")  # wide enough at once
    assert "12 trials, 0 to run, 12 done already" in said
    assert "Look 2" not in said
    assert "6 of 12 pairs were used, and that decided it." in said
    assert len(place.results("small").trials) == 12  # of the six pairs that were looked at

    slow = place.put("slow", ONE | {"title": "Slow"})
    fields = ("--set", "warmup.examples=400000", "--set", "warmup.epochs=10")
    until = (slow, "--until", "0.000001", "--replicates", "8", *fields)
    said = place.launch(*until, "--budget", "20s", "--concurrency", "1")
    assert "trials are not done, for the budget ended: the look was not taken" in said
    assert "No look was taken yet: the budget of 20 s ended." in said
    done = sum(t.outcome == "finished" for t in load_study(place.client, "slow").trials)
    assert 0 < done < 12
