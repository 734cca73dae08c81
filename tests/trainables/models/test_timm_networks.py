"""Networks by timm's names, made for the data, held against what timm itself makes."""

import sys

import pytest
import timm
import torch
from lives import CPU, changed
from small import FACTS, WARM
from support import refused

from sweep.inputs.networks import Networks
from trainables.config.model import NetworkFacts, Own
from trainables.config.trial import Trial
from trainables.models.build import build
from trainables.models.code import code_digest
from trainables.models.own import NetworkError, own

TINY = "timm:test_resnet"  # 0.5 million weights
SHAPE = (3, 32, 32)


def trial_of(
    name: str, shape: tuple[int, ...] = SHAPE, classes: int = 10, **model: object
) -> Trial:
    facts = FACTS.model_copy(update={"shape": shape, "classes": classes})
    return changed(WARM, model=Own(name=name, **model), data={"facts": facts})


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "poolformer_s12"])
@pytest.mark.parametrize(("shape", "classes"), [((3, 32, 32), 10), ((1, 48, 32), 3)])
def test_the_network_is_timm_s_for_the_classes_channels_and_size_of_the_data(name, shape, classes):
    """One with a size of its own is made for the data's; others take any."""
    trial = Networks().resolve(trial_of(f"timm:{name}", shape, classes))
    made = build(trial, CPU)
    size = {"img_size": shape[1:]} if "vit" in name else {}
    theirs = timm.create_model(name, num_classes=classes, in_chans=shape[0], **size)
    theirs.load_state_dict(made.state_dict())
    inputs = torch.randn(2, *shape)
    torch.testing.assert_close(made.eval()(inputs), theirs.eval()(inputs), rtol=1e-4, atol=1e-5)


def test_its_weights_follow_from_the_seed():
    trial = Networks().resolve(trial_of(TINY))
    one, same = (torch.cat([p.flatten() for p in build(trial, CPU).parameters()]) for _ in "ab")
    other = build(trial.model_copy(update={"seed": 1}), CPU)
    assert torch.equal(one, same)
    assert not torch.equal(one, torch.cat([p.flatten() for p in other.parameters()]))


def test_arguments_are_timm_s():
    assert own("timm:test_vit", SHAPE, 10, {"drop_rate": 0.25}).head_drop.p == 0.25


def test_its_id_is_that_of_its_name_and_of_timm_s_version(monkeypatch):
    def trial_id(name: str) -> str:
        facts = NetworkFacts(code=code_digest(name))
        return trial_of(name, facts=facts).trial_id

    ids = {trial_id(TINY), trial_id("timm:test_vit")}
    assert len(ids) == 2
    assert trial_id(TINY) in ids
    version = timm.__version__
    published = f"timm=={version}"
    monkeypatch.setattr("trainables.models.code._published", lambda top: published + "1")
    assert trial_id(TINY) not in ids


@pytest.mark.parametrize(
    ("name", "shape", "arguments", "says"),
    [
        ("timm:convnext_ato", SHAPE, {}, "no network 'convnext_ato'; did you mean convnext_atto"),
        ("timm:zzz", SHAPE, {}, r"no network 'zzz'; timm.list_models\(\) has them all"),
        ("timm:test_resnet.r160_in1k", SHAPE, {}, "write timm:NAME, without a tag"),
        ("timm:hf-hub:timm/x", SHAPE, {}, "is no name of timm's"),
        (TINY, (64,), {}, r"takes images, and the examples have shape \(64,\)"),
        (TINY, SHAPE, {"pretrained": True}, "its weights are random; start from others by"),
        (TINY, SHAPE, {"widht": 3}, "unexpected keyword argument 'widht'; change model.arguments"),
        ("timm:crossvit_tiny_240", SHAPE, {}, "raises RuntimeError: The size of tensor"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(name, shape, arguments, says):
    with pytest.raises(ValueError, match=says) as caught:
        Networks().resolve(trial_of(name, shape, arguments=arguments))
    assert "\n" not in str(caught.value)


def test_where_timm_is_not_installed_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    says = "model: timm:test_resnet: timm is not installed; pip install 'warmup-sweep[timm]'"
    with refused(NetworkError, says):
        own(TINY, SHAPE, 10, {})
