"""How every command of `sweep` ends: one line where something is wrong, and an exit code.

0 done, 1 some trials failed or are not published, 2 bad input, 130 interrupted.
"""

import os
import signal
import sys
from collections.abc import Callable
from io import TextIOWrapper
from types import FrameType

from sweep.errors import InputError
from trainables.errors import DataError


class Interrupted(KeyboardInterrupt):
    """By SIGINT or SIGTERM.

    A kind of its own: where a plain one crosses C code, such as a module's while it is imported,
    Python remembers it for good and ends by the signal, not with the exit code it is given.
    """


def run_command(name: str, carry_out: Callable[[], int], when_interrupted: str) -> int:
    """The command's exit code, told in one line where it is 2 or 130.

    Args:
        carry_out: what the command does; its exit code.
        when_interrupted: what is to be said then.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's & has it ignored
        signal.signal(number, _interrupt)
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal without a sign for ± is no failure
        sys.stdout.reconfigure(errors="replace")
    try:
        return carry_out()
    except (ValueError, KeyboardInterrupt) as error:
        code = exit_code(error)
        if code == 1:
            raise
        said = when_interrupted if code == 130 else " ".join(str(error).split())
        print(f"{name}: {said}", file=sys.stderr)
        return code


def exit_code(error: BaseException) -> int:
    """Of a command that the error ends."""
    if isinstance(error, KeyboardInterrupt):
        return 130
    return 2 if isinstance(error, InputError | DataError) else 1


def set_tracking(uri: str | None) -> None:
    """Of a command that talks to MLflow, before it does."""
    if uri:
        os.environ["MLFLOW_TRACKING_URI"] = uri
    # a server that is down is told of within seconds; MLflow's own default is minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted
