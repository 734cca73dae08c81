"""What a trial may take and where trials run, and what can be said of that before Ray starts."""

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sweep.errors import InputError

CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Resources:
    """Where trials run, and what each may take."""

    address: str | None = None  # of a cluster; None: RAY_ADDRESS, else a local instance
    concurrency: int | None = None  # trials at a time; None: as many as fit
    cpus: float = 1.0  # a trial, or each of its workers
    gpus: float = 0.0  # likewise; a share is enough for a trial of one worker
    retries: int = 2  # of a failed trial
    workers: int = 1  # that train one network together
    fuse: int = 1  # trials that are lived together, on a GPU as one network

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"

    @property
    def taken(self) -> str:
        """What a trial takes, in words."""
        each = f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"
        return each if self.workers == 1 else f"{self.workers} times {each}"

    def slots(self, nodes: Iterable[Mapping[str, float]]) -> int:
        """How many trials can run at once on nodes that have so many CPUs and GPUs."""
        need = {"CPU": self.cpus, "GPU": self.gpus}
        places = [
            min((int(node.get(k, 0.0) // v) for k, v in need.items() if v), default=2**31)
            for node in nodes
        ]
        return sum(places) // self.workers


def check_resources(asked: Resources) -> None:
    """What can be said before Ray starts.

    Raises:
        InputError: the cluster does not answer, or this machine cannot give what a trial needs.
    """
    if asked.workers > 1 and asked.fuse > 1:
        raise InputError(
            f"resources.fuse: {asked.fuse} is refused with resources.workers={asked.workers}: "
            "networks that several workers train are not trained as one; leave out either"
        )
    if asked.workers > 1 and asked.gpus % 1:
        raise InputError(
            f"--gpus-per-trial {asked.gpus:g}: with resources.workers={asked.workers} each worker "
            "needs GPUs of its own; give 0 or a whole number"
        )
    address = asked.address or os.environ.get("RAY_ADDRESS")
    if address and address not in ("auto", "local"):
        _knock(address)
    if not address or address == "local":
        there = os.cpu_count() or 1
        if asked.cpus > there:
            raise InputError(f"--cpus-per-trial {asked.cpus:g}: this machine has {there}")
        local = {"CPU": float(there), "GPU": float(_local_gpus() if asked.gpus else 0)}
        if asked.workers > 1 and not asked.slots([local]):
            raise InputError(
                f"resources.workers: {asked.workers} is refused: {asked.taken} are needed, and "
                f"this machine has {local['CPU']:g} CPUs and {local['GPU']:g} GPUs; lower it, "
                "or give a cluster's --address"
            )
        if asked.gpus > _local_gpus():
            raise InputError(
                f"--gpus-per-trial {asked.gpus:g}: this machine has {_local_gpus()}; "
                "leave it out, or give a cluster's --address"
            )


def _knock(address: str) -> None:
    parts = urlsplit(address if "://" in address else f"ray-gcs://{address}")
    try:
        with socket.create_connection((parts.hostname, parts.port), CONNECT_SECONDS):
            return
    except (OSError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(
            f"--address {address}: no Ray cluster answers there ({reason}); "
            "give HOST:PORT of its head node"
        ) from error


def _local_gpus() -> int:
    import torch

    return torch.cuda.device_count()
