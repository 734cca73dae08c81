"""What was found in a record is found once, while the record is in memory."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from analysis.results.records import Record

Found = TypeVar("Found")

# function → record → the other arguments → what it has found, while function and record live
_KEPT: WeakKeyDictionary[
    Callable[..., Any], WeakKeyDictionary[Record, dict[tuple[Hashable, ...], Any]]
] = WeakKeyDictionary()


def cached(find: Callable[..., Found], record: Record, *rest: Hashable) -> Found:
    """What `find(record, *rest)` returns, found once however many exhibits ask for it."""
    kept = _KEPT.setdefault(find, WeakKeyDictionary()).setdefault(record, {})
    if rest not in kept:
        kept[rest] = find(record, *rest)
    found: Found = kept[rest]
    return found
