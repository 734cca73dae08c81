"""Calibration under shift: against networks whose ECE at every severity is known by hand."""

from types import MappingProxyType

import numpy as np
import pytest
from exhibited import (
    ExhibitOfProbes,
    assert_compared,
    assert_legible,
    figure,
    holm_of,
    lines,
    table,
)
from scipy.special import expit, logit
from scipy.stats import t, wilcoxon
from studies import make_pairs

from analysis.exhibits.calibration import shift_text
from analysis.exhibits.calibration.shift import shift as build
from analysis.exhibits.common.panels import GAP, WITH, WITHOUT
from analysis.metrics.shift import CORRUPTIONS
from analysis.statistics.comparison import compare_values

N, VALIDATION = 100, 50
RIGHT = 80  # of N clean images; six fewer with each severity
KNOWN = 40  # of VALIDATION
NETWORKS = ("as trained", "temperature scaling")
GROWS = ((0.10, 0.20), (0.05, 0.08))  # ECE clean and at severity 5, without and with warm-up


def sure(right, confidence, examples):
    """Logits and labels of a network that is right so often and equally sure of all, (n, 2)."""
    answered = np.where(np.arange(examples) < right, 1, -1) * logit(confidence)
    logits = np.stack([answered, np.zeros(examples)], axis=1)
    return logits.astype(np.float32), np.zeros(examples, np.int64)


def right(severity):
    return RIGHT - 6 * severity


def error(replicate, warm, severity, corruption=None, levels=GROWS):
    """How much surer than right: the ECE; None: the mean over the corruptions."""
    clean, worst = levels[warm]
    found = clean + (worst - clean) * severity / 5
    found += 0.002 * np.sin(5 * replicate + 3 * warm + severity)
    place = 4.5 if corruption is None else CORRUPTIONS.index(corruption)
    return found + (0.001 * (place - 4.5) if severity else 0)


def fields(replicate, warm, levels=GROWS, known=KNOWN):
    """Of a record; known: how many validation examples are predicted right."""

    def logits(severity, corruption=None):
        of = error(replicate, warm, severity, corruption, levels)
        return sure(right(severity), right(severity) / N + of, N)[0]

    clean, labels = logits(0), np.zeros(N, np.int64)
    validation, marked = sure(known, 0.9, VALIDATION)
    shifted = [[logits(severity, name) for severity in range(1, 6)] for name in CORRUPTIONS]
    more = np.concatenate([clean, -clean])  # of which the probe has the first alone
    return {
        "logits": {"test": more, "validation": validation},
        "labels": {"test": np.concatenate([labels, labels]), "validation": marked},
        "probes": {"shift/logits": np.array(shifted), "shift/labels": labels},
    }


def study(replicates=8, measured=None, levels=GROWS, **changes):
    """Pairs whose records have what (replicate, warm) was measured to be."""

    def of(replicate, warm):
        found = fields(replicate, int(warm), levels)
        return found | ({"probes": measured(replicate, warm)} if measured else {})

    return make_pairs(of, replicates, **changes)


def eces(warm, severity, replicates=8, corruption=None, levels=GROWS):
    """(replicates,), as trained."""
    return np.array([error(r, warm, severity, corruption, levels) for r in range(replicates)])


def scaled(warm, severity, replicates=8):
    """(replicates,) of ECE at the temperature at which .9 becomes the validation accuracy, .8."""
    share = logit(KNOWN / VALIDATION) / logit(0.9)
    places = CORRUPTIONS if severity else (None,)
    accuracy = right(severity) / N
    by_corruption = [
        abs(expit(share * logit(accuracy + eces(warm, severity, replicates, name))) - accuracy)
        for name in places
    ]
    return np.mean(by_corruption, axis=0)


class TestShift(ExhibitOfProbes):
    no_pair = "No pair of condition “gaussian” is complete."
    no_probe = "No complete pair of condition “gaussian” has been measured by the probe shift."
    described = ("Warm-up changes mean ECE by", "Mean accuracy goes from")
    others = MappingProxyType({"weights/0": np.zeros(3)})


def test_ece_at_each_severity_is_the_mean_over_the_corruptions_pair_by_pair(exhibit):
    values = table(exhibit, "shift-ece").values
    assert values["network"].tolist() == [name for name in NETWORKS for _ in range(6)]
    assert values["severity"].tolist() == [*range(6), *range(6)]
    for _, row in values.iterrows():
        of = eces if row["network"] == NETWORKS[0] else scaled
        before, after = (of(warm, row["severity"]) for warm in (0, 1))
        assert_compared(row, before, after, abs=1e-5)
    assert values["p_holm"].to_numpy() == pytest.approx(holm_of(values["p_exact"].to_numpy()))


def test_accuracy_and_confidence_are_known_too(exhibit):
    values = table(exhibit, "shift-accuracy").values
    assert values["without_mean"].tolist() == pytest.approx([right(s) / N for s in range(6)])
    assert (values["difference"] == 0).all()
    values = table(exhibit, "shift-confidence").values
    plain = values[values["network"] == NETWORKS[0]]
    expected = [right(s) / N + eces(1, s).mean() for s in range(6)]
    assert plain["with_mean"].tolist() == pytest.approx(expected, abs=1e-5)


