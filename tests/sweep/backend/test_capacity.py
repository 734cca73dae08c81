"""The CPUs are those that the process may use, and everything that counts trials counts alike."""

import os
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from sweep.backend.capacity import cpus
from sweep.backend.connection import connected, slots_now
from sweep.launch import main
from sweep.options import Resources
from sweep.search import tuner as tuning

MINE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
V1 = "4:memory:/here\n1:cpu,cpuacct:/docker/abc\n0::/\n"


def machine(root: Path, files: dict[str, str]) -> Path:
    """A folder with some of the files that the kernel shows."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def eight(monkeypatch):
    """A process that no affinity holds to fewer than 8 CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 8, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)


def v1(base: str, quota: int, period: int = 100_000) -> dict[str, str]:
    limits = {"cpu.cfs_quota_us": f"{quota}\n", "cpu.cfs_period_us": f"{period}\n"}
    return {"proc/self/cgroup": V1} | {f"{base}/{name}": text for name, text in limits.items()}


def v2(limit: str, group: str = "/") -> dict[str, str]:
    shown = {"proc/self/cgroup": f"0::{group}\n"}
    return shown | {"sys/fs/cgroup/cpu.max": f"{limit}\n"}


QUOTAS = {
    "version 2, of the container": (v2("300000 100000"), 3),
    "version 2, no limit": (v2("max 100000"), 8),
    "version 2, of a group above": (
        {
            "proc/self/cgroup": "0::/user.slice/job.scope\n",
            "sys/fs/cgroup/user.slice/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/user.slice/job.scope/cpu.max": "max 100000\n",
        },
        2,
    ),
    "version 2, named as the host sees it": (v2("50000 10000", "/kubepods/pod1/abc"), 5),
    "version 2 beside version 1": (
        {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/unified/a/cpu.max": "400000 100000\n"},
        4,
    ),
    "one and a half": (v2("150000 100000"), 1),
    "half a CPU": (v2("50000 100000"), 1),
    "version 1, of the container": (v1("sys/fs/cgroup/cpu,cpuacct", 600_000), 6),
    "version 1, by its short name": (v1("sys/fs/cgroup/cpu/docker/abc", 20_000, 10_000), 2),
    "version 1, no limit": (v1("sys/fs/cgroup/cpu", -1), 8),
    "more than there are": (v2("1600000 100000"), 8),
    "unreadable": (v2("what?"), 8),
    "no control groups": ({}, 8),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_a_quota_counts_in_whole_cpus_and_at_least_one(tmp_path, eight, name):
    files, wanted = QUOTAS[name]
    assert cpus(machine(tmp_path, files), {}) == wanted


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({"SLURM_CPUS_ON_NODE": "4"}, 4),
        ({"SLURM_CPUS_ON_NODE": "6", "SLURM_CPUS_PER_TASK": "2"}, 6),  # the batch script has all
        ({"SLURM_CPUS_ON_NODE": "6", "SLURM_CPUS_PER_TASK": "2", "SLURM_STEP_ID": "0"}, 2),
        ({"SLURM_CPUS_ON_NODE": "6", "SLURM_STEP_ID": "0"}, 6),
        ({"SLURM_CPUS_ON_NODE": "64"}, 8),
        ({"SLURM_CPUS_ON_NODE": ""}, 8),
        ({"SLURM_CPUS_ON_NODE": "0"}, 8),
        ({"SLURM_CPUS_ON_NODE": "many"}, 8),
    ],
)
def test_what_slurm_has_given_counts(tmp_path, eight, environment, wanted):
    assert cpus(tmp_path, environment) == wanted


def test_the_smallest_limit_counts(tmp_path, eight):
    assert cpus(machine(tmp_path, v2("500000 100000")), {"SLURM_CPUS_ON_NODE": "3"}) == 3
    assert cpus(tmp_path, {"SLURM_CPUS_ON_NODE": "7"}) == 5


def test_this_process_may_use_no_more_than_the_kernel_lets_it():
    assert 1 <= cpus() <= MINE


def test_affinity_is_asked_for_where_the_system_knows_one(tmp_path, monkeypatch, eight):
    monkeypatch.delattr(os, "process_cpu_count")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 9}, raising=False)
    assert cpus(tmp_path, {}) == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert cpus(tmp_path, {}) == 64


def test_python_counts_where_it_can(tmp_path, monkeypatch, eight):
    monkeypatch.setattr(os, "process_cpu_count", lambda: 3, raising=False)  # 3.13's own setting
    assert cpus(tmp_path, {}) == 3


# Counted in trials


@pytest.mark.parametrize(
    ("asked", "nodes", "wanted"),
    [
        ({"cpus": 2}, [3, 3], 2),  # 6 CPUs, and no third place
        ({"cpus": 2}, [4, 2, 1], 3),
        ({"cpus": 0.1}, [1], 10),
        ({"cpus": 0.3}, [0.9], 3),
        ({"cpus": 1.5}, [3, 2], 3),
        ({"cpus": 2, "concurrency": 1}, [4, 4], 1),
        ({"cpus": 2, "concurrency": 9}, [4], 2),
        ({"cpus": 2, "workers": 2}, [3, 3], 1),
        ({"cpus": 3, "workers": 2}, [4, 2], 0),
        ({"workers": 1}, [4, 2], 6),
        ({"workers": 2}, [4, 2], 3),
        ({"workers": 4}, [4, 2], 1),
        ({"workers": 7}, [4, 2], 0),
        ({"cpus": 4}, [3, 3], 0),
        ({"cpus": 0}, [1], 1000),
    ],
)
def test_a_trial_has_its_place_on_one_node(asked, nodes, wanted):
    assert Resources(**asked).slots([{"CPU": cpus} for cpus in nodes]) == wanted


def test_gpus_count_as_cpus_do():
    nodes = [{"CPU": 16.0, "GPU": 1.0}, {"CPU": 16.0}]
    assert Resources(cpus=1, gpus=0.25).slots(nodes) == 4
    assert Resources(cpus=8, gpus=0.25).slots(nodes) == 2
    assert Resources(workers=2, gpus=1).slots(nodes) == 0


def test_everything_counts_a_cluster_alike(here, cluster, said, refused):
    """Two nodes of 3 CPUs, at 2 a trial: two places, in the launch, the search and the dry run."""
    resources = Resources(address=cluster(3, 3).address, cpus=2)
    with connected(resources):
        assert slots_now(resources) == 2
        assert proposals_at_once(resources) == 2
    words = ["tiny.yaml", "--dry-run", "--address", resources.address, "--cpus-per-trial"]
    assert ", 2 trials at a time" in said(main, *words, "2")
    assert "a trial needs 4 CPUs and 0 GPUs on one node" in refused(main, *words, "4")


def proposals_at_once(resources: Resources) -> int:
    """How many proposals a search hands out before it waits."""

    running: list[int] = []

    def ask() -> SimpleNamespace:
        running.append(len(running))
        return SimpleNamespace(number=running[-1], members=())

    endless = Mock(running=running, ask=ask)
    asks = tuning._ProposalSearcher(endless, resources, Mock())
    while asks.suggest("t") is not None:
        assert len(running) < 100
    return len(running)
