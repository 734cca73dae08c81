"""Chance's share of an ECE, against hits drawn from the confidences themselves."""

import numpy as np
import pytest
from exhibited import figure, table
from studies import Spec, change_records, make_pairs, make_results, record_of

from analysis.exhibits import EXHIBITS
from analysis.exhibits.calibration.beyond_chance import chance_sentences
from analysis.exhibits.common.box_plots import box_plots
from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import confidence_and_correct, softmax
from analysis.rendering.findings import findings
from analysis.results.study_results import pairs
from analysis.results.summary import summarise
from analysis.statistics.comparison import ECE, compare_values

EXAMPLES, REPLICATES = 300, 6
NAME = "pairs-distribution-chance"


def logits_and_labels(replicate, surer):
    """Of a network whose probabilities are true, and then each logit times `surer`."""
    random = np.random.default_rng(replicate)
    logits = random.normal(0, 2, (EXAMPLES, 10))
    chances = softmax(logits).cumsum(axis=1)
    labels = (random.random((EXAMPLES, 1)) > chances).sum(axis=1).clip(max=9)
    return (surer * logits).astype(np.float32), labels


def fields(replicate, warm):
    """Without warm-up three times too sure, with it calibrated."""
    logits, labels = logits_and_labels(replicate, 1.0 if warm else 3.0)
    return {"logits": {"test": logits}, "labels": {"test": labels}}


@pytest.fixture(scope="module")
def results():
    return make_pairs(fields, REPLICATES, ood=None)


@pytest.fixture(scope="module")
def exhibit(results):
    return EXHIBITS["pairs"](results)


def by_drawing(trial):
    """The ECE of 4,000 sets of hits."""
    confidence, _ = confidence_and_correct(trial.record.logits["test"], trial.record.labels["test"])
    hits = np.random.default_rng(0).random((4000, EXAMPLES)) < confidence
    return np.array([expected_calibration_error(confidence, drawn) for drawn in hits])


def test_the_table_has_what_drawn_hits_show(results, exhibit):
    values = table(exhibit, NAME).values.set_index("metric")
    row = values.loc["test_ece_chance"]
    without, with_ = zip(*pairs(results, "gaussian"), strict=True)
    for arm, trials in (("without", without), ("with", with_)):
        drawn = [by_drawing(trial) for trial in trials]
        assert row[f"{arm}_mean"] == pytest.approx(np.mean(drawn), abs=5e-4)
        beyond = [
            t.numbers["test_ece"] > np.quantile(d, 0.95) for t, d in zip(trials, drawn, strict=True)
        ]
        assert row[f"beyond_{arm}"] == sum(beyond)
    assert row["beyond_without"] == row["kuiper_without"] == REPLICATES
    assert max(row["beyond_with"], row["kuiper_with"]) <= 1
    assert values.loc["test_ece", "with_mean"] == pytest.approx(row["with_mean"], abs=0.02)


def test_other_errors_agree_and_the_debiased_one_is_lower(exhibit):
    values = table(exhibit, NAME).values.set_index("metric")
    ece = values.loc["test_ece"]
    debiased, smooth = values.loc["test_squared_debiased"], values.loc["test_ece_smooth"]
    assert debiased["with_mean"] < ece["with_mean"] < ece["without_mean"]
    assert debiased["difference"] < 0
    assert smooth["difference"] < 0


def test_the_sentence_says_how_much_is_chance(results, exhibit):
    row = table(exhibit, NAME).shown.iloc[0]
    said = chance_sentences(results, "distribution")
    for arm in ("without", "with"):
        ece = row[f"ECE {arm}"].partition(" ")[0]
        assert f"f {ece} {arm} warm-up, {row[f'by chance, {arm}']} is what chance alone" in said
    assert f"{REPLICATES} of {REPLICATES} networks lie beyond its 95th percentile" in said
    assert (
        "The smooth ECE agrees on the sign. The debiased squared error agrees on the sign." in said
    )
    assert said in findings(results)[0]


def test_a_dotted_line_stands_where_chance_is(results, exhibit):
    (axes,) = figure(exhibit, "pairs-distribution").axes
    drawn = [c.get_segments()[0][0][1] for c in axes.collections if c.get_linestyle()[0][1]]
    row = table(exhibit, NAME).values.set_index("metric").loc["test_ece_chance"]
    assert drawn == pytest.approx([row["without_mean"], row["with_mean"]])


def test_the_line_is_in_view_where_chance_is_more_than_any_network_shows():
    rows, chance = ([compare_values("gaussian", ECE, [(at, at)], 1)] for at in (0.1, 0.3))
    (axes,) = box_plots("distribution", rows, chance).figure.axes
    assert axes.get_ylim()[1] > 0.3


def test_predictions_that_hang_together_have_no_chance_line():
    """Of pixels and tokens the predictions of an example are not drawn one by one."""
    logits, labels = logits_and_labels(0, 1.0)
    trial = {"data": {"facts": {"kind": "segmentation"}}}
    record = record_of(trial=trial, logits={"test": logits}, labels={"test": labels})
    numbers = summarise(record)
    assert "test_ece" in numbers
    assert not [name for name in numbers if "chance" in name]

    def pixels(replicate, warm):
        return fields(replicate, warm) | {"trial": trial}

    study = make_pairs(pixels, REPLICATES, ood=None)
    assert chance_sentences(study, "distribution") == ""
    assert NAME not in [one.name for one in EXHIBITS["pairs"](study).tables]


def test_beside_conditions_of_pixels_those_of_classes_keep_theirs():
    def mixed(trial, warm):
        kind = "segmentation" if trial.condition == "uniform" else "classification"
        return fields(trial.replicate, warm) | {"trial": {"data": {"facts": {"kind": kind}}}}

    study = change_records(make_results(Spec(ood=None)), mixed)
    assert list(table(EXHIBITS["pairs"](study), NAME).shown["Condition"]) == ["gaussian"]
    assert "6 of 6 networks lie beyond" in chance_sentences(study, "distribution")
