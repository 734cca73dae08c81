"""A synthetic study in a real MLflow store."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from studies import Spec, publish


@dataclass(frozen=True)
class Store:
    """An MLflow store on SQLite, shared by the tests that only add studies of their own."""

    uri: str
    client: MlflowClient
    folder: Path
    parent: str  # of the study `synthetic`


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    client = MlflowClient(uri)
    client.create_experiment("synthetic", (folder / "artifacts").as_uri())
    outcomes = {("uniform", 1): "failed", ("uniform", 2): "missing", ("gaussian", 3): "diverged"}
    return Store(uri, client, folder, publish(client, Spec(outcomes=outcomes), folder))
