"""Where commands print: text as it is, for a path may hold what rich takes for markup."""

from rich.console import Console


def terminal() -> Console:
    """Standard output, as all commands use it."""
    return Console(markup=False, emoji=False, highlight=False)
