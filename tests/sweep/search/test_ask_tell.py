"""Proposals with a real Optuna database and no Ray: what a trial is worth is a formula."""

import math
import subprocess
import sys
import time
from collections import defaultdict

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState
from support import refusal

from sweep.search.optuna_storage import database
from sweep.search.proposals import Proposal, best, importances, pareto_front
from sweep.search.settings import parse_search

FEW = {"warmup.noise.distribution": ["gaussian", "pink", "laplace"]}


def params_of(ask_tell):
    return [p.params for p in ask_tell.proposals()]


def states(ask_tell):
    return [t.state for t in ask_tell.store.study.get_trials()]


# The order of things


def test_the_base_is_first_and_the_budget_is_kept(bench):
    with bench().searched() as ask_tell:
        found = ask_tell.proposals()
    assert found[0].params == {"warmup.noise.std": 1.0}
    assert [p.number for p in found] == list(range(8))
    assert {p.state for p in found} == {"finished"}


def test_a_value_is_the_mean_over_seeds_of_validation_ece(bench, driver):
    with bench(trials=1).ask_tell() as ask_tell:
        ask_tell.begin()
        proposal = driver.run(ask_tell, ask_tell.ask())
    expected = np.mean([0.02 * seed + math.log(2) / 10 for seed in range(3)])
    assert proposal.means == pytest.approx((expected,), abs=1e-4)


def test_the_same_seed_proposes_the_same_and_another_seed_something_else(bench):
    found = []
    for seed in (3, 3, 4):
        one = bench(seed=seed, trials=14)
        with one.searched() as ask_tell:
            found.append(params_of(ask_tell))
        (one.folder / "search.db").unlink()
    assert found[0] == found[1]
    assert found[0][1:] != found[2][1:]


def test_a_search_that_stops_and_goes_on_proposes_what_one_that_does_not_would(bench):
    whole = bench(trials=14)
    with whole.searched() as ask_tell:
        expected = params_of(ask_tell)
    (whole.folder / "search.db").unlink()
    for trials in (5, 11, 14):
        with bench(trials=trials).searched() as ask_tell:
            assert params_of(ask_tell) == expected[:trials]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "gp", "random"])
def test_every_sampler_gets_near_the_optimum(bench, sampler):
    with bench(sampler=sampler, trials=25).searched() as ask_tell:
        chosen = ask_tell.best()
    assert chosen.params["warmup.noise.std"] == pytest.approx(0.5, rel=0.5)


def test_nothing_is_proposed_twice_and_an_exhausted_space_ends_the_search(bench):
    with bench(space=FEW, trials=20).searched() as ask_tell:
        tried = [p["warmup.noise.distribution"] for p in params_of(ask_tell)]
    assert sorted(tried) == ["gaussian", "laplace", "pink"]


def test_what_is_running_is_not_proposed_again(bench):
    with bench(space=FEW, trials=20).ask_tell() as ask_tell:
        ask_tell.begin()
        live = [ask_tell.ask() for _ in range(3)]
        assert len({one.members[0].trial_id for one in live}) == 3
        assert ask_tell.ask() is None


def test_no_proposal_is_made_after_the_deadline(bench):
    with bench().ask_tell(deadline=time.monotonic() - 1) as ask_tell:
        ask_tell.begin()
        assert ask_tell.ask() is None


# What becomes of a proposal


def test_a_diverged_network_ends_a_proposal_and_it_is_never_the_best(bench, driver):
    def worth(params, seed):
        return math.nan if params["warmup.noise.std"] == 1.0 and seed == 1 else 0.3

    with bench(trials=3).ask_tell(worth=worth) as ask_tell:
        ask_tell.begin()
        first = driver.run(ask_tell, ask_tell.ask())
        driver.run_all(ask_tell)
        assert (first.state, first.seeds, first.means) == ("diverged", 2, ())
        assert ask_tell.best().number != first.number
        assert states(ask_tell)[0] == TrialState.PRUNED


