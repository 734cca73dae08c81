"""The plan: every pair once, one control for all noise, names that tell conditions apart."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import refusal

from analysis.results.plan import levels, parse_plan
from sweep.errors import DoesNotApply, InputError
from sweep.plan.plan import make_plan, short_names
from sweep.plan.study import Study, load_study
from trainables.config.trial import DataFacts

FACTS = DataFacts(
    digest="0" * 64, ood_digest="1" * 64, shape=(3, 32, 32), classes=10, mean=(0.5,), std=(0.2,)
)


def resolve(trial):
    return trial.model_copy(update={"data": trial.data.model_copy(update={"facts": FACTS})})


def study_of(tiny, **changes):
    return Study.model_validate({"name": "tiny"} | tiny | changes)


def test_one_control_a_replicate_serves_every_noise_condition():
    plan = make_plan(load_study("noise_ablation"), resolve)
    controls = [p for p in plan.trials if p.trial.arm == "control"]
    warmed = [p for p in plan.trials if p.trial.arm == "warmup"]
    assert len(controls) == 6
    assert len(warmed) == 6 * 18  # thirteen distributions and six strengths, σ = 1 in both grids
    assert {p.condition for p in controls} == {""}
    for planned in warmed:
        control = plan.by_id[planned.pair]
        assert control.trial == planned.trial.control()
        assert control.replicate == planned.replicate
    assert len({p.trial_id for p in plan.trials}) == len(plan.trials)


def test_replicates_are_seeds_and_more_of_them_change_none(tiny):
    study = study_of(tiny)
    two, three = (make_plan(study, resolve, replicates=count) for count in (2, 3))
    assert two.trials == three.trials[: len(two.trials)]
    assert {p.trial.seed for p in three.trials if p.replicate == 2} == {2}
    moved = make_plan(study, resolve, overrides={"seed": 10})
    assert {p.trial.seed for p in moved.trials} == {10, 11}


def test_grids_have_replicates_of_their_own_where_the_scale_says_so(tiny):
    counts = {"distribution": 3, "std": 1}
    study = study_of(tiny, scales={"laptop": {"replicates": counts}})
    plan = make_plan(study, resolve)
    warmed = [p for p in plan.trials if p.trial.arm == "warmup"]
    of = {name: sum(p.condition == name for p in warmed) for name in ("pink", "gaussian, std 0.5")}
    assert of == {"pink": 3, "gaussian, std 0.5": 1}
    assert sum(p.condition == "gaussian" for p in warmed) == 3  # it is in both grids
    assert plan.replicates == counts
    everywhere = make_plan(study, resolve, replicates=2)
    assert sum(p.condition == "gaussian, std 0.5" for p in everywhere.trials) == 2


def test_the_plan_is_what_the_report_reads(tiny):
    plan = make_plan(study_of(tiny), resolve)
    read = parse_plan(json.dumps(plan.as_json("abc")))
    assert read.grids == {
        "distribution": ("gaussian", "pink"),
        "std": ("gaussian, std 0.5", "gaussian"),
    }
    assert levels(read, "std") == {"gaussian, std 0.5": 0.5, "gaussian": 1.0}
    assert [t.trial_id for t in read.trials] == [p.trial_id for p in plan.trials]
    assert (read.study, read.scale, read.data, read.ood) == (
        "tiny",
        "laptop",
        "photos",
        "photos_ood",
    )


def test_cells_of_a_grid_are_the_product_of_its_levels_and_each_has_its_own_control(tiny):
    grid = {"model.depth": [2, 3], "data.examples": [32, 64]}
    plan = make_plan(study_of(tiny, grids={"size": grid}), resolve, replicates=1)
    product = {f"depth {d}, examples {n}" for d, n in itertools.product([2, 3], [32, 64])}
    assert set(plan.grids["size"]) == product
    controls = [p for p in plan.trials if p.trial.arm == "control"]
    assert {p.condition for p in controls} == product
    for planned in plan.trials:
        assert plan.by_id[planned.pair].condition == planned.condition


def test_an_override_of_what_is_varied_gives_its_levels(tiny):
    noise = "warmup.noise.distribution"
    one = make_plan(study_of(tiny), resolve, overrides={noise: "uniform"})
    assert one.grids["distribution"] == ("uniform",)
    three = make_plan(study_of(tiny), resolve, overrides={noise: ["uniform", "pink", "sparse"]})
    assert three.grids["distribution"] == ("uniform", "pink", "sparse")
    assert three.grids["std"] == one.grids["std"]
    with pytest.raises(InputError, match="give at least one level"):
        make_plan(study_of(tiny), resolve, overrides={noise: []})


def test_cells_one_by_one_take_an_override_of_what_they_do_not_set(tiny):
    cells = [{"label": "as it is"}, {"label": "short", "warmup.examples": 64}]
    study = study_of(tiny, grids={"listed": cells})
    plan = make_plan(study, resolve, replicates=1, overrides={"warmup.examples": 128})
    lengths = {p.condition: p.trial.warmup.examples for p in plan.trials if p.trial.warmup}
    assert lengths == {"as it is": 128, "short": 64}
    for grids in (
        {"listed": cells[1:]},
        {"listed": cells, "levels": {"warmup.examples": [64, 128]}},
    ):
        with pytest.raises(InputError, match=r"--set warmup.examples: the grid listed of .* lists"):
            make_plan(study_of(tiny, grids=grids), resolve, overrides={"warmup.examples": 32})


def test_a_section_is_overridden_before_its_fields_whatever_their_order(tiny):
    for names in (("model", "model.stem"), ("model.stem", "model")):
        values = {"model": "resnet34", "model.stem": "imagenet"}
        plan = make_plan(study_of(tiny), resolve, overrides={name: values[name] for name in names})
        assert (plan.base.model.name, plan.base.model.stem) == ("resnet34", "imagenet")
    optimizer = {"task.optimizer.lr": 0.5, "task.optimizer": {"name": "sgd", "lr": 0.1}}
    assert make_plan(study_of(tiny), resolve, overrides=optimizer).base.task.optimizer.lr == 0.5


def test_networks_can_be_varied_by_their_names(tiny):
    grids = {"network": {"model": ["resnet18", "vit", "my.net:make"]}}
    plan = make_plan(study_of(tiny, base={}, grids=grids), resolve)
    assert plan.grids["network"] == ("resnet18", "vit", "my.net:make")
    assert len({p.pair for p in plan.trials}) == 6


def test_losses_can_be_varied_as_names_or_as_sections(tiny):
    smoothed = {"name": "label_smoothing", "amount": 0.1}
    for level in ("label_smoothing", smoothed):
        grids = {"loss": {"task.loss": [None, level, "focal"]}}
        plan = make_plan(study_of(tiny, grids=grids), resolve, replicates=1)
        assert plan.grids["loss"] == ("loss none", "label_smoothing", "focal")
        assert {p.trial.task.loss and p.trial.task.loss.name for p in plan.trials} == {
            None,
            "label_smoothing",
            "focal",
        }
    numbers = {"gamma": {"task.loss.gamma": [0.5, 3]}}
    study = study_of(tiny, base=tiny["base"] | {"task.loss": "focal"}, grids=numbers)
    assert make_plan(study, resolve).grids["gamma"] == ("gamma 0.5", "gamma 3")


def test_sections_of_one_name_need_a_label_to_be_told_apart(tiny):
    losses = [{"name": "focal", "gamma": gamma} for gamma in (1, 2)]
    grids = {"loss": {"task.loss": losses}}
    says = "two conditions are both named 'focal'; vary one field less, or list the cells"
    assert says in refusal(make_plan, study_of(tiny, grids=grids), resolve)
    cells = [{"label": f"focal {loss['gamma']}", "task.loss": loss} for loss in losses]
    plan = make_plan(study_of(tiny, grids={"loss": cells}), resolve)
    assert plan.grids["loss"] == ("focal 1", "focal 2")


def test_levels_that_do_not_apply_are_left_out_and_said(tiny):
    def look_at_text(trial):
        if trial.warmup and trial.warmup.noise.distribution == "pink":
            raise DoesNotApply("pink is for images")
        return resolve(trial)

    plan = make_plan(study_of(tiny), look_at_text)
    assert plan.grids["distribution"] == ("gaussian",)
    assert plan.left_out == ("pink is for images",)
    assert parse_plan(json.dumps(plan.as_json("abc"))).left_out == plan.left_out
    pink = {"distribution": {"warmup.noise.distribution": ["pink"]}}
    with pytest.raises(InputError, match="nothing is left to run; pink is for images"):
        make_plan(study_of(tiny, grids=pink), look_at_text)


def test_overrides_change_the_base_and_not_what_is_varied(tiny):
    plan = make_plan(study_of(tiny), resolve, overrides={"task.epochs": 7, "data.ood": None})
    assert {p.trial.task.epochs for p in plan.trials} == {7}
    assert {p.trial.data.ood for p in plan.trials} == {None}
    assert len(plan.grids["distribution"]) == 2


@settings(max_examples=25, deadline=None)
@given(
    stds=st.lists(st.floats(0.01, 10), min_size=1, max_size=4, unique=True),
    epochs=st.lists(st.integers(1, 50), min_size=1, max_size=3, unique=True),
    replicates=st.integers(1, 3),
)
def test_conditions_and_trials_are_one_to_one(tiny, stds, epochs, replicates):
    grids = {
        "a": {"warmup.noise.std": stds, "task.epochs": epochs},
        "b": {"warmup.noise.std": stds},
    }
    plan = make_plan(study_of(tiny, grids=grids), resolve, replicates=replicates)
    warmed = [p for p in plan.trials if p.trial.arm == "warmup"]
    cells = {json.dumps(dict(p.cell), sort_keys=True): p.condition for p in warmed}
    assert len(set(cells.values())) == len(cells)
    assert len(warmed) == replicates * len(cells)
    named = {condition for grid in plan.grids.values() for condition in grid}
    assert named == set(cells.values())


def test_short_names_are_the_shortest_that_differ():
    assert short_names(("task.optimizer.lr", "warmup.optimizer.lr", "seed")) == {
        "task.optimizer.lr": "task.optimizer.lr",
        "warmup.optimizer.lr": "warmup.optimizer.lr",
        "seed": "seed",
    }
    assert short_names(("warmup.noise.std", "model.depth")) == {
        "warmup.noise.std": "std",
        "model.depth": "depth",
    }


@pytest.mark.parametrize(
    ("changes", "arguments", "says"),
    [
        ({"base": {"task.epoch": 3}}, {}, "task.epoch: no such field"),
        ({"grids": {"a": {"warmup.noise.stdev": [1]}}}, {}, "warmup.noise.stdev: no such field"),
        ({"grids": {"a": {"warmup.noise.std": [1, 0]}}}, {}, "warmup.noise.std: 0 is refused"),
        ({}, {"overrides": {"task.epochs": -1}}, "task.epochs: -1 is refused"),
        ({}, {"scale": "paper"}, "--scale paper"),
        ({}, {"replicates": 0}, "--replicates 0"),
    ],
)
def test_a_plan_that_cannot_be_is_told_in_one_line(tiny, changes, arguments, says):
    assert says in refusal(make_plan, study_of(tiny, **changes), resolve, **arguments)
