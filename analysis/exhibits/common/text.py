"""What captions and cells are written with: numbers, names and counts as words."""

import math
import textwrap
from collections.abc import Iterable


def label(condition: str) -> str:
    """A condition's name; the plain one has none."""
    return condition or "control"


def wrapped(text: str, width: int) -> str:
    """A name in lines of at most `width` characters, three of them, for a figure."""
    return textwrap.fill(text, width, max_lines=3, placeholder="…")


def number(value: float, digits: int = 3) -> str:
    """A number for the eye, with a true minus sign; a dash where there is none."""
    if value != value:
        return "—"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def significant(value: float, figures: int = 3) -> str:
    """A number of any size for the eye, to so many figures; a dash where there is none."""
    if not math.isfinite(value):
        return "—"
    if abs(value) >= 999.5:
        text = f"{value:,.0f}" if abs(value) < 1e6 else f"{value:.{figures - 1}e}"
    else:
        text = f"{value:#.{figures}g}".rstrip(".") if value else "0"
    return text.replace("e+0", "e").replace("e+", "e").replace("e-0", "e-").replace("-", "−")


def p_text(value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}".replace("e-0", "e-")


def percent(share: float) -> str:
    """A share in per cent, with a decimal below ten."""
    if share != share:
        return "—"
    value = 100 * share
    return f"{value:,.{int(abs(value) < 9.95)}f} %".replace("-", "−")


def listed(names: Iterable[str]) -> str:
    """Names as a sentence lists them.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


class Bold(str):
    """A cell's text, to be shown in bold."""
