"""The MLflow service of docker-compose.yml as a process: PostgreSQL, authentication, a launch."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import yaml
from counting import Relay
from mlflow import MlflowClient
from ready import live
from support import ROOT, answers, free_port, wait_until

from analysis.results.loading import load_study

URI = "postgresql+psycopg://sweep@postgres:5432/sweep"  # in the files
USER, PASSWORD = "admin", "correct horse battery"


@pytest.fixture
def service(postgres, tmp_path) -> Iterator[str]:
    """Its address. The command and the environment are the file's, but for what a machine sets."""
    written = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]["mlflow"]
    folder, port = tmp_path / "service", free_port()
    folder.mkdir()
    uri = postgres.url.replace("postgresql:", "postgresql+psycopg:")
    text = (ROOT / "cluster/mlflow_auth.ini").read_text("utf-8")
    assert URI in text
    (folder / "auth.ini").write_text(text.replace(URI, uri), "utf-8")
    machine = {
        "--host=0.0.0.0": "--host=127.0.0.1",
        "--port=5000": f"--port={port}",
        "--artifacts-destination=/artifacts": f"--artifacts-destination={folder}/artifacts",
    }
    assert machine.keys() <= set(written["command"])
    process = subprocess.Popen(
        [sys.executable, "-m", *(machine.get(word, word) for word in written["command"])],
        cwd=folder,
        env=os.environ
        | written["environment"]
        | {
            "MLFLOW_BACKEND_STORE_URI": uri,
            "MLFLOW_AUTH_CONFIG_PATH": str(folder / "auth.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "of this test",
            "PGPASSWORD": "none is asked for",
        },
        stdout=subprocess.DEVNULL,  # and its log, on stderr, is shown where the test fails
        start_new_session=True,
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"), 240, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_launch_is_published_by_password_and_in_few_requests(service, place, monkeypatch, capsys):
    study = place.write("tiny")
    refused = place.launch(
        study,
        *("--tracking-uri", service),
        code=2,
        MLFLOW_TRACKING_USERNAME=USER,
        MLFLOW_TRACKING_PASSWORD="wrong",
    )
    assert len(refused.splitlines()) == 1
    assert refused.startswith(f"launch: --tracking-uri {service}: MLflow refuses the user or the ")
    assert "wrong" not in refused
    assert not place.stored("records")

    live(place.folder, [study])  # so the launch needs no Ray, and all its time is MLflow's
    relay = Relay(service)
    access = {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    said = place.launch(study, "--tracking-uri", relay.uri, **access)
    assert "8 stored and to be published" in said
    relay.close()
    for name, value in access.items():
        monkeypatch.setenv(name, value)
    assert load_study(MlflowClient(service), "tiny").count("finished") == 8

    calls = relay.requests
    with capsys.disabled():
        print(
            f"\n8 trials: {calls.total()} requests, {calls.total() / 8:.1f} a trial, "
            f"{relay.bytes_sent / 8:,.0f} bytes sent and {relay.bytes_received / 8:,.0f} received "
            f"a trial, the study's run and its report among them"
        )
    assert calls["/api/2.0/mlflow/runs/create"] == 9  # each trial once, and their parent
    assert calls["/api/2.0/mlflow/runs/log-metric"] == 0  # in batches alone
    assert calls["/api/2.0/mlflow/runs/log-batch"] <= 10  # one a trial
    assert calls["/api/2.0/mlflow/runs/get"] <= 8  # none for a trial
    assert calls.total() < 16 * 8
