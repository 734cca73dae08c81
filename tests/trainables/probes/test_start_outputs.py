"""What is measured before the task: outputs, the confidence map, layers and gradients."""

import sys
from itertools import islice

import numpy as np
import pytest
import subjects
import torch
import torch.nn.functional as F
from subjects import split_of
from torch import Tensor, nn

from trainables.data.splits import Split, TaskData
from trainables.models.build import Autocast
from trainables.models.vit import vit
from trainables.probes.gradients import MOST_BATCHES, gradients
from trainables.probes.layers import layers
from trainables.probes.outputs import confidence_map, start_outputs
from trainables.probes.subject import Subject
from trainables.seeds import generator
from trainables.training.loop import Diverged, shuffled

IMAGE = (3, 6, 6)
CLASSES = 4


def subject_of(network: nn.Module, shape: tuple[int, ...] = IMAGE, **fields: object) -> Subject:
    return subjects.subject_of(network, shape, **{"batch": 16, "classes": CLASSES} | fields)


def convolutional(inplace: bool = False) -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3), nn.ReLU(inplace), nn.BatchNorm2d(5), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(5 * 16, 7), nn.ReLU(inplace), nn.BatchNorm1d(7), nn.Linear(7, CLASSES),
    )  # fmt: skip


LAYERS = ["0", "5", "8"]
LEVELS = np.linspace(0, 1, 101)


# Outputs


def test_start_outputs_are_the_logits_in_eval_mode_and_the_inputs_mean_square():
    subject = subject_of(convolutional(), train=300)  # more than one part
    arrays = start_outputs(subject)
    network, data = subject.network.eval(), subject.data
    with torch.inference_mode():
        for name, split in (("train", data.train), ("test", data.test), ("ood", data.ood)):
            assert torch.allclose(arrays[name], network(split.inputs), atol=1e-5)
    expected = (data.train.inputs.numpy().astype(np.float64) ** 2).reshape(300, -1).mean(axis=1)
    assert arrays["train_mean_square"].numpy() == pytest.approx(expected, rel=1e-5)
    assert set(arrays) == {"train", "test", "ood", "train_mean_square"}


def test_the_mean_square_is_that_of_the_input_as_the_network_takes_it():
    subject = subject_of(convolutional())
    small = split_of(9, 0, (3, 3, 3), CLASSES)
    resized = Split(small.inputs, small.labels, IMAGE, None)
    data = TaskData(resized, subject.data.validation, resized, None, ((), ()), ((), ()))
    arrays = start_outputs(Subject(subject.network, data, 16, 5, {}))
    expected = resized.taken(slice(None))[0].square().mean(dim=(1, 2, 3))
    assert torch.allclose(arrays["train_mean_square"], expected)
    assert not torch.allclose(expected, small.inputs.square().mean(dim=(1, 2, 3)))
    assert "ood" not in arrays


def test_outputs_that_are_not_finite_have_diverged():
    network = convolutional()
    with torch.no_grad():
        network[8].bias.fill_(torch.inf)
    with pytest.raises(Diverged):
        start_outputs(subject_of(network))


class Asymmetric(nn.Module):
    """Logits (x, 100·y)."""

    def forward(self, points: Tensor) -> Tensor:
        return points * torch.tensor([1.0, 100.0])


def test_a_row_of_the_confidence_map_has_one_y_and_a_column_one_x():
    arrays = confidence_map(subject_of(Asymmetric(), shape=(2,)))
    axis, logits = arrays["axis"], arrays["logits"]
    assert (axis[0], axis[50], axis[-1], len(axis)) == (-10.0, 0.0, 10.0, 101)
    assert logits.shape == (101, 101, 2)
    for row, column in [(0, 0), (0, 100), (100, 0), (37, 80)]:
        assert torch.equal(logits[row, column], torch.stack([axis[column], 100 * axis[row]]))


