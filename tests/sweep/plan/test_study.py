"""Study files: the shipped ones are whole, and a wrong one is told in one line."""

import pytest
import yaml
from support import refusal

from sweep.errors import InputError
from sweep.plan.plan import make_plan
from sweep.plan.study import SIZES, Collection, Study, load, load_study, shipped
from trainables.config.model import NetworkFacts
from trainables.config.noise import DISTRIBUTIONS
from trainables.config.trial import Data, DataFacts


@pytest.fixture
def write(tmp_path, tiny):
    def write(**changes):
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in (tiny | changes).items() if v != "gone"}))
        return str(path)

    return write


def test_the_noise_ablation_asks_for_every_distribution_and_strengths_from_tenth_to_four():
    study = load_study("noise_ablation")
    assert set(study.grids["distribution"]["warmup.noise.distribution"]) == set(DISTRIBUTIONS)
    assert len(DISTRIBUTIONS) >= 12
    stds = study.grids["std"]["warmup.noise.std"]
    assert (min(stds), max(stds)) == (0.1, 4.0)
    assert 1.0 in stds
    assert list(study.scales) == ["smoke", "laptop", "paper"]
    assert study.scale(None)[0] == "laptop"
    assert study.scales["laptop"].replicates >= 6


def test_the_paper_scale_has_the_papers_numbers():
    """Methods, and Fig. 2d,e of the paper: depth 6, n = 4,000, 30 networks."""
    study = load_study("noise_ablation")
    fields = study.base | study.common("paper") | study.scales["paper"].set
    assert (
        fields
        | {
            "data.source": "cifar10",
            "data.ood": "svhn",
            "model.depth": 6,
            "data.examples": 4000,
            "data.ood_examples": 10000,
            "warmup.examples": 15 * 32000,
            "warmup.epochs": 15,
            "task.epochs": 30,
            "task.optimizer.lr": 2e-5,
            "task.optimizer.weight_decay": 1e-3,
        }
        == fields
    )
    assert study.scales["paper"].replicates == 30


def test_common_sizes_give_way_to_a_scales_own_and_to_what_is_varied(write):
    varied = {"size": {"data.examples": [60, 120]}}
    own = {"task.epochs": 3, "warmup": {"epochs": 4, "examples": 512}}  # a section is given whole
    scales = {"laptop": {"replicates": 1, "set": own}}
    study = load(write(sizes="mlp", grids=varied, scales=scales, base={"data.test": 70}))
    plan = make_plan(study, looked_at)
    assert {p.trial.data.examples for p in plan.trials} == {60, 120}
    trial, common = plan.trials[-1].trial, SIZES["mlp"]["laptop"]
    assert (trial.task.epochs, trial.warmup.epochs, trial.warmup.examples) == (3, 4, 512)
    assert trial.task.optimizer.lr == common["task.optimizer.lr"]
    assert trial.data.test == common["data.test"]  # over the base
    assert plan.base.data.examples == Data().examples  # the base's own, for it is varied


def test_common_sizes_hold_for_the_cells_that_do_not_set_a_field(write):
    listed = [{"label": "as it is"}, {"label": "short", "warmup.examples": 2048}]
    grids = {"a": listed, "b": {"warmup.noise.std": [0.5, 1.0]}}
    study = load(write(sizes="mlp", grids=grids, scales={"laptop": {"replicates": 1}}))
    plan = make_plan(study, looked_at)
    found = {p.condition: p.trial.warmup.examples for p in plan.trials if p.trial.warmup}
    common = SIZES["mlp"]["laptop"]["warmup.examples"]
    assert found.pop("short") == 2048
    assert len(found) == 2
    assert set(found.values()) == {common}


def test_the_recipes_of_assess_hold_the_one_that_its_verdict_is_about():
    for scale in load_study("assess").scales:
        plan = make_plan(load_study("assess"), looked_at, scale)
        assert "warm-up" in set(plan.grids["remedy"]) & set(plan.grids["recipe"])


@pytest.mark.parametrize("name", list(shipped()))
def test_a_shipped_study_says_what_it_answers_and_what_each_scale_takes(name):
    study = load(name)
    assert study.name == name
    assert study.answers
    assert study.makes
    if isinstance(study, Study):
        assert all(scale.about for scale in study.scales.values())
        assert list(study.scales)[:2] == ["smoke", "laptop"]


def looked_at(trial):
    """As if the data and the network had been looked at."""
    kind = {"mosaics": "segmentation", "pet": "segmentation", "text": "language"}
    text = trial.data.source == "text"
    facts = DataFacts(
        kind=kind.get(trial.data.source, "classification"),
        digest=trial.data.source,
        ood_digest=trial.data.ood,
        shape=(64,) if text else (3, 32, 32),
        classes=256 if text else 10,
        mean=() if text else (0.5,) * 3,
        std=() if text else (0.2,) * 3,
    )
    model = trial.model.model_copy(
        update={"facts": NetworkFacts(weights=trial.model.weights and "w")}
    )
    data = trial.data.model_copy(update={"facts": facts})
    return trial.model_copy(update={"data": data, "model": model})


SCALES = [
    (name, scale)
    for name in shipped()
    if isinstance(load(name), Study)
    for scale in load_study(name).scales
]


