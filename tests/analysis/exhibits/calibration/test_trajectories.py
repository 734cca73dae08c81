"""Networks are compared at the epoch that a search by hand finds, over complete pairs only."""

import numpy as np
import pandas as pd
import pytest
from exhibited import (
    ExhibitOfPairs,
    assert_compared,
    assert_legible,
    figure,
    heights,
    lines,
    table,
    ticks,
)
from studies import Spec, change_records, make_results

from analysis.exhibits.calibration.trajectories import trajectories as build
from analysis.exhibits.common.panels import WITH, WITHOUT

WARMUPS, EPOCHS = 4, 12
ARMS = ("without warm-up", "with warm-up")


def history_of(accuracy, warmups=0, ece=None):
    """A history as a trial writes it, its epochs counted anew in each phase; (rows,) of each."""
    epochs = len(accuracy) - 1 - warmups
    rows = np.arange(len(accuracy))
    return pd.DataFrame(
        {
            "phase": ["untrained"] + ["warmup"] * warmups + ["task"] * epochs,
            "epoch": [0, *range(1, warmups + 1), *range(1, epochs + 1)],
            "step": rows * 8,
            "test_loss": 3.0 - np.asarray(accuracy),
            "test_accuracy": np.asarray(accuracy, dtype=float),
            "test_ece": 0.01 * rows if ece is None else ece,
        }
    )


def learning(replicate, warm, start=0.1, final=0.45):
    """A noisy path: accuracy rises in the task; loss and ECE fall in warm-up already."""
    rng = np.random.default_rng([replicate, warm])
    before = WARMUPS if warm else 0
    learnt = 1 - np.exp(-np.arange(EPOCHS + 1) / 4)
    learnt = np.concatenate([np.zeros(before), learnt / learnt[-1]])
    accuracy = start + (final - start) * learnt + rng.normal(0, 0.008, learnt.size)
    ece = (0.3 if warm else 1.0) * (0.12 + 0.25 * learnt) + rng.normal(0, 0.01, learnt.size)
    history = history_of(accuracy, before, np.abs(ece))
    warmed = np.minimum(np.arange(learnt.size), before) / WARMUPS
    history["test_loss"] = 2.9 - 0.6 * warmed - (0.5 + 0.2 * warm) * np.sqrt(learnt)
    return history


def study(replicates=8, histories=learning, classes=10, **changes):
    """A synthetic study whose trials have histories (replicate, warm), and so many classes."""

    def fields(trial, warm):
        logits = {name: found[:, :classes] for name, found in trial.record.logits.items()}
        return {"columns": histories(trial.replicate, warm), "logits": logits}

    results = make_results(Spec(replicates=replicates, **changes))
    return change_records(results, fields)


def nearest_epoch(history, target):
    """By hand: (epoch of the task, accuracy, ECE); the row before the first task row is epoch 0."""
    rows = history.to_dict("records")
    first = next(place for place, row in enumerate(rows) if row["phase"] == "task")
    best = None
    for epoch, row in enumerate(rows[first - 1 :]):
        distance = abs(row["test_accuracy"] - target)
        if best is None or distance < best[0]:
            best = (distance, epoch, row["test_accuracy"], row["test_ece"])
    return best[1:]


def networks(exhibit):
    return table(exhibit, "trajectories-networks").values


def shown(exhibit):
    return table(exhibit, "trajectories-ece").shown


def values(exhibit):
    return table(exhibit, "trajectories-ece").values


def paths(exhibit):
    """The lines of Fig. 4a: of networks, of means, and marks at their ends."""
    axes = figure(exhibit, "trajectories-paths").axes[0]
    return lines(axes, linewidth=0.5), lines(axes, linewidth=2.2), lines(axes, marker="o")


class TestTrajectories(ExhibitOfPairs):
    no_pair = "No pair of condition “gaussian” is complete."