def test_too_much_lost_accuracy_is_a_missed_constraint_that_the_sampler_knows_of(bench):
    def accuracy(params, seed):  # of the control .5: the base gains, what is best in ECE loses
        return 0.52 if params["warmup.noise.std"] >= 0.9 else 0.47

    with bench(accuracy_drop=0.01, trials=12).searched(accuracy=accuracy) as ask_tell:
        found = ask_tell.proposals()
        told = ask_tell.store.study.get_trials()
    for proposal, trial in zip(found, told, strict=True):
        loses = proposal.params["warmup.noise.std"] < 0.9
        assert proposal.violation == pytest.approx(0.02 if loses else 0, abs=1e-9)
        assert proposal.eligible == (not loses)
        assert trial.constraints["accuracy"] == pytest.approx(0.02 if loses else -0.03, abs=1e-9)
    assert any(p.violation for p in found)
    assert ask_tell.search.objectives == ["ece"]
    assert best(found, ask_tell.search).params["warmup.noise.std"] >= 0.9


def test_a_clearly_worse_proposal_is_stopped_after_two_seeds(bench):
    values = iter([0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.4, 0.05])
    chosen = defaultdict(lambda: next(values))

    def worth(params, seed):
        return chosen[params["warmup.noise.std"]]

    with bench(stopping="median").searched(worth=worth) as ask_tell:
        found = ask_tell.proposals()
        told = ask_tell.store.study.get_trials()
    assert [p.state for p in found] == ["finished"] * 6 + ["stopped", "finished"]
    assert (found[6].seeds, told[6].state) == (2, TrialState.PRUNED)
    assert sorted(told[6].intermediate_values) == [1, 2]


def test_a_failed_proposal_counts_and_comes_again_with_the_next_launch(bench, driver):
    with bench(trials=3).ask_tell() as ask_tell:
        ask_tell.begin()
        ask_tell.failed(ask_tell.ask().number, "Traceback\nOSError: no space")
        driver.run_all(ask_tell)
        assert [p.state for p in ask_tell.proposals()] == ["failed", "finished", "finished"]
        failed = ask_tell.proposals()[0]
        assert "no space" in failed.error
    with bench(trials=3).ask_tell() as ask_tell:
        ask_tell.begin()
        again = ask_tell.ask()
        assert again.params == failed.params
        driver.run(ask_tell, again)
        assert [p.state for p in ask_tell.proposals()] == ["finished"] * 3
        assert ask_tell.ask() is None


# Several launchers


