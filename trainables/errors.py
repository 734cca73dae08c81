"""What is wrong with what a trial is made from or kept in, told in one line."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class DataError(ValueError):
    """Data that cannot be used; one line with the field, its value and the remedy."""


class StorageError(OSError):
    """The storage of records, warm-ups and checkpoints does not answer."""


class StackTooLargeError(MemoryError):
    """Networks trained as one take more of the device's memory than there is."""


def shown(text: object) -> str:
    """A path or a name as one line of UTF-8 that any terminal can print.

    Control characters, line breaks among them, and bytes that are no UTF-8 are written as escapes.
    """
    return "".join(_escaped(character) for character in str(text))


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a file name, see os.fsdecode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character if character.isprintable() else ascii(character)[1:-1]


def choices(wanted: str, known: Iterable[Any]) -> str:
    """What there is instead, the likeliest first: `did you mean …?` or the whole list."""
    names = [str(name) for name in known]
    close = get_close_matches(wanted, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there is {', '.join(names) or 'none'}"
