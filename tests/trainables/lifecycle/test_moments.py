"""What a life does at the start of its task and along it: probing, keeping, training nothing."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import small
import torch
from lives import CPU, changed, keys, live, lived, photographs, warmed_state
from small import FACTS
from support import identical, numbers
from torch import Tensor, nn

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import softmax
from trainables.config.probes import ALONG, END, START, Probe
from trainables.config.trial import Optimizer, Trial
from trainables.data.splits import TaskData, of_classes, prepare
from trainables.lifecycle import trial_run as life
from trainables.lifecycle.ablations import ablate
from trainables.models.build import build
from trainables.probes import schedule
from trainables.probes.schedule import epochs_of
from trainables.probes.subject import Subject
from trainables.seeds import generator
from trainables.storage.keys import record_key, warmup_key
from trainables.storage.storage import Storage
from trainables.training.loop import evaluate

WARM = changed(
    small.WARM,
    warmup={"examples": 48, "optimizer": Optimizer(lr=1e-2)},
    task={"epochs": 8, "optimizer": Optimizer(lr=1e-3)},
)


@pytest.fixture(params=[WARM, WARM.control()], ids=["warmup", "control"])
def trial(request) -> Trial:
    return request.param


def data_of(trial: Trial) -> TaskData:
    return prepare(trial, photographs().source, photographs().ood, CPU)


def at_start(trial: Trial, storage: Storage) -> nn.Module:
    """The network as the trial's task would begin with it."""
    network = build(trial, CPU)
    if trial.warmup is not None:
        network.load_state_dict(warmed_state(trial, storage))
    return network


def head(subject: Subject) -> dict[str, Tensor]:
    """A probe that leaves the last layer's weights, and how far the path has come."""
    last = list(subject.network.parameters())[-2].detach().clone()
    return {"weight": last, "path": torch.tensor(len(subject.path))}


@pytest.fixture
def probing(monkeypatch) -> Callable[..., None]:
    """Puts the probe above in place of the real ones."""

    def put(**probes: tuple[float, ...]) -> None:
        made = {n: Probe(head, m, needs_path=n == "path") for n, m in probes.items()}
        monkeypatch.setattr(life, "PROBES", made)
        monkeypatch.setattr(schedule, "PROBES", made)

    return put


# Moments


@pytest.mark.parametrize(
    ("epochs", "expected"), [(8, [0, 2, 4, 8]), (1, [0, 1]), (0, [0]), (30, [0, 8, 15, 30])]
)
def test_along_the_task_is_its_start_a_quarter_half_and_end_each_once(epochs, expected):
    assert epochs_of(ALONG, epochs) == expected


def test_at_the_start_a_control_is_untrained_and_its_partner_warmed_up(trial, storage, probing):
    probing(layers=START)
    probed = lived(changed(trial, probes=("layers",)), storage)
    *_, weight, _ = at_start(trial, storage).state_dict().values()
    assert np.array_equal(probed.probes["layers/weight"], weight)


def test_probes_along_the_task_see_the_network_of_each_moment(trial, storage, probing):
    probing(curvature=ALONG, weights=END)
    probed = lived(changed(trial, probes=("curvature", "weights")), storage)
    assert probed.probes["curvature/epoch"].tolist() == [0, 2, 4, 8]
    along = probed.probes["curvature/weight"]
    assert along.shape == (4, 10, 8)
    assert np.array_equal(along[-1], probed.probes["weights/weight"])
    # a trial that ends where another is probed: the same network, to the bit
    ended = lived(changed(trial, task={"epochs": 4}, probes=("weights",)), storage)
    assert np.array_equal(along[2], ended.probes["weights/weight"])
    assert not np.array_equal(along[2], along[3])


def test_the_path_is_kept_only_where_a_probe_asks_for_it(trial, storage, probing):
    probing(path=END, weights=END)
    both = lived(changed(trial, probes=("path", "weights")), storage)
    alone = lived(changed(trial, probes=("weights",)), storage)
    assert int(both.probes["path/path"]) == 1 + 8
    assert int(alone.probes["weights/path"]) == 0


@pytest.mark.parametrize("cut_after", [5, 9, 17, 23])
def test_a_probed_life_that_is_cut_short_ends_in_the_same_record(
    trial, cut_after, tmp_path, probing
):
    probing(curvature=ALONG, layers=START, path=END)
    trial = changed(trial, probes=("curvature", "layers", "path"))
    whole, cut = Storage(tmp_path / "whole"), Storage(tmp_path / "cut")
    live(trial, whole)
    live(trial, cut, cut_after)
    assert record_key(trial.trial_id) not in cut
    live(trial, cut)
    assert numbers(trial, cut) == numbers(trial, whole)


def test_probing_changes_no_other_number(storage):
    probes = ("curvature", "features", "gradients", "layers", "odin", "path", "plane", "slices")
    probes += ("start_outputs",)
    probed, plain = lived(changed(WARM, probes=probes), storage), lived(WARM, storage)
    assert {name.split("/")[0] for name in probed.probes} == set(probes)
    assert plain.probes == {}
    np.testing.assert_equal(probed.logits, plain.logits)
    assert probed.history["test_loss"].equals(plain.history["test_loss"])


# No task


def test_without_task_epochs_the_record_is_of_the_network_as_it_would_start(trial, storage):
    trial = changed(trial, task={"epochs": 0})
    left = lived(trial, storage)
    network, data = at_start(trial, storage), data_of(trial)
    for name in ("validation", "test", "ood"):
        expected = evaluate(network, getattr(data, name)).logits.numpy()
        assert np.array_equal(left.logits[name], expected), name
    assert "task" not in set(left.history["phase"])
    assert left.history["seconds"].iloc[-1] == pytest.approx(left.seconds["total"])  # measured once


