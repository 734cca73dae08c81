"""Study files: the shipped ones are whole, and a wrong one is told in one line."""

import pytest
import yaml

from sweep.errors import InputError
from sweep.study import load_study, shipped
from trainables.noise import DISTRIBUTIONS


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
    fields = study.base | study.scales["paper"].set
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


@pytest.mark.parametrize("name", list(shipped()))
def test_a_shipped_study_says_what_it_answers_and_what_each_scale_takes(name):
    study = load_study(name)
    assert study.name == name
    assert study.answers
    assert study.makes
    assert all(scale.about for scale in study.scales.values())


def test_a_study_of_ones_own_is_named_after_its_file(write):
    assert load_study(write()).name == "mine"


def test_without_a_laptop_scale_the_first_is_the_default(write):
    scales = {"quick": {"replicates": 1}, "slow": {"replicates": 2}}
    assert load_study(write(scales=scales)).scale(None)[0] == "quick"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"grids": {}}, "grids"),
        ({"grids": {"a": {"warmup.noise.std": []}}}, "grids.a.warmup.noise.std"),
        ({"grids": {"a": {"warmup.noise.std": 3}}}, "grids.a.warmup.noise.std"),
        ({"grid": {"a": 3}}, "grid: no such field; did you mean 'grids'?"),
        ({"title": "gone"}, "title: must be given"),
        ({"answers": ""}, "answers"),
        ({"exhibits": ["robustnes"]}, "did you mean 'robustness'?"),
        ({"exhibits": []}, "exhibits"),
        ({"scales": {}}, "scales"),
        ({"scales": {"laptop": {"replicates": 0}}}, "scales.laptop.replicates: 0 is refused"),
        ({"scales": {"laptop": {"replicas": 2}}}, "scales.laptop.replicas: no such field"),
        ({"name": "a b"}, "name: 'a b' is refused"),
    ],
)
def test_a_wrong_study_file_is_one_line_that_names_file_and_field(write, changes, says):
    path = write(**changes)
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert says in str(caught.value)
    assert "mine.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


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


def test_an_unknown_study_is_answered_with_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="did you mean 'noise_ablation'"):
        load_study("noise_ablations")
    with pytest.raises(InputError, match="cannot be read"):
        load_study(str(tmp_path / "absent.yaml"))
    with pytest.raises(InputError, match="--scale huge: study noise_ablation has none"):
        load_study("noise_ablation").scale("huge")
