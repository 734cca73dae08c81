"""Progress counts trials and examples, and says nothing it does not know yet."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from sweep.run import progress
from sweep.run.progress import Display, PairsOfLook, duration


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


def test_done_running_failed_reused_rate_and_time_left(clock, console):
    display = Display(console, {"a": 1000, "b": 1000, "c": 1000}, total=5, reused=2)
    assert display.line() == "2/5 done, 2 reused, 0 running, 0 failed"
    display.started("a")
    display.started("b")
    display.trained("a", 500)
    assert display.line() == "2/5 done, 2 reused, 2 running, 0 failed"  # too early for a rate
    clock.now += 20
    display.trained("b", 500)
    assert display.line().endswith("2 running, 0 failed · 50 examples/s · 40 s left")
    display.finished("a")
    display.failed("b", "gaussian #0", "ValueError: no")
    line = display.line()
    assert line.startswith("3/5 done, 2 reused, 0 running, 1 failed")
    assert line.endswith("20 s left")  # of c alone
    assert "gaussian #0: failed for good: ValueError: no" in console.file.getvalue()


def test_the_time_left_counts_the_seconds_in_which_nothing_is_trained(clock, console):
    """A trial trains for ten seconds and is measured for ninety."""
    names = list("abcdefghij")
    display = Display(console, dict.fromkeys(names, 1000), total=10, reused=0)
    for name in names[:3]:
        display.started(name)
        clock.now += 10
        display.trained(name, 1000)
        clock.now += 90
        display.finished(name)
    assert display.line().endswith(f"{duration(700)} left")
    display.started("d")
    clock.now += 10
    display.trained("d", 1000)
    assert display.line().endswith(f"{duration(6000 / (4000 / 310))} left")


def test_of_a_look_it_counts_pairs_and_says_what_is_left_of_the_budget(clock, console):
    look = PairsOfLook("look 2 of 4", 4, {"a": 2, "b": 2, "c": 3, "d": 0}, deadline=1100.0)
    display = Display(console, {"a": 10, "b": 10, "c": 10}, total=8, reused=5, look=look)
    assert display.line().startswith("look 2 of 4: 2/4 pairs; 5/8 done")
    display.finished("a")
    assert "2/4 pairs" in display.line()  # its partner is not done
    display.finished("b")
    assert "3/4 pairs" in display.line()
    display.failed("c", "gaussian #3", "ValueError: no")
    assert "3/4 pairs" in display.line()  # lost
    clock.now += 40
    assert display.line().endswith(" · 60 s of the budget")


def test_a_trial_found_in_its_checkpoint_counts_whole_when_it_is_finished(clock, console):
    display = Display(console, {"a": 1000}, total=1, reused=0)
    display.started("a")
    clock.now += 20
    display.trained("a", 100)  # the other 900 were trained before this launch
    display.finished("a")
    assert "left" not in display.line()


def test_without_a_terminal_a_plain_line_comes_now_and_then(clock, console):
    with Display(console, {"a": 1000}, total=1, reused=0) as display:
        display.started("a")
        for _ in range(100):
            clock.now += 1
            display.trained("a", 10)
        display.finished("a")
    lines = console.file.getvalue().splitlines()
    assert 6 <= len(lines) <= 8
    assert all("\x1b" not in line for line in lines)
    assert lines[-1].startswith("1/1 done, 0 reused, 0 running, 0 failed")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (100, "2 min"), (5399, "90 min"), (7200, "2.0 h")],
)
def test_time_is_said_as_a_person_says_it(seconds, text):
    assert duration(seconds) == text
