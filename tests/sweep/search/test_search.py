"""A search as a user launches it, with real Ray, Optuna and MLflow."""

import signal
import time
from collections import Counter

import numpy as np
import optuna
import pytest
import yaml
from optuna.trial import TrialState

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import confidence_and_correct
from analysis.results.search import BASE, BEST, search_of
from sweep.launch import main
from sweep.plan.study import load_study

SEEDS, TRIALS, CONFIRMED = 2, 4, 2


def history(place, url=None):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    url = url or f"sqlite:///{place.folder}/sweep_storage/search.db"
    (name,) = optuna.get_all_study_names(url)
    return optuna.load_study(study_name=name, storage=url).get_trials()


def told(place):
    return search_of(place.results("searching").plan)


def seeds_by_proposal(place):
    return {p.number: p.seeds for p in told(place).proposals}


def test_a_search_from_its_first_proposal_to_the_best_on_fresh_seeds(place, searching):
    said = place.launch(searching)
    results, search = place.results("searching"), told(place)
    assert said.startswith("Data photos: 4,000 training, ")  # what was found, once
    assert said.count("Data photos: ") == 1

    # every proposal is finished in Optuna's database, the base first
    trials = history(place)
    assert [t.state for t in trials] == [TrialState.COMPLETE] * TRIALS
    assert trials[0].params == {"warmup.noise.distribution": "gaussian", "warmup.noise.std": 1.0}
    # a value is the mean of the validation ECE of its records
    by_condition = {}
    for trial in results.trials:
        if trial.condition.startswith("proposal"):
            record = trial.record
            measured = confidence_and_correct(
                record.logits["validation"], record.labels["validation"]
            )
            ece = expected_calibration_error(*measured)
            by_condition.setdefault(trial.condition, []).append(ece)
    for trial in trials:
        eces = by_condition[f"proposal {trial.number}"]
        assert len(eces) == SEEDS
        assert trial.value == pytest.approx(np.mean(eces), abs=1e-12)

    # the best is confirmed on seeds that the search has not seen
    best = min(trials, key=lambda t: t.value)
    assert search.best == best.number
    confirmed = [t for t in results.trials if t.condition in (BEST, BASE)]
    assert {t.replicate for t in confirmed} == {SEEDS, SEEDS + 1}
    assert {t.outcome for t in results.trials} == {"finished"}
    searched = {t.trial_id for t in results.trials if t.condition.startswith("proposal")}
    assert not searched & {t.trial_id for t in confirmed}

    # all is in MLflow, once
    runs = place.runs("searching")
    ids = [run.data.tags["trial_id"] for run in runs]
    settings = 1 if best.number == 0 else 2
    assert len(ids) == len(set(ids)) == SEEDS + SEEDS * TRIALS + CONFIRMED * (1 + settings)
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert f"{TRIALS}/{TRIALS} proposals" in said
    page = place.folder / "reports/searching/laptop-photos/index.html"
    assert "<svg" in page.read_text("utf-8")
    (parent,) = place.runs("searching", kind="study")
    assert parent.info.status == "FINISHED"
    artifacts = {path.name for path in (place.artifacts(parent) / "report").iterdir()}
    assert {"best.yaml", "index.html"} <= artifacts

    # again: nothing is run; and with more trials the search goes on from its history
    again = place.launch(searching)
    assert again.count("0 to run") == 2  # the beginning, and what is confirmed
    assert len(history(place)) == TRIALS
    assert len(place.runs("searching")) == len(runs)
    place.launch(searching, "--trials", "6")
    longer = history(place)
    assert [t.params for t in longer[:TRIALS]] == [t.params for t in trials]
    assert [t.state for t in longer] == [TrialState.COMPLETE] * 6
    assert set(seeds_by_proposal(place).values()) == {SEEDS}

    # the best is a study that adopts what was confirmed
    study = place.folder / "reports/searching/laptop-photos/best.yaml"
    cells = yaml.safe_load(study.read_text("utf-8"))["grids"]["confirmed"]
    assert cells[-1] == {"label": BASE}
    assert load_study(str(study)).name == "best"
    assert "0 to run" in place.launch(str(study))


def test_a_search_that_is_killed_goes_on_and_runs_nothing_twice(place, searching):
    slow = ("--set", "task.epochs=200")
    first = place.start(searching, *slow, "--trials", "5", "--concurrency", "2")
    place.wait_for(lambda: len(place.stored("records")) >= SEEDS + 3)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = {p.name: p.stat().st_mtime_ns for p in records(place)}
    trials = history(place)
    orphans = [t for t in trials if t.state == TrialState.RUNNING]
    assert orphans

    place.launch(searching, *slow, "--trials", "5")
    after = history(place)
    assert TrialState.RUNNING not in {t.state for t in after}
    # what was given up came again, with the same parameters, and counts once
    complete = [t for t in after if t.state == TrialState.COMPLETE]
    assert len(complete) == 5
    params = [tuple(sorted(t.params.items())) for t in complete]
    assert len(set(params)) == 5
    assert all(tuple(sorted(t.params.items())) in params for t in orphans)
    # no record was made anew, and no trial has two runs
    assert before == {p.name: p.stat().st_mtime_ns for p in records(place) if p.name in before}
    ids = Counter(run.data.tags["trial_id"] for run in place.runs("searching"))
    assert set(ids.values()) == {1}
    assert {run.info.status for run in place.runs("searching")} == {"FINISHED"}
    assert told(place).best == min(complete, key=lambda t: t.value).number