def test_corruptions_are_told_apart_at_the_highest_severity(exhibit):
    values = table(exhibit, "shift-corruptions").values
    assert values["corruption"].tolist() == list(CORRUPTIONS)
    for _, row in values.iterrows():
        assert_compared(row, *(eces(w, 5, corruption=row["corruption"]) for w in (0, 1)), abs=1e-5)
    assert values["p_holm"].tolist() == pytest.approx([10 * 2 / 2**8] * 10)


def test_the_five_answers_are_compared_and_corrected_for_each_other(exhibit):
    values = table(exhibit, "shift-answers").values.set_index("compared")
    differences = [eces(1, s) - eces(0, s) for s in (0, 5)]
    expected = {
        shift_text.CLEAN: (eces(0, 0), eces(1, 0)),
        shift_text.DRIFTED: (eces(0, 5), eces(1, 5)),
        shift_text.CHANGE: differences,
        shift_text.SCALED_CLEAN: (scaled(0, 0), eces(1, 0)),
        shift_text.SCALED_DRIFTED: (scaled(0, 5), eces(1, 5)),
    }
    assert list(values.index) == list(expected)
    for name, samples in expected.items():
        row = values.loc[name]
        assert_compared(row, *samples, names=("first", "second"), abs=1e-5)
        change = samples[1] - samples[0]
        reach = t.ppf(0.975, 7) * change.std(ddof=1) / np.sqrt(8)
        assert row["interval_high"] == pytest.approx(change.mean() + reach, abs=1e-5)
        assert row["p_exact"] == pytest.approx(wilcoxon(change, method="exact").pvalue)
    assert values["p_holm"].to_numpy() == pytest.approx(holm_of(values["p_exact"].to_numpy()))


def test_the_shown_tables_name_what_is_in_a_row(exhibit):
    shown = table(exhibit, "shift-ece").shown
    assert shown["Network"].tolist() == [NETWORKS[0], *[""] * 5, NETWORKS[1], *[""] * 5]
    assert shown["Severity"].tolist() == ["clean", *"12345"] * 2
    shown = table(exhibit, "shift-answers").shown
    assert shown["First"][0] == f"{eces(0, 0).mean():.3f} ± {eces(0, 0).std(ddof=1):.3f}"
    assert shown["Lower"].tolist()[:3] == ["8/8"] * 3


COURSES = {
    "the benefit grows with severity": GROWS,
    "the benefit shrinks with severity": ((0.15, 0.15), (0.05, 0.10)),
    "the benefit shrinks with severity until none is shown": ((0.15, 0.1), (0.05, 0.1)),
    "the benefit turns into a harm": ((0.15, 0.05), (0.05, 0.15)),
    "the harm turns into a benefit": ((0.05, 0.15), (0.15, 0.05)),
    "the harm grows with severity": ((0.05, 0.05), (0.10, 0.20)),
    "the harm shrinks with severity": ((0.05, 0.05), (0.15, 0.10)),
    "a benefit appears with severity that is not shown on clean data": ((0.1, 0.2), (0.1, 0.1)),
    "a harm appears with severity that is not shown on clean data": ((0.1, 0.1), (0.1, 0.2)),
}


def said_of(levels, replicates=10):
    """What becomes of an effect whose levels are these, from the numbers alone."""
    both = [
        tuple(
            {
                shift_text.key("ece", state, severity): error(r, warm, severity, levels=levels)
                for state in NETWORKS
                for severity in (0, 5)
            }
            for warm in (0, 1)
        )
        for r in range(replicates)
    ]
    like = compare_values("gaussian", shift_text.ECE, [(0.0, 0.0)] * replicates, replicates)
    return shift_text.lasting(shift_text.answers(both, like))


@pytest.mark.parametrize(("said", "levels"), COURSES.items(), ids=COURSES)
def test_the_caption_says_what_becomes_of_the_effect(said, levels):
    found = said_of(levels)
    change = (eces(1, 5, 10, levels=levels) - eces(0, 5, 10, levels=levels)).mean()
    change -= (eces(1, 0, 10, levels=levels) - eces(0, 0, 10, levels=levels)).mean()
    number = f"{change:+.3f}".replace("-", "−")
    assert f"at severity 5: {said} (a change of {number} [" in found
    assert found.endswith("], Holm P = 0.010).")


def test_an_effect_that_does_not_depend_on_severity_is_not_said_to():
    found = said_of(((0.15, 0.2), (0.05, 0.1)))
    assert "that it depends on the severity is not shown, nor that it does not (a" in found
    assert "not shown to differ from zero" not in found


def test_what_is_not_shown_to_differ_from_zero_is_marked():
    found = said_of(((0.1, 0.2), (0.1, 0.1))).partition(" on clean data")[0]
    assert found.endswith("(not shown to differ from zero)")