def test_matched_epochs_are_those_a_search_by_hand_finds(exhibit):
    found = networks(exhibit)
    assert len(found) == 16
    assert (found["target"] == 0.25).all()
    for row in found.itertuples():
        history = learning(row.replicate, row.arm == ARMS[1])
        matched = (row.epoch_matched, row.accuracy_matched, row.ece_matched)
        assert matched == nearest_epoch(history, 0.25)
        last = history.iloc[-1]
        assert row.epoch_last == EPOCHS
        assert (row.accuracy_last, row.ece_last) == (last["test_accuracy"], last["test_ece"])


@pytest.mark.parametrize(("place", "key"), [(0, "matched"), (1, "last")])
def test_the_table_compares_these_networks_pair_by_pair(exhibit, place, key):
    wide = networks(exhibit).pivot_table(f"ece_{key}", "replicate", "arm")
    before, after = wide[ARMS[0]], wide[ARMS[1]]
    row = values(exhibit).iloc[place]
    assert row["metric"] == f"ece_{key}"
    assert_compared(row, before, after)
    assert row["moved_as_the_paper"] == (after < before).sum()
    assert row["p_holm"] == 2 * 2 / 2**8  # all pairs fell in both


def test_the_shown_table_says_at_what(exhibit):
    found = shown(exhibit)
    assert found["ECE at"].tolist() == ["accuracy 0.250", "the last epoch"]
    assert list(found.columns) == [
        "ECE at", "Pairs", "ECE without", "ECE with", "Δ [95 % interval]", "As the paper", "W",
        "P", "Exact P", "Holm P", "q", "r",
    ]  # fmt: skip
    assert found["As the paper"].tolist() == ["8/8", "8/8"]


def test_the_starting_point_counts_and_no_earlier_row_does():
    """One arm starts nearest to the target; the other passes it exactly in its warm-up."""
    after_warmup = [0.3, 0.25, 0.22, 0.29, 0.5]  # untrained, two of warm-up, two of the task

    def histories(replicate, warm):
        return history_of(after_warmup, warmups=2) if warm else history_of([0.24, 0.4, 0.5])

    found = networks(build(study(1, histories))).set_index("arm")
    assert found["epoch_matched"].tolist() == [0, 0]
    assert found["accuracy_matched"].tolist() == [0.24, 0.22]
    assert found["ece_matched"].tolist() == [0.0, pytest.approx(0.02)]
    after_warmup[2] = 0.1  # now the first task epoch is nearer
    found = networks(build(study(1, histories))).set_index("arm")
    assert found["epoch_matched"].tolist() == [0, 1]
    assert found["accuracy_matched"].tolist() == [0.24, 0.29]


def test_where_no_task_is_trained_the_last_measurement_is_the_starting_point():
    def histories(replicate, warm):
        return history_of([0.1, 0.2, 0.3], warmups=2) if warm else history_of([0.15])

    found = networks(build(study(1, histories))).set_index("arm")
    assert found["epoch_last"].tolist() == [0, 0]
    assert found["accuracy_last"].tolist() == [0.15, 0.3]


def test_of_equally_near_epochs_the_earliest_is_taken():
    steps = [0.125, 0.3125, 0.1875, 0.3125, 0.5]
    found = networks(build(study(1, lambda replicate, warm: history_of(steps))))
    assert found["epoch_matched"].tolist() == [1, 1]


@pytest.mark.parametrize("best", [0.25, 0.3])
def test_the_papers_target_holds_where_every_network_reaches_it_at_any_epoch(best):
    steps = [0.1, best, 0.2]  # falls back at the end
    exhibit = build(study(2, lambda replicate, warm: history_of(steps)))
    assert (networks(exhibit)["target"] == 0.25).all()
    assert "nearest to 0.250, the paper's. The epochs" in exhibit.caption


