"""The network itself, from which another trial can start."""

from trainables.probes.subject import Arrays, Subject


def weights(subject: Subject) -> Arrays:
    """The network's parameters and buffers by name, on the CPU."""
    return {name: value.detach().cpu() for name, value in subject.bare.state_dict().items()}
