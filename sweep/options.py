"""What was asked of a launch, what its trials may take, and how it ended: values."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from sweep.storage.location import launch_folder

MOST = 1000  # workers that are started at a time


@dataclass(frozen=True)
class Gpus:
    """The GPUs of the place where trials run, for a launch that chooses."""

    count: int = 0  # that can be used
    nodes: int = 1
    without: int = 0  # nodes that have none, and no part in what is trained on GPUs
    memory: int = 0  # bytes of the smallest; 0: it could not be asked
    unused: str = ""  # why none of those that are there can be used


@dataclass(frozen=True)
class Resources:
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

    @property
    def with_more_memory(self) -> "Resources | None":
        """For a trial that ran out of a GPU's memory: alone on a whole one. None: so it was."""
        if not self.gpus or self.workers > 1 or (self.gpus >= 1 and self.fuse == 1):
            return None
        return replace(self, gpus=max(1.0, self.gpus), fuse=1)

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


@dataclass(frozen=True)
class Options:
    study: str | None
    list_studies: bool = False
    dry_run: bool = False
    scale: str | None = None
    replicates: int | None = None
    overrides: dict[str, Any] = field(default_factory=dict)  # dotted field → value
    download: bool = False
    tracking_uri: str | None = None
    storage: Path | str = Path("sweep_storage")  # a folder, or an object store's URL
    resources: Resources = field(default_factory=Resources)
    choose_device: bool = False  # by what there is: nobody has said how many GPUs a trial takes
    trials: int | None = None  # proposals of a search
    timeout: float | None = None  # seconds, after which none is made
    search_storage: str | None = None  # URL of Optuna's database
    until: float | None = None  # pairs are added in looks, until the interval is ± this at most
    budget: float | None = None  # seconds, after which no trial of them begins
    log: Path | None = None  # of events, for programs

    @property
    def folder(self) -> Path:
        """For what belongs to this launch and not to its trials."""
        return launch_folder(self.storage)


class Outcome(NamedTuple):
    code: int  # 0, or 1 where some trial failed or could not be published
    page: Path | None  # of the report
