"""What docs/security.md says is defended, each with an attack that must fail."""

import io
import os
import pickle
import zipfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from analysis.rendering.report import default_folder
from analysis.results.records import RecordError, read_record
from sweep.errors import InputError
from sweep.launch import main
from sweep.plan.study import Study, load_study
from trainables.models.own import NetworkError
from trainables.models.weights import read_weights
from trainables.storage.keys import checkpoint_key, record_key, warmup_key
from trainables.storage.storage import Storage

CPU = torch.device("cpu")


class Attack:
    """An object whose unpickling makes a folder of that path."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def traces(tmp_path):
    """Where an attack leaves its trace; nothing may be there afterwards."""
    path = tmp_path / "executed"
    yield path
    assert not path.exists(), "the attack's code was run"


def attacks(traces: Path) -> dict[str, bytes]:
    saved, arrays, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"network": Attack(traces), "phase": "task"}, saved)
    np.save(arrays, np.array([Attack(traces)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("meta.npy", arrays.getvalue())
    return {
        "pickle": pickle.dumps(Attack(traces)),
        "torch": saved.getvalue(),
        "npz": archive.getvalue(),
    }


def test_the_attacks_are_real(tmp_path):
    opened = {
        "pickle": pickle.load,
        "torch": partial(torch.load, weights_only=False),
        "npz": lambda file: np.load(file, allow_pickle=True)["meta"],
    }
    for name, content in attacks(tmp_path / "executed").items():
        opened[name](io.BytesIO(content))
        (tmp_path / "executed").rmdir()


# No pickle from storage, from MLflow or from a weights file


@pytest.fixture
def lived(planned, live, tmp_path):
    """A trial with a warm-up, and how it is lived."""
    plan = planned({"grids": {}}, replicates=1)
    trial = next(p.trial for p in plan.trials if p.trial.arm == "warmup")
    storage = Storage(tmp_path / "storage")
    return SimpleNamespace(trial=trial, storage=storage, run=lambda: live(trial, storage))


def keys(trial) -> list[str]:
    return [record_key(trial.trial_id), checkpoint_key(trial, CPU), warmup_key(trial, CPU)]


@pytest.mark.parametrize("kind", ["pickle", "torch", "npz"])
def test_what_is_placed_in_storage_is_computed_again_and_not_run(lived, traces, kind):
    for key in keys(lived.trial):
        path = Path(lived.storage.root) / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(attacks(traces)[kind])
    record = read_record(lived.storage.get(lived.run()))
    assert record.status == "finished"


@pytest.mark.parametrize("kind", ["pickle", "torch", "npz"])
@pytest.mark.parametrize("which", [1, 2], ids=["checkpoint", "warm-up"])
def test_with_a_digest_that_is_right_it_fails_the_trial_and_is_not_run(lived, traces, kind, which):
    lived.storage.put(keys(lived.trial)[which], attacks(traces)[kind])
    with pytest.raises(Exception, match=r"(?i)weights.?only|unpickl|zip|invalid|archive"):
        lived.run()
    assert lived.storage.get(record_key(lived.trial.trial_id)) is None


@pytest.mark.parametrize("kind", ["pickle", "torch", "npz"])
def test_as_a_record_it_is_refused(traces, kind):
    with pytest.raises(RecordError):
        read_record(attacks(traces)[kind])


@pytest.mark.parametrize(
    ("kind", "ending"), [("pickle", "pt"), ("torch", "pt"), ("npz", "npz"), ("pickle", "pth")]
)
def test_as_a_weights_file_it_is_refused(traces, tmp_path, kind, ending):
    path = tmp_path / f"weights.{ending}"
    path.write_bytes(attacks(traces)[kind])
    with pytest.raises(NetworkError, match="never loaded"):
        read_weights(path)


# A study file and the command line run nothing


def yaml_attack(traces: Path) -> str:
    return f"!!python/object/apply:os.mkdir ['{traces}']"


def test_the_yaml_attack_is_real(tmp_path):
    yaml.unsafe_load(yaml_attack(tmp_path / "executed"))
    assert (tmp_path / "executed").exists()


def test_a_study_file_runs_no_code(traces, tmp_path, tiny):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(tiny) + f"notes: {yaml_attack(traces)}\n", "utf-8")
    with pytest.raises(InputError, match=r"mine\.yaml"):
        load_study(str(path))


def test_an_override_runs_no_code(here, traces, refused):
    refused(main, "tiny.yaml", "--dry-run", "--set", f"task.epochs={yaml_attack(traces)}")


# A name cannot lead out of a folder


@pytest.mark.parametrize("name", ["../x", "../../x", "/tmp/x", "..", ".", "a/b", "a\\b", "", "-x"])
def test_a_study_cannot_have_a_path_for_a_name(tiny, name):
    with pytest.raises(ValueError, match="name"):
        Study.model_validate({"name": name} | tiny)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--data", "../../x"],
        ["--ood", "../../x"],
        ["--scale", "../../x"],
        ["--set", "warmup.noise.distribution=../../x"],
        ["--set", "model=../../x"],
        ["--set", "../../x=1"],
    ],
)
def test_an_argument_cannot_be_a_path_out_of_the_folder(here, refused, arguments):
    refused(main, "tiny.yaml", *arguments)
    assert {path.name for path in here.iterdir()} <= {"tiny.yaml", "mlflow.db"}
    assert not (here.parent.parent / "x").exists()


@pytest.mark.parametrize("evil", ["../../x", "/tmp/x", "..", "npz:../../mine.npz", "a\0b"])
def test_what_tags_say_cannot_lead_a_report_out_of_its_folder(tmp_path, evil):
    plan = SimpleNamespace(study=evil, scale=evil, data=evil)
    folder = (tmp_path / default_folder(SimpleNamespace(plan=plan))).resolve()
    assert folder.parent.parent == tmp_path / "reports"
