"""A study's looks: which replicates they take, what is lost, and what the run's tags keep."""

from dataclasses import replace

import numpy as np
import pytest
from studies import make_study, sure_record

from analysis.exhibits import build_exhibits
from analysis.rendering.findings import findings
from analysis.statistics.comparison import ECE, main_measure
from analysis.statistics.sequential import Design, take_look
from analysis.statistics.study_looks import StudyLooks, differences, looks_of, study_looks

CELLS = {"gaussian": {"std": 1}, "pink": {"std": 2}}
WITH = {  # condition → ECE with warm-up by replicate; without it is .2
    "gaussian": [0.1, 0.11] * 15,
    "pink": [0.1, 0.3] * 15,
}


def record(condition, warm, replicate):
    ece = WITH[condition][replicate] if warm else 0.2
    return sure_record(500, {"test": ece}, 1000)


def study(replicates=30, outcomes=None):
    grids = {"distribution": list(CELLS)}
    return make_study(CELLS, replicates, record, outcomes, grids=grids)


def begun(looks=(6, 10), precision=0.01):
    first = {condition: f"{condition} #0" for condition in CELLS}
    return StudyLooks(Design(looks, precision, 2), first, ECE)


def test_a_look_takes_the_first_replicates_whatever_else_there_is():
    results = study()
    assert differences(results, "pink", ECE, 6) == pytest.approx([-0.1, 0.1] * 3, abs=1e-6)
    taken = begun().take(results)
    assert {c: look.pairs for c, look in taken.taken[0].items()} == {"gaussian": 6, "pink": 6}
    for condition, ece in WITH.items():
        by_hand = take_look(taken.design, [], np.array(ece[:6]) - 0.2)
        assert taken.looks(condition)[0].interval == pytest.approx(by_hand.interval, abs=1e-5)


def test_what_is_decided_is_looked_at_no_more():
    first = begun().take(study())
    assert (first.undecided, first.over) == (("pink",), False)
    assert first.pairs() == {"gaussian": 6, "pink": 6}
    assert first.pairs(with_next=True) == {"gaussian": 6, "pink": 10}
    last = first.take(study())
    assert list(last.taken[1]) == ["pink"]
    assert (last.over, last.undecided, last.pairs()) == (True, ("pink",), first.pairs(True))
    assert begun().pairs() == {"gaussian": 6, "pink": 6}


def test_failed_and_diverged_trials_are_lost_pairs():
    lost = {("gaussian", 1): "failed", ("control", 4): "diverged", ("pink", 7): "failed"}
    taken = begun().take(study(outcomes=lost))
    assert [taken.looks(c)[0].pairs for c in CELLS] == [4, 5]
    assert differences(study(outcomes=lost), "pink", ECE, 10).size == 8


def test_the_runs_tags_tell_the_same_to_the_bit():
    taken = begun().take(study(outcomes={("pink", 1): "failed"}))
    tags = {"kind": "study"} | taken.tags()
    assert set(tags) == {"kind", "looks", "look.1"}
    results = replace(study(6), tags=tags)
    assert looks_of(results) == taken
    # a lost pair that is there later changes no look that was taken
    assert looks_of(results).looks("pink")[0].pairs == 5


def test_without_looks_or_of_other_trials_there_is_nothing_to_tell():
    assert looks_of(study(2)) is None
    assert study_looks({}, {}, ECE) is None
    others = replace(begun(), conditions={"gaussian": "other #0"})
    assert looks_of(replace(study(2), tags=others.tags())) is None
    assert main_measure(trains=True) == ECE


def test_the_report_says_how_many_pairs_and_why_it_stopped():
    taken = begun().take(study())
    results = replace(study(6), tags=taken.tags() | {"looks_budget": ""})
    assert (
        "6 of 10 pairs were used, and 1 of 2 conditions are decided: the next look is at 10."
        in (findings(results)[-1])
    )
    ended = replace(results, tags=taken.tags() | {"looks_budget": "30 min"})
    assert "the next look is at 10, for the budget of 30 min ended." in findings(ended)[-1]
    over = replace(study(10), tags=taken.take(study()).tags())
    (text,) = [text for text in findings(over) if text.startswith("Pairs are added in looks")]
    assert "at 6 and 10, until" in text
    assert "1 of 2 conditions are decided: no look is left." in text
    assert "pink: Cannot tell yet: +0.000 [" in text
    exhibit, *_ = build_exhibits(over)
    rows = exhibit.tables[0].shown.set_index("Condition")
    assert rows["Pairs"].to_dict() == {"gaussian": "6", "pink": "10"}
    assert rows["Verdict"].to_dict() == {"gaussian": "lower", "pink": "cannot tell yet"}
    assert exhibit.tables[0].values["pairs_planned"].tolist() == [6, 6, 10]
    assert not [text for text in findings(study(2)) if "looks" in text]


@pytest.mark.parametrize(
    ("ece", "precision", "says"),
    [
        ([0.1, 0.11] * 3, 0.001, "that decided it. Warm-up lowers ECE: −0.095 ["),
        ([0.3, 0.29] * 3, 0.001, "that decided it. Warm-up raises ECE: +0.095 ["),
        ([0.2, 0.21] * 3, 0.05, "Zero is not left out, and the difference is known to ± 0.05: "),
        ([0.25] * 6, 0.05, "no interval, for the spread of the pairs is not known; how many more"),
    ],
)
def test_verdicts_of_one_condition(ece, precision, says):
    def one(condition, warm, replicate):
        return sure_record(500, {"test": ece[replicate] if warm else 0.2}, 1000)

    results = make_study({"gaussian": {}}, 6, one, grids={"distribution": ["gaussian"]})
    looks = StudyLooks(Design((6, 10), precision), {"gaussian": "gaussian #0"}, ECE).take(results)
    assert says in findings(replace(results, tags=looks.tags()))[-1]
