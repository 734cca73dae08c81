"""A trial's validation, and its ids: they hold what determines the result, and nothing else."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from trainables.config.model import NAMES as NETWORKS
from trainables.config.model import Mlp
from trainables.config.noise import DISTRIBUTIONS
from trainables.config.trial import (
    Augmentation,
    Compute,
    Data,
    DataFacts,
    Noise,
    Optimizer,
    Task,
    Trial,
    Warmup,
    _used,
)

FACTS = {
    "digest": "d1",
    "ood_digest": "o1",
    "shape": (3, 32, 32),
    "classes": 10,
    "mean": (0.5, 0.4, 0.3),
    "std": (0.2, 0.2, 0.25),
}
NO_CONSTANTS = {"data.facts.mean": None, "data.facts.std": None}
NO_OOD = {"data.ood": None, "data.facts.ood_digest": None}

# Every field that determines the result, with another value.
DETERMINE = {
    "seed": 1,
    "model.depth": 5,
    "model.width": 255,
    "model.feedback_alignment": True,
    "model.init": "xavier",
    "model.facts.weights": "w1",
    "model.facts.code": "c1",
    "model.facts.contiguous": True,
    "model.facts.stateful": True,
    "data.examples": 501,
    "data.balanced": True,
    "data.validation": 499,
    "data.test": 1000,
    "data.ood_examples": 1000,
    "data.subset_seed": 1,
    "data.ood_normalised": False,
    "data.facts.kind": "segmentation",
    "data.facts.digest": "d2",
    "data.facts.ood_digest": "o2",
    "data.facts.shape": (3, 32, 31),
    "data.facts.classes": 11,
    "data.facts.mean": (0.5, 0.4, 0.31),
    "data.facts.std": (0.2, 0.2, 0.26),
    "data.ood_each_epoch": True,
    "warmup.noise.distribution": "uniform",
    "warmup.noise.mean": 0.1,
    "warmup.noise.std": 1.1,
    "warmup.examples": 240_000,
    "warmup.epochs": 14,
    "warmup.batch": 127,
    "warmup.train": "head",
    "warmup.optimizer.name": "adamw",
    "warmup.optimizer.lr": 2e-4,
    "warmup.optimizer.weight_decay": 1e-9,
    "task.epochs": 31,
    "task.batch": 127,
    "task.schedule": "cosine",
    "task.augmentation": {"crop": 4},
    "task.loss": {"name": "focal"},
    "task.optimizer.name": "adamw",
    "task.optimizer.lr": 2.0000001e-5,
    "task.optimizer.weight_decay": 0.0,
    "compute.bfloat16": True,
    "compute.channels_last": True,
    "probes": ("odin",),
}
# Names under which the data were found: what they name is in the facts.
NAMES = {
    "data.source": "npz:/elsewhere/photos.npz",
    "data.ood": "folder:/elsewhere",
    "data.normalisation": "subset",
    "data.resize": 32,
    "data.channels": 3,
    "data.classes": 10,
}
# The arm, which the presence of a warm-up says, and fields with tests of their own.
APART = [
    *("arm", "model.name", "model.weights", "model.facts.head", "data.positions", "warmup.keep"),
    *("warmup.optimizer.momentum", "task.optimizer.momentum"),
]


def changed(trial: Trial, changes: dict[str, Any]) -> Trial:
    """The trial with dotted fields changed, validated anew."""
    fields = trial.model_dump()
    for dotted, value in changes.items():
        *sections, last = dotted.split(".")
        section = fields
        for name in sections:
            section[name] = section[name] or {}  # a section that is there only when asked for
            section = section[name]
        section[last] = value
    return Trial.model_validate(fields)


TRIAL = Trial(data=Data(facts=DataFacts(**FACTS)))


def leaves(value: BaseModel, prefix: str = "") -> Iterator[str]:
    for name in type(value).model_fields:
        inner = getattr(value, name)
        if isinstance(inner, BaseModel):
            yield from leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name


# Defaults: the paper's Methods


def test_the_defaults_are_the_paper_s():
    default = Trial()
    assert default.model == Mlp(depth=6, width=256, init="he")
    assert default.warmup is not None
    assert default.warmup.noise == Noise(distribution="gaussian", mean=0, std=1)
    assert (default.warmup.examples, default.warmup.epochs) == (480_000, 15)
    assert default.warmup_examples == 480_000
    assert default.warmup.batch == default.task.batch == 128
    assert default.warmup.optimizer == Optimizer(lr=1e-4, weight_decay=0)
    assert default.task.optimizer == Optimizer(lr=2e-5, weight_decay=1e-3)
    assert default.task.epochs == 30


# Validation

REFUSED = {
    "arm": ["both"],
    "seed": [-1, None],
    "task": [None],
    "model": ["lenet"],
    "model.name": ["cnn"],
    "model.depth": [1, 2.5, "deep"],
    "model.init": ["zero"],
    "model.width": [1],
    "data.examples": [1],
    "data.validation": [0],
    "data.test": [0],
    "data.ood_examples": [0],
    "data.subset_seed": [-1],
    "data.normalisation": ["zca"],
    "warmup.noise.distribution": ["brown"],
    "warmup.noise.std": [0.0, -1.0, math.inf],
    "warmup.noise.mean": [math.nan, math.inf],
    "warmup.examples": [1],
    "warmup.epochs": [0],
    "warmup.batch": [1],
    "warmup.train": ["backbone"],
    "warmup.optimizer.lr": [0.0],
    "warmup.optimizer.name": ["lion"],
    "task.epochs": [-1],
    "task.batch": [1],
    "task.schedule": ["linear"],
    "task.loss.name": ["mse", None],
    "task.optimizer.lr": [math.inf, -1e-3, math.nan],
    "task.optimizer.weight_decay": [-1e-3, math.nan],
}
UNKNOWN = [
    *("device", "model.stem", "model.colour", "data.subset", "data.facts.dtype"),
    *("warmup.noise.scale", "warmup.steps", "task.augmentation.rotate", "task.optimizer.nesterov"),
    "compute.float16",
]


@pytest.mark.parametrize(
    ("dotted", "value"),
    [
        *((dotted, value) for dotted, values in REFUSED.items() for value in values),
        *((dotted, 1) for dotted in UNKNOWN),
    ],
)
def test_a_field_out_of_range_or_unknown_is_refused_by_its_name(dotted, value):
    with pytest.raises(ValidationError) as caught:
        changed(TRIAL, {dotted: value})
    steps = [[str(part) for part in error["loc"]] for error in caught.value.errors()]
    named = {".".join(part for part in step if not part.startswith("<")) for step in steps}
    assert named == {"model" if dotted == "model.name" else dotted}


@pytest.mark.parametrize(
    ("dotted", "known"),
    [
        ("warmup.noise.distribution", [*DISTRIBUTIONS]),
        ("warmup.keep", ["shuffled"]),
        ("model", [*NETWORKS, "package.module:factory"]),
    ],
)
def test_an_unknown_name_is_told_the_known_ones(dotted, known):
    with pytest.raises(ValidationError) as caught:
        changed(TRIAL, {dotted: "brown"})
    assert all(name in str(caught.value) for name in known)


@pytest.mark.parametrize(("arm", "warmup"), [("control", Warmup()), ("warmup", None)])
def test_an_arm_that_contradicts_the_warmup_is_refused(arm, warmup):
    with pytest.raises(ValidationError, match=f"arm: {arm}"):
        Trial(arm=arm, warmup=warmup)


@given(examples=st.integers(2, 10_000), epochs=st.integers(1, 50), batch=st.integers(2, 500))
def test_an_epoch_of_warmup_is_the_floor_of_examples_by_epochs_by_batch(examples, epochs, batch):
    steps = math.floor(examples / epochs / batch + 1e-12)
    if steps < 1:
        with pytest.raises(ValidationError, match=f"at least {epochs * batch}"):
            Warmup(examples=examples, epochs=epochs, batch=batch)
        return
    warmup = Warmup(examples=examples, epochs=epochs, batch=batch)
    assert warmup.steps_per_epoch == steps
    assert Trial(warmup=warmup).warmup_examples == epochs * steps * batch <= examples
    assert examples - epochs * steps * batch < epochs * batch


@pytest.mark.parametrize(
    ("of", "field"),
    [
        (TRIAL, "seed"),
        (TRIAL.model, "depth"),
        (TRIAL.data, "examples"),
        (TRIAL.facts, "digest"),
        (TRIAL.warmup, "examples"),
        (Noise(), "std"),
        (Optimizer(lr=1), "lr"),
        (Task(), "epochs"),
        (Augmentation(), "crop"),
        (Compute(), "bfloat16"),
    ],
)
def test_every_section_is_frozen(of, field):
    with pytest.raises(ValidationError, match="frozen"):
        setattr(of, field, getattr(of, field))


def test_a_model_s_name_is_short_for_its_section():
    assert Trial.model_validate({"model": "mlp"}).model == Mlp()
    assert Trial.model_validate({"model": {"depth": 3}}).model == Mlp(depth=3)
    for name in NETWORKS:
        assert Trial.model_validate({"model": name}).model.name == name
    own = Trial.model_validate({"model": "my.net:make"}).model
    assert own.name == "my.net:make"


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_momentum_is_sgd_s(name):
    assert Optimizer(name="sgd", lr=0.1, momentum=0.9).momentum == 0.9
    with pytest.raises(ValidationError, match=f"momentum: {name} has none"):
        Optimizer(name=name, lr=0.1, momentum=0.9)


@pytest.mark.parametrize(
    ("loss", "says"),
    [
        ({"name": "focal", "amount": 0.1}, "amount: focal has none; leave it out, or give gamma"),
        ({"name": "label_smoothing", "gamma": 1}, "gamma: label_smoothing has none"),
        ({"name": "label_smoothing", "amount": 1}, "less than 1"),
        ({"name": "focal", "gamma": -1}, "greater than or equal to 0"),
        ({"gamma": 1}, "Field required"),
        (3, "valid dictionary"),
    ],
)
def test_a_loss_has_its_own_number_and_no_other(loss, says):
    with pytest.raises(ValidationError, match=says):
        Task.model_validate({"loss": loss})


def test_each_loss_and_number_has_an_id_of_its_own():
    losses: list[Any] = [None, "focal", "label_smoothing", {"name": "focal", "gamma": 0}]
    ids = [changed(TRIAL, {"task.loss": loss}).trial_id for loss in losses]
    assert len(set(ids)) == len(ids)
    spelled = {"name": "focal", "gamma": 3}
    assert changed(TRIAL, {"task.loss": spelled}).trial_id == ids[1]


# Trial id


def test_this_trial_keeps_its_id():
    """Pinned: a change of ids makes every finished trial of every user run again. Where one is
    meant, since the numbers a trial gives have changed, raise RECIPE and write the new ids here."""
    assert TRIAL.trial_id == "d41c2dcd2c43f5e0"
    assert TRIAL.control().trial_id == "02b87d18fee73010"
    assert TRIAL.warmup_key == "1d22c494625b1a1b"
    assert TRIAL.measured_key == "3780946e11a502c1"


def test_without_the_data_s_facts_there_is_no_id():
    for key in ("trial_id", "warmup_key", "measured_key"):
        with pytest.raises(ValueError, match=r"data\.facts"):
            getattr(Trial(), key)


def test_every_field_is_sorted_into_determining_or_not():
    """A new field must be put into one of the lists of this file, and so be thought about."""
    assert sorted(leaves(TRIAL)) == sorted([*DETERMINE, *NAMES, *APART])


def test_each_field_that_determines_the_result_gives_an_id_of_its_own():
    trials = [TRIAL, *(changed(TRIAL, {name: value}) for name, value in DETERMINE.items())]
    assert len({one.trial_id for one in trials}) == len(trials)


def test_each_network_and_each_factory_s_arguments_have_an_id_of_their_own():
    sections: list[Any] = [*NETWORKS, "my.net:make"]
    arguments = ({}, {"pretrained": False}, {"pretrained": None}, {"pretrained": True}, {"n": []})
    sections += [{"name": "my.net:other", "arguments": given} for given in arguments]
    ids = {changed(TRIAL, {"model": section}).trial_id for section in sections}
    assert len(ids) == len(sections)


@pytest.mark.parametrize(
    ("changes", "matters"),
    [
        ({}, False),
        ({"warmup.keep": "norms"}, False),
        ({"probes": ("odin",)}, False),
        ({"warmup.train": "head"}, True),
        ({"warmup.keep": "logit_variance"}, True),
        ({"probes": ("features",)}, True),
        ({"model.weights": "a", "model.facts.weights": "w1"}, True),
    ],
)
def test_which_layer_is_the_head_matters_to_those_who_use_it(changes, matters):
    one = changed(TRIAL, changes)
    other = changed(one, {"model.facts.head": "fc"})
    assert one.uses_head is matters
    assert (one.trial_id != other.trial_id) is matters


def test_the_name_of_the_weights_does_not_matter_but_what_they_hold_does():
    one, other = (
        changed(TRIAL, {"model.weights": name, "model.facts.weights": "w1"}) for name in "ab"
    )
    assert one.trial_id == other.trial_id
    assert one.warmup_key == other.warmup_key
    unread = changed(TRIAL, {"model.weights": "a"})
    for key in ("trial_id", "warmup_key"):
        with pytest.raises(ValueError, match=r"model\.facts"):
            getattr(unread, key)


def test_momentum_determines_the_result():
    for phase in ("warmup", "task"):
        sgd = {f"{phase}.optimizer": {"name": "sgd", "lr": 0.1}}
        momenta = [changed(TRIAL, sgd | {f"{phase}.optimizer.momentum": m}) for m in (None, 0.9)]
        assert momenta[0].trial_id != momenta[1].trial_id


def test_the_positions_that_are_measured_matter_where_there_are_many():
    for kind, matters in (("classification", False), ("segmentation", True), ("language", True)):
        one, other = (
            changed(TRIAL, {"data.facts.kind": kind, "data.positions": n}) for n in (16, 17)
        )
        assert (one.trial_id != other.trial_id) is matters
        assert (one.measured_key != other.measured_key) is matters


def test_what_a_trial_does_not_use_is_not_in_its_id():
    """So a later feature, off unless asked for, leaves the ids of earlier trials as they were."""
    used = {"a": 0.0, "b": 0, "c": "", "d": {"e": 1}}
    assert _used(used | {"x": None, "y": False, "z": (), "d": {"e": 1, "f": None}, "g": {}}) == used


@pytest.mark.parametrize("dotted", NAMES)
def test_the_names_of_data_do_not_matter_where_the_facts_are_equal(dotted):
    assert changed(TRIAL, {dotted: NAMES[dotted]}).trial_id == TRIAL.trial_id


def test_the_id_survives_the_way_through_json():
    for one in (TRIAL, TRIAL.control(), changed(TRIAL, NO_CONSTANTS)):
        assert Trial.model_validate_json(one.model_dump_json()).trial_id == one.trial_id


@pytest.mark.parametrize(
    ("dotted", "one", "other"),
    [
        ("warmup.noise.std", 1, 1.0),
        ("warmup.noise.std", "0.5", 0.5),
        ("task.optimizer.lr", "2e-5", 0.00002),
        ("model.depth", 6.0, 6),
        ("data.facts.shape", [3, 32, 32], (3, 32, 32)),
        ("probes", ("odin", "odin"), ("odin",)),
        ("warmup.noise.mean", -0.0, 0.0),
        ("task.optimizer.weight_decay", -0.0, 0.0),
    ],
)
def test_equal_values_give_equal_ids_however_they_are_written(dotted, one, other):
    first, second = changed(TRIAL, {dotted: one}), changed(TRIAL, {dotted: other})
    assert first == second
    assert first.trial_id == second.trial_id


@given(seed=st.integers(0, 2**64), std=st.floats(1e-6, 1e6), lr=st.floats(1e-9, 10))
def test_equal_trials_have_equal_ids_and_unequal_ones_do_not(seed, std, lr):
    changes = {"seed": seed, "warmup.noise.std": std, "task.optimizer.lr": lr}
    one = changed(TRIAL, changes)
    assert changed(TRIAL, changes).trial_id == one.trial_id
    assert one.trial_id != changed(one, {"warmup.noise.std": math.nextafter(std, 2e6)}).trial_id
    assert one.trial_id != changed(one, {"seed": seed + 1}).trial_id


@pytest.mark.parametrize("dotted", DETERMINE)
def test_a_control_s_id_holds_nothing_of_the_warmup_and_all_else(dotted):
    control = changed(TRIAL, {dotted: DETERMINE[dotted]}).control()
    of_the_warmup = dotted.startswith("warmup.")
    assert (control.trial_id == TRIAL.control().trial_id) is of_the_warmup


def test_all_noises_share_the_control_of_their_seed_and_of_no_other():
    noises = [{"warmup.noise.distribution": name} for name in DISTRIBUTIONS]
    controls = {
        seed: {changed(TRIAL, noise | {"seed": seed}).control().trial_id for noise in noises}
        for seed in range(3)
    }
    assert [len(ids) for ids in controls.values()] == [1, 1, 1]
    assert len(set().union(*controls.values())) == 3


def test_a_control_is_what_writing_one_out_gives():
    written = Trial(arm="control", warmup=None, data=TRIAL.data)
    assert TRIAL.control() == written
    assert TRIAL.control().trial_id == written.trial_id
    assert TRIAL.control().control() == TRIAL.control()
    assert TRIAL.control().trial_id != TRIAL.trial_id


def test_own_files_are_held_apart_for_each_role_and_size():
    data = Data(source="folder:a", ood="folder:a", resize=8)
    names = {data.loaded(data.source), data.loaded_ood((3, 8, 8)), data.loaded_ood((3, 16, 16))}
    assert len(names) == 3
    shipped = Data(resize=8)
    assert shipped.loaded_ood((3, 8, 8)) == shipped.loaded("photos_ood")
    with pytest.raises(ValueError, match="there are no out-of-distribution"):
        Data(ood=None).loaded_ood((3, 8, 8))


def test_a_subset_seed_of_null_is_the_seed():
    drawn, written, another = (
        changed(TRIAL, {"seed": 7, "data.subset_seed": subset_seed}) for subset_seed in (None, 7, 0)
    )
    assert (drawn.subset_seed, written.subset_seed, another.subset_seed) == (7, 7, 0)
    assert drawn.trial_id == written.trial_id != another.trial_id


@pytest.mark.parametrize("option", [{"data.ood_examples": 5}, {"data.ood_normalised": False}])
def test_without_ood_images_their_options_do_not_matter(option):
    without = changed(TRIAL, NO_OOD)
    assert changed(without, option).trial_id == without.trial_id
    assert without.trial_id != TRIAL.trial_id


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ({"data.ood_each_epoch": True}, "there are no such images"),
        ({"probes": ("odin",)}, "odin needs out-of-distribution images"),
        ({"probes": ("other_protocol",)}, "other_protocol needs out-of-distribution images"),
    ],
)
def test_what_measures_ood_images_needs_some(option, says):
    with pytest.raises(ValidationError, match=says):
        changed(TRIAL, NO_OOD | option)


# Warm-up key


def test_a_control_has_no_warmup_key_and_is_measured_on_its_partner_s_images():
    assert TRIAL.control().warmup_key is None
    assert TRIAL.control().warmup_examples == 0
    assert TRIAL.control().measured_key == TRIAL.measured_key


@pytest.mark.parametrize("dotted", [*DETERMINE, *NAMES])
def test_the_warmup_key_depends_on_model_seed_warmup_shape_and_classes_only(dotted):
    matters = dotted == "seed" or dotted.startswith(("model.", "warmup.", "compute."))
    matters |= dotted in ("data.facts.kind", "data.facts.shape", "data.facts.classes")
    other = changed(TRIAL, {dotted: (DETERMINE | NAMES)[dotted]})
    assert (other.warmup_key != TRIAL.warmup_key) is matters


# Measured key: the images every epoch is measured on, as the network sees them

OF_THE_MEASURED = {
    *("data.ood_each_epoch", "data.validation", "data.test"),
    *(f"data.facts.{name}" for name in ("digest", "kind", "shape", "classes", "mean", "std")),
}
# With no constants stated, those of the training subset are used: they follow from its draw.
OF_THE_SUBSET = {"seed", "data.examples", "data.balanced", "data.subset_seed"}


@pytest.mark.parametrize(
    ("constants", "of_the_measured"),
    [({}, OF_THE_MEASURED), (NO_CONSTANTS, OF_THE_MEASURED | OF_THE_SUBSET)],
    ids=["with constants", "without"],
)
@pytest.mark.parametrize("dotted", [*DETERMINE, *NAMES])
def test_the_measured_key_depends_on_the_images_and_the_constants_or_else_the_subset(
    dotted, constants, of_the_measured
):
    one = changed(TRIAL, constants)
    other = changed(TRIAL, constants | {dotted: (DETERMINE | NAMES)[dotted]})
    assert (other.measured_key != one.measured_key) is (dotted in of_the_measured)


# Examples


@given(examples=st.integers(2, 400), epochs=st.integers(1, 5), batch=st.integers(2, 130))
def test_task_examples_leave_out_the_lone_last_one_that_no_step_uses(examples, epochs, batch):
    sizes = [min(batch, examples - start) for start in range(0, examples, batch)]
    used = sum(size for size in sizes if size > 1)
    changes = {"data.examples": examples, "task.epochs": epochs, "task.batch": batch}
    one = changed(TRIAL, changes)
    assert one.task_examples == epochs * used
