"""ODIN against the closed form of a linear network, features, and what a probed trial leaves."""

import copy

import numpy as np
import pytest
import torch
from lives import changed, lived
from scipy.special import logsumexp, softmax
from small import FACTS, WARM
from torch import Tensor, nn

from trainables.config.probes import END, Probe
from trainables.config.trial import Trial
from trainables.data.splits import Split, TaskData
from trainables.lifecycle import requests as passes
from trainables.lifecycle import trial_run as life
from trainables.probes.features import features
from trainables.probes.odin import EPSILONS, TEMPERATURES, odin, other_protocol, perturbed
from trainables.probes.subject import Arrays, Subject
from trainables.training.loop import Diverged

CONSTANTS = ((0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
RAW = ((0.0,) * 3, (1.0,) * 3)
SIDE, CLASSES = 2, 4


@pytest.fixture(scope="module")
def linear() -> nn.Module:
    torch.manual_seed(3)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, CLASSES))
    with torch.no_grad():
        network[1].weight.mul_(8)  # confident, so that the temperature matters
    return network


def pixels(count: int, seed: int) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def normalised(images: Tensor, constants: tuple[tuple[float, ...], tuple[float, ...]]) -> Tensor:
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in constants)
    return (images - mean) / std


def subject_of(network: nn.Module, test: Tensor, ood: Tensor) -> Subject:
    return Subject(network, data_of(test, ood), batch=8, seed=0, initial={}, path=())


def data_of(test: Tensor, ood: Tensor) -> TaskData:
    def split(inputs: Tensor) -> Split:
        return Split(inputs, torch.zeros(len(inputs), dtype=torch.int64), inputs.shape[1:], None)

    inside = split(normalised(test, CONSTANTS))
    outside = split(normalised(ood, RAW))
    return TaskData(inside, inside, inside, outside, CONSTANTS, RAW)


@pytest.mark.parametrize(("name", "constants", "seed"), [("test", CONSTANTS, 0), ("ood", RAW, 1)])
def test_scores_are_those_of_the_closed_form_for_a_linear_network(linear, name, constants, seed):
    """CE(Wx + b over T, k) has the gradient Wᵀ(softmax((Wx + b)/T) − eₖ)/T."""
    images = {"test": pixels(30, 0), "ood": pixels(20, 1)}
    arrays = odin(subject_of(linear, images["test"], images["ood"]))
    weight = linear[1].weight.detach().double().numpy()
    bias = linear[1].bias.detach().double().numpy()
    mean, std = (np.repeat(values, SIDE * SIDE) for values in constants)
    x = images[name].double().flatten(1).numpy()
    predicted = ((x - mean) / std @ weight.T + bias).argmax(axis=1)
    for e, epsilon in enumerate(EPSILONS):
        for t, temperature in enumerate(TEMPERATURES):
            logits = (x - mean) / std @ weight.T + bias
            gradient = (softmax(logits / temperature, axis=1) - np.eye(CLASSES)[predicted]) @ weight
            moved = np.clip(x - epsilon * np.sign(gradient), 0, 1)
            logits = (moved - mean) / std @ weight.T + bias
            confidence = softmax(logits / temperature, axis=1).max(axis=1)
            energy = logsumexp(logits, axis=1)
            assert arrays[f"{name}_confidence"][e, t].numpy() == pytest.approx(confidence, abs=1e-4)
            assert arrays[f"{name}_energy"][e, t].numpy() == pytest.approx(energy, abs=1e-3)


def test_the_gradient_is_taken_over_the_temperature(linear):
    """Else all temperatures would perturb alike, and the energy would not depend on them."""
    energy = odin(subject_of(linear, pixels(200, 0), pixels(5, 1)))["test_energy"]
    assert not torch.equal(energy[-1, 0], energy[-1, -1])


def test_perturbed_pixels_move_by_epsilon_and_stay_in_the_unit_interval():
    images = pixels(50, 2)
    gradient = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    moved = perturbed(normalised(images, CONSTANTS), gradient, 0.05, CONSTANTS)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in CONSTANTS)
    back = moved * std + mean
    assert back.min() >= -1e-6
    assert back.max() <= 1 + 1e-6
    inner = (images > 0.06) & (images < 0.94)
    assert torch.allclose((back - images)[inner], (-0.05 * gradient.sign())[inner], atol=1e-6)
    still = perturbed(normalised(images, CONSTANTS), gradient, 0.0, CONSTANTS)
    assert torch.allclose(still, normalised(images, CONSTANTS), atol=1e-6)


