"""A study small enough to be launched often, and launches of it as a user makes them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from buckets import s3_server
from forked import Forked
from mlflow import MlflowClient
from mlflow.entities import Run
from ray.cluster_utils import Cluster
from ready import SMALL
from support import PATIENCE, ROOT, answers, free_port, wait_until

from analysis.results.loading import load_study
from analysis.results.study_results import StudyResults
from sweep.inputs.datasets import Sources
from sweep.plan.plan import StudyPlan, make_plan
from sweep.plan.study import Study
from trainables.config.trial import Trial
from trainables.lifecycle.context import Inputs, RunContext
from trainables.lifecycle.listener import Listener
from trainables.lifecycle.trial_run import run_trial
from trainables.storage.storage import Storage

PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

HANGS = 600  # seconds after which what is waited for will not come, on a busy machine either

LONG = {"warmup.examples": 1_597_440, "warmup.epochs": 32, "warmup.batch": 128}  # half a minute

TINY = {
    "title": "Tiny",
    "answers": "Does it run?",
    "makes": "Nothing",
    "base": SMALL["base"] | {"warmup.examples": 512, "warmup.epochs": 2, "task.epochs": 3},
    "grids": {
        "distribution": {"warmup.noise.distribution": ["gaussian", "pink"]},
        "std": {"warmup.noise.std": [0.5, 1.0]},
    },
    "exhibits": ["pairs"],
    "scales": {"laptop": {"replicates": 2}, "long": {"replicates": 1, "set": LONG}},
}


# Read when they are needed, not when Python starts or imports what reads them
READ_LATE = {"RAY_TMPDIR", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"}


def environment(**more: str) -> dict[str, str]:
    """Of a launch. Ray's workers give way to all else that the machine does, and beside two busy
    processes would hardly run: here they are its equals."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "RAY"))}
    own = {"PYTHONPATH": str(ROOT), "COLUMNS": "200", "RAY_worker_niceness": "0"}
    return clean | own | more


@dataclass
class Place:
    """A folder in which a user launches studies."""

    folder: Path
    processes: list[subprocess.Popen[str] | Forked] = field(default_factory=list)

    def put(self, name: str, fields: Mapping[str, object]) -> str:
        """A study file, or a collection's; its path."""
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(fields), "utf-8")
        return f"{name}.yaml"

    def write(self, name: str, **changes: object) -> str:
        """A study file, the tiny one with some fields changed; its path."""
        return self.put(name, TINY | changes)

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
        return "".join(self.ended(self.start(*arguments, command=command, **env), code))

    @staticmethod
    def ended(
        process: subprocess.Popen[str] | Forked, code: int = 0, seconds: float = HANGS
    ) -> tuple[str, str]:
        """Wait for the end of a command; what it printed, and what of errors."""
        out, err = process.communicate(timeout=seconds * PATIENCE)
        assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
        return out, err

    def interrupt(self, launch: subprocess.Popen[str] | Forked, number: int = signal.SIGINT) -> str:
        """Send it the signal, by which it ends as it should; what it printed of errors."""
        launch.send_signal(number)
        _, err = self.ended(launch, 130, 60)
        assert err.splitlines()[-1] == "launch: interrupted; the same command goes on from here"
        return err

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.folder}/mlflow.db")

    def runs(self, study: str = "tiny", kind: str = "trial") -> list[Run]:
        """The study's runs in MLflow; kind: of its trials, or `study` for their parent."""
        experiment = self.client.get_experiment_by_name(study).experiment_id
        return self.client.search_runs([experiment], f"tags.kind = '{kind}'")

    def artifacts(self, run: Run) -> Path:
        """The folder that holds a run's artifacts."""
        return self.folder / run.info.artifact_uri

    def results(self, study: str) -> StudyResults:
        return load_study(self.client, study)

    def wait_for(self, there: Callable[[], bool], seconds: float = HANGS) -> None:
        wait_until(there, seconds * PATIENCE)

    def stored(self, kind: str) -> set[str]:
        """Names of the whole objects of a kind: records, warmups, checkpoints."""
        found = (self.folder / "sweep_storage" / kind).rglob("*")
        return {p.name for p in found if p.is_file() and not p.name.startswith(".")}

    def log(self, name: str = "log") -> list[dict[str, Any]]:
        """The events of a launch that was given `--log`."""
        lines = (self.folder / name).read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

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
def copied_place(finished: SimpleNamespace, place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """What `finished` has left, once more and to be changed: its folder is the working directory,
    and its MLflow the one in force."""
    shutil.copytree(finished.place.folder, place.folder, dirs_exist_ok=True)
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place.folder}/mlflow.db")
    return place


