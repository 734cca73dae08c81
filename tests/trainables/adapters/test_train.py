"""When the workers of one trial report: seldom, at the same steps, and every example once."""

from types import SimpleNamespace

import pytest
from small import WARM

from trainables.adapters import train
from trainables.adapters.train import REPORT_SECONDS, REPORTS, _Reporter
from trainables.training.data_parallel import ALONE

TOTAL = WARM.warmup_examples + WARM.task_examples


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(train.time, "perf_counter", lambda: clock.now)
    return clock


@pytest.fixture
def reported(monkeypatch):
    """The examples of each report."""
    reported = []
    monkeypatch.setattr(train.ray.train, "report", lambda told: reported.append(told["examples"]))
    return reported


def trained(reporter, clock, seconds, examples=1):
    """A trial of steps that take so long each."""
    for done in range(examples, TOTAL + 1, examples):
        clock.now += seconds
        reporter.count(done, examples)
    reporter.finish()


@pytest.mark.parametrize("seconds", [0.001, 0.1, 10.0])
def test_every_example_is_reported_once_and_never_in_more_than_a_hundred_parts(
    clock, reported, seconds
):
    trained(_Reporter(WARM, ALONE), clock, seconds)
    assert sum(reported) == TOTAL
    assert all(reported)
    assert len(reported) <= REPORTS + 1


def test_a_short_trial_reports_at_its_first_hundredth_and_its_end(clock, reported):
    trained(_Reporter(WARM, ALONE), clock, seconds=REPORT_SECONDS / TOTAL / 2)
    assert reported == [reported[0], TOTAL - reported[0]]


def test_reports_are_as_far_apart_as_is_said(clock, reported):
    trained(_Reporter(WARM, ALONE), clock, seconds=0.5)
    assert set(reported[1:-1]) == {REPORT_SECONDS / 0.5}


def test_workers_of_unequal_clocks_report_at_the_same_steps(monkeypatch, reported):
    said = []  # by the first worker

    class First:
        def broadcast(self, value):
            said.append(value)
            return value

    class Second:
        def broadcast(self, value):
            return said[-1]

    now = [0.0, 0.0]
    at = [0]
    monkeypatch.setattr(train.time, "perf_counter", lambda: now[at[0]])
    workers = [_Reporter(WARM, First()), _Reporter(WARM, Second())]
    steps = [[], []]
    for step in range(TOTAL):
        for rank, worker in enumerate(workers):
            at[0], before = rank, len(reported)
            now[rank] += (0.1, 0.7)[rank]
            worker.count(step + 1, 1)
            if len(reported) > before:
                steps[rank].append(step)
    assert len(steps[0]) > 2
    assert steps[0] == steps[1]
