"""How a launch ends."""

from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """Of one study."""

    code: int  # 0, or 1 where some trial failed or could not be published
    page: Path | None  # of the report
