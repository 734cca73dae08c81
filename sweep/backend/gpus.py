"""The GPUs of the place where trials run: how many, whether PyTorch there can use them, and what
share of one a trial takes, measured.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from sweep.backend.capacity import this_machine
from sweep.options import Gpus, Resources
from trainables.config.trial import Trial
from trainables.lifecycle.context import TrialInputs
from trainables.preflight.memory import bytes_taken

ASKED_SECONDS = 60.0  # for a GPU of a cluster, which may be busy with other work
A_LITTLE = 0.01  # of a GPU, for a question to it

# Of every process on a GPU the driver and PyTorch's libraries take half a GB and more, which
# PyTorch does not count; and a trial takes more than its first steps: probes, and what lies between
DRIVERS_BYTES = 0.8e9
MARGIN = 1.5
# On one GPU: more processes take turns, and small networks are rather fused. `benchmarks.gpu` says
# what this brings.
AT_MOST = 4


def share_that_fits(taken: int, memory: int) -> float:
    """Of a GPU: a half or a quarter where two or four trials fit in its memory, else all of it.

    Args:
        taken: bytes, by the first steps of a trial.
        memory: bytes of the GPU.
    """
    each = taken * MARGIN + DRIVERS_BYTES
    together = max((n for n in (1, 2, AT_MOST) if n * each <= memory), default=1)
    return 1 / together


def most_taken(trials: Sequence[tuple[Trial, TrialInputs]], resources: Resources) -> int | None:
    """Bytes that the largest of the trials takes of a GPU; None: that could not be measured."""
    if resources.cluster is None:
        return _measured(trials)
    import ray

    held = ray.put(trials)
    on_gpu = ray.remote(num_gpus=1, num_cpus=0, max_retries=0)(_measured)
    taken: int | None = _answer(on_gpu.remote(held))
    return taken


def _measured(trials: Sequence[tuple[Trial, TrialInputs]]) -> int | None:
    try:
        device = torch.device("cuda")
        return max(bytes_taken(trial, given, device) for trial, given in trials)
    except Exception:  # whatever a network raises: its trial will tell
        return None


def gpus_here(resources: Resources) -> Gpus:
    """Of this machine, whose system shows some."""
    here = this_machine(gpus=True)
    count = int(here["GPU"])
    if not count:
        return Gpus(unused=f"PyTorch {torch.__version__} cannot use this machine's GPU")
    if not _feasible(resources, [here]):
        return Gpus(unused=f"{count} GPUs are too few for {resources.workers} workers")
    memory = min(torch.cuda.get_device_properties(i).total_memory for i in range(count))
    return Gpus(count, memory=memory)


def gpus_of_cluster(resources: Resources) -> Gpus:
    """Of the one that is connected."""
    from sweep.backend.connection import node_resources  # late, as Ray below

    nodes = node_resources()
    having = {name: int(has["GPU"]) for name, has in nodes.items() if has.get("GPU", 0) >= 1}
    count = sum(having.values())
    if not having:
        return Gpus()
    if not _feasible(resources, list(nodes.values())):
        return Gpus(unused=f"no node has one of its {count} GPUs and the CPUs that a trial takes")
    memories = _memories(list(having))
    if memories is not None and not all(memories):
        return Gpus(unused="PyTorch on the cluster's nodes cannot use their GPUs")
    memory = min(memories) if memories else 0
    return Gpus(count, nodes=len(having), without=len(nodes) - len(having), memory=memory)


def _feasible(resources: Resources, nodes: Sequence[dict[str, float]]) -> bool:
    return replace(resources, gpus=1.0).slots(nodes) > 0


def _memories(nodes: Sequence[str]) -> list[int] | None:
    """Bytes of a GPU of each node, 0 where PyTorch cannot use it; None: they are busy."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = [
        ray.remote(_memory)
        .options(
            num_gpus=A_LITTLE,
            num_cpus=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        )
        .remote()
        for node in nodes
    ]
    memories: list[int] | None = _answer(asked)
    return memories


def _memory() -> int:
    if not torch.cuda.is_available():
        return 0
    return int(torch.cuda.get_device_properties(0).total_memory)


def _answer(asked: Any) -> Any:
    """What Ray's tasks say; None: nothing within the time, or a node has gone."""
    import ray
    from ray.exceptions import GetTimeoutError, RayError

    try:
        return ray.get(asked, timeout=ASKED_SECONDS)
    except (GetTimeoutError, RayError):
        for one in asked if isinstance(asked, list) else [asked]:
            ray.cancel(one, force=True)
        return None
