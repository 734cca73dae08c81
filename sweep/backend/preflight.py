"""What a trial may take and where trials run, and what can be said of that before Ray starts."""

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sweep.backend.capacity import this_machine
from sweep.backend.ray_folder import ray_folder
from sweep.errors import InputError

CONNECT_SECONDS = 5.0
MOST = 1000  # workers that are started at a time


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

    @property
    def cluster(self) -> str | None:
        """The address of the cluster that is to be used; None: an instance of this launch's own."""
        address = self.address or os.environ.get("RAY_ADDRESS")
        return None if address == "local" else address or None

    def slots(self, nodes: Iterable[Mapping[str, float]]) -> int:
        """How many trials run at once on nodes that have so many CPUs and GPUs; 0: none, ever.

        All that has to be counted in trials is counted here: a trial, or each of its workers, has
        its place on one node, and what is left over on two nodes makes no place.
        """
        need = {"CPU": self.cpus, "GPU": self.gpus}
        places = [
            min((_times(node.get(k, 0.0), v) for k, v in need.items() if v), default=2**31)
            for node in nodes
        ]
        return min(sum(places) // self.workers, self.concurrency or MOST, MOST)


def _times(there: float, share: float) -> int:
    """How often a share fits: 0.1 ten times in 1, and 0.3 three times in 0.9."""
    return int(there / share + 1e-9)


def check_resources(asked: Resources) -> None:
    """What can be said before Ray starts.

    Raises:
        InputError: the cluster does not answer, or this machine cannot give what a trial or Ray
            needs.
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
    if asked.cluster is None:
        with ray_folder():  # that there can be one
            pass
        _check_machine(asked, this_machine(gpus=bool(asked.gpus)))
    elif asked.cluster != "auto":
        _knock(asked.cluster)


def _check_machine(asked: Resources, here: Mapping[str, float]) -> None:
    cpus, gpus = here["CPU"], here["GPU"]
    if asked.cpus > cpus:
        raise InputError(
            f"--cpus-per-trial {asked.cpus:g}: this process may use {cpus:g} here; "
            "lower it, or give a cluster's --address"
        )
    if asked.gpus > gpus:
        raise InputError(
            f"--gpus-per-trial {asked.gpus:g}: this machine has {gpus:g}; "
            "leave it out, or give a cluster's --address"
        )
    if not asked.slots([here]):
        raise InputError(
            f"resources.workers: {asked.workers} is refused: {asked.taken} are needed, and this "
            f"process may use {cpus:g} CPUs and {gpus:g} GPUs here; lower it, or give a cluster's "
            "--address"
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
