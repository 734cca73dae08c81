"""Verdicts, against rows made by hand."""

import pytest

from analysis.replication.rules import (
    HOLDS,
    IN_PART,
    NOT_HERE,
    NOT_RUN,
    Between,
    FallsShort,
    Moves,
    Same,
    Trend,
)


def row(low, high, moved=10, pairs=10, **more):
    """Of pairs whose mean difference has this interval."""
    middle = (low + high) / 2
    known = {"without_mean": 0.2, "with_mean": 0.2 + middle, "difference": middle}
    known |= {"interval_low": low, "interval_high": high, "moved_as_the_paper": moved}
    known |= {"pairs": pairs, "pairs_planned": 10, "w": 0.0, "p": 0.00506, "r": 0.886}
    return {"condition": "c", **known, **more}


@pytest.mark.parametrize(
    ("way", "every", "low", "high", "moved", "verdict"),
    [
        (-1, True, -0.3, -0.1, 10, HOLDS),
        (-1, True, -0.3, -0.1, 9, IN_PART),
        (-1, False, -0.3, -0.1, 9, HOLDS),
        (-1, False, -0.3, 0.0, 10, NOT_HERE),
        (-1, False, -0.3, 0.1, 8, NOT_HERE),
        (-1, True, 0.1, 0.3, 0, NOT_HERE),
        (+1, False, 0.1, 0.3, 8, HOLDS),
        (+1, False, -0.3, -0.1, 2, NOT_HERE),
    ],
)
def test_a_number_moves_one_way(way, every, low, high, moved, verdict):
    assert Moves(way, every).judge([row(low, high, moved)]).verdict == verdict


def test_what_is_left_open_is_told_from_what_goes_the_other_way():
    assert "leave the sign open" in Moves(-1).judge([row(-0.3, 0.1)]).remark
    assert "the other way" in Moves(-1).judge([row(0.1, 0.3)]).remark
    same = row(0.0, 0.0, without_mean=0.2, with_mean=0.2)
    assert "No pair differs" in Moves(-1).judge([same]).remark
    assert Moves(-1).judge([row(-0.3, -0.1)]).remark == ""


def test_a_claim_over_conditions_holds_in_all_in_part_in_half_of_them():
    down, open_, up = row(-0.3, -0.1), row(-0.3, 0.1, condition="open"), row(0.1, 0.3)
    assert Moves(-1).judge([down, down]).verdict == HOLDS
    found = Moves(-1).judge([down, open_])
    assert found.verdict == IN_PART
    assert found.remark == "Sign left open: open."
    layers = [
        row(-0.3, low_or_high, layer=layer) for layer, low_or_high in (("1", -0.1), ("4", 0.1))
    ]
    assert Moves(-1).judge(layers).remark == "Sign left open: layer 4."
    by_number = [one | {"number": place} for place, one in enumerate(layers, start=1)]
    assert Moves(-1).judge(by_number).remark == "Sign left open: layer 2."
    found = Moves(-1).judge([down, open_, up | {"condition": "up"}])
    assert found.verdict == NOT_HERE
    assert "that way in 1 of 3, the other way in 1; every pair" in found.here
    assert found.remark == "Sign left open: open. Clear of zero, the other way: up."
    assert Moves(-1).judge([open_, open_ | {"condition": "c"}]).remark == "Sign left open: all."


def test_every_pair_is_asked_for_where_the_claim_says_so():
    most, all_ = row(-0.3, -0.1, 9, condition="most"), row(-0.3, -0.1)
    assert Moves(-1, every=True).judge([most, all_]).remark == "Not in every pair: most."
    assert Moves(-1, every=True).judge([most]).remark == "Not in every pair."
    assert Moves(-1).judge([most, all_]).remark == ""


def test_what_has_no_room_to_move_shows_nothing():
    none = row(0.0, 0.0, 0, without_mean=0, with_mean=0, p_exact=1.0)
    found = Moves(-1).judge([none])
    assert "cannot be lower: nothing follows" in found.remark
    assert "P =" not in found.here
    assert "W =" not in found.here
    full = {"metric": "auroc", "without_mean": 1.0, "with_mean": 0.9999}
    top = row(-0.0002, 0.0, 0, **full)
    assert "cannot be higher: nothing follows" in Moves(+1).judge([top]).remark
    assert "the other way" in Moves(+1).judge([row(-0.3, -0.1)]).remark


