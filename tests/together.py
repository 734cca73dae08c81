"""Several workers of one network, as processes of this machine that talk by gloo."""

import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from trainables.parallel import Workers


def together(size: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """What `function(workers, *arguments)` returns on each of `size` workers, in order."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_work, (size, folder, function, arguments), nprocs=size)
        return [pickle.loads(Path(folder, f"{r}").read_bytes()) for r in range(size)]


def _work(
    rank: int, size: int, folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=size)
    said = function(Workers(rank, size), *arguments)
    Path(folder, f"{rank}").write_bytes(pickle.dumps(said))
    dist.destroy_process_group()
