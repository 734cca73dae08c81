"""The verdict on networks whose ECE under every remedy is known by hand."""

from dataclasses import replace

import numpy as np
import pytest
from exhibited import EveryExhibit, assert_compared, assert_legible, table
from scipy.stats import binomtest
from studies import make_study, sure_record

from analysis.exhibits import EXHIBITS
from analysis.exhibits.verdict.judgement import judge
from analysis.exhibits.verdict.remedies import NOTHING, REMEDIES, remedy_of
from analysis.exhibits.verdict.verdict import answers, reached
from analysis.rendering.findings import findings
from analysis.rendering.page import render_page
from analysis.statistics.comparison import ECE
from analysis.statistics.sequential import Design, foresee
from analysis.statistics.study_looks import StudyLooks

RIGHT = 600  # of 1,000 predictions of two classes
CELLS = {
    "warm-up": {"warmup.keep": None, "warmup.train": "all", "task.loss": None},
    "label smoothing": {"task.loss": "label_smoothing"},
    "focal loss": {"task.loss": "focal"},
    "smaller first logits": {"warmup.keep": "logit_variance"},
    "batch statistics alone": {"warmup.train": "statistics"},
}
LOSSES = {
    "label smoothing": {"name": "label_smoothing", "amount": 0.1},
    "focal loss": {"name": "focal", "gamma": 3.0},
}
SETTINGS = {
    "noise": {"distribution": "gaussian", "mean": 0.0, "std": 1.0},
    "examples": 51200, "epochs": 5, "batch": 128, "train": "all", "keep": None,
    "optimizer": {"name": "adam", "lr": 1e-4, "weight_decay": 0.0, "momentum": None},
}  # fmt: skip
FACTS = {"kind": "classification", "shape": [3, 32, 32], "classes": 2}
build = EXHIBITS["verdict"]


def jitter(replicate):
    return 0.002 * np.sin(5 * replicate)


def study(replicates=10, right=None, **errors):
    """errors: how much surer than right by remedy, `nothing`, `warm_up`, `label_smoothing`, …"""
    errors = {"nothing": 0.2, "warm_up": 0.1} | errors
    names = {name.replace(" ", "_").replace("-", "_"): name for name in ("nothing", *CELLS)}
    of = {name: errors.get(key, errors["nothing"]) for key, name in names.items()}

    def record(condition, warm, replicate):
        loss = LOSSES.get(condition)
        plain = loss is None and not warm
        name = "nothing" if plain or (loss and warm) else condition
        settings = SETTINGS if warm else None
        if warm and condition == "batch statistics alone":
            settings = SETTINGS | {"train": "statistics"}
        error = of[name] + jitter(replicate) + (0.001 * np.cos(9 * replicate) if warm else 0)
        hits = (right or {}).get(name, RIGHT)
        return sure_record(
            hits, {"test": error, "validation": error},
            trial={"warmup": settings, "task": {"loss": loss}, "data": {"facts": FACTS}},
            seconds={"warmup": 3.0 if warm else 0.0, "task": 2.0},
        )  # fmt: skip

    return make_study(
        CELLS,
        replicates,
        record,
        control_of=lambda c: c if c in LOSSES else "",
        grids={"remedy": list(CELLS)},
        exhibits=["verdict"],
    )


class TestVerdict(EveryExhibit):
    def test_nothing_overlaps(self, exhibit):
        assert_legible(exhibit)


def test_temperature_scaling_is_named_where_it_does_as_well():
    found = reached(study())
    assert found.found.kind == "helps"
    assert found.found.simplest.name == "temperature scaling"
    assert found.said.startswith("Warm-up helps (ECE 0.200 → 0.1")
    assert "but temperature scaling does as well (ECE 0.00" in found.said
    assert found.said.endswith("and is simpler: use that.")


def no_temperature(**fields):
    """Right and wrong alike on the validation set, where no temperature is the likeliest."""
    results = study(**fields)
    for trial in results.trials:
        trial.record.labels["validation"] = np.arange(1000) % 2
    return results


def test_the_warm_up_is_named_where_nothing_simpler_does_as_well():
    found = reached(no_temperature(label_smoothing=0.15))
    assert found.found.simplest.name == "warm-up"
    assert found.said.startswith("Warm it up: ECE 0.200 → 0.1")
    code = build(no_temperature(label_smoothing=0.15)).code
    assert "warm_up(" in code
    assert "input_shape=(3, 32, 32)" in code
    assert "examples=51200" in code
    compile(code, "recipe", "exec")


def test_the_simplest_of_several_is_named_and_its_code_compiles():
    results = no_temperature(focal_loss=0.1, smaller_first_logits=0.1, batch_statistics_alone=0.05)
    assert reached(results).found.simplest.name == "focal loss"
    code = build(results).code
    compile(code, "recipe", "exec")
    assert "gamma=3" in code
    statistics = no_temperature(batch_statistics_alone=0.05)
    assert reached(statistics).found.simplest.name == "batch statistics alone"
    assert "train='statistics'" in build(statistics).code


def test_a_remedy_that_costs_accuracy_is_none():
    results = no_temperature(focal_loss=0.05, right={"focal loss": 550})
    assert reached(results).found.simplest.name == "warm-up"
    other = reached(study(right={"warm-up": 550}, warm_up=0.001)).said
    assert "at a cost in accuracy: do not use it; temperature scaling helps (ECE" in other
    assert "as well" not in other
    costly = reached(no_temperature(right={"warm-up": 550}))
    assert costly.found.simplest is None
    assert "at a cost in accuracy: do not use it" in costly.said


