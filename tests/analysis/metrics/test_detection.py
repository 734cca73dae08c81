"""Detection by tuned scores: what is chosen by which half, and every measure on the other."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.metrics.detection import tuned_detection
from analysis.metrics.ood import aupr_in, aupr_out, auroc, fpr_at_tpr
from analysis.metrics.open_set import oscr
from analysis.metrics.openood import openood_aupr_in, openood_aupr_out, openood_fpr


def grid(n_id=400, n_ood=300):
    """ODIN-like candidates of rising separation, by (ε, T)."""
    generator = np.random.default_rng(0)
    return {
        (epsilon, temperature): (
            generator.normal(epsilon * temperature, 1, n_id),
            generator.normal(0, 1, n_ood),
        )
        for epsilon in (0.1, 0.5)
        for temperature in (1.0, 2.0)
    }


def test_the_parameter_with_the_highest_auroc_is_measured():
    candidates = grid()
    tuned = tuned_detection(candidates, seed=0)
    assert tuned.parameter == (0.5, 2.0)
    alone = tuned_detection({None: candidates[0.5, 2.0]}, seed=0)
    assert alone.parameter is None
    assert replace(tuned, parameter=None) == alone


@pytest.mark.parametrize(("n_id", "n_ood"), [(10, 8), (11, 9), (2, 3)])
def test_the_measured_halves_do_not_take_part_in_the_choice(n_id, n_ood):
    # Which inputs are measured shows where each is told by a score of its own
    def measured(is_id, i):
        ids, oods = np.zeros(n_id), np.zeros(n_ood)
        (ids if is_id else oods)[i] = 1.0
        return tuned_detection({None: (ids, oods)}, seed=3).auroc != 0.5

    id_measured = np.array([measured(True, i) for i in range(n_id)])
    ood_measured = np.array([measured(False, i) for i in range(n_ood)])
    assert id_measured.sum() == n_id - n_id // 2
    assert ood_measured.sum() == n_ood - n_ood // 2
    # one candidate separates the tuning halves alone, the other the measured halves alone
    on_tuning = np.where(id_measured, 0.0, 1.0), np.where(ood_measured, 1.0, 0.0)
    on_measured = np.where(id_measured, 1.0, 0.0), np.where(ood_measured, 0.0, 1.0)
    tuned = tuned_detection({1.0: on_measured, 2.0: on_tuning}, seed=3)
    assert (tuned.parameter, tuned.auroc) == (2.0, 0.0)


def test_the_split_is_the_seeds():
    assert tuned_detection(grid(), seed=1) == tuned_detection(grid(), seed=1)
    assert tuned_detection(grid(), seed=1) != tuned_detection(grid(), seed=2)


def test_the_first_of_tied_parameters_is_chosen():
    pair = grid()[0.1, 1.0]
    assert tuned_detection({5.0: pair, 1.5: pair}, seed=0).parameter == 5.0


def test_every_measure_is_of_the_measured_halves_and_oscr_of_what_is_right_there():
    generator = np.random.default_rng(2)
    inside, outside = generator.normal(1, 1, 41), generator.normal(0, 1, 30)
    correct = generator.random(41) < 0.7
    halves = np.random.default_rng(6)
    known = halves.permutation(41)[20:]
    ids, oods = inside[known], outside[halves.permutation(30)[15:]]
    found = tuned_detection({None: (inside, outside)}, seed=6, correct=correct)
    assert (found.auroc, found.aupr_in, found.aupr_out, found.fpr95) == tuple(
        measure(ids, oods) for measure in (auroc, aupr_in, aupr_out, fpr_at_tpr)
    )
    assert (found.openood_fpr95, found.openood_aupr_in, found.openood_aupr_out) == tuple(
        measure(ids, oods) for measure in (openood_fpr, openood_aupr_in, openood_aupr_out)
    )
    assert found.oscr == oscr(ids, correct[known], oods)
    assert tuned_detection({None: (inside, outside)}, seed=6).oscr is None