def test_another_trial_s_warm_up_gives_the_same_record_without_task_epochs(tmp_path):
    trial = changed(WARM, task={"epochs": 0})
    own, shared = Storage(tmp_path / "own"), Storage(tmp_path / "shared")
    live(trial, own)
    live(WARM, shared)
    live(trial, shared)
    assert numbers(trial, shared) == numbers(trial, own)


# Batch statistics alone


def test_a_warm_up_of_statistics_moves_them_and_no_weight(storage):
    trial = changed(WARM, warmup={"train": "statistics"}, task={"epochs": 0})
    live(trial, storage)
    state = warmed_state(trial, storage)
    network = build(trial, CPU).train()
    noise = generator(trial.seed, "noise")
    with torch.no_grad():  # by hand: the noise of every step passes through
        for _ in range(6):
            network(torch.randn(8, 3, 32, 32, generator=noise))
            torch.randint(10, (8,), generator=noise)
    untrained = build(trial, CPU).state_dict()
    identical(state, network.state_dict())
    for name in state:
        moved = "running" in name or "batches" in name
        assert torch.equal(state[name], untrained[name]) is not moved, name


# What is kept


@pytest.mark.parametrize("kind", ["shuffled", "step_size"])
def test_starts_that_keep_a_part_share_the_warm_up_and_can_be_cut_short(kind, tmp_path):
    trial = changed(WARM, warmup={"keep": kind})
    whole, cut = Storage(tmp_path / "whole"), Storage(tmp_path / "cut")
    live(WARM, whole)
    live(trial, whole)
    assert len(keys(whole, "warmups")) == 1
    live(trial, cut, cut_after=17)  # in the task
    assert record_key(trial.trial_id) not in cut
    live(trial, cut)
    assert numbers(trial, cut) == numbers(trial, whole)
    assert numbers(trial, whole)["test/logits"] != numbers(WARM, whole)["test/logits"]


def test_the_task_after_a_kept_step_size_is_the_control_s_at_another_learning_rate(storage):
    trial = changed(WARM, warmup={"keep": "step_size"})
    left = lived(trial, storage)
    untrained = build(trial, CPU).state_dict()
    scale = ablate(at_start(trial, storage), untrained, data_of(trial), trial)
    slower = Optimizer(lr=scale * trial.task.optimizer.lr)
    control = lived(changed(trial.control(), task={"optimizer": slower}), storage)
    assert abs(scale - 1) > 0.1
    assert np.array_equal(left.logits["test"], control.logits["test"])


def test_the_start_of_what_is_kept_is_measured_between_warm_up_and_task(storage):
    left = lived(changed(WARM, warmup={"keep": "norms"}), storage)
    phases = left.history["phase"].tolist()
    assert phases == ["untrained", *["warmup"] * 3, "kept", *["task"] * 8]
    by_phase = left.history.groupby("phase")["test_loss"].first()
    assert by_phase["kept"] not in (by_phase["untrained"], left.history["test_loss"][3])
    assert left.history["examples"][4] == left.history["examples"][3]


# Out-of-distribution examples along the way


def test_ood_examples_are_measured_after_every_epoch_where_asked(trial, storage):
    left = lived(changed(trial, data={"ood_each_epoch": True}), storage)
    measured = left.history[["ood_confidence", "ood_accuracy", "ood_ece"]]
    assert not measured.isna().any().any()
    assert "ood_loss" not in left.history
    confidence = softmax(left.logits["ood"]).max(axis=1)
    labels = data_of(trial).ood.labels.numpy()
    correct = left.logits["ood"].argmax(axis=1) == labels
    assert measured["ood_confidence"].iloc[-1] == confidence.mean()
    assert measured["ood_accuracy"].iloc[-1] == correct.mean()
    assert measured["ood_ece"].iloc[-1] == expected_calibration_error(confidence, correct)


def test_a_warm_up_measured_on_ood_examples_is_not_one_without(storage):
    with_ood = changed(WARM, data={"ood_each_epoch": True})
    assert warmup_key(with_ood, CPU) != warmup_key(WARM, CPU)
    assert with_ood.warmup_key == WARM.warmup_key
    live(WARM, storage)
    assert not lived(with_ood, storage).history["ood_confidence"].isna().any()


# Some classes


def test_of_some_classes_only_their_examples_are_left():
    source = photographs().source
    few = of_classes(source, 3)
    assert few.classes == 3
    assert few.class_names == source.class_names[:3]
    for split in ("train", "validation", "test"):
        whole, part = getattr(source, split), getattr(few, split)
        kept = whole.labels < 3
        identical([part.inputs, part.labels], [whole.inputs[kept], whole.labels[kept]])
    assert of_classes(source, None) is source
    assert of_classes(source, source.classes) is source
    unsplit = of_classes(replace(source, validation=None), 3)
    assert unsplit.validation is None


def test_a_trial_of_some_classes_sees_no_other(storage):
    facts = FACTS.model_copy(update={"classes": 3})
    trial = changed(WARM, data={"classes": 3, "facts": facts})
    left = lived(trial, storage)
    assert left.logits["test"].shape == (15, 3)
    assert set(left.labels["test"]) <= {0, 1, 2}
    assert trial.trial_id != WARM.trial_id