def test_a_warm_up_that_harms_and_one_that_changes_nothing():
    harms = reached(study(warm_up=0.25))
    assert harms.found.kind == "harms"
    assert harms.said.startswith("Do not warm it up: that makes calibration worse (ECE 0.200")
    assert "temperature scaling helps (ECE" in harms.said
    side = "Mean confidence is 0.200 above accuracy (overconfident) without warm-up and 0.2"
    assert any(line.startswith(side) for line in answers(harms))
    same = reached(study(warm_up=0.2))
    assert same.found.kind == "no difference"
    assert same.said.startswith("Do not bother to warm it up")


def shaken(results):
    """With warmed-up networks that are by turns surer and less sure."""
    for trial in results.trials:
        if trial.condition == "warm-up":
            turn = 0.15 * (1 - 2 * (trial.replicate % 2))
            trial.record.logits["test"] = trial.record.logits["test"] * (1 + turn)
    return results


def test_of_two_pairs_nothing_is_told_that_they_do_not_show():
    found = reached(shaken(study(replicates=2, warm_up=0.199)))
    assert found.found.kind == "unclear"
    assert found.said.startswith("It cannot be told yet whether warm-up helps")
    alone = reached(study(replicates=1))
    assert alone.said == "Nothing can be told yet: fewer than two pairs are complete."
    assert build(study(replicates=1)).caption.startswith(alone.said)


def test_where_pairs_were_added_in_looks_the_interval_is_that_of_the_last():
    results = study(replicates=6)
    first = next(t.trial_id for t in results.trials if t.condition == "warm-up")
    looks = StudyLooks(Design((6, 10), 0.01), {"warm-up": first}, ECE).take(results)
    found = reached(replace(results, tags=looks.tags()))
    interval = looks.looks("warm-up")[0].interval
    assert found.found.main.interval == pytest.approx(interval)
    student = reached(results).found.main.interval
    assert interval[1] - interval[0] > 1.2 * (student[1] - student[0])


def test_pairs_that_no_look_has_seen_yet_are_in_no_number_of_the_main_change():
    results = study(replicates=9)
    first = next(t.trial_id for t in results.trials if t.condition == "warm-up")
    looks = StudyLooks(Design((6, 10), 0.01), {"warm-up": first}, ECE).take(results)
    main = reached(replace(results, tags=looks.tags())).found.main
    assert main.pairs == 6
    assert main.mean == pytest.approx(looks.looks("warm-up")[0].mean)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ({"warmup.keep": "norms"}, None),
        ({"warmup.train": "head"}, None),
        ({"task.loss": "focal", "warmup.keep": "logit_variance"}, None),
        ({"warmup.keep": "logit_variance"}, "smaller first logits"),
        ({"warmup.train": "all", "task.loss": None}, "warm-up"),
    ],
)
def test_what_is_no_remedy_of_these_is_called_none(cell, name):
    found = remedy_of(cell)
    assert (found and found.name) == name


def test_how_many_more_pairs_would_tell_is_said():
    results = shaken(study(replicates=6, warm_up=0.199))
    first = next(t.trial_id for t in results.trials if t.condition == "warm-up")
    design = Design((6, 10, 16, 30), 0.001)
    looks = StudyLooks(design, {"warm-up": first}, ECE).take(results)
    said = reached(replace(results, tags=looks.tags())).said
    more = foresee(design, looks.looks("warm-up")).more
    assert said.startswith("It cannot be told yet whether warm-up helps")
    assert f"; {more} more pairs would tell" in said if more else "; more pairs would tell" in said


def test_a_calibrated_network_is_not_called_miscalibrated():
    assert reached(study()).found.miscalibrated
    assert not reached(study(nothing=0.001, warm_up=0.001)).found.miscalibrated
    assert "that it is is not shown" in build(study(nothing=0.001)).caption


@pytest.mark.parametrize("of", [1, 2, 6, 10, 30])
def test_the_test_of_miscalibration_is_the_exact_binomial_one(of):
    networks = {remedy: {} for remedy in REMEDIES}
    networks[NOTHING] = {replicate: {} for replicate in range(of)}
    main = reached(study()).found.main
    for beyond in range(of + 1):
        p = binomtest(beyond, of, 0.05, alternative="greater").pvalue
        assert judge(networks, beyond, main).miscalibrated == (p < 0.05)


def test_the_table_compares_every_remedy_with_nothing_on_the_same_networks(results, exhibit):
    values = table(exhibit, "verdict").values.set_index(["condition", "metric"])
    before = np.array([0.2 + jitter(r) for r in range(10)])
    after = np.array([0.1 + jitter(r) + 0.001 * np.cos(9 * r) for r in range(10)])
    assert_compared(values.loc["warm-up", "test_ece"], before, after, abs=1e-6)
    assert values.loc[("warm-up", "seconds"), "with_mean"] == 5
    assert values.loc[("smaller first logits", "seconds"), "with_mean"] == 2
    assert set(exhibit.tables[0].shown["Remedy"]) == {remedy.name for remedy in REMEDIES}


def test_the_page_begins_with_the_verdict_and_has_the_code(results, exhibit):
    assert findings(results)[-1] == reached(results).said
    page = render_page(results, [exhibit], {f.name: f.save("svg") for f in exhibit.figures})
    assert page.index("Warm-up helps") < page.index("<pre>")
    assert "minimize_scalar" in page
