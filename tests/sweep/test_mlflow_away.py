"""Nothing is lost when a real MLflow server goes away in mid-study."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient

from analysis.results import load_study


class Server:
    """An MLflow server on loopback that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end = time.monotonic() + 90
        while time.monotonic() < end:
            with contextlib.suppress(URLError, OSError), urlopen(f"{self.uri}/health", timeout=2):
                return
            time.sleep(0.2)
        pytest.fail("the MLflow server did not start")

    def stop(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    one = Server(folder)
    one.start()
    yield one
    one.stop()


def test_trials_run_on_while_the_server_is_away_and_are_published_when_it_is_back(place, server):
    study = place.write("tiny")
    arguments = (study, "--tracking-uri", server.uri)
    launch = place.start(*arguments, MLFLOW_HTTP_REQUEST_MAX_RETRIES="1")
    place.wait_for(lambda: place.stored("records"))
    server.stop()
    out, err = launch.communicate(timeout=240)
    assert launch.returncode == 1, out + err
    waiting = re.search(r"(\d+) trials are stored but not published", out)
    assert waiting, out + err
    assert "the same command publishes them" in out
    assert "Traceback" not in out + err
    assert len(place.stored("records")) == 8

    assert "MLflow does not answer" in place.launch(*arguments, code=2)

    server.start()
    said = place.launch(*arguments)
    assert "0 to run" in said
    assert f"{waiting[1]} stored and to be published" in said
    client = MlflowClient(server.uri)
    assert load_study(client, "tiny").count("finished") == 8
    experiment = client.get_experiment_by_name("tiny").experiment_id
    runs = client.search_runs([experiment])
    assert len(runs) == 9  # each trial once, and their parent
    assert {run.info.status for run in runs} == {"FINISHED"}
