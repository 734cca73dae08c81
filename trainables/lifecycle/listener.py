"""Whom a trial tells how far it is, while it runs."""

from collections.abc import Callable
from dataclasses import dataclass

from trainables.lifecycle.record import History


@dataclass(frozen=True)
class Listener:
    """Told by the process that runs the trial; without its functions, nobody is told."""

    # after every step: the examples behind the network, and those trained on just now
    on_examples: Callable[[int, int], None] = lambda done, new: None
    # after every measurement its row; of a trial that goes on from what is stored, all rows so far
    on_history: Callable[[History], None] = lambda rows: None
    on_record: Callable[[], None] = lambda: None  # its record is stored
