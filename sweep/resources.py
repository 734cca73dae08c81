"""What a trial may take and where trials run, and what can be said of that before Ray starts."""

import os
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from sweep.errors import InputError

CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Resources:
    """Where trials run, and what each may take."""

    address: str | None = None  # of a cluster; None: RAY_ADDRESS, else a local instance
    concurrency: int | None = None  # trials at a time; None: as many as fit
    cpus: float = 1.0  # a trial
    gpus: float = 0.0  # a trial; a share is enough
    retries: int = 2  # of a failed trial

    @property
    def device(self) -> str:
        return "cuda" if self.gpus else "cpu"


def check_resources(asked: Resources) -> None:
    """What can be said before Ray starts.

    Raises:
        InputError: the cluster does not answer, or this machine cannot give what a trial needs.
    """
    address = asked.address or os.environ.get("RAY_ADDRESS")
    if address and address not in ("auto", "local"):
        _knock(address)
    if not address or address == "local":
        there = os.cpu_count() or 1
        if asked.cpus > there:
            raise InputError(f"--cpus-per-trial {asked.cpus:g}: this machine has {there}")
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
