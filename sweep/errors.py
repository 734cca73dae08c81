"""What the user gave cannot be used: told in one line before anything runs, with exit code 2."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails


class InputError(ValueError):
    """One line with the field, its value and the remedy."""


class DoesNotApply(InputError):
    """A level of a factor that has no meaning for the data, while others have one."""


class NotYet(InputError):
    """What another study has to leave first."""


def complaint(error: ValidationError) -> ErrorDetails:
    """The one of pydantic's complaints to begin with: a misspelt field explains a missing one."""
    first = next((e for e in error.errors() if e["type"] == "extra_forbidden"), error.errors()[0])
    # where a value may be of several classes, pydantic names the class as a step of the way; ours
    # are named in angle brackets
    first["loc"] = tuple(part for part in first["loc"] if not str(part).startswith("<"))
    return first


def explain(error: ValidationError, within: str = "") -> str:
    """A complaint of pydantic's as one line: field, value and what would be accepted."""
    first = complaint(error)
    field = ".".join(str(part) for part in first["loc"])
    where = ".".join(filter(None, (within, field))) or "value"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{where}: no such field{more}"
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{where}: must be given{more}"
    if isinstance(first["input"], dict) or (first["type"] == "value_error" and ":" in said):
        return f"{where}: {said}{more}" if field else f"{said}{more}"
    return f"{where}: {first['input']!r} is refused: {said}{more}"
