"""The report of a search, on synthetic searches whose every number is known."""

import numpy as np
import pytest
from drawings import assert_neighbours_apart
from studies import Spec, make_results, make_study, sure_record

from analysis.exhibits.search.confirmed import search_confirmed
from analysis.exhibits.search.history import search
from analysis.rendering.findings import findings
from analysis.results.search import BASE, BEST, search_of

SEEDS, FRESH = 3, 8
CONTROL = 0.20
# proposal → (state, ECE on the search's seeds, violation); the last is the best by its numbers
TRIED = {
    0: ("finished", 0.12, 0.0),
    1: ("finished", 0.09, 0.02),
    2: ("stopped", 0.15, 0.0),
    3: ("finished", 0.06, 0.0),
    4: ("diverged", None, 0.0),
}
TRUE = {BEST: (0.08, 0.085), BASE: (0.11, 0.12)}  # on fresh seeds: validation, test


def member(validation, test):
    """A network of these ECE."""
    return sure_record(600, {"validation": validation, "test": test}, examples={"warmup": 100})


def wobble(seed):
    return 0.004 * np.sin(5 * seed)


def told(**changes):
    proposals = [
        {
            "number": n,
            "state": state,
            "params": {
                "warmup.noise.std": 1.0 if n == 0 else 0.1 * (n + 1),
                "warmup.optimizer.name": "sgd" if n % 2 else "adam",
            },
            "seeds": 2 if state == "stopped" else 1 if state == "diverged" else SEEDS,
            "means": [] if ece is None else [ece],
            "violation": violation,
            "examples_a_seed": 100 * (n + 1),
        }
        for n, (state, ece, violation) in TRIED.items()
    ]
    return {
        "objectives": [{"name": "ece", "label": "ECE", "direction": "minimize"}],
        "space": {"warmup.noise.std": "0.1 to 4", "warmup.optimizer.name": "adam, sgd"},
        "logarithmic": ["warmup.noise.std"],
        "base": proposals[0]["params"],
        "seeds": SEEDS,
        "accuracy_drop": 0.01,
        "sampler": "tpe",
        "stopping": "median",
        "stop_after": 2,
        "optuna": {"study": "s", "storage": "sqlite"},
        "proposals": proposals,
        "best": 3,
        "front": [3],
        "importances": {"warmup.noise.std": 0.7, "warmup.optimizer.name": 0.3},
    } | changes


def results(**changes):
    tried = {f"proposal {n}": ece for n, (state, ece, _) in TRIED.items() if state == "finished"}
    seeds = dict.fromkeys(tried, range(SEEDS)) | dict.fromkeys(TRUE, range(SEEDS, SEEDS + FRESH))

    def record(condition, warm, seed):
        if not warm:
            return member(CONTROL + wobble(seed), CONTROL + wobble(seed))
        if condition in tried:
            return member(tried[condition], tried[condition])
        validation, test = TRUE[condition]
        return member(validation + wobble(2 * seed), test + wobble(3 * seed))

    return make_study(
        {condition: {} for condition in seeds},
        seeds,
        record,
        exhibits=["search", "search_confirmed"],
        grids={"confirmed": [BEST, BASE]},
        search=told(**changes),
    )


def test_the_table_ranks_what_may_be_the_best_and_always_shows_the_base():
    shown = search(results()).tables[0].shown
    assert shown["Proposal"].tolist() == ["#3", "#0 (base)"]
    assert shown["ECE"].tolist() == ["0.0600", "0.120"]


def test_every_proposal_is_in_the_csv():
    values = search(results()).tables[0].values
    assert values["proposal"].tolist() == [0, 1, 2, 3, 4]
    assert values["state"].tolist() == [state for state, _, _ in TRIED.values()]


def test_the_caption_counts_states_lost_accuracy_and_what_stopping_saves():
    caption = search(results()).caption
    assert "5 proposals by tpe: 3 finished, 1 stopped, 1 diverged." in caption
    assert "1 of the finished lose more than 0.01 of accuracy" in caption
    # seen: 3·100 + 3·200 + 2·300 + 3·400 + 1·500; without: 3·(100 + … + 500)
    assert "3,200 examples in place of 4,500, 29 % less" in caption


def test_the_change_in_the_search_and_on_fresh_seeds_are_those_that_were_made():
    exhibit = search_confirmed(results())
    values = exhibit.tables[0].values
    controls = np.array([CONTROL + wobble(s) for s in range(SEEDS + FRESH)])
    fresh = np.arange(SEEDS, SEEDS + FRESH)
    expected = [
        (0.06 - controls[:SEEDS]).mean(),
        (TRUE[BEST][0] + wobble(2 * fresh) - controls[SEEDS:]).mean(),
        (TRUE[BEST][1] + wobble(3 * fresh) - controls[SEEDS:]).mean(),
        (0.12 - controls[:SEEDS]).mean(),
        (TRUE[BASE][0] + wobble(2 * fresh) - controls[SEEDS:]).mean(),
        (TRUE[BASE][1] + wobble(3 * fresh) - controls[SEEDS:]).mean(),
    ]
    assert values["difference"].to_numpy(float) == pytest.approx(expected, abs=1e-6)
    assert values["pairs"].tolist() == [SEEDS, FRESH, FRESH] * 2
    bias = expected[0] - expected[1]
    assert f"The search overstated the change by {abs(bias):.3f}." in exhibit.caption


def test_best_and_base_are_compared_seed_by_seed_on_test_examples():
    table = search_confirmed(results()).tables[1].values.set_index("metric")
    ece = table.loc["test_ece"]
    assert ece["seeds"] == FRESH
    assert ece["difference"] == pytest.approx(TRUE[BEST][1] - TRUE[BASE][1], abs=1e-6)
    assert ece["interval_low"] <= ece["difference"] <= ece["interval_high"]


def test_the_findings_are_those_of_the_confirmation():
    (paragraph,) = findings(results())
    assert paragraph.startswith("Proposal 3, the best of 5, changed ECE")
    assert "fresh seeds" in paragraph


def test_without_a_best_it_is_said():
    assert findings(results(best=None)) == ["The search has no best yet."]
    assert "has chosen no best yet" in search_confirmed(results(best=None)).caption


def test_a_study_without_a_search_says_so():
    plain = make_results(Spec())
    assert "has no search" in search(plain).caption
    assert "has no search" in search_confirmed(plain).caption
    assert search_of(plain.plan) is None


def test_a_front_is_drawn_where_there_are_several_objectives():
    both = [
        {"name": "ece", "label": "ECE", "direction": "minimize"},
        {"name": "accuracy", "label": "accuracy", "direction": "maximize"},
    ]
    told_two = told(objectives=both, stopping=None)
    for proposal in told_two["proposals"]:
        proposal["means"] = [*proposal["means"], 0.6] if proposal["means"] else []
    names = [d.name for d in search(results(**told_two)).figures]
    assert names == ["search-history", "search-front", "search-importances", "search-slices"]


@pytest.mark.parametrize("exhibit", [search, search_confirmed])
def test_no_two_texts_of_an_axis_overlap(exhibit):
    for drawing in exhibit(results()).figures:
        assert_neighbours_apart(drawing.figure)
