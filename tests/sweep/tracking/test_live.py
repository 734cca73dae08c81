"""Trials in MLflow while they run: curves that grow, and at the end the rows that there would be
without."""

import math
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from analysis.results.records import read_record
from sweep.tracking.ledger import read_ledger
from sweep.tracking.live import AFTER_SECONDS, EVERY_SECONDS, STUDY_SECONDS, LiveUpdates, Measured
from sweep.tracking.logged import LoggedRows
from sweep.tracking.publisher import Publisher
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage


class Tracking:
    """A real store, in which the tiny study is published launch by launch."""

    def __init__(self, plan, sources, records, folder):
        self.plan, self.sources, self.records = plan, sources, records
        self.client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        self.client.create_experiment(plan.study.name, (folder / "artifacts").as_uri())

    def launch(self):
        return Publisher(
            self.client, self.plan, read_ledger(self.client, self.plan), self.sources, "abc"
        )

    def payload(self, planned):
        return self.records.get(record_key(planned.trial_id))

    def history(self, planned):
        """As the worker sends it: what was not measured is not there."""
        rows = read_record(self.payload(planned)).history.to_dict("records")
        return [{k: v for k, v in row.items() if v == v} for row in rows]

    @property
    def runs(self):
        experiment = self.client.get_experiment_by_name(self.plan.study.name)
        return self.client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")

    def rows(self, run):
        """(name, step, value) of every row that the run has."""
        return sorted(
            (name, row.step, row.value)
            for name in run.data.metrics
            for row in self.client.get_metric_history(run.info.run_id, name)
        )


@pytest.fixture
def tracking(finished, planned, sources, tmp_path):
    records = Storage(finished.place.folder / "sweep_storage")
    return Tracking(planned(), sources.loaded, records, tmp_path)


@pytest.fixture
def warmed(tracking):
    return next(p for p in tracking.plan.trials if p.trial.warmup)


@pytest.fixture
def undisturbed(tracking, warmed, tmp_path):
    """The rows of the trial where it was published when it had ended."""
    other = Tracking(tracking.plan, tracking.sources, tracking.records, tmp_path / "other")
    other.launch().publish(warmed, other.payload(warmed))
    (run,) = other.runs
    return other.rows(run)


@pytest.fixture(autouse=True)
def other_folder(tmp_path):
    (tmp_path / "other").mkdir()


def test_a_running_trial_has_a_run_with_its_parameters_and_its_curve_so_far(tracking, warmed):
    launch, history = tracking.launch(), tracking.history(warmed)
    launch.publish_curves(warmed, history[:2])
    (run,) = tracking.runs
    assert run.info.status == "RUNNING"
    assert run.data.params["warmup.noise.distribution"] == "gaussian"
    assert run.data.tags["trial_id"] == warmed.trial_id
    said = tracking.client.get_metric_history(run.info.run_id, "test_ece")
    assert [(m.step, m.value) for m in said] == [(r["step"], r["test_ece"]) for r in history[:2]]
    launch.publish_curves(warmed, history[2:3])
    assert len(tracking.client.get_metric_history(run.info.run_id, "test_ece")) == 3
    assert abs(run.info.start_time / 1000 + history[1]["seconds"] - time.time()) < 60


def test_afterwards_it_has_the_rows_that_it_would_have_without(tracking, warmed, undisturbed):
    launch, history = tracking.launch(), tracking.history(warmed)
    launch.publish_curves(warmed, history[:2])
    launch.publish_curves(warmed, history[2:])
    launch.publish(warmed, tracking.payload(warmed))
    (run,) = tracking.runs
    assert (run.info.status, run.data.tags["outcome"]) == ("FINISHED", "finished")
    assert tracking.rows(run) == undisturbed


def test_a_trial_that_begins_anew_after_a_crash_tells_nothing_twice(tracking, warmed, undisturbed):
    """Its seconds are others then, and so would be the time stamps."""
    history = tracking.history(warmed)
    tracking.launch().publish_curves(warmed, history[:3])
    (run,) = tracking.runs
    tracking.client.set_terminated(run.info.run_id, "KILLED")  # by the watchdog
    slower = [row | {"seconds": row["seconds"] + 7} for row in history]
    launch = tracking.launch()
    launch.publish_curves(warmed, slower[:2])
    (again,) = tracking.runs
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "RUNNING")
    launch.publish_curves(warmed, slower[2:4])
    launch.publish(warmed, tracking.payload(warmed))
    (run,) = tracking.runs
    assert run.info.status == "FINISHED"
    assert tracking.rows(run) == undisturbed


def test_a_curve_of_other_numbers_than_the_records_is_given_up_for_a_new_run(
    tracking, warmed, undisturbed
):
    """The trial was begun on another device, say, and is run again on this one."""
    history = tracking.history(warmed)
    other = [row | {"test_loss": row["test_loss"] * (1 + 1e-15)} for row in history]
    tracking.launch().publish_curves(warmed, other)
    (before,) = tracking.runs
    tracking.client.set_terminated(before.info.run_id, "KILLED")
    tracking.launch().publish(warmed, tracking.payload(warmed))
    (run,) = tracking.runs
    assert run.info.run_id != before.info.run_id
    assert tracking.rows(run) == undisturbed


