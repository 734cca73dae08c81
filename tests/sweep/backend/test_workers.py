"""One network trained by several workers, launched as a user does: other processes, no other trial.

The launch is real, and so are Ray Tune and Ray Train in it.
"""

import numpy as np
import pytest
import ray
from support import refusal

from sweep.backend.capacity import cpus
from sweep.backend.connection import check_feasible
from sweep.cli.launch_arguments import parse_options
from sweep.launch import main
from sweep.options import Resources

# few steps: two workers add in another order than one, and every step makes more of that
SHORT = {"warmup.examples": 256, "warmup.epochs": 1, "task.epochs": 2}
PAIR = {
    "grids": {"distribution": {"warmup.noise.distribution": ["gaussian"]}},
    "scales": {"laptop": {"replicates": 1, "set": SHORT}},
    "exhibits": ["pairs"],
}
MOST = cpus()

BATCH_NORM = """
from torch import nn


class Mine(nn.BatchNorm1d):
    pass


def make(num_classes, input_shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, 4), Mine(4), nn.Linear(4, num_classes))
"""


@pytest.mark.skipif(MOST < 2, reason="two workers take two CPUs")
def test_two_workers_have_the_trials_and_logits_of_one(new_place):
    one, two = new_place("one_worker"), new_place("two_workers")
    for place in (one, two):
        place.write("tiny", **PAIR)
    one.launch("tiny.yaml")
    two.launch("tiny.yaml", "--set", "resources.workers=2", "--concurrency", "1")
    assert one.stored("records") == two.stored("records")
    assert len(one.stored("records")) == 2
    assert not two.stored("checkpoints")
    alone, together = one.results("tiny").by_id, two.results("tiny").by_id
    assert [trial.outcome for trial in together.values()] == ["finished"] * 2
    for trial_id in one.stored("records"):
        wanted, mine = alone[trial_id].record, together[trial_id].record
        assert (wanted.workers, mine.workers) == (1, 2)
        assert mine.logits.keys() == wanted.logits.keys()
        for split, values in wanted.logits.items():
            np.testing.assert_allclose(mine.logits[split], values, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(MOST < 2, reason="two workers take two CPUs")
def test_a_batch_normalisation_of_its_own_is_refused(place, here, monkeypatch, refused, tiny):
    monkeypatch.syspath_prepend(str(here))
    (here / "mine_normalised.py").write_text(BATCH_NORM)
    base = {**tiny["base"], "model": "mine_normalised:make"}
    for field in ("model.depth", "model.width"):
        del base[field]
    study = place.write("normalised", base=base)
    line = refused(main, study, "--dry-run", "--set", "resources.workers=2")
    assert "resources.workers: 2 is refused: mine_normalised:make has Mine" in line


@pytest.mark.parametrize(
    ("words", "workers", "fuse"),
    [
        (["--set", "resources.workers=3"], 3, 1),
        (["--workers-per-trial", "3"], 3, 1),
        (["--set", "resources.fuse=8"], 1, 8),
    ],
)
def test_how_a_trial_is_run_is_no_field_of_it(words, workers, fuse):
    options = parse_options(["tiny.yaml", *words, "--set", "task.epochs=2"])
    assert (options.resources.workers, options.resources.fuse) == (workers, fuse)
    assert options.overrides == {"task.epochs": 2}


def test_more_workers_than_the_nodes_hold_are_refused(monkeypatch):
    nodes = [{"NodeID": "a", "Alive": True, "Resources": {"CPU": 2.0}}]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    check_feasible(Resources(workers=2))
    line = refusal(check_feasible, Resources(workers=3))
    assert "3 times 1 CPUs and 0 GPUs each on one node" in line