@pytest.mark.parametrize(("name", "scale"), SCALES)
def test_every_shipped_study_can_be_planned_at_every_scale(name, scale):
    study = load_study(name)
    plan = make_plan(study, looked_at, scale)
    assert not plan.left_out
    conditions = {condition for grid in plan.grids.values() for condition in grid}
    if study.search:  # the base alone; the rest is proposed
        assert {p.condition for p in plan.trials} == {"", "base"}
        return
    warmed = [p for p in plan.trials if p.trial.arm != "control"]
    assert {p.condition for p in warmed} == conditions
    expected = [
        max(plan.replicates[grid] for grid, held in plan.grids.items() if condition in held)
        for condition in conditions
    ]
    assert len(warmed) == sum(expected)
    assert all(p.pair in plan.by_id for p in plan.trials)


def test_the_collection_of_the_paper_holds_every_study_that_makes_an_exhibit():
    collection = load("paper_figures")
    assert isinstance(collection, Collection)
    rest = set(shipped()) - set(collection.collects)
    assert rest == {"assess", "paper_figures", "pretraining", "shift", "warmup_search"}
    for name in collection.collects:
        assert {"smoke", "laptop", "paper"} <= set(load_study(name).scales)


def test_posthoc_and_conformal_ask_for_the_trials_of_calibration():
    for scale in ("smoke", "laptop", "paper"):
        ids = {
            frozenset(make_plan(load_study(name), looked_at, scale).by_id)
            for name in ("calibration", "posthoc", "conformal")
        }
        assert len(ids) == 1
    laptop = {n: make_plan(load_study(n), looked_at) for n in ("calibration", "noise_ablation")}
    shared = laptop["calibration"].by_id.keys() & laptop["noise_ablation"].by_id.keys()
    assert len(shared) == 12  # six pairs


@pytest.mark.parametrize("scale", ["laptop", "paper"])
def test_the_trials_of_little_data_are_among_those_of_ood_detection(scale):
    little, all_sizes = (
        make_plan(load_study(name), looked_at, scale).by_id.keys()
        for name in ("little_data", "ood_detection")
    )
    assert little < all_sizes


def test_shift_takes_the_warmups_of_calibration_and_its_first_pairs():
    for scale, pairs in (("smoke", 2), ("laptop", 10), ("paper", 30)):
        keys = [
            {p.trial.warmup_key for p in make_plan(load_study(name), looked_at, scale).trials}
            for name in ("shift", "calibration")
        ]
        assert keys[0] <= keys[1]
        assert len(keys[0]) == pairs + 1  # None, of the controls


def test_a_warmup_serves_every_data_size_of_its_depth_and_seed():
    plan = make_plan(load_study("depth_and_data"), looked_at, "paper")
    warmed = [p.trial for p in plan.trials if p.trial.arm != "control"]
    assert len(warmed) == 5 * 7 * 10
    assert len({(t.warmup_key, t.measured_key) for t in warmed}) == 5 * 10


def test_a_study_of_ones_own_is_named_after_its_file(write):
    assert load_study(write()).name == "mine"


def test_without_a_laptop_scale_the_first_is_the_default(write):
    scales = {"quick": {"replicates": 1}, "slow": {"replicates": 2}}
    assert load_study(write(scales=scales)).scale(None)[0] == "quick"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"grids": {"a": {}}}, "grids.a"),
        ({"grids": {"a": []}}, "grids.a"),
        ({"collects": ["calibration"]}, "no such field; there is name, title"),
        ({"grids": {"a": {"warmup.noise.std": []}}}, "grids.a.warmup.noise.std"),
        ({"grids": {"a": {"warmup.noise.std": 3}}}, "grids.a.warmup.noise.std"),
        ({"grid": {"a": 3}}, "grid: no such field; did you mean 'grids'?"),
        ({"title": "gone"}, "title: must be given"),
        ({"answers": ""}, "answers"),
        ({"exhibits": ["pair"]}, "did you mean 'pairs'?"),
        ({"scales": {}}, "scales"),
        ({"scales": {"laptop": {"replicates": 0}}}, "scales.laptop.replicates: 0 is refused"),
        ({"scales": {"laptop": {"replicates": {"std": 2}}}}, "give distribution, std"),
        ({"scales": {"laptop": {"replicates": {"a": 1}}}, "grids": {}}, "there is no grid"),
        (
            {"scales": {"laptop": {"replicates": {"distribution": 0, "std": 1}}}},
            "distribution: 0 is ref",
        ),
        ({"scales": {"laptop": {"replicas": 2}}}, "scales.laptop.replicas: no such field"),
        ({"name": "a b"}, "name: 'a b' is refused"),
        ({"sizes": "mpl"}, "sizes: 'mpl' is refused: did you mean 'mlp'?"),
        (
            {"sizes": "mlp", "scales": {"mine": {"replicates": 1}}},
            "sizes: mlp has smoke, laptop, paper, and no scale mine; name the scale as one",
        ),
    ],
)
def test_a_wrong_study_file_is_one_line_that_names_file_and_field(write, changes, says):
    line = refusal(load_study, write(**changes))
    assert says in line
    assert "mine.yaml" in line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("grids: [", "is not YAML"),
        ("just a text", "must hold the fields of a study"),
        ("", "must hold the fields of a study"),
        ("a: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_what_is_no_study_is_refused_and_never_executed(tmp_path, text, says):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        load_study(str(path))
