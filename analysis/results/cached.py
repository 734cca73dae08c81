"""What was found in a record is found once, while the record is in memory."""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from analysis.process.several import each
from analysis.results.records import Record

Found = TypeVar("Found")

_FEW = 500  # records that one process is done with before others have started

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


def find_all(find: Callable[..., Any], asked: Iterable[tuple[Any, ...]]) -> None:
    """Find it of all these, (record, *rest) each, before `cached` is asked for it one by one: of
    hundreds by several processes.

    find: a function of a module, which takes milliseconds of a record.
    """
    kept = _KEPT.setdefault(find, WeakKeyDictionary())
    every = dict.fromkeys(asked)  # a control is of many pairs
    missing = [one for one in every if one[1:] not in kept.get(one[0], {})]
    if len(missing) < _FEW:
        return
    for (record, *rest), found in zip(missing, each(find, missing), strict=True):
        kept.setdefault(record, {})[tuple(rest)] = found
