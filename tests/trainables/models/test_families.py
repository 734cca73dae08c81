"""What holds of a life holds for every network and every task: pairs, ids, resuming, the same bits.

Each family is lived on a few examples: real images at 8×8 pixels, real text, with the options that
go with it (dropout, augmentation, frozen backbone, mixed precision).
"""

import hashlib
import json
import math
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lives import CPU, changed, live, warmed_state
from support import ROOT, numbers

from sweep.inputs.datasets import Sources
from sweep.inputs.networks import Networks
from sweep.plan.fields import parse_trial
from trainables.config.trial import Trial
from trainables.lifecycle.context import Inputs
from trainables.models.build import build
from trainables.storage.storage import Storage

OWN = """
from torch import nn


def make(num_classes, input_shape, width=8):
    return nn.Sequential(
        nn.Conv2d(input_shape[0], width, 3),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Dropout2d(0.2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, num_classes),
    )
"""

SGD = {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4}
SMALL_VIT = {"name": "vit", "depth": 2, "width": 16, "heads": 2, "mlp_width": 32, "dropout": 0.1}
IMAGES = {"data": {"resize": 8}}
AUGMENTED = {"optimizer": SGD, "schedule": "cosine", "augmentation": {"crop": 1, "flip": True}}
MOSAICS = {"source": "mosaics", "ood": "mosaics_ood", "resize": 8}
TEXT = {"source": "text", "ood": "text_ood"}
POINTS = {"source": "points", "ood": "points_ood"}

FAMILIES: dict[str, dict[str, Any]] = {
    "resnet18": {**IMAGES, "model": "resnet18", "task": AUGMENTED},
    "densenet121": {**IMAGES, "model": "densenet121"},
    "vit": {**IMAGES, "model": SMALL_VIT, "task": {"optimizer": {"name": "adamw", "lr": 1e-3}}},
    "mlp, feedback alignment": {
        **IMAGES,
        "model": {"depth": 3, "width": 8, "feedback_alignment": True, "init": "orthogonal"},
    },
    "toy": {"model": {"depth": 3, "width": 10}, "data": POINTS},
    "unet": {
        "model": {"name": "unet", "width": 4, "depth": 2},
        "data": MOSAICS,
        "task": {"augmentation": {"crop": 1, "flip": True}},
    },
    "transformer": {
        "model": {"name": "transformer", "depth": 1, "width": 16, "heads": 2, "dropout": 0.1},
        "data": TEXT,
    },
    "own": {**IMAGES, "model": {"name": "families_own:make", "arguments": {"width": 6}}},
    "own, bfloat16": {
        **IMAGES,
        "model": "families_own:make",
        "compute": {"bfloat16": True, "channels_last": True},
    },
    "head alone": {**IMAGES, "model": "families_own:make", "warmup": {"train": "head"}},
}
COMMON = {
    "data": {"examples": 13, "validation": 12, "test": 10, "ood_examples": 9, "positions": 4},
    "warmup": {"examples": 24, "epochs": 3, "batch": 4, "optimizer": {"lr": 1e-3}},
    "task": {"epochs": 3, "batch": 6, "optimizer": {"lr": 1e-3, "weight_decay": 1e-3}},
}
EVERY = pytest.mark.parametrize("family", FAMILIES)
QUICK = [family for family in FAMILIES if family not in ("resnet18", "densenet121")]
# both phases: 3 epochs of 2 steps, for of 13 examples in mini-batches of 6 one is left out
STEPS = 6


