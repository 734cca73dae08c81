"""A job submitted to a cluster of two nodes, one of which dies: the numbers of a local launch.

The nodes are started as an operator starts them, by `ray start`, with a token that all must show;
they share a storage folder, and MLflow is a server.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from support import ROOT, same_records

from analysis.results.loading import load_study

RAY = Path(sys.executable).with_name("ray")

pytest.importorskip("aiohttp_cors", reason="jobs need ray[default]")


class TwoNodes:
    """A head and a second node on loopback, each a process group with one CPU to give.

    Each has a folder of its own, as on machines of their own: a node unpacks a job's files anew,
    and would take those of the other from under its feet.
    """

    def __init__(self, folder: Path) -> None:
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "RAY"))}
        self.environment = clean | {
            "PATH": f"{RAY.parent}{os.pathsep}{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
        }
        # short: sockets lie in them
        self.folders = [tempfile.mkdtemp(prefix="ray-") for _ in range(2)]
        self.port, self.dashboard, *rest = _free_ports(8)
        self.head = self._start(
            *("--head", "--port", str(self.port), "--temp-dir", self.folders[0]),
            *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(self.dashboard)),
            ports=rest[:3],
        )
        self.second = self._start(
            *("--address", f"127.0.0.1:{self.port}", "--temp-dir", self.folders[1]), ports=rest[3:]
        )

    def _start(self, *arguments: str, ports: list[int]) -> subprocess.Popen[bytes]:
        agent, grpc, metrics = map(str, ports)
        return subprocess.Popen(
            [
                *(RAY, "start", "--block", "--num-cpus", "1", "--node-ip-address", "127.0.0.1"),
                *("--dashboard-agent-listen-port", agent, "--dashboard-agent-grpc-port", grpc),
                *("--metrics-export-port", metrics, "--disable-usage-stats", *arguments),
            ],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def jobs(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`ray job …`, whole."""
        address = f"http://127.0.0.1:{self.dashboard}"
        verb, *more = arguments
        return subprocess.run(
            [RAY, "job", verb, "--address", address, *more],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )

    def nodes(self) -> int:
        """Nodes that the head knows to be there."""
        status = subprocess.run(
            [RAY, "status", "--address", f"127.0.0.1:{self.port}"],
            env=self.environment,
            capture_output=True,
            text=True,
        )
        return status.stdout.partition("Pending:")[0].count("node_")

    def kill(self, node: subprocess.Popen[bytes]) -> None:
        """As if its plug were pulled: with all processes below it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(node.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(node.pid, signal.SIGKILL)
        node.wait()

    def end(self) -> None:
        for node in (self.second, self.head):
            self.kill(node)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[TwoNodes]:
    nodes = TwoNodes(tmp_path)
    yield nodes
    nodes.end()


@pytest.mark.slow
def test_a_job_on_two_nodes_of_which_one_dies_gives_the_numbers_of_a_local_launch(
    cluster, server, place, new_place
):
    asked = ("noise_ablation", "--scale", "smoke")
    place.wait_for(lambda: cluster.nodes() == 2, 180)
    storage = place.folder / "sweep_storage"
    submitted = cluster.jobs(
        *("submit", "--no-wait", "--submission-id", "study", "--working-dir", "."),
        *("--runtime-env-json", json.dumps({"env_vars": {"MLFLOW_TRACKING_URI": server.uri}})),
        *("--", "python", "-m", "sweep.launch", *asked, "--storage", str(storage)),
    )
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    place.wait_for(lambda: len(place.stored("records")) >= 6, 400)
    cluster.kill(cluster.second)
    followed = cluster.jobs("logs", "--follow", "study")
    assert "Job 'study' succeeded" in followed.stdout + followed.stderr, followed.stdout

    here = new_place("local")
    here.launch(*asked)
    local, job = (
        load_study(client, asked[0]) for client in (here.client, MlflowClient(server.uri))
    )
    assert job.count("finished") == len(job.trials) == len(local.trials)
    assert job.by_id.keys() == local.by_id.keys()
    same_records(job, local)
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name(asked[0]).experiment_id
    runs = client.search_runs([experiment], "tags.kind = 'trial'")
    assert Counter(run.data.tags["trial_id"] for run in runs) == Counter(job.by_id.keys())
