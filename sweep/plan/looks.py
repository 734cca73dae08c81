"""At how many pairs a study is looked at whose pairs are added until they are enough."""

from sweep.errors import InputError

MOST_PAIRS = 30  # where nothing else is asked
_LOOKS = (6, 10, 16, 30, 50, 80, 130, 210, 340, 550, 890, 1440)
_MOST = 2000  # for which there are boundaries, see `analysis.statistics.student_boundaries`
_APART = 2  # pairs, at least


def most_pairs(replicates: int | None) -> int:
    """A condition's; replicates: that were asked for."""
    return MOST_PAIRS if replicates is None else replicates


def planned_looks(replicates: int | None) -> tuple[int, ...]:
    """Pairs at each look: 6, 10, 16 and so on, and at last all.

    Raises:
        InputError: there are fewer than two looks, or too many pairs.
    """
    most = most_pairs(replicates)
    least = _LOOKS[0] + _APART
    if not least <= most <= _MOST:
        raise InputError(
            f"--replicates {most}: --until looks at {_LOOKS[0]} pairs first, and at all of them "
            f"last; give {least} to {_MOST}, or leave --until out"
        )
    return (*(pairs for pairs in _LOOKS if pairs <= most - _APART), most)
