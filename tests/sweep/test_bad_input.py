"""Bad input ends in one line and exit code 2, before Ray starts or anything is written."""

import subprocess
import sys

import numpy as np
import pytest
from support import ROOT, silent_port

from sweep.backend.capacity import cpus
from sweep.launch import main
from sweep.plan.study import Study, load, shipped

MOST = cpus()


@pytest.fixture
def archives(here):
    """Files beside the tiny study whose images and labels do not go together."""
    x, y = np.zeros((40, 8, 8), np.uint8), np.arange(40) % 4
    arrays = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    np.savez(here / "short.npz", **(arrays | {"y_test": y[:3]}))
    np.savez(here / "negative.npz", **(arrays | {"y_train": y - 1}))
    np.savez(here / "range.npz", **(arrays | {"y_test": y + 1}))
    np.savez(here / "flat.npz", **(arrays | {"x_train": x.reshape(40, 64)}))
    (here / "odd").mkdir()
    (here / "odd/records").write_text("a file where a folder should be")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("", "give a STUDY"),
        ("noise_ablations", "did you mean 'noise_ablation'"),
        ("absent.yaml", "absent.yaml: cannot be read"),
        ("tiny.yaml --scale paper", "--scale paper: study tiny has none"),
        ("tiny.yaml --set task.epoch=3", "task.epoch: no such field; did you mean"),
        ("tiny.yaml --set task.epochs=three", "task.epochs: 'three' is refused"),
        ("tiny.yaml --set task.epochs=-1", "task.epochs: -1 is refused"),
        ("tiny.yaml --set task.epochs", "write FIELD=VALUE"),
        ("tiny.yaml --set a=[", "the value is not YAML"),
        ("tiny.yaml --replicates 0", "0 is too few"),
        ("tiny.yaml --replicates x", "invalid"),
        ("tiny.yaml --data imagenet", "'imagenet' is not a known source"),
        ("tiny.yaml --data npz:absent.npz", "npz:absent.npz: no such file"),
        ("tiny.yaml --data npz:short.npz", "x_test has 40 images and y_test 3 labels"),
        ("tiny.yaml --data npz:negative.npz", "label -1 is out of range"),
        ("tiny.yaml --data npz:range.npz", "label 4 is out of range"),
        ("tiny.yaml --data npz:flat.npz", "x_train: shape (40, 64)"),
        ("tiny.yaml --data folder:absent", "folder:absent: no such folder"),
        ("tiny.yaml --set data.examples=4001", "4001 asked for, photos has 4000"),
        ("tiny.yaml --set data.test=5000", "5000 asked for, photos has 2000"),
        ("tiny.yaml --cpus-per-trial 1000", "--cpus-per-trial 1000: this process may use"),
        ("tiny.yaml --cpus-per-trial -1", "give 0 or more"),
        ("tiny.yaml --gpus-per-trial 64", "--gpus-per-trial 64: this machine has"),
        ("tiny.yaml --address nonsense", "--address nonsense"),
        ("tiny.yaml --storage tiny.yaml", "tiny.yaml: cannot be used"),
        ("tiny.yaml --dry-run --storage tiny.yaml/below", "tiny.yaml/below: cannot be used"),
        ("tiny.yaml --dry-run --storage odd", "odd: cannot be read"),
        ("tiny.yaml --colour red", "unrecognized arguments: --colour"),
        ("tiny.yaml --dry-run --set resources.workers=0", "resources.workers: 0 is refused"),
        ("tiny.yaml --dry-run --workers-per-trial 0", "resources.workers: 0 is refused"),
        ("tiny.yaml --dry-run --set resources.workers=two", "resources.workers: 'two' is refused"),
        ("tiny.yaml --dry-run --set resources.workers=1.5", "resources.workers: 1.5 is refused"),
        ("tiny.yaml --dry-run --set resources.worker=2", "resources.worker: no such field"),
        (
            f"tiny.yaml --dry-run --set resources.workers={MOST + 1}",
            f"resources.workers: {MOST + 1} is refused",
        ),
        ("tiny.yaml --dry-run --workers-per-trial 2 --gpus-per-trial 0.5", "--gpus-per-trial 0.5"),
        (
            "tiny.yaml --dry-run --set resources.fuse=0",
            "resources.fuse: 0 is refused: give a whole number from 1",
        ),
        ("tiny.yaml --dry-run --set resources.fuse=true", "resources.fuse: True is refused"),
        (
            "tiny.yaml --dry-run --set resources.fuses=2",
            "resources.fuses: no such field; there are resources.workers and",
        ),
        (
            "tiny.yaml --dry-run --set resources.fuse=2 --set resources.workers=2",
            "resources.fuse: 2 is refused with resources.workers=2",
        ),
    ],
)
def test_one_line_that_names_field_and_value_and_nothing_is_written(
    here, archives, refused, words, says
):
    before = sorted(here.iterdir())
    assert says in refused(main, *words.split())
    assert sorted(here.iterdir()) == before


