"""The design's promises by simulation, its decisions by hand, and what it foresees."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.equivalence import mean_equivalence
from analysis.statistics.sequential import ERROR, Design, foresee, take_look

LOOKS = (6, 10, 16, 30)
NEVER = Design(LOOKS, precision=1e-9)  # narrow enough
samples = st.lists(st.floats(-5, 5, width=32), min_size=30, max_size=30)


def carried_out(design, sample):
    looks = []
    while not looks or looks[-1].outcome == "open":
        looks.append(take_look(design, looks, sample[: design.looks[len(looks)]]))
    return looks


def last_looks(design, draw, studies=2000, seed=0):
    drawn = draw(np.random.default_rng(seed), (studies, design.looks[-1]))
    return [carried_out(design, sample)[-1] for sample in drawn]


def at_most(share, studies=2000):
    """What so many studies exceed once in ten thousand times, where each errs with the share."""
    return stats.binom.isf(1e-4, studies, share) / studies


def normal(random, shape):
    return random.normal(size=shape)


def skewed(random, shape):  # 0.7
    return (random.gamma(8, size=shape) - 8) / 8**0.5


def uniform(random, shape):
    return random.uniform(-1.7, 1.7, size=shape)


@pytest.mark.parametrize("draw", [normal, skewed, uniform])
@pytest.mark.parametrize("precision", [1e-9, 0.75])
def test_at_no_effect_zero_is_left_out_in_five_per_cent_at_most(draw, precision):
    last = last_looks(Design(LOOKS, precision), draw)
    false = np.mean([look.outcome == "clear" for look in last])
    assert false <= at_most(ERROR)
    if precision < 0.1:  # and the error is made use of
        assert false >= 0.02


@pytest.mark.parametrize("effect", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("precision", [1e-9, 0.75])
def test_the_last_interval_holds_the_mean_and_pairs_are_saved(effect, precision):
    design = Design(LOOKS, precision)
    last = last_looks(design, lambda random, shape: random.normal(effect, size=shape))
    missed = np.mean([not look.interval[0] <= effect <= look.interval[1] for look in last])
    assert missed <= at_most(ERROR)
    if effect == 1.5:
        assert np.mean([look.outcome == "clear" for look in last]) > 0.98
        assert np.mean([look.planned for look in last]) < 11


def test_all_looks_intervals_hold_the_mean_together():
    random, missed = np.random.default_rng(3), 0
    for sample in random.normal(1, size=(2000, 30)):
        looks = []
        for planned in LOOKS:  # whatever they decide
            looks.append(take_look(NEVER, looks, sample[:planned]))
        missed += any(not look.interval[0] <= 1 <= look.interval[1] for look in looks)
    assert missed / 2000 <= at_most(0.04)
    assert missed / 2000 >= 0.02


def test_lost_pairs_and_several_conditions_keep_the_promise():
    """Of three conditions with one control, one false verdict among them, with pairs lost."""
    random, false = np.random.default_rng(4), 0
    design = Design(LOOKS, 1e-9, conditions=3)
    kept = random.random((3, 30)) > 0.15
    assert [list(row[:6]).count(False) for row in kept] != [0, 0, 0]
    for _ in range(1500):
        control = random.normal(size=30)
        for condition in range(3):
            sample, looks = random.normal(size=30) - control, []
            while not looks or looks[-1].outcome == "open":
                n = LOOKS[len(looks)]
                looks.append(take_look(design, looks, sample[:n][kept[condition, :n]]))
            if looks[-1].outcome == "clear":
                false += 1
                break
    assert false / 1500 <= at_most(ERROR, 1500)


@given(samples)
def test_each_look_asks_more_than_students_interval_and_less_of_more_pairs(sample):
    """Its interval has the usual one in it, and the reach in standard errors falls."""
    looks, reach = [], math.inf
    for planned in LOOKS:
        looks.append(take_look(NEVER, looks, sample[:planned]))
        look = looks[-1]
        if math.isnan(look.spread):
            assert look.interval in ((-math.inf, math.inf), *(b.interval for b in looks[:-1]))
            continue
        error = look.spread / planned**0.5
        now = look.half_width / error
        assert stats.t.ppf(0.975, planned - 1) < now < reach * (1 + 1e-6)
        assert look.mean == pytest.approx(np.mean(sample[:planned]), abs=1e-9)
        reach = now if len(looks) < 4 and not any(math.isnan(b.spread) for b in looks) else math.inf


def test_outcomes_by_hand():
    alternating = [0.01, -0.01] * 15  # mean 0, s = 0.01·√(n/(n − 1))
    first = take_look(Design(LOOKS, 0.05), [], alternating[:6])
    boundary = stats.t.isf(0.004, 5)  # .04 · 6/30, two-sided
    assert first.half_width == pytest.approx(boundary * 0.01 / 5**0.5)
    assert (first.outcome, first.planned, first.pairs) == ("narrow", 6, 6)
    assert take_look(Design(LOOKS, 0.01), [], alternating[:6]).outcome == "open"
    shifted = [x + 1 for x in alternating]
    assert take_look(Design(LOOKS, 0.05), [], shifted[:6]).outcome == "clear"
    assert carried_out(NEVER, alternating)[-1].outcome == "last"
    assert [look.planned for look in carried_out(NEVER, alternating)] == list(LOOKS)


def test_what_shows_no_spread_decides_nothing():
    equal = take_look(NEVER, [], [-0.1] * 6)
    assert (equal.outcome, equal.interval) == ("open", (-math.inf, math.inf))
    assert math.isnan(equal.spread)
    for few in ([], [0.3]):
        look = take_look(NEVER, [], few)
        assert (look.outcome, look.pairs) == ("open", len(few))
    last = carried_out(NEVER, [0.5] * 30)[-1]
    assert (last.outcome, last.pairs) == ("last", 30)


def test_a_look_that_finds_one_pair_more_keeps_the_interval_before():
    sample = np.random.default_rng(1).normal(size=30)
    first = take_look(NEVER, [], sample[:6])
    second = take_look(NEVER, [first], sample[:7])
    assert (second.pairs, second.planned) == (7, 10)
    assert second.interval == first.interval
    # and has spent nothing
    assert take_look(NEVER, [first, second], sample[:16]).interval == pytest.approx(
        take_look(NEVER, [first, first], sample[:16]).interval
    )


def test_equivalence_may_use_the_interval():
    """Inside ±margin, both one-sided tests reject, at the design's or any weaker level."""
    sample = np.random.default_rng(2).normal(0, 0.01, 30)
    last = carried_out(Design(LOOKS, 0.004), sample)[-1]
    margin = max(map(abs, last.interval)) * 1.001
    assert mean_equivalence(sample[: last.pairs], margin, alpha=0.025).equivalent


