"""What this process has of the machine: the CPUs that it may use, and the GPUs.

Its CPUs are not those of the machine where there is an affinity (taskset, a container's cpuset), a
quota of the control group (a container's or a pod's limit), or a share that SLURM has given. Ray
knows the machine's, and a quota only at the root of the control groups.
"""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

DRIVERS = ("dev/nvidiactl", "dev/kfd", "dev/dxg")  # NVIDIA's, AMD's, Windows's for its Linux


def this_machine(gpus: bool) -> dict[str, float]:
    """What a local instance has, as Ray names it.

    Args:
        gpus: whether they are asked for: to count them takes PyTorch, which is slow to import.
    """
    return {"CPU": cpus(), "GPU": _gpus() if gpus else 0}


def cpus(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> int:
    """Whole CPUs that this process may use, at least one: of 1.5, or of 0.5, one trial has the use.

    Args:
        root: where `proc` and `sys` are.
        environment: in which SLURM says what it has given.
    """
    limits = [float(_affinity()), _quota(root), _slurm(environment)]
    return max(1, math.floor(min(limits) + 1e-9))


def _affinity() -> int:
    counted = getattr(os, "process_cpu_count", None)  # Python 3.13's, which PYTHON_CPU_COUNT sets
    if counted is not None:
        return counted() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS knows no affinity


def _quota(root: Path) -> float:
    """CPUs that the process's control group may keep busy, or any that it lies in."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # macOS has none
        return math.inf
    limits = [math.inf]
    for line in lines:
        number, _, rest = line.partition(":")
        kinds, _, group = rest.partition(":")
        if number == "0":  # version 2, alone or beside version 1
            for base in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
                limits += [_of_v2(folder) for folder in _upward(root / base, group)]
        elif "cpu" in kinds.split(","):
            for base in ("sys/fs/cgroup/cpu", f"sys/fs/cgroup/{kinds}"):
                limits += [_of_v1(folder) for folder in _upward(root / base, group)]
    return min(limits)


def _upward(base: Path, group: str) -> Iterator[Path]:
    """The group's folder, and those that it lies in.

    In a container the group may be named as the host sees it, which is not there: then the base is
    the container's own.
    """
    inside = PurePosixPath(group.strip("/"))
    for part in (inside, *inside.parents):
        yield base / part


def _of_v2(folder: Path) -> float:
    """`cpu.max` holds "150000 100000": microseconds, of so many; or "max 100000"."""
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    return _share(quota, period)


def _of_v1(folder: Path) -> float:
    """The same in two files; −1: no limit."""
    return _share(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))


def _share(quota: str, period: str) -> float:
    if quota.strip().isdigit() and period.strip().isdigit() and int(period):
        return int(quota) / int(period)
    return math.inf


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _slurm(environment: Mapping[str, str]) -> float:
    """What SLURM has given: to each task of a step, else to the job on this node.

    It need not hold a process to that: affinity and control groups are plugins of it.
    """
    name = "SLURM_CPUS_ON_NODE"
    if "SLURM_STEP_ID" in environment and "SLURM_CPUS_PER_TASK" in environment:
        name = "SLURM_CPUS_PER_TASK"
    given = environment.get(name, "")
    return float(given) if given.isdigit() and int(given) else math.inf


def shows_gpu(root: Path = Path("/")) -> bool:
    """Whether the system has a GPU's driver: to be told without PyTorch, which is slow to import.

    Whether PyTorch can use the GPU is another question.
    """
    return any((root / file).exists() for file in DRIVERS)


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
