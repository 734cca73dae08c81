"""Sentences beside the claims, of rows made by hand."""

from analysis.replication import notes


def said(note, *tables):
    return note.say(*tables)


def gaps(*values):
    return [{"condition": str(n), "without_mean": value} for n, value in enumerate(values)]


def changes(*values):
    return [{"condition": str(n), "difference": value} for n, value in enumerate(values)]


def test_where_it_helps_is_a_rank_correlation_over_the_conditions():
    note = notes.where_it_helps("depth_and_data", "size")
    falls = said(note, gaps(0.1, 0.2, 0.3), changes(-0.01, -0.05, -0.2))
    assert "Over the 3 conditions" in falls
    assert "is −1.00: the more overconfident, the further ECE falls." in falls
    rises = said(note, gaps(0.1, 0.2, 0.3), changes(-0.2, -0.01, -0.05))
    assert "is 0.50: the less overconfident" in rises


def arm(low, high, condition="c"):
    middle = (low + high) / 2
    ends = {"interval_low": low, "interval_high": high}
    return {"condition": condition, "difference": middle, **ends}


def test_a_protocol_turns_the_sign_only_where_both_intervals_are_clear_of_zero():
    note = notes.protocol("little_data")
    down, up, open_ = arm(-0.3, -0.1), arm(0.1, 0.3), arm(-0.1, 0.3)
    assert said(note, [down], [up]).endswith("The protocol turns the sign.")
    assert "differ in sign, but an interval has zero in it." in said(note, [down], [open_])
    assert said(note, [down], [down]).endswith("does not turn the sign.")
    sizes = [arm(-0.3, -0.1, "depth 2, examples 1000"), arm(-0.3, -0.1, "depth 6, examples 1000")]
    raw = [arm(0.1, 0.3, "depth 2, examples 1000"), arm(-0.3, -0.1, "depth 6, examples 1000")]
    several = said(note, sizes, raw)
    assert several.endswith("The protocol turns the sign, at depth 2 with 1,000 examples.")
    assert "clearly up in 1 and clearly down in 1 of 2 conditions" in several


def test_a_control_that_serves_all_conditions_counts_once():
    row = {"pairs": 6, "beyond_without": 5, "beyond_with": 4, "without_mean": 0.2}
    row |= {"without_sd": 0.1, "with_mean": 0.1}
    note = notes.chance_line("noise_ablation", "distribution")
    both = said(note, [row, row | {"beyond_with": 2}], [row, row])
    assert "5 of 6 networks without and 6 of 12 with." in both
    apart = said(note, [row, row | {"without_mean": 0.3}], [row, row])
    assert "10 of 12 networks without" in apart


def test_temperature_scaling_is_said_with_what_warm_up_adds_to_it():
    plain = {"method": "none", "without_mean": 0.2, "with_mean": 0.05}
    scaled = {"method": "temperature by likelihood", "without_mean": 0.02, "with_mean": 0.03}
    scaled |= {"difference": 0.01, "interval_low": 0.005, "interval_high": 0.015}
    scaled |= {"moved_as_the_paper": 3, "pairs": 10}
    text = said(notes.temperature("calibration"), [plain, scaled])
    assert "brings the control's ECE to 0.020; warm-up's, without it, is 0.050 there." in text
    assert text.endswith("changes ECE by +0.010 [0.005, 0.015], down in 3 of 10 pairs.")
