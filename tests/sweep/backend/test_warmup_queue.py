"""No warm-up is made twice, and no worker is idle while a trial is ready: list scheduling of any
groups of trials, of any duration, on any number of workers."""

import heapq

from hypothesis import given
from hypothesis import strategies as st

from sweep.backend.warmup_queue import WarmupQueue

# a group: (its warm-ups, shared with others; seconds to make one; seconds of its tasks)
WARMUPS = st.frozensets(st.sampled_from("abcd"), max_size=2)
TRIALS = st.lists(
    st.tuples(WARMUPS, st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=25
)


def simulated(trials, workers, fails=()):
    """Every trial on so many workers, as each is handed out when one is free.

    Checks at every moment that idle workers have nothing to do but what must wait. Returns the
    order, and how often each warm-up was begun by a trial that did not find it made.
    """
    names = [str(number) for number in range(len(trials))]
    warmups = {name: trial[0] for name, trial in zip(names, trials, strict=True) if trial[0]}
    turns = WarmupQueue(names, warmups)
    running, order, begun, made, now = [], [], {}, set(), 0
    while not turns.over or running:
        while len(running) < workers and (name := turns.take()) is not None:
            its, making, task = trials[int(name)]
            lacking = its - made
            begun |= {warmup: begun.get(warmup, 0) + 1 for warmup in lacking}
            seconds = task + making * len(lacking)
            order.append(name)
            heapq.heappush(running, (now + seconds, name))
        if len(running) < workers:
            being_made = frozenset().union(*(trials[int(name)][0] for _, name in running)) - made
            assert all(trials[int(n)][0] & being_made for n in names if n not in order)
        now, name = heapq.heappop(running)
        well = name not in fails
        made |= trials[int(name)][0] if well else set()
        turns.ended(name, well)
    assert sorted(order) == sorted(names)
    return order, begun


@given(TRIALS, st.integers(1, 9))
def test_each_warm_up_is_made_once_and_nobody_is_idle_while_a_trial_is_ready(trials, workers):
    _, begun = simulated(trials, workers)
    assert set(begun.values()) <= {1}


@given(TRIALS, st.integers(1, 9), st.data())
def test_what_a_failed_trial_has_not_made_another_makes(trials, workers, data):
    names = [str(number) for number in range(len(trials))]
    fails = data.draw(st.sets(st.sampled_from(names)))
    _, begun = simulated(trials, workers, fails)
    for warmup, times in begun.items():
        assert times <= 1 + sum(warmup in trials[int(name)][0] for name in fails)


@given(TRIALS)
def test_one_worker_takes_them_in_the_order_that_was_asked_for(trials):
    order, _ = simulated(trials, 1)
    assert order == [str(number) for number in range(len(trials))]


def test_a_warm_up_that_is_stored_holds_nobody_up():
    turns = WarmupQueue(["one", "two"], {})
    assert (turns.take(), turns.take(), turns.over) == ("one", "two", True)