@pytest.fixture(autouse=True, scope="module")
def own_folder(tmp_path_factory) -> Any:
    """A factory in a file outside the project, where the command would be given."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "families_own.py").write_text(OWN, "utf-8")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


@cache
def looked_at() -> tuple[Sources, Networks]:
    return Sources(), Networks()


def warmed(family: str, **changes: Any) -> Trial:
    given = FAMILIES[family] | changes
    fields = {name: section | given.get(name, {}) for name, section in COMMON.items()}
    sources, networks = looked_at()
    return networks.resolve(sources.resolve(parse_trial({**given, **fields})))


def steps(trial: Trial, storage: Storage, cut_after: int | None = None) -> int:
    """Run the trial, or so many steps of it; the steps that were made."""
    sources, _ = looked_at()
    return len(live(trial, storage, cut_after, inputs=Inputs(sources.loaded, {}).of(trial)))


@cache
def uninterrupted(family: str, arm: str, folder: Path) -> dict[str, Any]:
    trial = warmed(family) if arm == "warmup" else warmed(family).control()
    storage = Storage(folder / family.replace(" ", "") / arm)
    assert steps(trial, storage) == (2 * STEPS if arm == "warmup" else STEPS)
    return numbers(trial, storage)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("families")


@EVERY
def test_cut_short_again_and_again_it_ends_in_the_same_bits(family, folder, storage):
    trial = warmed(family)
    # in the warm-up's last epoch; in the task's first, the warm-up being stored; in its second
    for cut_after, behind in ((5, 4), (4, 6), (3, 8)):
        torch.manual_seed(behind)  # what the global state holds does not matter
        assert steps(trial, storage, cut_after) == cut_after
    assert steps(trial, storage) == 12 - behind
    assert numbers(trial, storage) == uninterrupted(family, "warmup", folder)


@pytest.mark.parametrize("family", QUICK)
def test_a_warmup_that_another_trial_has_left_gives_the_same_bits(family, folder, storage):
    trial = warmed(family)
    steps(changed(trial, task={"epochs": 1}), storage)
    assert steps(trial, storage) == STEPS
    assert numbers(trial, storage) == uninterrupted(family, "warmup", folder)


@EVERY
def test_the_members_of_a_pair_begin_alike_and_end_apart(family, folder):
    with_, without = (uninterrupted(family, arm, folder) for arm in ("warmup", "control"))
    for metric in ("loss", "accuracy", "confidence", "ece"):
        rows = [
            np.frombuffer(one[f"history/test_{metric}"][2], np.float64) for one in (with_, without)
        ]
        assert len(rows[0]) == 7
        assert len(rows[1]) == 4
        assert rows[0][0] == rows[1][0]
        assert all(map(math.isfinite, rows[0]))
    assert with_["test/labels"] == without["test/labels"]
    assert with_["test/logits"] != without["test/logits"]
    assert with_["history/test_loss"] != without["history/test_loss"]


@pytest.mark.parametrize("family", QUICK)
def test_every_seed_begins_elsewhere(family, folder, storage):
    other = warmed(family, seed=1).control()
    steps(other, storage)
    one, another = uninterrupted(family, "control", folder), numbers(other, storage)
    assert one["trial_id"] != another["trial_id"]
    assert one["test/labels"] == another["test/labels"]
    assert one["history/test_loss"] != another["history/test_loss"]


def test_another_process_gives_the_same_bits(folder, own_folder):
    said = subprocess.run(
        [sys.executable, __file__, str(own_folder), str(folder / "elsewhere")],
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}"},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    here = {family: digest(uninterrupted(family, "warmup", folder)) for family in QUICK}
    assert json.loads(said) == here


def digest(numbers: dict[str, Any]) -> str:
    return hashlib.sha256(repr(sorted(numbers.items())).encode()).hexdigest()


@EVERY
def test_a_record_holds_one_prediction_for_each_target_that_is_measured(family, folder):
    left, facts = uninterrupted(family, "warmup", folder), warmed(family).facts
    many = 1 if facts.kind == "classification" else 4
    assert left["test/logits"][1] == (10 * many, facts.classes)
    assert left["validation/logits"][1] == (12 * many, facts.classes)
    assert left["ood/logits"][1] == (9 * many, facts.classes)


def test_the_backbone_is_frozen_in_a_head_s_warmup_but_its_statistics_move(storage):
    trial = warmed("head alone")
    steps(trial, storage)
    before, after = build(trial, CPU).state_dict(), warmed_state(trial, storage)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    statistics = {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    assert moved == {"6.weight", "6.bias", *statistics}


if __name__ == "__main__":  # in the other process
    sys.path.insert(0, sys.argv[1])
    torch.set_num_threads(1)
    lived = {family: uninterrupted(family, "warmup", Path(sys.argv[2])) for family in QUICK}
    print(json.dumps({family: digest(left) for family, left in lived.items()}))
