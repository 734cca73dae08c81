"""Work on thousands of things, shared among several processes of this machine.

Python's own pools look for modules in the working folder first, where a user may have an
`analysis.py` or a `random.py`, and run the user's script once more in every process. These start
with this package alone, and end with the process that started them, however that ends.
"""

import atexit
import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import IO, Any, TypeVar

Result = TypeVar("Result")

_MOST = 8  # processes: more would wait for the disk and for this one
_TURNS = 8  # a process's share comes in so many parts, for some parts take longer than others
_ONE_AT_A_TIME = Lock()  # two threads' answers would be mixed up
_ROOT = Path(__file__).resolve().parents[2]
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from analysis.process.several import serve; serve()"
)


def each(work: Callable[..., Result], asked: Sequence[tuple[Any, ...]]) -> list[Result]:
    """`work(*arguments)` of all that is asked, in its order.

    Args:
        work: a function of a module of this package; what it is given and what it returns is
            pickled.

    Raises:
        ChildProcessError: a process was ended, as by a machine that has no memory left.
        Exception: whatever `work` raises; the rest is not begun then.
    """
    with _ONE_AT_A_TIME:
        running, folder = _helpers(), _working_folder()
        free: SimpleQueue[_Helper] = SimpleQueue()
        for helper in running:
            free.put(helper)

        def done(part: Sequence[tuple[Any, ...]]) -> list[Result]:
            helper = free.get()
            try:
                return helper.ask(folder, work, part)
            finally:
                free.put(helper)

        size = max(1, -(-len(asked) // (_TURNS * len(running))))
        parts = [asked[start : start + size] for start in range(0, len(asked), size)]
        with ThreadPoolExecutor(len(running)) as pool:
            try:
                return [result for found in pool.map(done, parts) for result in found]
            except BaseException:  # nobody waits for what the others have begun
                _end(running)
                raise


def _working_folder() -> str | None:
    """None where it has been removed."""
    try:
        return os.getcwd()
    except OSError:
        return None


class _Helper:
    """A process that does what it is asked, one part after another."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(_ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": "1"},  # there is one for each processor
            start_new_session=True,  # Ctrl-C is for the process that waits
        )

    def ask(
        self, folder: str | None, work: Callable[..., Result], part: Sequence[tuple[Any, ...]]
    ) -> list[Result]:
        assert self._process.stdin
        assert self._process.stdout
        try:
            _write(self._process.stdin, (folder, work, part))
            found, error = pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError) as gone:
            self.end()
            raise ChildProcessError(
                f"a process that helped was ended ({self._process.returncode}), as where memory "
                "runs out; the same command makes it again"
            ) from gone
        if error is not None:
            raise error
        results: list[Result] = found
        return results

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what it was to be told still waits there
                    pipe.close()


@cache
def _helpers() -> tuple[_Helper, ...]:
    """As many as there are processors for this process; started once, for they import a lot."""
    available = getattr(os, "sched_getaffinity", None)  # not on every system
    processors = len(available(0)) if available else os.cpu_count() or 1
    helpers = tuple(_Helper() for _ in range(min(processors, _MOST)))
    atexit.register(_end, helpers)
    return helpers


def _end(helpers: Sequence[_Helper]) -> None:
    _helpers.cache_clear()
    for helper in helpers:
        helper.end()


def serve() -> None:
    """What a helper does until nobody is there who would ask."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    while True:
        gc.disable()  # what is read is no garbage
        try:
            folder, work, part = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        gc.enable()
        try:
            if folder is not None:
                os.chdir(folder)
            answer: tuple[Any, Exception | None] = [work(*arguments) for arguments in part], None
        except Exception as error:
            answer = None, error
        _write(answers, answer)


def _write(file: IO[bytes], message: object) -> None:
    pickle.dump(message, file, pickle.HIGHEST_PROTOCOL)
    file.flush()