@pytest.mark.parametrize("replicates", [1, 2, 7])
def test_of_few_pairs_nothing_is_told_but_the_numbers(replicates):
    exhibit = build(study(replicates))
    pairs = "1 pair" if replicates == 1 else f"{replicates} pairs"
    assert (
        f"What becomes of this when the data drift cannot be told: with {pairs} and 5 tests none "
        "can pass Holm's correction." in exhibit.caption
    )
    assert "grows" not in exhibit.caption
    assert "warm-up's is not shown to differ at both (" in exhibit.caption


def test_warmup_is_compared_with_temperature_scaling(exhibit):
    alone = [scaled(0, 0).mean(), scaled(0, 5).mean(), eces(1, 0).mean(), eces(1, 5).mean()]
    first, second, third, last = (f"{value:.3f}" for value in alone)
    assert (
        f"With temperature scaling alone mean ECE is {first} on clean data and {second} at "
        f"severity 5, with warm-up alone {third} and {last}: warm-up's is " in exhibit.caption
    )
    both = [scaled(1, severity).mean() for severity in (0, 5)]
    assert f"With both it is {both[0]:.3f} and {both[1]:.3f}; after" in exhibit.caption


def test_warmup_may_be_better_where_temperature_scaling_fails():
    levels = ((0.1, 0.3), (0.15, 0.02))
    exhibit = build(study(10, levels=levels))
    assert "warm-up's is higher on clean data (+" in exhibit.caption
    assert "and lower at severity 5 (−" in exhibit.caption


def test_a_pair_without_the_best_temperature_counts_where_none_is_needed():
    def of(replicate, warm):
        return fields(replicate, int(warm), known=VALIDATION if replicate == 0 else KNOWN)

    exhibit = build(make_pairs(of, 8))
    shown = table(exhibit, "shift-ece").shown
    assert shown["Pairs"].tolist() == [*["8"] * 6, *["7 of 8"] * 6]
    assert exhibit.caption.count(" in 7 of 8 pairs") == 2
    answers = table(exhibit, "shift-answers").values
    assert answers["pairs"].tolist() == [8, 8, 8, 7, 7]


def test_without_any_best_temperature_it_says_so():
    exhibit = build(make_pairs(lambda r, w: fields(r, int(w), known=VALIDATION), 8))
    assert "Temperature scaling without warm-up has no optimum in any pair." in exhibit.caption
    assert len(table(exhibit, "shift-answers").shown) == 3
    assert_legible(exhibit)


def test_pairs_that_were_not_probed_are_counted_out():
    def measured(replicate, warm):
        return {} if (replicate, warm) == (3, True) else fields(replicate, int(warm))["probes"]

    exhibit = build(study(8, measured))
    assert exhibit.caption.startswith(
        "Condition “gaussian”, 7 pairs. 1 more complete pair has not been measured by the probe "
    )
    assert set(table(exhibit, "shift-accuracy").shown["Pairs"]) == {"7 of 8"}


def test_the_caption_says_which_images_and_how_accurate(exhibit):
    assert exhibit.caption.startswith("Condition “gaussian”, 8 pairs. Warm-up changes")
    accuracy = "Mean accuracy goes from 0.800 to 0.500 without warm-up and from 0.800 to 0.500 with"
    assert accuracy in exhibit.caption
    assert "Measured on the first 100 test images under 10 corruptions, " in exhibit.caption


def test_lines_are_means_of_the_networks_with_their_intervals(exhibit):
    ece, change, accuracy, confidence = figure(exhibit, "shift").axes
    for warm, colour in enumerate((WITHOUT, WITH)):
        for style, of in (("-", eces), ("--", scaled)):
            (line,) = lines(ece, color=colour, linestyle=style)
            expected = [of(warm, severity).mean() for severity in range(6)]
            assert line.get_ydata() == pytest.approx(expected, abs=1e-5)
            assert np.rint(np.array(line.get_xdata(), float)).tolist() == list(range(6))
    (line,) = lines(change, color=GAP, linestyle="-")
    expected = [(eces(1, s) - eces(0, s)).mean() for s in range(6)]
    assert line.get_ydata() == pytest.approx(expected, abs=1e-5)
    bars = change.containers[0].lines[2][0].get_segments()
    spread = eces(1, 3) - eces(0, 3)
    reach = t.ppf(0.975, 7) * spread.std(ddof=1) / np.sqrt(8)
    low, high = bars[3][:, 1]
    assert (low, high) == pytest.approx((spread.mean() - reach, spread.mean() + reach), abs=1e-5)
    assert len(accuracy.containers) == 2
    assert len(confidence.containers) == 4
    names = [axes.get_ylabel() for axes in (ece, change, accuracy, confidence)]
    assert names == ["ECE", "Δ ECE, with − without", "Accuracy", "Mean confidence"]


@pytest.mark.parametrize("replicates", [1, 2, 30])
def test_no_text_lies_over_another_and_shares_end_at_one(replicates):
    exhibit = build(study(replicates))
    assert_legible(exhibit)
    for axes in figure(exhibit, "shift").axes:
        assert axes.get_ylim()[1] <= 1
