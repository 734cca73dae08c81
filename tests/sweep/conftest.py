"""A study small enough to be launched often, and launches of it as a user makes them."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml
from forked import Forked
from mlflow import MlflowClient
from mlflow.entities import Run
from support import PATIENCE, ROOT, free_port

from analysis.results.study_results import StudyResults, load_study

PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}

LONG = {"warmup.examples": 1_597_440, "warmup.epochs": 32, "warmup.batch": 128}  # half a minute

TINY = {
    "title": "Tiny",
    "answers": "Does it run?",
    "makes": "Nothing",
    "base": {
        "model.depth": 2,
        "model.width": 16,
        "data.examples": 64,
        "data.validation": 50,
        "data.test": 100,
        "data.ood_examples": 100,
        "warmup.examples": 512,
        "warmup.epochs": 2,
        "warmup.batch": 32,
        "task.batch": 32,
        "task.epochs": 3,
        "task.optimizer.lr": 1e-3,
    },
    "grids": {
        "distribution": {"warmup.noise.distribution": ["gaussian", "pink"]},
        "std": {"warmup.noise.std": [0.5, 1.0]},
    },
    "exhibits": ["pairs"],
    "scales": {
        "laptop": {"replicates": 2},
        "long": {"replicates": 1, "set": LONG},
    },
}


# Read when they are needed, not when Python starts or imports what reads them
READ_LATE = {"RAY_TMPDIR", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"}


def environment(**more: str) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "RAY"))}
    return clean | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"} | more


@dataclass
class Place:
    """A folder in which a user launches studies."""

    folder: Path
    processes: list[subprocess.Popen[str] | Forked] = field(default_factory=list)

    def write(self, name: str, **changes: object) -> str:
        """A study file, the tiny one with some fields changed; its path."""
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(TINY | changes), "utf-8")
        return path.name

    def start(
        self,
        *arguments: str,
        command: str = "launch",
        before: Sequence[str] = (),
        streams: Mapping[str, Any] = PIPES,
        **env: str,
    ) -> subprocess.Popen[str] | Forked:
        """before: of the command's line, such as another user's; streams: of its process.
        Where they or the environment are nothing special the process is forked."""
        module, its = f"sweep.{command}", environment(**env)
        process: subprocess.Popen[str] | Forked
        if before or streams is not PIPES or not READ_LATE.issuperset(env):
            line = [*before, sys.executable, "-m", module, *arguments]
            process = subprocess.Popen(line, cwd=self.folder, env=its, text=True, **streams)
        else:
            process = Forked(module, list(arguments), self.folder, its)
        self.processes.append(process)
        return process

    def launch(self, *arguments: str, code: int = 0, command: str = "launch", **env: str) -> str:
        """Launch, or run another of the commands, and wait; what it printed."""
        process = self.start(*arguments, command=command, **env)
        out, err = process.communicate(timeout=240 * PATIENCE)
        assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
        return out + err

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.folder}/mlflow.db")

    def artifacts(self, run: Run) -> Path:
        """The folder that holds a run's artifacts."""
        return self.folder / run.info.artifact_uri

    def results(self, study: str) -> StudyResults:
        return load_study(self.client, study)

    def wait_for(self, there: Callable[[], bool], seconds: float = 120) -> None:
        end = time.monotonic() + seconds * PATIENCE
        while not there():
            assert time.monotonic() < end, "it did not come"
            time.sleep(0.05)

    def stored(self, kind: str) -> set[str]:
        """Names of the whole objects of a kind: records, warmups, checkpoints."""
        found = (self.folder / "sweep_storage" / kind).rglob("*")
        return {p.name for p in found if p.is_file() and not p.name.startswith(".")}

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


SEARCHED = {
    "space": {
        "warmup.noise.distribution": ["gaussian", "pink", "laplace"],
        "warmup.noise.std": {"low": 0.25, "high": 4.0, "log": True},
    },
    "seeds": 2,
    "trials": 4,
}


@pytest.fixture
def searching(place: Place) -> str:
    """A tiny study that searches, in `place`."""
    exhibits = ["search_confirmed", "search", "pairs"]
    return place.write("searching", grids={}, search=SEARCHED, exhibits=exhibits)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    here = Place(tmp_path)
    yield here
    here.end()


@pytest.fixture(scope="session")
def new_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Place]]:
    """Places that several tests look at, by name."""
    made: list[Place] = []

    def make(name: str) -> Place:
        made.append(Place(tmp_path_factory.mktemp(name)))
        return made[-1]

    yield make
    for place in made:
        place.end()


@pytest.fixture(scope="session")
def finished(new_place: Callable[[str], Place]) -> SimpleNamespace:
    """A place where the tiny study has been launched once, uninterrupted. Only to be looked at."""
    here = new_place("finished")
    study = here.write("tiny")
    said = here.launch(study)
    return SimpleNamespace(place=here, said=said, results=here.results("tiny"))


@pytest.fixture
def rays() -> Iterator[Path]:
    """An empty folder for Ray's, with the short path that its sockets need."""
    folder = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def copied_place(
    finished: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    """What `finished` has left, once more and to be changed: its folder is the working directory,
    and its MLflow the one in force."""
    for name in os.listdir(finished.place.folder):
        source = finished.place.folder / name
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return Place(tmp_path)


@pytest.fixture(scope="session")
def tiny() -> dict[str, object]:
    return TINY


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
        end = time.monotonic() + 90 * PATIENCE
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


@pytest.fixture
def postgres() -> Iterator[SimpleNamespace]:
    """A fresh PostgreSQL on loopback, without a password; stopped afterwards."""
    if shutil.which("initdb") is None or shutil.which("postgres") is None:
        pytest.skip("PostgreSQL's initdb and postgres are not on the PATH")
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    data = folder / "data"
    nobody: dict[str, Any] = {"user": "nobody"} if os.geteuid() == 0 else {}  # it refuses root
    if nobody:
        shutil.chown(folder, "nobody")
    done = subprocess.run(
        ["initdb", "-D", str(data), "-U", "sweep", "--auth=trust", "--no-sync", "-E", "UTF8"],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"LC_ALL": "C"},
        **nobody,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    port = free_port()
    server = subprocess.Popen(
        [
            *("postgres", "-D", str(data), "-p", str(port), "-k", str(folder)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        **nobody,
    )
    try:
        _until_ready(port, server)
        yield SimpleNamespace(url=f"postgresql://sweep@127.0.0.1:{port}/postgres", server=server)
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


def _until_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 30
    while True:
        assert server.poll() is None, "postgres has ended"
        ready = ["pg_isready", "-h", "127.0.0.1", "-p", str(port)]
        if subprocess.run(ready, capture_output=True).returncode == 0:
            return
        assert time.monotonic() < end, "postgres does not answer"
        time.sleep(0.1)