def test_a_run_that_somebody_deletes_meanwhile_is_made_anew(tracking, warmed, undisturbed):
    launch, history = tracking.launch(), tracking.history(warmed)
    launch.publish_curves(warmed, history[:2])
    (run,) = tracking.runs
    tracking.client.delete_run(run.info.run_id)
    with pytest.raises(MlflowException, match="deleted"):
        launch.publish_curves(warmed, history[2:3])
    launch.publish(warmed, tracking.payload(warmed))
    (anew,) = tracking.runs
    assert tracking.rows(anew) == undisturbed


def test_of_a_failure_too_whose_run_somebody_deletes(tracking, warmed):
    """Else it could not be published, and all that comes after it would wait behind it."""
    launch = tracking.launch()
    launch.publish_curves(warmed, tracking.history(warmed)[:2])
    (run,) = tracking.runs
    tracking.client.delete_run(run.info.run_id)
    launch.publish_failure(warmed, "OSError: disk full")
    (anew,) = tracking.runs
    assert (anew.info.status, anew.data.tags["error"]) == ("FAILED", "OSError: disk full")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_told_once_and_makes_no_second_run(tracking, warmed, value):
    """Such as the loss of a network that diverges; MLflow keeps another number for infinity."""
    client = tracking.client
    tracking.launch().publish_curves(warmed, tracking.history(warmed)[:1])
    (run,) = tracking.runs
    row = Metric("test_loss", value, 1000, 7)
    logged = LoggedRows(client)
    assert logged.lacking(run, [row]) == [row]
    client.log_batch(run.info.run_id, [row])
    for again in (logged, LoggedRows(client)):
        again.add(run, client.get_metric_history(run.info.run_id, "test_loss"))
        assert again.lacking(run, [row]) == []
    assert logged.lacking(run, [Metric("test_loss", 2.5, 1000, 7)]) is None


def test_what_a_launch_leaves_running_is_killed_at_its_end_and_no_failure(tracking, warmed):
    from analysis.results.loading import outcome_of

    launch = tracking.launch()
    launch.publish_curves(warmed, tracking.history(warmed)[:1])
    launch.close("KILLED")
    (run,) = tracking.runs
    assert run.info.status == "KILLED"
    assert outcome_of(run) == "missing"


def test_a_step_that_a_later_row_takes_is_not_told_before(tracking, planned, live, tmp_path):
    """Where a part of the warm-up is kept, the network is measured twice at its last step."""
    kept = planned({"base": {**tracking.plan.study.base, "warmup.keep": "logit_variance"}})
    one = next(p for p in kept.trials if p.trial.warmup)
    tracking.plan, tracking.records = kept, Storage(tmp_path / "records")
    live(one.trial, tracking.records)
    history, launch = tracking.history(one), tracking.launch()
    steps = [row["step"] for row in history]
    assert len(set(steps)) < len(steps)
    for row in history:
        launch.publish_curves(one, [row])
    launch.publish(one, tracking.payload(one))
    (run,) = tracking.runs
    rows = tracking.rows(run)
    assert len({(name, step) for name, step, _ in rows}) == len(rows)
    last = {row["step"]: row["test_ece"] for row in history}
    assert {step: value for name, step, value in rows if name == "test_ece"} == last


class Clocked:
    """Stands for a publisher, and keeps the time."""

    def __init__(self):
        self.now, self.sent, self.study, self.fails = 0.0, [], [], 0

    def __call__(self):
        return self.now

    def publish_curves(self, planned, rows):
        if self.fails:
            self.fails -= 1
            raise MlflowException("no answer")
        self.sent.append((self.now, planned.trial_id, [row["step"] for row in rows]))

    def publish_study(self, share):
        self.study.append((self.now, share))


def run(clocked, seconds, every=1.0, ends=()):
    """A row a second of trial `a`, and what is sent of it."""
    updates = LiveUpdates(clocked, clocked)
    planned = SimpleNamespace(trial_id="a")
    for step in range(int(seconds / every)):
        clocked.now = step * every
        updates.share = step * every / seconds
        updates.measured(Measured(planned, [{"step": step}]))
        if clocked.now in ends:
            updates.ended("a")
        updates.send()
    return clocked.sent


def test_a_trial_of_seconds_costs_no_request_more():
    assert run(Clocked(), seconds=AFTER_SECONDS) == []
    assert run(Clocked(), seconds=AFTER_SECONDS + 1, ends=(AFTER_SECONDS,)) == []


def test_a_longer_one_is_told_of_now_and_then_and_every_row_once():
    sent = run(Clocked(), seconds=60)
    times = [when for when, *_ in sent]
    assert times[0] == AFTER_SECONDS
    assert {b - a for a, b in pairwise(times)} == {EVERY_SECONDS}
    steps = [step for *_, rows in sent for step in rows]
    assert steps == list(range(len(steps)))


def test_an_mlflow_that_is_away_is_asked_seldom_and_told_all_when_it_is_back():
    clocked = Clocked()
    clocked.fails = 1
    sent = run(clocked, seconds=100)
    assert sent[0][0] == AFTER_SECONDS + 60
    assert [step for *_, rows in sent for step in rows][:71] == list(range(71))


def test_the_studys_run_is_told_how_far_the_launch_is():
    clocked = Clocked()
    run(clocked, seconds=60)
    times = [when for when, _ in clocked.study]
    assert times == [STUDY_SECONDS * n for n in (1, 2, 3)]
    assert [share for _, share in clocked.study] == [when / 60 for when in times]
