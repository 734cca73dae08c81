"""How every command of `sweep` ends: one line where something is wrong, and an exit code.

0 done, 1 some trials failed or are not published, 2 bad input, 130 interrupted.
"""

import os
from collections.abc import Callable

import analysis.process.command
from sweep.errors import InputError
from trainables.errors import DataError

REFUSALS = (InputError, DataError)


def run_command(
    name: str,
    carry_out: Callable[[], int],
    when_interrupted: str = "interrupted; the same command goes on from here",
    only_prints: bool = True,
) -> int:
    """As `analysis.process.command.run_command`, with this program's refusals of bad input."""
    return analysis.process.command.run_command(
        name, carry_out, when_interrupted, REFUSALS, only_prints
    )


def exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    return 2 if isinstance(error, REFUSALS) else 1


def set_tracking(uri: str | None) -> None:
    """Of a command that talks to MLflow, before it does."""
    if uri:
        os.environ["MLFLOW_TRACKING_URI"] = uri
    # a server that is down is told of within seconds; MLflow's own default is minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