def test_features_are_what_the_last_layer_takes():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 5), nn.ReLU(), nn.BatchNorm1d(5), nn.Linear(5, 4)
    )
    subject = subject_of(network, pixels(30, 0), pixels(20, 1))
    arrays, data = features(subject), subject.data
    with torch.inference_mode():
        for name, split in (("train", data.train), ("test", data.test), ("ood", data.ood)):
            logits = arrays[name] @ arrays["weight"].T + arrays["bias"]
            assert torch.allclose(logits, network(split.inputs), atol=1e-5)
            assert arrays[name].shape == (len(split.labels), 5)
    assert torch.equal(arrays["labels"], data.train.labels)
    assert not network[4]._forward_pre_hooks


def probed_trial(ood_normalised: bool = True, side: int = 32, **fields: object) -> Trial:
    mean, std = CONSTANTS
    facts = FACTS.model_copy(update={"shape": (3, side, side), "mean": mean, "std": std})
    return changed(WARM, data={"ood_normalised": ood_normalised, "facts": facts}, **fields)


def test_a_probed_trial_has_the_probes_beside_its_numbers(storage):
    probed = lived(probed_trial(probes=("odin",)), storage)
    shape = (len(EPSILONS), len(TEMPERATURES))
    assert {name: array.shape for name, array in probed.probes.items()} == {
        "odin/epsilons": (4,),
        "odin/temperatures": (5,),
        "odin/test_confidence": (*shape, 15),
        "odin/test_energy": (*shape, 15),
        "odin/ood_confidence": (*shape, 9),
        "odin/ood_energy": (*shape, 9),
    }
    assert probed.seconds["probes"] > 0


@pytest.mark.parametrize("side", [32, 16])  # as they are stored, and resized batch by batch
@pytest.mark.parametrize("own", [True, False])
def test_the_other_protocol_is_what_a_trial_with_the_other_setting_measures(storage, own, side):
    one = lived(probed_trial(own, side, probes=("other_protocol",)), storage)
    other = lived(probed_trial(not own, side, probes=("odin",)), storage)
    found = {name.removeprefix("other_protocol/"): a for name, a in one.probes.items()}
    assert found["logits"].dtype == np.float32
    assert found["logits"] == pytest.approx(other.logits["ood"], abs=1e-5)
    assert np.abs(found["logits"] - one.logits["ood"]).max() > 0.1
    for kind in ("confidence", "energy"):
        assert found[kind] == pytest.approx(other.probes[f"odin/ood_{kind}"], abs=1e-5)
    for name in ("epsilons", "temperatures"):
        assert np.array_equal(found[name], other.probes[f"odin/{name}"])
    assert set(found) == {"logits", "confidence", "energy", "epsilons", "temperatures"}
    assert np.array_equal(one.logits["test"], other.logits["test"])


def test_the_other_protocol_leaves_the_trial_s_own_images_as_they_were(linear):
    subject = subject_of(linear, pixels(10, 0), pixels(10, 1))
    assert subject.data.ood is not None
    before = subject.data.ood.inputs.clone()
    other_protocol(subject)
    assert torch.equal(subject.data.ood.inputs, before)


def test_a_network_that_is_not_finite_under_the_other_protocol_has_diverged(linear):
    overflowing = copy.deepcopy(linear)
    with torch.no_grad():
        overflowing[1].weight.fill_(3e38)
    with pytest.raises(Diverged):
        other_protocol(subject_of(overflowing, pixels(10, 0), pixels(10, 1)))


def test_each_probe_s_seconds_are_counted_once(storage, monkeypatch):
    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

    clock = Clock()

    def slow(subject: Subject) -> Arrays:
        clock.now += 1.0
        return {}

    monkeypatch.setattr(life, "time", clock)
    monkeypatch.setattr(passes, "time", clock)
    monkeypatch.setattr(life, "PROBES", {name: Probe(slow, END) for name in ("features", "odin")})
    left = lived(probed_trial(probes=("features", "odin")), storage)
    assert left.seconds["probes"] == 2.0