def test_a_proposal_of_a_launcher_that_was_killed_comes_again_at_once(bench, driver):
    one = bench(trials=4)
    code = (
        "import os, signal, sys\n"
        f"sys.path[:0] = [{sys.path[0]!r}]\n"
        "import optuna\n"
        "from pathlib import Path\n"
        "from sweep.search.optuna_storage import opened\n"
        "from sweep.search.samplers import make_pruner, make_sampler\n"
        f"with opened({one.url!r}, 'bench', ['minimize'], Path({str(one.folder)!r}),\n"
        "            make_sampler('tpe', 0), make_pruner(None, 2)) as store:\n"
        "    trial = store.study.ask()\n"
        "    trial.suggest_float('warmup.noise.std', 0.1, 4.0, log=True)\n"
        "    store.own(trial)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    with one.ask_tell() as ask_tell:
        (orphan,) = ask_tell.store.study.get_trials()
        assert orphan.state == TrialState.RUNNING
        ask_tell.begin()
        again = ask_tell.ask()
        assert again.params == orphan.params
        driver.run(ask_tell, again)
        driver.run_all(ask_tell)
        assert len(ask_tell.proposals()) == 4
        assert TrialState.RUNNING not in states(ask_tell)


def test_a_proposal_of_a_launcher_that_lives_is_left_alone(bench):
    with bench().ask_tell() as one, bench().ask_tell() as two:
        one.begin()
        theirs = one.ask()
        two.begin()
        assert two.ask().params != theirs.params
        assert one.store.study.get_trials()[theirs.number].state == TrialState.RUNNING


def test_two_launchers_share_the_budget_and_repeat_nothing(bench, driver):
    with bench(trials=9).ask_tell() as one, bench(trials=9).ask_tell() as two:
        driver.alternate(one, two)
        assert one.ask() is None
        assert two.ask() is None
        tried = [tuple(p.items()) for p in params_of(one)]
        assert len(tried) == len(set(tried)) == 9


def test_of_two_that_ask_for_the_last_one_at_once_one_gets_nothing(bench, driver, monkeypatch):
    with bench(trials=2).ask_tell() as one, bench(trials=2).ask_tell() as two:
        one.begin()
        driver.run(one, one.ask())
        monkeypatch.setattr(type(two), "over", False)  # it looked just before `one` asked
        assert one.ask() is not None
        assert two.ask() is None
        assert len(one.proposals()) == 2


def test_what_is_given_up_comes_again(bench):
    with bench().ask_tell() as ask_tell:
        ask_tell.begin()
        live = ask_tell.ask()
        ask_tell.give_up()
        assert not ask_tell.running
        assert ask_tell.ask().params == live.params
        assert len(ask_tell.proposals()) == 1


# Choosing


def test_the_pareto_front_is_that_of_brute_force():
    rng = np.random.default_rng(0)
    search = parse_search({"space": FEW, "objectives": ["ece", "accuracy"]})
    means = rng.integers(0, 6, (60, 2)) / 6
    found = [
        Proposal(n, "finished" if n % 7 else "stopped", {}, 3, tuple(row), float(n % 5 == 0))
        for n, row in enumerate(means)
    ]
    able = [p for p in found if p.number % 7 and p.number % 5]
    expected = [
        p.number
        for p in able
        if not any(
            q.means[0] <= p.means[0] and q.means[1] >= p.means[1] and q.means != p.means
            for q in able
        )
    ]
    assert [p.number for p in pareto_front(found, search)] == expected
    assert best(found, search).means[0] == min(p.means[0] for p in able)


def test_the_first_of_equals_is_the_best_and_what_is_to_be_large_is_maximised():
    search = parse_search({"space": FEW, "objectives": ["accuracy"]})
    found = [Proposal(n, "finished", {}, 3, (v,), 0.0) for n, v in enumerate((0.2, 0.7, 0.7))]
    assert best(found, search).number == 1
    assert best([], search) is None


def test_the_field_that_matters_is_the_important_one(bench):
    space = {
        "warmup.noise.std": {"low": 0.1, "high": 4.0, "log": True},
        "warmup.optimizer.weight_decay": {"low": 0.0, "high": 0.01},
    }
    one = bench(space=space, trials=25, sampler="random")
    with one.searched() as ask_tell:
        shares = importances(ask_tell.store.study, one.search)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["warmup.noise.std"] > 0.8


def test_optuna_itself_opens_the_history(bench):
    one = bench(trials=3)
    with one.searched() as ask_tell:
        value = ask_tell.best().means[0]
    study = optuna.load_study(study_name="bench", storage=one.url)
    assert study.best_value == value


# Where the history is kept


def test_a_password_is_refused_as_an_argument_and_not_repeated(tmp_path):
    line = refusal(database, "postgresql://me:secret@host/db", tmp_path)
    assert "SWEEP_SEARCH_STORAGE" in line
    assert "secret" not in line


def test_the_environment_may_name_it_and_sqlite_in_the_storage_is_the_default(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("SWEEP_SEARCH_STORAGE", raising=False)
    assert database(None, tmp_path) == f"sqlite:///{tmp_path}/search.db"
    monkeypatch.setenv("SWEEP_SEARCH_STORAGE", "postgresql://me:secret@host/db")
    assert database(None, tmp_path) == "postgresql+psycopg://me:secret@host/db"


def test_a_database_that_does_not_answer_is_told_in_one_line(bench):
    one = bench()
    one.url = "postgresql+psycopg://me:secret@127.0.0.1:9/db"
    line = refusal(one.ask_tell().__enter__)
    assert "does not answer" in line
    assert "secret" not in line


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:////no/such/folder/search.db", "there is no folder /no/such/folder"),
        ("mysql+nosuchdriver://there/db", "nosuchdriver"),
    ],
)
def test_a_database_that_cannot_answer_is_not_told_to_be_started(bench, url, says):
    one = bench()
    one.url = url
    line = refusal(one.ask_tell().__enter__)
    assert says in line
    assert "start it" not in line


def test_two_launchers_on_one_postgresql(bench, driver, postgres):
    one = bench(trials=7)
    one.url = database(postgres.url, one.folder)
    with one.ask_tell() as first, one.ask_tell() as second:
        driver.alternate(first, second)
        owners = {t.user_attrs.get("launcher") for t in first.store.study.get_trials()}
        assert len(first.proposals()) == 7
        assert owners >= {first.store.launcher, second.store.launcher}
