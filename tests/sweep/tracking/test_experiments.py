"""An experiment that cannot be used is told of before a run is made; no run says what is not."""

import re
import subprocess
import sys
from unittest.mock import Mock

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import ViewType
from ready import forget_databases, live, write

from sweep.launch import main as launch
from sweep.publish import main as publish
from sweep.status import main as status
from sweep.tracking.publisher import Publisher


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With two studies that have a control in common and their records; no MLflow yet."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "small")
    noise = "warmup.noise.distribution"
    write(tmp_path, "second", grids={"a": {noise: ["pink"]}})
    live(tmp_path, ["small.yaml", "second.yaml"], replicates=1)
    yield tmp_path
    forget_databases()


@pytest.fixture
def client(folder):
    return MlflowClient(f"sqlite:///{folder}/mlflow.db")


def runs(client, name="small"):
    """Deleted ones too."""
    experiment = client.get_experiment_by_name(name).experiment_id
    return client.search_runs([experiment], run_view_type=ViewType.ALL)


@pytest.mark.parametrize("place", ["/proc/nowhere", "file:///dev/null/artifacts"])
def test_artifacts_that_cannot_be_written_here_are_told_of_before_a_run_is_made(
    client, refused, place
):
    number = client.create_experiment("small", place)
    said = refused(launch, "small.yaml", planned=True)
    assert f"small: its MLflow experiment keeps artifacts in {place}, which cannot be" in said
    assert not runs(client)
    (remedy,) = re.findall("`(mlflow experiments rename .*)`", said)
    assert (
        remedy == f"mlflow experiments rename --experiment-id {number} --new-name small-elsewhere"
    )
    client.rename_experiment(number, "small-elsewhere")
    assert launch(["small.yaml"]) == 0
    assert len(runs(client)) == 3


def test_a_store_of_artifacts_that_does_not_answer_leaves_no_run_that_says_it_is_running(
    client, bucket, refused, monkeypatch
):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    client.create_experiment("small", f"{bucket.url}/artifacts")
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
        line = refused(launch, "small.yaml", planned=True)
    assert "nothing was run: " in line
    assert "see that this machine may read and write there, and give the same command" in line
    assert [run.info.status for run in runs(client)] == ["FAILED"]

    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", bucket.env["AWS_ENDPOINT_URL"])
    assert launch(["small.yaml"]) == 0
    assert {run.info.status for run in runs(client)} == {"FINISHED"}
    assert len(runs(client)) == 3


@pytest.mark.parametrize(
    ("error", "left", "code"), [(KeyboardInterrupt, "KILLED", 130), (MemoryError, "FAILED", 1)]
)
def test_whatever_ends_a_launch_after_its_run_is_made_is_what_the_run_says(
    client, monkeypatch, error, left, code
):
    upload = Mock(side_effect=error)
    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "_upload", upload)
        assert launch(["small.yaml"]) == code
    assert [run.info.status for run in runs(client)] == [left]
    assert launch(["small.yaml"]) == 0
    with monkeypatch.context() as patch:  # publishing changes no status of a launch
        patch.setattr(Publisher, "_upload", upload)
        assert publish(["small.yaml"]) == code
    (parent,) = [run for run in runs(client) if run.data.tags["kind"] == "study"]
    assert parent.info.status == "FINISHED"


def test_a_deleted_experiment_comes_back_by_the_command_that_is_named(client, said, refused):
    assert launch(["small.yaml"]) == 0
    number = client.get_experiment_by_name("small").experiment_id
    client.delete_experiment(number)
    line = refused(launch, "small.yaml", planned=True)
    assert line.startswith("launch: small: its MLflow experiment was deleted")
    (remedy,) = re.findall("`(mlflow .*)`", line)
    assert remedy == f"mlflow experiments restore --experiment-id {number}"
    assert "restore --experiment-id" in refused(status, "small")
    command = [sys.executable, "-m", *remedy.split()]
    subprocess.run(command, check=True, capture_output=True)
    assert "0 to run, 2 done already" in said(launch, "small.yaml")


