"""From one network to the next: a network that the service trains on some data, and leaves in its
record, is what others start from on other data, with a warm-up of the head alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support import trial_of

from analysis.results.records import read_record
from sweep.inputs.datasets import Sources
from sweep.inputs.networks import Networks
from sweep.inputs.resolve import Resolver
from trainables.data.photos import photos_ood
from trainables.lifecycle.context import RunContext
from trainables.lifecycle.trial_run import run_trial
from trainables.models.weights import read_weights
from trainables.storage.storage import Storage

CPU = torch.device("cpu")
COMMON = {
    "model.depth": 3,
    "model.width": 64,
    "data.validation": 50,
    "data.ood": None,
    "data.test": 500,
    "task.optimizer.lr": 1e-3,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    torch.set_num_threads(1)
    return tmp_path_factory.mktemp("fine_tuning")


@pytest.fixture(scope="module")
def other(place):
    """Data that the first network never saw: patches of eight other photographs, as classes."""
    held = photos_ood().test
    x, y = held.inputs.permute(0, 2, 3, 1).numpy(), held.labels.numpy()
    np.savez(
        place / "other.npz", x_train=x[:1500], y_train=y[:1500], x_test=x[1500:], y_test=y[1500:]
    )
    return f"npz:{place / 'other.npz'}"


def live(place, arm="warmup", **changes):
    """A trial's record, with the sources and weights that it names, and its file."""
    resolver, storage = Resolver(Sources(), Networks()), Storage(place / "storage")
    trial = resolver.resolve(trial_of(COMMON, **changes))
    trial = trial if arm == "warmup" else trial.control()
    key = run_trial(trial, resolver.inputs.of(trial), RunContext(storage, CPU))
    path = place / f"{trial.trial_id}.npz"  # as MLflow keeps it
    path.write_bytes(storage.get(key))
    return read_record(path.read_bytes()), path


@pytest.fixture(scope="module")
def pretrained(place):
    """The file of a network that was trained on photographs."""
    asked = {"data__examples": 1000, "task__epochs": 10, "probes": ["weights"]}
    record, path = live(place, "control", **asked)
    assert record.history["train_accuracy"].iloc[-1] > 0.5
    return str(path)


FINE_TUNED = {
    "data__examples": 200,
    "task__epochs": 10,
    "task__batch": 16,
    "warmup__examples": 25_600,
    "warmup__epochs": 4,
    "warmup__batch": 32,
    "warmup__train": "head",
    "warmup__optimizer__lr": 1e-2,
}


def test_a_network_starts_as_the_one_in_the_record_with_a_new_head(place, pretrained, other):
    own = {"data__source": other, "model__weights": pretrained, "probes": ["weights"]}
    _, path = live(place, "control", **own, **FINE_TUNED | {"task__epochs": 0})
    before, after = read_weights(Path(pretrained)), read_weights(path)
    assert list(before) == list(after)
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert changed == {"7.weight", "7.bias"}
    assert after["7.weight"].shape == (8, 64)  # ten classes before
    # of batch normalisation too: it has trained
    assert any(not torch.equal(v, torch.zeros_like(v)) for n, v in after.items() if "mean" in n)


def test_a_warm_up_of_the_head_alone_brings_its_confidence_to_chance(place, pretrained, other):
    record, _ = live(place, data__source=other, model__weights=pretrained, **FINE_TUNED)
    history = record.history.set_index("phase")
    assert record.logits["test"].shape == (500, 8)
    # the new head, drawn with a std of 1/2, is sure of what it cannot know; the warm-up unlearns it
    assert history.loc["untrained", "test_confidence"] > 0.7
    assert history.loc["warmup", "test_confidence"].iloc[-1] < 0.5
    assert history.loc["warmup", "noise_confidence"].iloc[-1] < 0.3
    losses = history.loc["warmup", "noise_loss"]
    assert losses.iloc[0] > 3
    assert np.log(8) < losses.iloc[-1] < np.log(8) + 0.15
