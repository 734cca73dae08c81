"""Over- and underconfident: networks whose confidence is known, and hits that are drawn by it."""

import numpy as np
import pytest
from exhibited import table
from scipy import stats
from studies import Spec, change_records, make_pairs, make_results

from analysis.exhibits import EXHIBITS
from analysis.exhibits.calibration.confidence_gap import gap_sentence, of_one, side
from analysis.exhibits.common.text import number
from analysis.rendering.findings import findings

EXAMPLES, REPLICATES = 500, 6
NAME = "pairs-distribution-gap"


def fields(replicate, warm):
    """Of two classes: confidence 0.9 without warm-up and 0.6 with it, right in 0.7 of all."""
    random, confidence = np.random.default_rng(replicate), 0.6 if warm else 0.9
    logits = np.zeros((EXAMPLES, 2), dtype=np.float32)
    logits[:, 0] = np.log(confidence / (1 - confidence))
    labels = (random.random(EXAMPLES) > 0.7).astype(int)
    return {"logits": {"test": logits}, "labels": {"test": labels}}


@pytest.fixture(scope="module")
def results():
    return make_pairs(fields, REPLICATES, ood=None)


def test_the_table_says_by_how_much_and_on_which_side(results):
    found = table(EXHIBITS["pairs"](results), NAME)
    [row] = found.values.to_dict("records")
    right = np.mean([np.random.default_rng(r).random(EXAMPLES) <= 0.7 for r in range(REPLICATES)])
    assert row["without_mean"] == pytest.approx(0.9 - right, abs=1e-6)
    assert row["with_mean"] == pytest.approx(0.6 - right, abs=1e-6)
    assert row["difference"] == pytest.approx(-0.3, abs=1e-6)
    assert (row["side_without"], row["side_with"]) == ("overconfident", "underconfident")
    assert found.shown.iloc[0]["With it"] == "underconfident"


def test_the_report_says_it(results):
    said = gap_sentence(results, "distribution")
    [row] = table(EXHIBITS["pairs"](results), NAME).values.to_dict("records")
    assert said == (
        f"Mean confidence is {row['without_mean']:.3f} above accuracy (overconfident) without "
        f"warm-up and {-row['with_mean']:.3f} below accuracy (underconfident) with it."
    )
    assert said in findings(results)[0]


def test_of_several_conditions_their_range_and_how_many():
    """The control serves both: it is told of once."""

    def of(trial, warm):
        return fields(trial.replicate, warm and trial.condition == "gaussian")

    study = change_records(make_results(Spec(ood=None)), of)
    rows = table(EXHIBITS["pairs"](study), NAME).values
    assert gap_sentence(study, "distribution") == (
        f"Mean confidence − accuracy is {number(rows['without_mean'][0])} (overconfident) without "
        f"warm-up and {number(rows['with_mean'].min())} to {number(rows['with_mean'].max())} "
        "(overconfident in 1 and underconfident in 1 of 2 conditions) with it."
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_side_is_one_where_students_test_is_sure_of_it(seed):
    gaps = np.random.default_rng(seed).normal(0.02, 0.03, 8)
    sure = stats.ttest_1samp(gaps, 0.0).pvalue < 0.05
    expected = ("overconfident" if gaps.mean() > 0 else "underconfident") if sure else "neither"
    assert side(gaps) == expected


def test_one_network_is_on_no_side():
    assert of_one(np.array([0.1]), np.array([-0.1])) == (
        "Mean confidence is 0.100 above accuracy without warm-up and 0.100 below accuracy with it."
    )


def test_no_gap_is_equal_to_accuracy():
    assert "equal to accuracy without" in of_one(np.zeros(3), np.array([0.1, 0.2, 0.3]))
