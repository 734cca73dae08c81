"""Trials shorter than a worker's start, launched as a user does: all workers have their share."""

from collections import Counter

import pytest

from sweep.backend.capacity import cpus

REPLICATES = 30

NET = """
import os
import sys
from pathlib import Path

from torch import nn


def make(num_classes, input_shape):
    if Path(sys.argv[0]).name == "default_worker.py":  # of Ray
        with Path(__file__).with_name("notes").open("a") as file:
            file.write(f"{os.getpid()}\\n")
    return nn.Sequential(nn.Flatten(), nn.Linear(3072, num_classes))
"""


@pytest.mark.skipif(cpus() < 2, reason="two workers take two CPUs")
def test_a_worker_that_is_free_leaves_others_the_trials_they_are_started_for(place):
    (place.folder / "noting_net.py").write_text(NET)
    study = place.write(
        "short",
        grids={"std": {"warmup.noise.std": [0.5]}},
        scales={
            "laptop": {"replicates": REPLICATES, "set": {"warmup.epochs": 1, "task.epochs": 1}}
        },
        base={"model": "noting_net:make", "warmup.examples": 128, "data.examples": 32},
    )
    said = place.launch(study, "--concurrency", "2")
    assert f"{2 * REPLICATES}/{2 * REPLICATES} done" in said
    made = Counter((place.folder / "notes").read_text().split())
    assert len(made) == 2
    assert min(made.values()) > 1
