"""Along the warm-up: against histories that are known, network by network."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from drawings import assert_apart, shown_texts
from exhibited import ExhibitOfPairs, assert_compared, lines
from studies import make_pairs

from analysis.exhibits.common.panels import GAP, WITH
from analysis.exhibits.dynamics.warmup_curves import warmup_curves as build
from analysis.rendering.table_formats import to_html

EPOCHS = 4
STARTS = {"test": 0.7, "ood": 0.8, "noise": 0.6}  # mean confidence when untrained
KEYS = ("confidence", "accuracy", "ece")


def path(replicate, split, key, starts=STARTS):
    """(1 + EPOCHS,): untrained and after each epoch of warm-up."""
    epochs = np.arange(1 + EPOCHS)
    wobble = 0.01 * np.sin(7 * replicate + 3 * epochs + len(split))
    over = (starts[split] - 0.12) * 0.25**epochs
    falling = {"confidence": 0.12 + over, "accuracy": 0.1 + 0 * epochs, "ece": 0.02 + over}
    return falling[key] + wobble


def history_of(replicate, warm, splits=("test", "ood", "noise"), path=path):
    """As a trial writes it: nothing is known of noise where none is trained on."""
    before = EPOCHS if warm else 0
    phase = ["untrained"] + ["warmup"] * before + ["task"] * 3
    rows = np.arange(len(phase))
    history = {"phase": phase, "epoch": [0, *range(1, before + 1), 1, 2, 3], "step": 10 * rows}
    history["examples"] = 1000 * rows
    for split in splits:
        for key in KEYS:
            column = np.concatenate([path(replicate, split, key)[: 1 + before], [0.9] * 3])
            if split == "noise":
                column[np.array(phase) != "warmup"] = np.nan
            history[f"{split}_{key}"] = column
    return pd.DataFrame(history)


def study(replicates=8, histories: Callable = history_of, **changes):
    """Pairs whose records have the histories (replicate, warm)."""
    return make_pairs(lambda r, w: {"columns": histories(r, w)}, replicates, **changes)


def known(split, key, replicates=range(8)):
    """(replicates, 1 + EPOCHS)"""
    return np.array([path(r, split, key) for r in replicates])


def row(exhibit, split, key):
    values = exhibit.tables[0].values
    return values[(values["set"] == split) & (values["metric"] == key)].iloc[0]


class TestWarmupCurves(ExhibitOfPairs):
    no_pair = "No network of condition “gaussian” has a measured warm-up."
    described = ("mean confidence on the test set fell from",)


@pytest.mark.parametrize(("split", "first"), [("test", 0), ("ood", 0), ("noise", 1)])
@pytest.mark.parametrize("key", KEYS)
def test_each_network_is_compared_with_itself_before_its_warmup(exhibit, split, first, key):
    """On noise there is no measurement before the first epoch."""
    before, after = known(split, key)[:, first], known(split, key)[:, EPOCHS]
    found = row(exhibit, split, key)
    assert found["networks"] == 8
    assert_compared(found, before, after, ("before", "after"))
    assert found["fell"] == (after < before).sum()


def test_holms_correction_runs_over_all_rows(exhibit):
    values = exhibit.tables[0].values
    assert len(values) == 9
    fell = values[values["metric"] != "accuracy"]
    assert len(set(fell["p"])) == 1  # all networks fell in all six
    assert fell["p_holm"].to_numpy() == pytest.approx(9 * 2 / 2**8)


def test_the_curves_are_means_over_the_networks_epoch_by_epoch(exhibit):
    epochs = exhibit.tables[1].values
    assert exhibit.tables[1].shown.empty  # for CSV alone
    for split, first in (("test", 0), ("ood", 0), ("noise", 1)):
        for key in KEYS:
            rows = epochs[(epochs["set"] == split) & (epochs["metric"] == key)]
            assert rows["epoch"].tolist() == list(range(first, EPOCHS + 1))
            assert rows["examples"].tolist() == [1000 * e for e in range(first, EPOCHS + 1)]
            expected = known(split, key)[:, first:]
            assert rows["mean"].to_numpy() == pytest.approx(expected.mean(axis=0))
            assert rows["sd"].to_numpy() == pytest.approx(expected.std(axis=0, ddof=1))
            assert set(rows["networks"]) == {8}


def test_a_network_without_a_partner_counts_and_one_that_is_lost_does_not():
    outcomes = {("", 2): "failed", ("gaussian", 0): "diverged", ("gaussian", 5): "missing"}
    exhibit = build(study(outcomes=outcomes))
    there = [1, 2, 3, 4, 6, 7]
    assert exhibit.caption.startswith("Condition “gaussian”, 6 networks with warm-up. ")
    found = row(exhibit, "test", "confidence")
    assert (found["networks"], found["networks_planned"]) == (6, 8)
    assert found["after_mean"] == pytest.approx(known("test", "confidence", there)[:, -1].mean())
    assert set(exhibit.tables[0].shown["Networks"]) == {"6 of 8 (1 diverged, 1 missing)"}


def test_the_shown_table_has_a_row_for_each_set_and_measure(exhibit):
    shown = exhibit.tables[0].shown
    assert shown["On"].tolist() == [
        n for n in ("test", "out of distribution", "noise") for _ in KEYS
    ]
    assert shown["Measure"].tolist() == ["Confidence", "Accuracy", "ECE"] * 3
    assert shown["Fell"][0] == "8/8"
    assert "Holm P" in to_html(shown)


def test_the_caption_says_that_confidence_falls_to_where_relative_to_chance(exhibit):
    said = []
    for split, where in (("test", "test set"), ("ood", "out-of-distribution set")):
        before, after = known(split, "confidence").mean(axis=0)[[0, -1]]
        said.append(
            f"on the {where} fell from {before:.3f} to {after:.3f}, {after - 0.1:.3f} above chance "
            "(0.100), in 8 of 8 networks (exact P = 0.008)"
        )
    assert f"Over the warm-up mean confidence {'; '.join(said)}; on the noise" in exhibit.caption
    assert "Over the warm-up mean ECE on the test set fell from" in exhibit.caption


def test_the_caption_is_right_where_confidence_rises():
    def rising(replicate, split, key):
        return path(replicate, split, key)[::-1]

    exhibit = build(study(histories=lambda r, w: history_of(r, w, path=rising)))
    assert "mean confidence on the test set rose from 0.1" in exhibit.caption
    assert row(exhibit, "test", "confidence")["fell"] == 0
    assert exhibit.tables[0].shown["Fell"][0] == "0/8"
    assert "fell from" not in exhibit.caption.split("Over the warm-up mean accuracy")[0]


@pytest.mark.parametrize(
    ("level", "said"),
    [(0.1, "at chance"), (0.05, "0.050 below chance"), (0.3, "0.200 above chance")],
)
def test_the_caption_is_right_where_nothing_changes(level, said):
    def still(replicate, split, key):
        return np.full(1 + EPOCHS, level)

    exhibit = build(study(histories=lambda r, w: history_of(r, w, path=still)))
    assert (
        f"confidence on the test set stayed at {level:.3f}, {said} (0.100), in 8 of 8 networks "
        "(exact P = 1.000)" in exhibit.caption
    )


def test_the_count_is_of_the_networks_that_moved_as_the_mean():
    def mixed(replicate, split, key):
        return np.linspace(0.5, 0.6 if replicate < 2 else 0.2, 1 + EPOCHS)

    exhibit = build(study(histories=lambda r, w: history_of(r, w, path=mixed)))
    assert "fell from 0.500 to 0.300, 0.200 above chance (0.100), in 6 of 8" in exhibit.caption


def test_without_an_out_of_distribution_set_it_says_so():
    def histories(replicate, warm):
        return history_of(replicate, warm, ("test",))

    exhibit = build(study(histories=histories))
    assert "An out-of-distribution set was not measured along the warm-up." in exhibit.caption
    assert set(exhibit.tables[0].values["set"]) == {"test"}
    labels = exhibit.figures[0].figure.axes[0].get_legend_handles_labels()[1]
    assert labels == ["test", "chance"]


def test_a_single_epoch_leaves_noise_without_a_before():
    def histories(replicate, warm):
        history = history_of(replicate, warm)
        return history[(history["phase"] != "warmup") | (history["epoch"] == 1)]

    exhibit = build(study(histories=histories))
    assert set(exhibit.tables[0].values["set"]) == {"test", "ood"}
    assert "on the noise itself" not in exhibit.caption


def test_one_network_has_no_test():
    exhibit = build(study(1))
    assert exhibit.caption.startswith("Condition “gaussian”, 1 network with warm-up. ")
    assert "in 1 of 1 network (exact P = 1.000)" in exhibit.caption
    assert "±" not in exhibit.tables[0].shown["Before"][0]


def test_a_network_without_a_warmup_is_not_shown():
    results = study(2, lambda r, w: history_of(r, False))
    assert "has a measured warm-up" in build(results).caption


@pytest.mark.parametrize("panel", range(3))
@pytest.mark.parametrize(("split", "colour"), [("test", WITH), ("ood", GAP)])
def test_a_panel_draws_mean_and_band_of_its_measure(exhibit, panel, split, colour):
    axes = exhibit.figures[0].figure.axes[panel]
    expected = known(split, KEYS[panel])
    (line,) = lines(axes, color=colour)
    assert line.get_xdata() == pytest.approx(1000 * np.arange(1 + EPOCHS))
    assert line.get_ydata() == pytest.approx(expected.mean(axis=0))
    band = axes.collections[("test", "ood").index(split)].get_paths()[0].vertices[:, 1]
    mean, sd = expected.mean(axis=0), expected.std(axis=0, ddof=1)
    assert band.max() == pytest.approx((mean + sd).max())
    assert band.min() == pytest.approx((mean - sd).min())


def test_chance_is_drawn_where_it_means_something(exhibit):
    drawn = [lines(axes, linestyle=":") for axes in exhibit.figures[0].figure.axes]
    assert [len(found) for found in drawn] == [1, 1, 0]
    assert drawn[0][0].get_ydata()[0] == pytest.approx(0.1)  # ten classes


@pytest.mark.parametrize("examples", [1_000, 123_456, 40_000_000])
def test_no_text_lies_over_another(examples):
    def histories(replicate, warm):
        history = history_of(replicate, warm)
        return history.assign(examples=history["examples"] // 1000 * examples)

    figure = build(study(2, histories)).figures[0].figure
    assert len(shown_texts(figure)) > 20
    assert_apart(figure)
