"""The probe of shift: which images a network is shown, and what is kept of its answers."""

from dataclasses import replace

import pytest
import torch
from lives import lived
from small import WARM
from subjects import CONSTANTS, subject_of
from torch import Tensor, nn

from analysis.metrics.shift import CORRUPTIONS as NAMES
from analysis.metrics.shift import SEVERITIES
from trainables.data.splits import Split
from trainables.probes import shift as module
from trainables.probes.corruptions import CORRUPTIONS, generator_of
from trainables.probes.shift import shift
from trainables.probes.subject import Subject
from trainables.training import loop
from trainables.training.loop import Diverged, evaluate

SHAPE = (3, 8, 8)


def shown_to(subject: Subject) -> Tensor:
    """(corruptions, severities, n, channels, height, width) of a network that answers with what it
    is shown, in pixels."""
    logits = shift(subject)["logits"]
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in CONSTANTS)
    return logits.unflatten(-1, subject.data.test.shape) * std + mean


def pixels_of(subject: Subject) -> Tensor:
    inputs, _ = subject.data.test.taken(slice(None))
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in CONSTANTS)
    return (inputs * std + mean).clamp(0, 1)


def test_the_network_is_shown_corrupted_pixels_normalised_as_its_own():
    subject = subject_of(nn.Flatten(), SHAPE, test=9)
    found, pixels = shown_to(subject), pixels_of(subject)
    assert found.shape == (10, 5, 9, *SHAPE)
    for place, name in enumerate(NAMES):
        for severity in SEVERITIES:
            expected = CORRUPTIONS[name](pixels, severity, generator_of(name, severity))
            assert torch.allclose(found[place, severity - 1], expected, atol=1e-5)


def test_images_are_corrupted_at_the_size_that_the_network_takes():
    subject = subject_of(nn.Flatten(), SHAPE, test=4)
    larger = replace(subject.data.test, shape=(3, 16, 16))
    subject = replace(subject, data=replace(subject.data, test=larger))
    found, pixels = shown_to(subject), pixels_of(subject)
    expected = CORRUPTIONS["impulse noise"](pixels, 5, generator_of("impulse noise", 5))
    assert torch.allclose(found[1, 4], expected, atol=1e-5)


def test_networks_of_any_seed_see_the_same_images_however_they_are_batched(monkeypatch):
    subject = subject_of(nn.Flatten(), SHAPE, test=9)
    found = shown_to(subject)
    assert torch.equal(found, shown_to(replace(subject, seed=7, batch=3)))
    monkeypatch.setattr(loop, "EVALUATED_EXAMPLES", 4)
    assert torch.allclose(found, shown_to(subject), atol=1e-6)


@pytest.mark.parametrize(("limit", "most"), [("EXAMPLES", 5), ("LOGITS", 5 * 192 + 100)])
def test_the_images_are_the_first_of_the_test_set_as_many_as_a_record_can_hold(
    monkeypatch, limit, most
):
    subject = subject_of(nn.Flatten(), SHAPE, test=9)
    whole = shift(subject)
    monkeypatch.setattr(module, limit, most)
    first = shift(subject)
    assert torch.equal(first["labels"], subject.data.test.labels[:5])
    assert first["labels"].dtype == torch.int64
    assert torch.allclose(first["logits"], whole["logits"][:, :, :5], atol=1e-6)


def test_logits_are_those_of_the_network_in_eval_mode():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(192), nn.Linear(192, 3), nn.Dropout(0.5))
    subject = subject_of(network.train(), SHAPE, test=9)
    logits = shift(subject)["logits"]
    drift = CORRUPTIONS["darker"](pixels_of(subject), 2, generator_of("darker", 2))
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in CONSTANTS)
    shown = evaluate(network, replace(subject.data.test, inputs=(drift - mean) / std)).logits
    assert torch.allclose(logits[NAMES.index("darker"), 1], shown, atol=1e-5)
    assert logits.dtype == torch.float32


def test_a_network_whose_answers_are_not_finite_has_diverged():
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    nn.init.constant_(network[1].weight, float("nan"))
    with pytest.raises(Diverged):
        shift(subject_of(network, SHAPE))


def test_a_trial_s_record_has_the_logits_beside_those_of_the_clean_images(storage):
    probed = lived(WARM.model_copy(update={"probes": ("shift",)}), storage)
    assert {name: array.shape for name, array in probed.probes.items()} == {
        "shift/logits": (10, 5, 15, 10),
        "shift/labels": (15,),
    }
    assert (probed.probes["shift/labels"] == probed.labels["test"]).all()


class Reads(nn.Module):
    """Answers with what it reads: the logits of a token are 1 at the token itself."""

    def forward(self, tokens: Tensor) -> Tensor:
        return nn.functional.one_hot(tokens, 256).movedim(-1, 1).float()


def texts(n=40, context=64, measured=16):
    random = torch.Generator().manual_seed(0)
    tokens = torch.randint(256, (n, context + 1), generator=random)
    positions = torch.stack([torch.randperm(context, generator=random)[:measured] for _ in tokens])
    return Split(tokens[:, :-1], tokens[:, 1:], (context,), positions)


def test_of_text_a_growing_share_of_the_bytes_is_any_and_what_comes_next_is_as_it_was():
    subject = subject_of(nn.Linear(1, 1), (1,))
    subject = replace(subject, network=Reads(), data=replace(subject.data, test=texts()))
    found = shift(subject)
    assert found["logits"].shape == (1, 5, 40 * 16, 256)
    clean = evaluate(Reads(), texts())
    assert torch.equal(found["labels"], clean.labels)
    seen = found["logits"][0].argmax(dim=-1)
    changed = (seen != clean.logits.argmax(dim=1)).float().mean(dim=1)
    for share, expected in zip(changed.tolist(), (0.01, 0.02, 0.05, 0.1, 0.2), strict=True):
        deviation = (expected * (1 - expected) / 640) ** 0.5
        assert abs(share - expected * 255 / 256) < 4 * deviation
    few = Split(*(v[:9] for v in (texts().inputs, texts().labels)), (64,), texts().positions[:9])
    again = shift(replace(subject, data=replace(subject.data, test=few)))
    assert torch.equal(again["logits"], found["logits"][:, :, : 9 * 16])


def test_of_text_a_record_holds_the_first_predictions_that_it_has_room_for(monkeypatch):
    subject = subject_of(nn.Linear(1, 1), (1,))
    subject = replace(subject, network=Reads(), data=replace(subject.data, test=texts()))
    monkeypatch.setattr(module, "LOGITS", 256 * 50)
    found = shift(subject)
    assert found["logits"].shape == (1, 5, 3 * 16, 256)  # of three texts, whole
    assert torch.equal(found["labels"], evaluate(Reads(), texts()).labels[: 3 * 16])
