"""The MLflow service of docker-compose.yml as a process: PostgreSQL, authentication, a launch."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import torch
import yaml
from counting import Relay
from mlflow import MlflowClient
from support import ROOT, free_port

from analysis.results.study_results import load_study as load_results
from sweep.inputs.datasets import Sources
from sweep.plan.plan import make_plan
from sweep.plan.study import load_study
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.trial_run import run_trial
from trainables.storage.storage import Storage

URI = "postgresql+psycopg://sweep@postgres:5432/sweep"  # in the files
USER, PASSWORD = "admin", "correct horse battery"


@pytest.fixture
def service(postgres, tmp_path: Path) -> Iterator[str]:
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
        stdout=subprocess.DEVNULL,
        stderr=(folder / "log").open("wb"),
        start_new_session=True,
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}", process, folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(uri: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 240
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text("utf-8")[-2000:]
        with contextlib.suppress(URLError, OSError), urlopen(f"{uri}/health", timeout=2):
            return
        time.sleep(0.2)
    pytest.fail("the MLflow server did not start: " + log.read_text("utf-8")[-2000:])


def _live(place, study: str) -> None:
    """Leave the study's records in the place's storage."""
    torch.set_num_threads(1)
    sources = Sources()
    for planned in make_plan(load_study(str(place.folder / study)), sources.resolve).trials:
        context = RunContext(Storage(place.folder / "sweep_storage"), torch.device("cpu"))
        run_trial(planned.trial, Inputs(sources.loaded, {}).of(planned.trial), context)


@pytest.mark.slow
@pytest.mark.timeout(900)
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

    _live(place, study)  # so the launch needs no Ray, and all its time is MLflow's
    relay = Relay(service)
    access = {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    said = place.launch(study, "--tracking-uri", relay.uri, **access)
    assert "8 stored and to be published" in said
    relay.close()
    for name, value in access.items():
        monkeypatch.setenv(name, value)
    assert load_results(MlflowClient(service), "tiny").count("finished") == 8

    calls = relay.requests
    per_trial = {
        path.rpartition("/2.0/")[2]: count
        for path, count in calls.items()
        if "runs/" in path and "artifacts" not in path
    }
    with capsys.disabled():
        print(
            f"\n8 trials: {calls.total()} requests, {calls.total() / 8:.1f} a trial, "
            f"{relay.bytes_sent / 8:,.0f} bytes sent and {relay.bytes_received / 8:,.0f} received "
            f"a trial, the study's run and its report among them; {per_trial}"
        )
    assert calls["/api/2.0/mlflow/runs/create"] == 9  # each trial once, and their parent
    assert calls["/api/2.0/mlflow/runs/log-metric"] == 0  # in batches alone
    assert calls["/api/2.0/mlflow/runs/log-batch"] <= 10  # one a trial
    assert calls["/api/2.0/mlflow/runs/get"] <= 8  # none for a trial
    assert calls.total() < 16 * 8