def test_an_interrupted_search_ends_tidily_and_leaves_nothing_running(place, searching):
    process = place.start(searching, "--set", "task.epochs=400")
    place.wait_for(lambda: len(place.stored("records")) >= SEEDS + 1)
    started = time.monotonic()
    place.interrupt(process)
    assert time.monotonic() - started < 20
    assert TrialState.RUNNING not in {t.state for t in history(place)}
    assert not [run for run in place.runs("searching") if run.info.status == "RUNNING"]


@pytest.mark.slow
def test_a_proposal_that_fails_is_told_and_comes_again_with_the_next_launch(place, searching):
    obstacle = place.folder / "sweep_storage/warmups"
    obstacle.parent.mkdir()
    obstacle.write_text("a file where a folder must be")  # so no warm-up can be stored
    said = place.launch(searching, "--retries", "0", "--trials", "2", code=1)
    assert "#0: failed for good" in said
    assert [t.state for t in history(place)] == [TrialState.FAIL] * 2
    assert "No proposal has been run on all seeds" in said

    obstacle.unlink()
    place.launch(searching, "--trials", "2")
    assert Counter(p.state for p in told(place).proposals) == {"finished": 2}


@pytest.mark.slow
def test_a_search_with_a_front_and_conditions_and_stopping(place):
    search = {
        "space": {
            "warmup.optimizer.name": ["adam", "sgd"],
            "warmup.optimizer.momentum": {
                "low": 0.1, "high": 0.9, "when": {"warmup.optimizer.name": ["sgd"]},
            },
            "warmup.examples": {"low": 128, "high": 1024, "log": True},
            "task.optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True},
        },
        "objectives": ["ece", "accuracy", "warmup_examples"],
        "seeds": 1,
        "trials": 6,
        "sampler": "nsga2",
    }  # fmt: skip
    exhibits = ["search_confirmed", "search"]
    study = place.write("searching", grids={}, search=search, exhibits=exhibits)
    place.launch(study)
    found = told(place)
    points = {p.number: p.means for p in found.proposals}
    front = {
        n
        for n, a in points.items()
        if not any(
            b[0] <= a[0] and b[1] >= a[1] and b[2] <= a[2] and b != a for b in points.values()
        )
    }
    assert set(found.front) == front
    figures = place.folder / "reports/searching/laptop-photos/figures"
    assert (figures / "search-front.svg").is_file()


def test_a_dry_run_writes_nothing_and_says_what_is_searched(place, searching):
    said = " ".join(place.launch(searching, "--dry-run").split())
    assert "4 by tpe, each on 2 seeds" in said
    assert "warmup.noise.std 0.25 to 4, logarithmic" in said
    assert "nothing done yet" in said
    assert {p.name for p in place.folder.iterdir()} == {"searching.yaml"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tiny.yaml", "--trials", "3"], "--trials: tiny is no search"),
        (["tiny.yaml", "--timeout", "2h"], "--timeout: tiny is no search"),
        (["searching.yaml", "--timeout", "soon"], "write a time such as 90s, 30m, 2h or 7d"),
        (["searching.yaml", "--set", "search.sampler=grid"], "search.sampler: 'grid' is refused"),
        (["searching.yaml", "--set", "search.pruner=asha"], "search.pruner: no such field"),
        (["searching.yaml", "--search-storage", "nonsense"], "--search-storage nonsense"),
        (["searching.yaml", "--search-storage", "postgresql://a:b@h/d"], "SWEEP_SEARCH_STORAGE"),
    ],
)
def test_bad_input_is_told_in_one_line(here, searching, refused, arguments, says):
    assert says in refused(main, *arguments)


@pytest.mark.slow
def test_two_launchers_share_one_postgresql_storage(place, searching, postgres):
    """Both in one folder, so their records and their MLflow are the same, too."""
    arguments = (searching, "--trials", "10", "--set", "task.epochs=300")
    shared = ("--search-storage", postgres.url, "--concurrency", "1")
    both = [place.start(*arguments, *shared), place.start(*arguments, *shared)]
    for process in both:
        place.ended(process, seconds=280)
    trials = history(place, postgres.url.replace("postgresql:", "postgresql+psycopg:"))
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    assert len(complete) == 10
    assert len({tuple(sorted(t.params.items())) for t in complete}) == 10
    assert TrialState.RUNNING not in {t.state for t in trials}
    shares = Counter(t.user_attrs["launcher"] for t in complete)
    assert len(shares) == 2, "one launcher has run all"
    place.launch(*arguments, "--search-storage", postgres.url)
    assert place.results("searching").count("finished") == len(place.results("searching").trials)
    ids = Counter(run.data.tags["trial_id"] for run in place.runs("searching"))
    assert set(ids.values()) == {1}


@pytest.mark.slow
def test_a_database_that_goes_away_ends_the_search_in_one_line(place, searching, postgres):
    arguments = (searching, "--search-storage", postgres.url, "--set", "task.epochs=400")
    process = place.start(*arguments)
    place.wait_for(lambda: len(place.stored("records")) >= SEEDS + 1)
    postgres.server.send_signal(signal.SIGINT)
    out, err = place.ended(process, 1, 120)
    assert "the search's database does not answer" in out
    assert "Traceback" not in out + err


def records(place):
    folder = place.folder / "sweep_storage/records"
    return [p for p in folder.iterdir() if not p.name.startswith(".")]