def test_a_refusal_stands_alone_where_a_network_has_something_to_be_known(
    place, here, said, refused, tiny
):
    depth = ("model.depth", "model.width")
    base = {k: v for k, v in tiny["base"].items() if k not in depth}
    own = place.write("own", base=base | {"model": "user_networks:Counting"})
    assert "own.yaml: cannot be used" in refused(main, own, "--storage", own)
    known = "has state that its state_dict does not hold"
    assert said(main, own, "--dry-run").count(known) == 1


def test_a_cluster_that_does_not_answer_is_refused_at_once(here, refused):
    with silent_port() as port:
        line = refused(main, "tiny.yaml", "--address", f"127.0.0.1:{port}")
    assert "no Ray cluster answers there" in line


def test_an_mlflow_that_does_not_answer_is_refused_before_anything_runs(here, refused, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with silent_port() as port:
        uri = f"http://user:secret@127.0.0.1:{port}"
        line = refused(main, "tiny.yaml", "--tracking-uri", uri)
    assert "MLflow does not answer" in line
    assert "secret" not in line
    assert "ray" not in {path.name for path in here.iterdir()}


def test_help_teaches_by_example(said):
    text = said(main, "--help")
    for word in ("--dry-run", "noise_ablation --replicates 30", "my_study.yaml", "exit codes"):
        assert word in text


def imported(names, folder, command, *words):
    """Which of the libraries a command has imported when it ends."""
    code = (
        f"import sys\nfrom sweep.{command} import main\n"
        f"try: main({words})\n"
        "except SystemExit: pass\n"
        f"print(*({names} & sys.modules.keys()))"
    )
    line = [sys.executable, "-c", code]
    ended = subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    return ended.stdout.splitlines()[-1].split()


def test_neither_ray_nor_mlflow_is_even_imported_for_bad_input(here):
    asked = ("launch", "tiny.yaml", "--set", "data.examples=4001")
    assert imported({"ray", "mlflow"}, here, *asked) == []


@pytest.mark.parametrize(
    "words",
    [
        "launch --help",
        "status --help",
        "publish --help",
        "clean --help",
        "launch --list",
        "launch --list noise_ablation",
        "launch noise_ablations",
        "launch noise_ablation --set task.epoch=3",
        "launch noise_ablation --set warmup.noise.std=-1",
        "launch noise_ablation --scale huge",
        "launch warmup_search --set model.width=none",
        "launch noise_ablation --data imagenet",
        "launch noise_ablation --data npz:absent.npz",
        "launch noise_ablation --ood folder:absent",
        "launch noise_ablation --cpus-per-trial 1000",
    ],
)
def test_what_needs_no_data_is_there_at_once_without_a_slow_library(words):
    slow = {"torch", "ray", "mlflow", "matplotlib", "scipy", "optuna", "pandas"}
    assert imported(slow, ROOT, *words.split()) == []


def test_the_list_is_a_screen_of_80_columns_with_every_study_its_title_and_its_scales(
    said, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
    lines = said(main, "--list").splitlines()
    assert len(lines) <= 2 * len(shipped())
    for name in shipped():
        study = load(name)
        about = list(study.scales) if isinstance(study, Study) else ["studies in turn"]
        (first,) = (place for place, line in enumerate(lines) if line.split()[:1] == [name])
        told = " ".join(" ".join(lines[first : first + 2]).split())
        assert all(words in told for words in (study.title, *about))
    assert "--list STUDY" in lines[-1]


@pytest.mark.parametrize("name", shipped())
def test_the_list_of_one_study_says_all_that_there_is_to_know_before_it_is_launched(
    said, monkeypatch, name
):
    monkeypatch.setenv("COLUMNS", "80")
    told = " ".join(said(main, "--list", name).split())
    study = load(name)
    texts = {study.title, study.answers, study.makes}
    if isinstance(study, Study):
        texts |= {scale.about for scale in study.scales.values()}
        assert all(f"scale {scale}" in told for scale in study.scales)
    else:
        assert all(each in told for each in study.collects)
    for text in texts:  # whose lines may be broken anywhere
        assert text.replace(" ", "") in told.replace(" ", "")


def test_the_list_takes_a_study_of_the_users_own(here, said):
    assert "Does it run?" in said(main, "--list", "tiny.yaml")


def test_the_list_of_a_study_that_there_is_not_says_which_is_near(refused):
    assert "did you mean 'noise_ablation'?" in refused(main, "--list", "noise_ablations")
