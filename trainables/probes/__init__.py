"""Probes: measurements that need the live network. A registry, name → what measures it and when.

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

from trainables.probes.curvature import curvature
from trainables.probes.features import features
from trainables.probes.gradients import gradients
from trainables.probes.landscape import path, plane, slices
from trainables.probes.layers import layers
from trainables.probes.odin import odin, other_protocol
from trainables.probes.outputs import confidence_map, start_outputs
from trainables.probes.subject import Arrays, Subject
from trainables.probes.weights import weights

Moments = tuple[float, ...]  # fractions of the task's epochs

START: Moments = (0.0,)
END: Moments = (1.0,)
ALONG: Moments = (0.0, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Probe:
    measure: Callable[[Subject], Arrays]
    moments: Moments
    needs_path: bool = False  # the weights at the start of the task and after each epoch


PROBES: Mapping[str, Probe] = {
    "confidence_map": Probe(confidence_map, START),
    "curvature": Probe(curvature, ALONG),
    "features": Probe(features, END),
    "gradients": Probe(gradients, START),
    "layers": Probe(layers, START),
    "odin": Probe(odin, END),
    "other_protocol": Probe(other_protocol, END),
    "path": Probe(path, END, needs_path=True),
    "plane": Probe(plane, START + END),
    "slices": Probe(slices, ALONG),
    "start_outputs": Probe(start_outputs, START),
    "weights": Probe(weights, END),
}
