"""What can be said before Ray starts of where trials run and what they take."""

import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from sweep.backend.capacity import this_machine
from sweep.backend.ray_folder import ray_folder
from sweep.errors import InputError
from sweep.options import Resources

CONNECT_SECONDS = 5.0


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