def test_a_map_of_images_is_refused():
    with pytest.raises(ValueError, match=r"confidence_map.*\(3, 6, 6\)"):
        confidence_map(subject_of(convolutional()))


# Layers


def activations(network: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """What each layer puts out, module after module."""
    found = {}
    network.eval()
    with torch.inference_mode():
        for name, module in network.named_children():
            inputs = module(inputs)
            found[name] = inputs.clone()
    return found


@pytest.mark.parametrize("inplace", [False, True])
def test_quantiles_and_moments_are_numpy_s(inplace):
    """Outputs before activation, though the activation may work in place."""
    subject = subject_of(convolutional(inplace), test=300)  # more than one part
    arrays = layers(subject)
    expected = activations(convolutional(), subject.data.test.inputs)
    for name in LAYERS:
        weight = subject.network.get_submodule(name).weight.detach().numpy()
        outputs = expected[name].numpy()
        assert arrays[f"{name}/weights"].numpy() == pytest.approx(
            np.quantile(weight, LEVELS), abs=1e-6
        )
        assert arrays[f"{name}/outputs"].numpy() == pytest.approx(
            np.quantile(outputs, LEVELS), abs=1e-5
        )
        moments = [weight.mean(), weight.std(), outputs.mean(), outputs.std()]
        assert arrays[f"{name}/moments"].numpy() == pytest.approx(np.array(moments), abs=1e-5)
    kinds = ("weights", "outputs", "moments", "change")
    assert list(arrays) == [f"{name}/{kind}" for name in LAYERS for kind in kinds]
    assert all(array.dtype == torch.float32 for array in arrays.values())


def test_of_many_test_examples_a_thousand_are_looked_at():
    seen = []
    subject = subject_of(convolutional(), test=1500)
    subject.network[0].register_forward_hook(lambda m, i, o: seen.append(len(o)))
    layers(subject)
    assert sum(seen) == 1000


def test_of_many_outputs_random_places_are_taken_of_every_input(monkeypatch):
    """They are spread as all of them are: a Kolmogorov–Smirnov distance below 2 %."""
    subject = subject_of(convolutional(), test=1000)
    exact = layers(subject)["0/outputs"].numpy()
    monkeypatch.setattr(sys.modules[layers.__module__], "VALUES", 20_000)
    few = layers(subject)["0/outputs"].numpy()
    assert not np.array_equal(few, exact)
    assert np.abs(np.interp(few[5:-5], exact, np.linspace(0, 1, 101)) - LEVELS[5:-5]).max() < 0.02


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_change_is_that_of_each_weight_since_it_was_untrained(wrapped):
    network = Autocast(convolutional()) if wrapped else convolutional()
    subject = subject_of(network)
    assert all(layers(subject)[f"{name}/change"] == 0 for name in LAYERS)
    with torch.no_grad():
        subject.bare[5].weight.mul_(1.25)
        subject.bare[5].bias.add_(1.0)  # is no weight
        subject.bare[8].weight[0, 0] += 3.0
    arrays = layers(subject)
    untrained = convolutional()[8].weight
    assert arrays["0/change"] == 0
    assert arrays["5/change"].item() == pytest.approx(0.25, abs=1e-6)
    assert arrays["8/change"].item() == pytest.approx(3 / untrained.norm().item(), rel=1e-5)


def test_a_layer_that_stays_at_zero_has_not_changed():
    network = convolutional()
    nn.init.zeros_(network[8].weight)
    assert layers(subject_of(network))["8/change"] == 0


def test_the_last_layer_of_an_attention_has_the_attention_s_outputs():
    """PyTorch takes its weights without running it."""
    shape = (3, 8, 8)
    network = vit(shape, CLASSES, depth=1, width=8, heads=2, mlp_width=16, dropout=0.0)
    subject = subject_of(network, shape=shape)
    inputs = []
    block = network.encoder.layers[0]
    hook = block.ln_1.register_forward_hook(lambda m, i, o: inputs.append(o.clone()))
    with torch.inference_mode():
        network.eval()(subject.data.test.inputs)
        hook.remove()
        x = inputs[0]
        attention = block.self_attention
        q, k, v = F.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=-1)
        heads = []
        for q_, k_, v_ in zip(q.chunk(2, -1), k.chunk(2, -1), v.chunk(2, -1), strict=True):
            heads.append((q_ @ k_.transpose(1, 2) / 4**0.5).softmax(-1) @ v_)
        outputs = attention.out_proj(torch.cat(heads, dim=-1)).numpy()
    found = layers(subject)["encoder.layers.encoder_layer_0.self_attention.out_proj/outputs"]
    assert found.numpy() == pytest.approx(np.quantile(outputs, LEVELS), abs=1e-4)


