"""Probes: measurements that need the live network, by name; `trainables.probes` has them.

A probe is a function of a `Subject`, the network at one moment of its task, and returns named
arrays for the record: of that moment alone. What can be computed from logits is no probe: it
belongs to `analysis`.

| moment  | the network                                                                           |
|---------|---------------------------------------------------------------------------------------|
| `START` | ready for the task, before its first step: a control is untrained, its partner warmed |
| `END`   | after the task's last epoch                                                           |
| `ALONG` | at both, and after a quarter and a half of the task's epochs                          |
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from analysis.late import late

Moments = tuple[float, ...]  # fractions of the task's epochs

START: Moments = (0.0,)
END: Moments = (1.0,)
ALONG: Moments = (0.0, 0.25, 0.5, 1.0)

Of = Literal["anything", "examples", "images", "images or text", "points of the plane"]


@dataclass(frozen=True)
class Probe:
    measure: Callable[..., dict[str, Any]]  # of a Subject: its Arrays
    moments: Moments
    of: Of = "examples"  # classified
    needs_path: bool = False  # the weights at the start of the task and after each epoch
    needs_ood: bool = False  # out-of-distribution images


PROBES: Mapping[str, Probe] = {
    "confidence_map": Probe(
        late("trainables.probes.outputs:confidence_map"), START, "points of the plane"
    ),
    "curvature": Probe(late("trainables.probes.curvature:curvature"), ALONG),
    "features": Probe(late("trainables.probes.features:features"), END, "images"),
    "gradients": Probe(late("trainables.probes.gradients:gradients"), START),
    "layers": Probe(late("trainables.probes.layers:layers"), START),
    "odin": Probe(late("trainables.probes.odin:odin"), END, "images", needs_ood=True),
    "other_protocol": Probe(
        late("trainables.probes.odin:other_protocol"), END, "images", needs_ood=True
    ),
    "path": Probe(late("trainables.probes.landscape:path"), END, needs_path=True),
    "plane": Probe(late("trainables.probes.landscape:plane"), START + END),
    "shift": Probe(late("trainables.probes.shift:shift"), END, "images or text"),
    "slices": Probe(late("trainables.probes.landscape:slices"), ALONG),
    "start_outputs": Probe(late("trainables.probes.outputs:start_outputs"), START),
    "weights": Probe(late("trainables.probes.weights:weights"), END, "anything"),
}