def test_our_numbers_stand_with_interval_pairs_and_test():
    found = Moves(-1, every=True).judge([row(-0.3, -0.1, pairs=10)])
    assert (
        found.here == "0.200 → 0.000, Δ −0.200 [−0.300, −0.100]; 10/10, W = 0, P = 0.005, r = 0.89"
    )
    assert found.pairs == "10"
    assert Moves(-1).judge([row(-0.3, -0.1, 4, pairs=4)]).pairs == "4 of 10"


def test_one_pair_shows_nothing():
    alone = {k: v for k, v in row(-0.3, -0.1, 1, pairs=1).items() if "interval" not in k}
    assert Moves(-1).judge([alone]).verdict == NOT_HERE
    assert Moves(-1).judge([alone]).remark == "One pair has no interval."


def test_no_difference_takes_a_test_of_equivalence():
    assert Same().judge([row(-0.003, 0.001, p_equivalence=0.01)]).verdict == HOLDS
    assert Same().judge([row(-0.02, 0.04, p_equivalence=0.4)]).verdict == IN_PART
    assert Same().judge([row(0.02, 0.04, p_equivalence=0.9)]).verdict == NOT_HERE


def test_numbers_lie_in_a_range_its_ends_included():
    rule = Between(("without_mean", "with_mean"), 0.0, 0.25)
    inside = {"without_mean": 0.25, "with_mean": 0.0, "pairs": 4}
    outside = inside | {"without_mean": 0.26}
    assert rule.judge([inside]).verdict == HOLDS
    assert rule.judge([inside]).here == "0.000 to 0.250"
    assert rule.judge([inside, outside]).verdict == IN_PART
    assert rule.judge([inside, outside, outside]).verdict == NOT_HERE
    off = Between(("with_mean",), -0.02, 0.02, minus="chance", than="above 1/k")
    assert off.judge([{"with_mean": 0.51, "chance": 0.5, "pairs": 4}]).here == "0.010 above 1/k"


def plane(values):
    """Rows of a value by (depth, examples)."""
    return [
        {"ece": value, "depth": depth, "examples": examples, "pairs": 4}
        for (depth, examples), value in values.items()
    ]


def test_a_trend_holds_where_every_step_goes_its_way():
    rising = {(2, 10): 0.1, (3, 10): 0.2, (4, 10): 0.3, (2, 20): 0.0, (3, 20): 0.1, (4, 20): 0.2}
    rule = Trend("ece", "depth", +1, "rises", "more depth", "examples")
    assert rule.judge(plane(rising)).verdict == HOLDS
    said = "rises in 4 of 4 steps to more depth; rank correlation that way +1.00"
    assert rule.judge(plane(rising)).here == said
    assert rule.judge(plane(rising | {(4, 10): 0.15})).verdict == IN_PART
    assert rule.judge(plane({k: -v for k, v in rising.items()})).verdict == NOT_HERE
    assert rule.judge(plane({(2, 10): 0.1})).verdict == NOT_RUN
    falling = Trend("ece", "examples", -1, "rises", "fewer examples", "depth")
    assert falling.judge(plane(rising)).verdict == HOLDS
    said = "rises in 3 of 3 steps to fewer examples; rank correlation that way +1.00"
    assert falling.judge(plane(rising)).here == said


def test_a_part_of_the_warmup_falls_short_of_the_whole():
    arm = {"arm": "shuffled", "mean": 0.1, "pairs": 10, "difference_against_full": 0.05}
    ends = ("interval_low_against_full", "interval_high_against_full")
    short = arm | dict(zip(ends, (0.04, 0.06), strict=True)) | {"share": 0.3}
    as_well = arm | dict(zip(ends, (-0.01, 0.06), strict=True))
    assert FallsShort().judge([short]).verdict == HOLDS
    assert "30 % of the effect" in FallsShort().judge([short]).here
    assert FallsShort().judge([as_well]).verdict == NOT_HERE