def test_a_target_that_a_network_misses_gives_way_to_the_half_of_the_lowest_final_accuracy():
    def histories(replicate, warm):
        final = 0.24 if (replicate, warm) == (1, True) else 0.4
        return history_of([0.3 if warm else 0.1, 0.1, 0.16, 0.17, 0.245, final], warmups=warm)

    exhibit = build(study(3, histories))
    target = (0.1 + 0.24) / 2
    assert networks(exhibit)["target"].to_numpy() == pytest.approx(target)
    assert set(networks(exhibit)["accuracy_matched"]) == {0.17}
    assert shown(exhibit)["ECE at"][0] == "accuracy 0.170"
    assert (
        "nearest to 0.170, half-way between chance, 0.100, and the lowest final one, 0.240, "
        "since the paper's 0.25 is reached by 5 of 6 networks." in exhibit.caption
    )


@pytest.mark.parametrize("classes", [2, 4])
def test_a_target_that_is_not_above_chance_means_nothing(classes):
    steps = [1 / classes, 0.6, 0.7, 0.8]
    exhibit = build(study(1, lambda replicate, warm: history_of(steps), classes=classes))
    assert networks(exhibit)["target"].to_numpy() == pytest.approx((1 / classes + 0.8) / 2)
    assert "since the paper's 0.25 is not above chance." in exhibit.caption


def test_networks_of_incomplete_pairs_have_no_say_in_the_target():
    def histories(replicate, warm):
        return history_of([0.1, 0.2] if replicate == 1 else [0.1, 0.25, 0.4])

    results = study(3, histories, outcomes={("gaussian", 1): "diverged"})
    assert (networks(build(results))["target"] == 0.25).all()


def test_the_caption_says_how_near_the_epochs_came(exhibit):
    near = [[nearest_epoch(learning(r, warm), 0.25)[1] for r in range(8)] for warm in (False, True)]
    distance = np.abs(np.array(near) - 0.25)
    assert (
        f"The epochs found are {distance.mean():.3f} away from it on average, "
        f"{distance.max():.3f} at most; their mean accuracy is {np.mean(near[0]):.3f} without "
        f"warm-up and {np.mean(near[1]):.3f} with warm-up." in exhibit.caption
    )


def test_the_caption_names_the_condition_and_counts_the_pairs(exhibit):
    assert exhibit.caption.startswith("Condition “gaussian”, 8 complete pairs. ")
    assert "lower with warm-up in 8 of 8 at accuracy 0.250 and in 8 of 8 at the" in exhibit.caption

    def histories(replicate, warm):
        ece = np.array([0.5, 0.2, 0.2])
        if warm:
            ece += (0, 0.1 if replicate < 2 else -0.1, -0.1 if replicate == 3 else 0.1)
        return history_of([0.1, 0.25, 0.4], ece=ece)

    exhibit = build(study(4, histories))
    assert "in 2 of 4 at accuracy 0.250 and in 1 of 4 at the last epoch." in exhibit.caption


def test_lost_pairs_are_counted_out_and_said():
    outcomes = {("gaussian", 0): "diverged", ("", 2): "missing", ("gaussian", 5): "failed"}
    exhibit = build(study(outcomes=outcomes))
    assert sorted(set(networks(exhibit)["replicate"])) == [1, 3, 4, 6, 7]
    assert set(shown(exhibit)["Pairs"]) == {"5 of 8 (1 diverged, 1 control missing, 1 failed)"}
    assert set(shown(exhibit)["P"]) == {"n < 6"}
    thin, _, _ = paths(exhibit)
    assert len(thin) == 3 * 5
    expected = np.mean([learning(r, True)["test_ece"].iloc[-1] for r in (1, 3, 4, 6, 7)])
    assert values(exhibit)["with_mean"][1] == pytest.approx(expected)


def test_one_pair_has_a_difference_and_no_test():
    exhibit = build(study(1))
    assert exhibit.caption.startswith("Condition “gaussian”, 1 complete pair. ")
    for _, row in shown(exhibit).iterrows():
        assert (row["Pairs"], row["P"], row["r"]) == ("1", "n < 6", "—")
        assert "±" not in row["ECE with"]
        assert "[" not in row["Δ [95 % interval]"]
    thin, thick, marks = paths(exhibit)
    assert (len(thin), len(thick), len(marks)) == (3, 3, 4)
    for one, mean in zip(thin, thick, strict=True):
        assert np.array_equal(one.get_xydata(), mean.get_xydata())