# What it foresees


def test_it_foresees_the_look_that_would_decide():
    rising = np.tile([0.0, 2.0], 15)  # mean 1, s about 1
    first = take_look(NEVER, [], rising[:6])
    foreseen = foresee(NEVER, [first])
    looks = [first]
    while looks[-1].outcome == "open":
        looks.append(take_look(NEVER, looks, rising[: LOOKS[len(looks)]]))
    assert foreseen.more == looks[-1].pairs - 6 == 10


def test_past_the_last_look_it_foresees_where_the_boundary_would_be_reached():
    sample = np.tile([-1.0, 1.6], 15)  # mean .3, s 1.32
    last = carried_out(NEVER, sample)[-1]
    assert last.outcome == "last"
    more = foresee(NEVER, carried_out(NEVER, sample)).more
    boundary = NEVER.boundary(LOOKS, last=True)
    reach = [boundary * last.spread / (30 + n) ** 0.5 for n in (more - 1, more)]
    assert reach[0] > last.mean >= reach[1]


def test_a_mean_below_its_error_is_left_to_the_precision():
    sample = np.tile([-1.0, 1.1], 15)  # mean .05, error .19
    looks = carried_out(Design(LOOKS, 0.4), sample)
    assert looks[-1].outcome == "last"
    more = foresee(Design(LOOKS, 0.4), looks).more
    boundary = NEVER.boundary(LOOKS, last=True)
    assert boundary * looks[-1].spread / (30 + more) ** 0.5 == pytest.approx(0.4, abs=0.01)


def test_where_nothing_honest_can_be_said_it_says_why():
    far = foresee(NEVER, carried_out(NEVER, np.tile([-1.0, 1.0], 15)))
    assert (far.more, far.why) == (None, "it would take more than 10 times as many pairs")
    equal = foresee(NEVER, [take_look(NEVER, [], [0.1] * 6)])
    assert (equal.more, equal.why) == (None, "the spread of the differences is not known")


def test_what_it_foresees_comes_true_in_more_than_half_of_all_studies():
    random, tried, true = np.random.default_rng(7), 0, 0
    for sample in random.normal(0.7, size=(1500, 30)):
        first = take_look(NEVER, [], sample[:6])
        more = foresee(NEVER, [first]).more if first.outcome == "open" else None
        if more is None or 6 + more > 30:
            continue
        tried += 1
        looks = carried_out(NEVER, sample)
        true += looks[-1].outcome == "clear" and looks[-1].pairs <= 6 + more
    assert tried > 500
    assert 0.5 < true / tried < 0.85


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"looks": ()}, "looks must be one"),
        ({"looks": (6, 7)}, "pairs must rise by 2"),
        ({"precision": 0.0}, "precision must be positive"),
        ({"precision": math.nan}, "precision must be positive"),
        ({"conditions": 0}, "conditions must be a whole number"),
    ],
)
def test_what_is_no_design_is_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        Design(**{"looks": LOOKS, "precision": 0.1} | fields)


def test_no_look_is_taken_after_the_last():
    looks = carried_out(NEVER, np.tile([-1.0, 1.0], 15))
    with pytest.raises(ValueError, match="looks are over"):
        take_look(NEVER, looks, [1.0, 2.0])
