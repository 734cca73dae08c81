"""What will happen to a user's network is found out before anything is trained."""

import contextlib

import pytest
import torch
from lives import CPU, changed, of_user
from small import WARM
from torch import nn

from trainables.config.trial import Compute
from trainables.models.build import Autocast, build
from trainables.models.head import head
from trainables.models.own import NetworkError
from trainables.preflight.repetition import Tried, rehearse


def tried(name: str, **changes: object) -> Tried:
    return rehearse(of_user(name, **changes), CPU)


def found(name: str, **changes: object) -> dict[str, object]:
    """The facts that are the case."""
    facts = tried(name, **changes).trial.model.facts.model_dump(exclude={"code"})
    return {name: value for name, value in facts.items() if value}


REFUSED = {
    "own_generator": "made again from the same seed (its 3.weight differs): it draws from a",
    "numpys_generator": "made again from the same seed (its 1.mask differs)",
    "from_call_to_call": "made again from the same seed (its 3.bias differs)",
    "always_the_same_one": "made again from the same seed (its outputs differ)",
    "DrawsFromItsOwn": "made again from the same seed (its outputs differ)",
    "fixed_seed": "seeds PyTorch itself, so that its 1.weight would be the same in all replicates",
    "fixed_numpy_seed": "seeds NumPy itself, so that its 3.weight would be the same in all",
    "Auxiliary": "in training mode is tuple; let it return the logits, one tensor, in either mode",
    "Squeezed": "for 1 example is (4,); 4 classes need (1, 4), and a last batch can be of one",
    "Frozen": "has no parameter that is trained",
    "Empty": "has no parameter that is trained",
    "Detached": "in training mode it raises RuntimeError: element 0 of tensors does not require",
    "ChangesItsInputs": "it changes its inputs in place, which are the data",
    "ReluInPlace": "it changes its inputs in place, which are the data",
    "ClampsFar": "it changes its inputs in place, which are the data",
    "Half": "its output is torch.bfloat16; let it return float32 logits",
    "KeepsItsGraph": "in training mode it raises RuntimeError",
    "Softmax": "its outputs are a softmax, and the loss takes a softmax of them once more",
    "LogSoftmax": "its outputs are a log-softmax",
    "Sigmoid": "its outputs are numbers between 0 and 1, as of a sigmoid",
    "SoftmaxWhenMeasured": "its outputs are a softmax",
}


@pytest.mark.parametrize(("name", "says"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_right_is_refused_in_one_line(name, says):
    with pytest.raises(NetworkError) as raised:
        tried(name)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


ORDINARY = [
    *("Net", "numpy_init", "DrawsInForward", "zero_head", "seeded_wiring", "same_weights"),
    *("Double", "NeedsGradients", "Relu", "SmallPositive", "NoHead", "Cached", "LastSeen"),
    *("Positions", "Saved"),
]
STATEFUL = ["SavedAsCode", "Counting", "Late", "Averaged", "InAClosure"]
ACCEPTED: dict[str, dict[str, object]] = {
    **{name: {} for name in ORDINARY},
    **{name: {"stateful": True} for name in STATEFUL},
    "View": {"contiguous": True},
    "ViewInTraining": {"contiguous": True},
    "Unused": {"head": "network.3"},
    "HeadFirst": {"head": "classifier"},
}


@pytest.mark.parametrize(("name", "facts"), ACCEPTED.items(), ids=ACCEPTED)
def test_what_can_be_right_is_accepted_with_what_others_must_know(name, facts):
    assert found(name) == facts


NOTES = {
    "Counting": "has state that its state_dict does not hold (calls, scale): its trials begin",
    "SavedAsCode": "(it cannot be saved as plain values, UnpicklingError)",
    "InAClosure": "(its outputs differ)",
    "same_weights": "starts from the same weights in every replicate, whatever its seed",
}


@pytest.mark.parametrize(("name", "says"), NOTES.items(), ids=NOTES)
def test_the_user_is_told_what_follows(name, says):
    (note,) = tried(name).notes
    assert says in note


def test_nothing_is_said_of_an_ordinary_network_and_its_trial_s_id_is_as_it_was():
    for name in ("Net", "View", "numpy_init", "zero_head", "seeded_wiring"):
        assert tried(name).notes == ()
    assert tried("Net").trial.trial_id == of_user("Net").trial_id


def test_state_and_format_are_in_the_id_and_the_head_where_it_matters():
    for name in ("Counting", "View"):
        assert tried(name).trial.trial_id != of_user(name).trial_id
    assert tried("HeadFirst").trial.trial_id == of_user("HeadFirst").trial_id
    alone = {"warmup": {"train": "head"}}
    of_head = tried("HeadFirst", **alone).trial
    assert of_head.trial_id != of_user("HeadFirst", **alone).trial_id
    assert of_head.control().trial_id == of_user("HeadFirst").control().trial_id


def test_a_head_that_is_trained_alone_must_be_a_layer():
    with pytest.raises(NetworkError, match="none of the Linear and Conv2d layers"):
        tried("NoHead", warmup={"train": "head"})


def test_what_is_kept_of_a_warm_up_needs_a_network_without_other_state():
    with pytest.raises(NetworkError, match=r"warmup\.keep: norms needs the untrained network"):
        tried("Counting", warmup={"keep": "norms"})


@pytest.mark.parametrize("compute", [Compute(bfloat16=True), Compute(channels_last=True)])
@pytest.mark.parametrize("name", ["Net", "View", "HeadFirst", "Counting"])
def test_the_arithmetic_of_the_run_comes_to_the_same(name, compute):
    assert found(name, compute=compute) == ACCEPTED[name]


def test_the_network_is_built_in_the_format_that_it_can_be_run_in():
    trial = tried("View").trial
    network = build(trial, CPU)
    assert network.conv.weight.is_contiguous()
    network(torch.randn(2, 3, 6, 6)).sum().backward()
    plain = build(of_user("View"), CPU)
    assert plain.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_the_head_is_found_behind_autocast_too():
    trial = tried("HeadFirst", compute=Compute(bfloat16=True)).trial
    network = build(trial, CPU)
    assert isinstance(network, Autocast)
    assert head(network) is network.network.classifier


def test_a_network_that_diverges_in_its_first_step_is_no_fault_of_its_code():
    optimizer = WARM.task.optimizer.model_copy(update={"name": "sgd", "lr": 1e30})
    assert found("Net", task={"optimizer": optimizer}) == {}


def test_nothing_of_trying_is_left_behind():
    before = torch.get_rng_state()
    with contextlib.suppress(NetworkError):
        tried("Softmax")
    tried("DrawsInForward")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()


def test_the_service_s_own_networks_are_as_they_were():
    assert rehearse(WARM, CPU) == Tried(WARM)


def test_two_of_one_seed_are_alike_whatever_draws_their_weights():
    for name in ("numpy_init", "Net"):
        trial = of_user(name)
        one, two = (build(t, CPU) for t in (trial, trial.control()))
        other = build(changed(trial, seed=1), CPU)
        weights = [nn.utils.parameters_to_vector(n.parameters()) for n in (one, two, other)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("name", "kind", "shape"),
    [("PerPixel", "segmentation", (3, 6, 6)), ("PerToken", "language", (7,))],
)
def test_networks_of_pixels_and_of_tokens_are_tried_alike(name, kind, shape):
    facts = of_user(name).facts.model_copy(update={"kind": kind, "shape": shape})
    assert found(name, data={"facts": facts}) == {"head": "classifier"}