@pytest.mark.parametrize(("replicates", "drawn"), [(8, 8), (12, 10)])
def test_up_to_ten_pairs_are_drawn_one_by_one(replicates, drawn):
    exhibit = build(study(replicates))
    axes = figure(exhibit, "trajectories-paths").axes[0]
    dashed = lines(axes, linewidth=0.5, linestyle="--")
    for warm, colour in ((False, WITHOUT), (True, WITH)):
        of_arm = lines(axes, linewidth=0.5, linestyle="-", color=colour)
        assert len(of_arm) == drawn
        for replicate, line in enumerate(of_arm):
            task = learning(replicate, warm)[["test_accuracy", "test_loss"]].iloc[-EPOCHS - 1 :]
            assert np.array_equal(line.get_xydata(), task)
    assert {line.get_color() for line in dashed} == {WITH}
    for replicate, line in enumerate(dashed):
        before = learning(replicate, True)[["test_accuracy", "test_loss"]].iloc[: WARMUPS + 1]
        assert np.array_equal(line.get_xydata(), before)
    assert len(dashed) == drawn
    words = "each network" if drawn == replicates else "the networks of the first 10 pairs"
    assert f"thin: {words}; dashed" in exhibit.caption


def test_thick_paths_are_means_over_all_pairs_and_their_ends_are_marked():
    exhibit = build(study(12))
    _, thick, marks = paths(exhibit)
    means = [
        np.mean([learning(r, warm)[["test_accuracy", "test_loss"]] for r in range(12)], axis=0)
        for warm in (False, True)
    ]
    control, warmup, task = thick
    assert control.get_xydata() == pytest.approx(means[0])
    assert warmup.get_xydata() == pytest.approx(means[1][: WARMUPS + 1])
    assert task.get_xydata() == pytest.approx(means[1][WARMUPS:])
    assert [line.get_linestyle() for line in thick] == ["-", "--", "-"]
    assert [line.get_color() for line in thick] == [WITHOUT, WITH, WITH]
    ends = [tuple(mark.get_xydata()[0]) for mark in marks]
    assert ends == [pytest.approx(tuple(mean[place])) for mean in means for place in (0, -1)]
    assert [m.get_markerfacecolor() for m in marks] == ["white", WITHOUT, "white", WITH]


def test_the_matched_accuracy_is_drawn_and_axes_are_named(exhibit):
    axes = exhibit.figures[0].figure.axes[0]
    (dotted,) = lines(axes, linestyle=":")
    assert set(dotted.get_xdata()) == {0.25}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Test accuracy", "Test loss")


def test_box_plots_show_every_pair_at_the_matched_accuracy_and_at_the_last_epoch(exhibit):
    axes = exhibit.figures[1].figure.axes[0]
    points = heights(axes, marker="o")
    found = networks(exhibit)
    expected = [
        found.loc[found["arm"] == arm, f"ece_{key}"] for key in ("matched", "last") for arm in ARMS
    ]
    assert len(points) == 4
    for drawn, column in zip(points, expected, strict=True):
        assert list(drawn) == column.tolist()
    assert ticks(axes.xaxis) == ["at accuracy 0.250", "at the last epoch"]
    assert len([text for text in axes.texts if text.get_text() == "P = .012"]) == 2


def test_figures_are_told_in_words(exhibit):
    names = [drawing.name for drawing in exhibit.figures]
    assert names == ["trajectories-paths", "trajectories-ece"]
    first = np.mean([learning(r, False).iloc[0]["test_loss"] for r in range(8)])
    assert "without warm-up from accuracy 0.1" in exhibit.figures[0].description
    assert f"loss {first:.3f} to" in exhibit.figures[0].description
    assert exhibit.tables[1].shown.empty  # for CSV alone


@pytest.mark.parametrize("replicates", [1, 30])
def test_no_text_lies_over_another(replicates):
    assert_legible(build(study(replicates)))
