"""Standard output and error that cannot end a command.

Whoever reads them may be gone: the window is closed, `head` has seen enough, Ctrl-C has ended `tee`
as well, the disk behind a redirection is full. What cannot be written then is dropped, and the work
goes on to the exit code that it would have had.
"""

import codecs
import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any, TextIO, cast

# Nobody reads any more: a pipe, a pseudo-terminal or a connection without its other end. Anything
# else that makes writing fail is a loss that somebody should be told of.
_NOBODY_READS = {errno.EPIPE, errno.EIO, errno.ENXIO, errno.ECONNRESET}
_AS_IT_CAN = "as-it-can"  # codecs' name of `_as_it_can`


class Forgiving:
    """A text stream that drops what it cannot write; in all else the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = ""  # why something was dropped although somebody may read the rest

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def finish(self) -> None:
        """Flush; what is left even so goes nowhere, and Python will not fail at its exit."""
        if self._try(self._stream.flush):
            return
        with suppress(OSError, ValueError):  # of a stream without a file there is nothing left
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except OSError as error:
            if error.errno not in _NOBODY_READS:
                self.lost = error.strerror or str(error)
            return False
        except ValueError:  # the stream is closed
            return False
        return True


@contextmanager
def forgiving() -> Iterator[Forgiving]:
    """Meanwhile nothing that is printed can fail; the standard output is handed over."""
    _take_closed_places()
    before = sys.stdout, sys.stderr
    output, errors = Forgiving(_encodable(sys.stdout)), Forgiving(sys.stderr)
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
    try:
        yield output
    finally:
        output.finish()
        errors.finish()
        sys.stdout, sys.stderr = before


def _take_closed_places() -> None:
    """Where a standard stream is closed, as by `>&-`, the next file that is opened would get its
    number, and all that C code prints: a database, say."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 until the end


def _encodable(stream: TextIO) -> TextIO:
    """A terminal without a sign for ± is no failure."""
    if isinstance(stream, TextIOWrapper):
        codecs.register_error(_AS_IT_CAN, _as_it_can)
        stream.reconfigure(errors=_AS_IT_CAN)
    return stream


def _as_it_can(error: UnicodeError) -> tuple[bytes, int]:
    """A question mark for a sign that the terminal has not, and the bytes of a file's name, which
    Python reads as lone surrogates where they are none of its encoding, as they were."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    said = (bytes([ord(s) - 0xDC00]) if 0xDC80 <= ord(s) <= 0xDCFF else b"?" for s in signs)
    return b"".join(said), error.end
