"""The choice among recipes: by the validation sets of some pairs, confirmed on the others."""

import numpy as np
import pytest
from studies import make_study, sure_record

from analysis.exhibits.verdict.recipes import choose

RIGHT = 600  # of 1,000 predictions of two classes
PLAIN = {"warmup.keep": None, "warmup.train": "all", "task.loss": None}
CELLS = {"warm-up": PLAIN, "std 0.5": PLAIN, "uniform": PLAIN}


def study(errors, replicates=10, right=None):
    """errors: condition → (how much surer than right on validation, on the test set), each of the
    replicate's number."""

    def record(condition, warm, replicate):
        validation, test = errors[condition](replicate) if warm else (0.2, 0.2)
        hits = (right or {}).get(condition, RIGHT) if warm else RIGHT
        return sure_record(hits, {"validation": validation, "test": test})

    grids = {"remedy": ["warm-up"], "recipe": list(CELLS)}
    return make_study(CELLS, replicates, record, grids=grids)


def steady(validation, test):
    return lambda replicate: (
        validation + 0.001 * np.sin(3 * replicate),
        test + 0.001 * np.cos(7 * replicate),
    )


BASE = {"warm-up": steady(0.1, 0.1), "std 0.5": steady(0.12, 0.12), "uniform": steady(0.05, 0.06)}


def test_the_lowest_on_validation_is_confirmed_on_the_test_sets_of_the_others():
    found = choose(study(BASE))
    assert found.condition == "uniform"
    assert (found.recipes, found.chosen_on, found.worth.pairs) == (3, 5, 5)
    assert found.confirmed
    rest = np.arange(5, 10)
    np.testing.assert_allclose(found.worth.first, 0.1 + 0.001 * np.cos(7 * rest), atol=1e-6)
    np.testing.assert_allclose(found.worth.second, 0.06 + 0.001 * np.cos(7 * rest), atol=1e-6)
    assert str(found).startswith("Of 3 recipes “uniform” has the lowest ECE on the validation sets")
    assert str(found).endswith("better.")
    assert found.trial.replicate >= 5


def test_a_choice_by_luck_is_not_confirmed():
    def lucky(replicate):  # on the pairs that choose alone
        return (0.01 if replicate < 5 else 0.1), 0.1 + 0.02 * np.cos(7 * replicate)

    found = choose(study(BASE | {"uniform": steady(0.12, 0.12), "std 0.5": lucky}))
    assert found.condition == "std 0.5"
    assert not found.confirmed
    assert str(found).endswith("not shown to be better.")


def test_neither_test_sets_nor_the_other_pairs_choose():
    def only_later(replicate):
        return (0.2 if replicate < 5 else 0.01), 0.01

    found = choose(study(BASE | {"std 0.5": only_later, "uniform": steady(0.09, 0.3)}))
    assert found.condition == "uniform"


def test_a_recipe_that_costs_accuracy_is_not_chosen():
    assert choose(study(BASE, right={"uniform": 580})) is None
    assert choose(study(BASE, right={"uniform": 595})).condition == "uniform"


@pytest.mark.parametrize("replicates", [1, 5])
def test_too_few_pairs_choose_nothing(replicates):
    assert choose(study(BASE, replicates=replicates)) is None


def test_where_the_verdict_s_own_is_the_best_or_nothing_is_tried_there_is_no_choice():
    assert choose(study(BASE | {"uniform": steady(0.11, 0.06)})) is None
    alone = make_study(
        {"warm-up": PLAIN},
        8,
        lambda *_: sure_record(RIGHT, {"test": 0.1}),
        grids={"remedy": ["warm-up"]},
    )
    assert choose(alone) is None
