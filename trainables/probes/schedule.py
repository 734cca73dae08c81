"""When probes measure, and what they have measured as arrays of the record."""

from collections.abc import Mapping, Sequence

import torch

from trainables.config.probes import PROBES
from trainables.probes.subject import Arrays


def epochs_of(moments: tuple[float, ...], epochs: int) -> list[int]:
    """The epochs of the task after which a probe measures, each once; 0 is its start."""
    return sorted({round(moment * epochs) for moment in moments})


def stacked(probed: Mapping[str, Sequence[Arrays]], epochs: int) -> Arrays:
    """`<probe>/<array>`; of a probe with several moments, these first, and their epochs beside."""
    arrays: Arrays = {}
    for name, found in probed.items():
        moments = PROBES[name].moments
        if len(moments) == 1:
            named = found[0]
        else:
            named = {"epoch": torch.tensor(epochs_of(moments, epochs)[: len(found)])}
            named |= {key: torch.stack([one[key].cpu() for one in found]) for key in found[0]}
        arrays |= {f"{name}/{key}": array.cpu() for key, array in named.items()}
    return arrays
