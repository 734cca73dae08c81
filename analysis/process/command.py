"""How every command ends: one line where something is wrong, and an exit code.

0 done, 1 something failed, 2 bad input, 130 interrupted.
"""

import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from analysis.errors import one_line
from analysis.process.home import HomeError, give_home
from analysis.process.streams import Forgiving, forgiving
from analysis.process.usage import tell_nobody


class Interrupted(KeyboardInterrupt):
    """By SIGINT or SIGTERM.

    A kind of its own: where a plain one crosses C code, such as a module's while it is imported,
    Python remembers it for good and ends by the signal, not with the exit code it is given.
    """


def run_command(
    name: str,
    carry_out: Callable[[], int],
    when_interrupted: str,
    refusals: tuple[type[Exception], ...],
    only_prints: bool = True,
) -> int:
    """The command's exit code; where it is not the command's own, why is told in one line.

    Whoever reads what is printed may leave: the exit code stays the same.

    Args:
        carry_out: what the command does; its exit code.
        when_interrupted: what is to be said then.
        refusals: errors of bad input, whose text is for people.
        only_prints: what is printed is all that the command is for, so that it has failed where
            that could not be written, as on a full disk.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's & has it ignored
        signal.signal(number, _interrupt)
    told: tuple[type[Exception], ...] = (HomeError, *refusals)
    with forgiving() as output:
        try:
            give_home()
            tell_nobody()
            code = carry_out()
        except KeyboardInterrupt:
            code = 130
            print(f"{name}: {when_interrupted}", file=sys.stderr)
        except told as error:
            code = 2
            print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        except Exception as error:
            code = 1
            _tell_unexpected(name, error)
        return max(code, int(only_prints)) if _is_lost(name, output) else code


def _is_lost(name: str, output: Forgiving) -> bool:
    """Whether part of what was printed is; that is told."""
    output.flush()
    if output.lost:
        print(f"{name}: not all of this could be printed ({output.lost})", file=sys.stderr)
    return bool(output.lost)


def _tell_unexpected(name: str, error: Exception) -> None:
    """A fault of ours, in one line; its traceback in a file, for a report of the fault.

    Where the standard error is no terminal it is a job's log, and perhaps all that remains of the
    machine: there the traceback comes first.
    """
    trace = "".join(traceback.format_exception(error))
    kept = _kept(name, trace) if sys.stderr.isatty() else None
    if kept is None:
        print(trace, file=sys.stderr, end="")
    what = f"{type(error).__name__}: {one_line(error)[:300]}"
    where = f"; its traceback is in {kept}" if kept else ""
    print(f"{name}: a fault of this program, not of its input: {what}{where}", file=sys.stderr)


def _kept(name: str, trace: str) -> Path | None:
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="replace", prefix=f"{name}-fault-", suffix=".txt",
            delete=False,
        ) as file:  # fmt: skip
            file.write(trace)
    except OSError:
        return None
    return Path(file.name)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted
