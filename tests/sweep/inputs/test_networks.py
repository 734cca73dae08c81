"""Networks are made and tried before anything runs, and what they start from is read once."""

import sys
from unittest.mock import Mock

import pytest
import torch
from support import refusal, trial_of

import sweep.inputs.networks as networks_module
from sweep.inputs.networks import Networks
from trainables.models.build import build

CPU = torch.device("cpu")
SMALL = {"data.validation": 20, "data.examples": 50, "data.resize": 8}
OWN = """
from torch import nn

def make(num_classes, input_shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, num_classes))

def seven(num_classes, input_shape):
    return make(7, input_shape)

class Counts(nn.Module):
    def __init__(self, num_classes, input_shape):
        super().__init__()
        self.network, self.calls = make(num_classes, input_shape), 0

    def forward(self, x):
        self.calls += self.training
        return self.network(x) + 0.01 * self.calls
"""


def resolve(sources, networks=None, **changes):
    return (networks or Networks()).resolve(sources.resolve(trial_of(SMALL, **changes)))


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file of the user's, in the folder where the command is given."""
    path = tmp_path / "own_networks.py"
    path.write_text(OWN, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("own_networks", None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "unet"}, "unet is for segmentation, and photos is classification; use --set"),
        ({"data__source": "mosaics"}, "and mosaics is segmentation; use --set model=unet"),
        (
            {"data__source": "text", "data__ood": "text_ood", "data__resize": None},
            "text is language; use --set model=transformer",
        ),
        ({"model": {"name": "vit", "patch": 3}}, "model.patch: 3"),
        ({"model": {"name": "vit", "heads": 7}}, "model.heads"),
        ({"model": "own_networks:seven"}, "its output for 2 examples is (2, 7); 10 classes need"),
        ({"model": "own_networks:eight"}, "eight"),
        ({"model": "no_such_file:make"}, "no_such_file"),
        ({"model__weights": "none.pt"}, "model.weights: none.pt"),
        ({"model__weights": "torchvision"}, "allow it with --download"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_in_one_line(sources, own, changes, says):
    assert says in refusal(resolve, sources, **changes)


def test_another_content_of_the_user_s_file_is_another_trial_and_no_worker_mistakes_it(
    sources, own
):
    before = resolve(sources, model="own_networks:make")
    build(before, CPU)
    own.write_text(OWN + "\n# changed\n", "utf-8")
    assert resolve(sources, model="own_networks:make").trial_id != before.trial_id
    with pytest.raises(ValueError, match="not the code that was planned"):  # by a worker
        build(before, CPU)


def test_another_content_of_a_file_that_it_imports_is_another_trial_too(sources, own):
    layers = own.with_name("own_layers.py")
    own.write_text("from own_layers import WIDTH\n" + OWN, "utf-8")
    ids = set()
    for width in (16, 17):
        layers.write_text(f"WIDTH = {width}\n", "utf-8")
        trial = resolve(sources, model="own_networks:make")
        ids.add(trial.trial_id)
        build(trial, CPU)
    layers.write_text("WIDTH = 18\n", "utf-8")
    with pytest.raises(ValueError, match="not the code that was planned"):
        build(trial, CPU)
    assert len(ids) == 2


def test_what_was_found_out_is_in_the_trial_and_said_once(sources, own):
    networks = Networks()
    for seed in (0, 1):
        trial = resolve(sources, networks, model="own_networks:Counts", seed=seed)
        assert trial.model.facts.stateful
        assert trial.control().model.facts.stateful
    (note,) = networks.notes
    assert "own_networks:Counts has state that its state_dict does not hold (calls)" in note
    assert resolve(sources, networks, model="own_networks:make").model.facts.stateful is False
    assert len(networks.notes) == 1


def test_a_network_is_tried_once_for_all_trials_that_share_it(sources, own, monkeypatch):
    tried = Mock(wraps=networks_module.rehearse)
    monkeypatch.setattr(networks_module, "rehearse", tried)
    networks = Networks()
    for changes in ({"seed": 1}, {"warmup.noise.std": 2.0}, {"task.epochs": 7}):
        resolve(sources, networks, model="own_networks:make", **changes)
    assert tried.call_count == 1
    resolve(sources, networks, model="own_networks:make", compute__bfloat16=True)
    assert tried.call_count == 2


def test_a_driver_without_the_device_of_the_run_tries_on_the_cpu(sources, own):
    if torch.cuda.is_available():
        pytest.skip("the device is here")
    networks = Networks(device="cuda")
    assert resolve(sources, networks, model="own_networks:make") == resolve(
        sources, Networks(), model="own_networks:make"
    )


@pytest.fixture
def trained(sources, tmp_path):
    """The state of a network of another seed, which lies in two files."""
    plain = resolve(sources, model__depth=3, seed=5)
    state = build(plain, CPU).state_dict()
    files = [str(tmp_path / name) for name in ("one.pt", "two.pt")]
    for file in files:
        torch.save(state, file)
    return state, files


def test_weights_are_known_by_what_they_hold(sources, trained):
    networks, (_, files) = Networks(), trained
    plain, one, two = (
        resolve(sources, networks, model__depth=3, model__weights=file) for file in (None, *files)
    )
    assert one.trial_id == two.trial_id != plain.trial_id
    assert one.trial_id != one.model_copy(update={"seed": 1}).trial_id
    assert list(networks.weights) == [one.model.facts.weights]


def test_a_network_starts_from_its_weights_with_a_head_of_its_own(sources, trained):
    networks, (before, (file, _)) = Networks(), trained
    heads = []
    for seed in (0, 1):
        trial = resolve(sources, networks, model__depth=3, seed=seed, model__weights=file)
        state = build(trial, CPU, networks.weights[trial.model.facts.weights]).state_dict()
        last = list(state)[-2]  # the head's weight
        assert all(torch.equal(state[n], before[n]) for n in state if not n.startswith(last[:2]))
        heads.append(state[last])
    assert not torch.equal(*heads)