@pytest.fixture(scope="session")
def tiny() -> dict[str, object]:
    return TINY


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: an empty one, but for the tiny study."""
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    Place(tmp_path).write("tiny")
    return tmp_path


# Without a launch


@pytest.fixture(scope="session")
def sources() -> Sources:
    return Sources()


@pytest.fixture(scope="session")
def planned(sources: Sources) -> Callable[..., StudyPlan]:
    """The plan of the tiny study, with some of its fields changed; asked: of `make_plan`."""

    def planned(fields: Mapping[str, object] | None = None, **asked: Any) -> StudyPlan:
        study = Study.model_validate({"name": "tiny"} | TINY | dict(fields or {}))
        return make_plan(study, sources.resolve, **asked)

    return planned


@pytest.fixture(scope="session")
def live(sources: Sources) -> Callable[..., str]:
    """The life of a trial that was looked at; the key of its record in the storage."""

    def live(trial: Trial, storage: Storage, *on_examples: Any, **context: Any) -> str:
        torch.set_num_threads(1)
        its = RunContext(storage, torch.device("cpu"), **context)
        return run_trial(trial, Inputs(sources.loaded, {}).of(trial), its, Listener(*on_examples))

    return live


# Commands in this process


def _ended(main: Callable[[Sequence[str]], int], words: Sequence[str]) -> object:
    try:
        return main(list(words))
    except SystemExit as ended:  # argparse
        return ended.code


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command prints that ends with the code: `said(main, *words)`."""

    def said(main: Callable[[Sequence[str]], int], *words: str, code: int = 0) -> str:
        capsys.readouterr()
        ended = _ended(main, words)
        out, err = capsys.readouterr()
        assert ended == code, out + err
        return out

    return said


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line, and nothing else, that a command has for bad input: `refused(main, *words)`;
    planned: after it has said what it would do."""

    def refused(main: Callable[[Sequence[str]], int], *words: str, planned: bool = False) -> str:
        capsys.readouterr()
        ended = _ended(main, words)
        out, err = capsys.readouterr()
        assert (ended, out != "") == (2, planned), out + err
        (line,) = err.splitlines()
        assert line.startswith(f"{main.__module__.rpartition('.')[2]}: ")
        return line

    return refused


# Services


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Cluster]]:
    """Start a Ray cluster of nodes with so many CPUs, the head first; gpus: that the other node
    declares, and has not."""
    # else as a Ray that this process has started before has left it, and a launch must be told
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with contextlib.ExitStack() as stack:

        def cluster(head: int, node: int, gpus: int = 0) -> Cluster:
            made = Cluster(initialize_head=True, head_node_args={"num_cpus": head})
            stack.callback(made.shutdown)
            made.node = made.add_node(num_cpus=node, num_gpus=gpus)
            made.wait_for_nodes()
            return made

        yield cluster


class Server:
    """An MLflow server on loopback that can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
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
            start_new_session=True,
            **QUIET,
        )
        wait_until(lambda: answers(f"{self.uri}/health"), 90 * PATIENCE)

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
        cwd=folder,
        **QUIET,
        **nobody,
    )
    ready = ["pg_isready", "-h", "127.0.0.1", "-p", str(port)]
    try:
        wait_until(lambda: subprocess.run(ready, **QUIET).returncode == 0, 30, server)
        yield SimpleNamespace(url=f"postgresql://sweep@127.0.0.1:{port}/postgres", server=server)
    finally:
        server.terminate()
        server.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """An S3 server, whose environment is that of this process."""
    with s3_server() as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        yield server
