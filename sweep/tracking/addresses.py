"""The addresses in MLflow that a launch ends with, as people open them."""

from mlflow.tracking import MlflowClient

from sweep.tracking.public import opened_at
from sweep.tracking.view import view_path


def of_study(client: MlflowClient, experiment_id: str, run_id: str) -> list[str]:
    """Where a study's runs are seen, and of a server the report too, a line each: the launcher's
    folder may be one that nobody else sees, as a job's is."""
    page, runs = opened_at(client.tracking_uri), f"/#{view_path(experiment_id)}"
    if not page:
        return [f"Runs: `mlflow ui` in this folder, then http://127.0.0.1:5000{runs}"]
    report = of_artifact(client, experiment_id, run_id, "report/index.html")
    return [f"Report in MLflow: {report}", f"Runs: {page}{runs}"]


def of_artifact(client: MlflowClient, experiment_id: str, run_id: str, path: str) -> str:
    """Where an artifact of a run is seen; "": in no server that is known."""
    page = opened_at(client.tracking_uri)
    # with `artifacts` for `artifactPath` MLflow's page selects the file, and does not show it
    return page and f"{page}/#/experiments/{experiment_id}/runs/{run_id}/artifactPath/{path}"
