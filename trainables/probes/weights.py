"""The network itself, from which another trial can start."""

from torch import Tensor

from trainables.probes.subject import Arrays, Subject


def weights(subject: Subject) -> Arrays:
    """The network's parameters and buffers by name, on the CPU."""
    state = subject.bare.state_dict().items()
    return {name: value.detach().cpu() for name, value in state if isinstance(value, Tensor)}
