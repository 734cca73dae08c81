"""Where artifacts lie, by what MLflow says of them; and where those of new experiments will."""

from pathlib import Path

import pytest

from analysis.results.places import absent_database, artifact_root, local_folder, tracking_uri

HERE, SERVER = "sqlite:///mlflow.db", "http://localhost:5000"


@pytest.mark.parametrize(
    ("uri", "address", "folder"),
    [
        (HERE, "mlruns/1/a/artifacts", "mlruns/1/a/artifacts"),
        ("sqlite:////data/all.db", "mlruns/1", "/data/mlruns/1"),
        (HERE, "/srv/a#b?c;d/1", "/srv/a#b?c;d/1"),
        (HERE, "file:///srv/a%23b%3Fc%3Bd%25/1", "/srv/a#b?c;d%/1"),
        (SERVER, "/srv/1", "/srv/1"),
        (SERVER, "mlruns/1", None),  # in the server's folder, wherever that is
        (SERVER, "mlflow-artifacts:/1", None),
        ("postgresql://localhost/name", "s3://bucket/1", None),
    ],
)
def test_the_folder_that_an_address_names(uri, address, folder):
    assert local_folder(uri, address) == (folder and Path(folder))


def test_artifacts_of_new_experiments_lie_beside_their_database(tmp_path, monkeypatch):
    folder = tmp_path / "50%20"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for uri in (HERE, f"sqlite:///{tmp_path}/50%2520/mlflow.db"):
        assert artifact_root(uri) == "mlruns"
    assert artifact_root(f"sqlite:///{tmp_path}/mlflow.db") == f"{tmp_path}/mlruns"
    # as MLflow reads it: a plain path would have its percent sign decoded
    assert artifact_root("postgresql://localhost/name") == f"file://{tmp_path}/50%2520/mlruns"
    assert artifact_root(SERVER) is None


@pytest.mark.parametrize("name", ["plain", "a b", "é", "a#b?c", "50%20noise"])
def test_the_default_database_is_in_the_folder_whatever_that_is_called(tmp_path, monkeypatch, name):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert absent_database(tracking_uri()) == tmp_path / name / "mlflow.db"
    Path("mlflow.db").touch()
    assert absent_database(tracking_uri()) is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SERVER)
    assert tracking_uri() == SERVER