def test_a_launch_ends_with_addresses_that_people_open(client, said, refused, monkeypatch):
    monkeypatch.setenv("MLFLOW_PUBLIC_URL", "mlflow.example.org")
    line = refused(launch, "small.yaml")
    assert line.startswith("launch: MLFLOW_PUBLIC_URL mlflow.example.org: no browser opens that")
    monkeypatch.setenv("MLFLOW_PUBLIC_URL", "https://me:secret@mlflow.example.org/")
    out = said(launch, "small.yaml")
    (parent,) = [run for run in runs(client) if run.data.tags["kind"] == "study"]
    where, artifact = re.search(
        r"^Report in MLflow: https://mlflow.example.org/#(.*)/artifactPath/(.*)$", out, re.MULTILINE
    ).groups()
    assert where == f"/experiments/{parent.info.experiment_id}/runs/{parent.info.run_id}"
    listed = client.list_artifacts(parent.info.run_id, artifact.rpartition("/")[0])
    assert artifact in [item.path for item in listed]
    assert f"Runs: https://mlflow.example.org/#/experiments/{parent.info.experiment_id}/" in out
    assert "secret" not in out


@pytest.fixture
def both(folder):
    """A collection of the two studies."""
    fields = {"title": "Both", "answers": "Both?", "collects": ["small.yaml", "second.yaml"]}
    (folder / "both.yaml").write_text(yaml.safe_dump(fields), "utf-8")
    return "both.yaml"


def test_a_collection_goes_on_without_a_study_that_cannot(client, both, said, monkeypatch):
    client.delete_experiment(client.create_experiment("small"))
    client.delete_experiment(client.create_experiment("both"))
    out = said(launch, both, code=1)
    assert "small: its MLflow experiment was deleted" in out
    assert "second, 2 of 2" in out
    assert "Index of 1 reports" in out
    assert "the index is not in MLflow: both: its MLflow experiment was deleted" in out
    assert {run.info.status for run in runs(client, "second")} == {"FINISHED"}
    for name in ("small", "both"):
        client.restore_experiment(client.get_experiment_by_name(name).experiment_id)
    monkeypatch.setenv("MLFLOW_PUBLIC_URL", "http://127.0.0.1:5000")
    out = said(launch, both)
    assert "Index of 2 reports" in out
    assert re.search(
        r"Index in MLflow: http://127.0.0.1:5000/#/exp.*/artifactPath/index.html\n", out
    )


def test_an_error_of_any_kind_in_a_study_is_no_end_of_its_collection(
    client, both, said, monkeypatch
):
    original = Publisher.__init__

    def init(self, client, plan, *more, **named):
        if plan.study.name == "small":
            raise RuntimeError("of no kind that is known")
        original(self, client, plan, *more, **named)

    monkeypatch.setattr(Publisher, "__init__", init)
    out = said(launch, both, code=1)
    assert "RuntimeError: of no kind that is known" in out
    assert {run.info.status for run in runs(client, "second")} == {"FINISHED"}


def test_trials_of_a_deleted_run_of_the_study_are_adopted_by_a_new_one(client, said):
    assert launch(["small.yaml"]) == 0
    (parent,) = [run for run in runs(client) if run.data.tags["kind"] == "study"]
    client.delete_run(parent.info.run_id)
    assert "2 trials, 0 to run, 0 done already, 2 adopted" in said(launch, "small.yaml")
    assert "2: 2 finished" in said(status, "small")


def test_texts_longer_than_mlflow_holds_are_shortened_there(folder, client):
    label, title = "very " * 2000 + "long", "Long. " * 5000
    cell = {"label": label, "warmup.noise.distribution": "gaussian"}
    write(folder, "wordy", title=title, grids={"a": [cell]})
    assert launch(["wordy.yaml"]) == 0
    tags = [run.data.tags for run in runs(client, "wordy") if run.data.tags["kind"] == "trial"]
    assert {tags["condition"][:20] for tags in tags} == {"", label[:20]}
    experiment = client.get_experiment_by_name("wordy")
    assert len(title) > 20_000 >= max(map(len, experiment.tags.values()))


def test_a_study_name_that_no_file_can_have_is_refused(folder, refused):
    write(folder, "named", name="n" * 251)
    assert "name: " in refused(launch, "named.yaml")
    assert not (folder / "mlflow.db").exists()
