"""Bad input ends in one line and exit code 2, before Ray starts or anything is written."""

import socket
import subprocess
import sys

import numpy as np
import pytest
import yaml
from support import ROOT

from sweep.launch import main


def run(arguments, capsys):
    try:
        code = main(arguments)
    except SystemExit as ended:  # argparse
        code = ended.code
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def here(tmp_path, monkeypatch, tiny):
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    x, y = np.zeros((40, 8, 8), np.uint8), np.arange(40) % 4
    arrays = {"x_train": x, "y_train": y, "x_test": x, "y_test": y}
    np.savez(tmp_path / "short.npz", **(arrays | {"y_test": y[:3]}))
    np.savez(tmp_path / "negative.npz", **(arrays | {"y_train": y - 1}))
    np.savez(tmp_path / "range.npz", **(arrays | {"y_test": y + 1}))
    np.savez(tmp_path / "flat.npz", **(arrays | {"x_train": x.reshape(40, 64)}))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give a STUDY"),
        (["noise_ablations"], "did you mean 'noise_ablation'"),
        (["absent.yaml"], "absent.yaml: cannot be read"),
        (["tiny.yaml", "--scale", "paper"], "--scale paper"),
        (["tiny.yaml", "--set", "task.epoch=3"], "task.epoch: no such field; did you mean"),
        (["tiny.yaml", "--set", "task.epochs=three"], "task.epochs: 'three' is refused"),
        (["tiny.yaml", "--set", "task.epochs=-1"], "task.epochs: -1 is refused"),
        (["tiny.yaml", "--set", "task.epochs"], "write FIELD=VALUE"),
        (["tiny.yaml", "--set", "a=["], "the value is not YAML"),
        (["tiny.yaml", "--replicates", "0"], "0 is too few"),
        (["tiny.yaml", "--replicates", "x"], "invalid"),
        (["tiny.yaml", "--data", "imagenet"], "'imagenet' is not a known source"),
        (["tiny.yaml", "--data", "npz:absent.npz"], "npz:absent.npz: no such file"),
        (["tiny.yaml", "--data", "npz:short.npz"], "x_test has 40 images and y_test 3 labels"),
        (["tiny.yaml", "--data", "npz:negative.npz"], "label -1 is out of range"),
        (["tiny.yaml", "--data", "npz:range.npz"], "label 4 is out of range"),
        (["tiny.yaml", "--data", "npz:flat.npz"], "x_train: shape (40, 64)"),
        (["tiny.yaml", "--data", "folder:absent"], "folder:absent: no such folder"),
        (["tiny.yaml", "--set", "data.examples=4001"], "4001 asked for, photos has 4000"),
        (["tiny.yaml", "--set", "data.test=5000"], "5000 asked for, photos has 2000"),
        (["tiny.yaml", "--cpus-per-trial", "1000"], "--cpus-per-trial 1000: this process may use"),
        (["tiny.yaml", "--cpus-per-trial", "-1"], "give 0 or more"),
        (["tiny.yaml", "--gpus-per-trial", "64"], "--gpus-per-trial 64: this machine has"),
        (["tiny.yaml", "--address", "nonsense"], "--address nonsense"),
        (["tiny.yaml", "--storage", "tiny.yaml"], "tiny.yaml: cannot be used"),
        (["tiny.yaml", "--colour", "red"], "unrecognized arguments: --colour"),
    ],
)
def test_one_line_that_names_field_and_value_and_exit_code_2(here, capsys, arguments, says):
    before = sorted(here.iterdir())
    code, out, err = run(arguments, capsys)
    assert code == 2
    assert out == ""
    assert err.startswith("launch: ")
    assert len(err.splitlines()) == 1
    assert says in err
    assert sorted(here.iterdir()) == before


def test_a_refusal_stands_alone_where_a_network_has_something_to_be_known(here, capsys, tiny):
    depth = ("model.depth", "model.width")
    base = {k: v for k, v in tiny["base"].items() if k not in depth}
    own = tiny | {"base": base | {"model": "user_networks:Counting"}}
    (here / "own.yaml").write_text(yaml.safe_dump(own))
    code, out, err = run(["own.yaml", "--storage", "own.yaml"], capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "own.yaml: cannot be used" in err
    code, out, _ = run(["own.yaml", "--dry-run"], capsys)
    assert (code, out.count("has state that its state_dict does not hold")) == (0, 1)


def test_a_cluster_that_does_not_answer_is_refused_at_once(here, capsys):
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        code, _, err = run(["tiny.yaml", "--address", f"127.0.0.1:{port}"], capsys)
    assert (code, len(err.splitlines())) == (2, 1)
    assert "no Ray cluster answers there" in err


def test_an_mlflow_that_does_not_answer_is_refused_before_anything_runs(here, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}"
        code, out, err = run(["tiny.yaml", "--tracking-uri", uri], capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "MLflow does not answer" in err
    assert "secret" not in err
    assert "ray" not in {path.name for path in here.iterdir()}


def test_neither_ray_nor_mlflow_is_even_imported_for_bad_input(here):
    script = (
        "import sys; from sweep.launch import main; "
        "code = main(['tiny.yaml', '--set', 'data.examples=4001']); "
        "print(code, 'ray' in sys.modules, 'mlflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["2", "False", "False"]


def test_help_teaches_by_example(capsys):
    code, out, _ = run(["--help"], capsys)
    assert code == 0
    for word in ("--dry-run", "noise_ablation --replicates 30", "my_study.yaml", "exit codes"):
        assert word in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--list"],
        ["noise_ablations"],
        ["noise_ablation", "--set", "task.epoch=3"],
        ["noise_ablation", "--set", "warmup.noise.std=-1"],
        ["noise_ablation", "--scale", "huge"],
        ["warmup_search", "--set", "model.width=none"],
        ["noise_ablation", "--data", "imagenet"],
        ["noise_ablation", "--data", "npz:absent.npz"],
        ["noise_ablation", "--ood", "folder:absent"],
        ["noise_ablation", "--cpus-per-trial", "1000"],
    ],
)
def test_what_needs_no_data_is_there_at_once_without_a_slow_library(arguments):
    code = (
        "import sys\nfrom sweep.launch import main\n"
        f"try: main({arguments})\n"
        "except SystemExit: pass\n"
        "slow = ('torch', 'ray', 'mlflow', 'matplotlib', 'scipy')\n"
        "print([name for name in slow if name in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.splitlines()[-1] == "[]"


def test_the_list_says_what_each_study_answers_and_makes(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    code, out, _ = run(["--list"], capsys)
    assert code == 0
    for word in ("noise_ablation", "Does it matter which noise", "Supplementary Figs 10", "laptop"):
        assert word in out