def test_a_layer_that_is_never_run_has_no_outputs():
    network = convolutional()
    network.spare = nn.Linear(2, 2)
    network.forward = lambda x: nn.Sequential.forward(network[:9], x)  # type: ignore[method-assign]
    arrays = layers(subject_of(network))
    assert arrays["spare/outputs"].isnan().all()
    assert arrays["spare/moments"].isnan().tolist() == [False, False, True, True]


# Gradients


def by_hand(network: nn.Module, subject: Subject) -> dict[str, list[np.ndarray]]:
    """The weights' gradients by backward, one mini-batch after the other."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in LAYERS}
    network.train()
    order = generator(subject.seed, "order")
    for inputs, labels in islice(shuffled(subject.data.train, subject.batch, order), MOST_BATCHES):
        network.zero_grad()
        F.cross_entropy(network(inputs), labels).backward()
        for name in LAYERS:
            gradient = network.get_submodule(name).weight.grad
            found[name].append(gradient.numpy().astype(np.float64))
    return found


@pytest.mark.parametrize(("train", "batches"), [(60, 4), (16 * 40, 32), (33, 2)])
def test_gradients_are_those_of_the_first_epoch_s_mini_batches(train, batches):
    network = convolutional()
    network[4] = nn.Identity()  # dropout draws of its own
    subject = subject_of(network, train=train)
    arrays = gradients(subject)
    reference = convolutional()
    reference[4] = nn.Identity()
    for name, expected in by_hand(reference, subject).items():
        norms = [np.linalg.norm(gradient) for gradient in expected]
        assert len(norms) == batches
        assert arrays[f"{name}/norms"].numpy() == pytest.approx(np.array(norms), rel=1e-4)
        variance = np.var(np.stack(expected), axis=0, ddof=1).mean()
        assert arrays[f"{name}/variance"].item() == pytest.approx(variance, rel=1e-4)
    assert list(arrays) == [f"{n}/{kind}" for n in LAYERS for kind in ("norms", "variance")]


def test_the_mini_batches_are_looked_at_in_training_mode():
    """In which batch normalisation uses the mini-batch and dropout drops."""
    subject = subject_of(convolutional())
    kept = gradients(subject)
    subject.network[4].p = 0.0
    assert not torch.equal(gradients(subject)["8/norms"], kept["8/norms"])
    for module in (subject.network[2], subject.network[7]):
        module.running_mean.fill_(100.0)
    subject.network[4].p = 0.3
    assert torch.equal(gradients(subject)["8/norms"], kept["8/norms"])


def test_one_mini_batch_has_no_variance():
    arrays = gradients(subject_of(convolutional(), train=16))
    assert arrays["0/norms"].shape == (1,)
    assert arrays["0/variance"].isnan()


def test_frozen_layers_have_no_gradients_and_stay_frozen():
    network = convolutional()
    network[5].requires_grad_(False)
    arrays = gradients(subject_of(network))
    assert {name.partition("/")[0] for name in arrays} == {"0", "8"}
    assert not network[5].weight.requires_grad
    assert all(parameter.grad is None for parameter in network.parameters())
