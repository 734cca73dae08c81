"""Which code this is: the commit of the checkout it runs from, or the package's version."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def code_commit() -> str:
    """`<commit>`, `<commit>+changes` where files differ from it, or `version <n>`."""
    head = _git("rev-parse", "HEAD") if (_ROOT / ".git").exists() else None
    if head:
        return f"{head}+changes" if _git("status", "--porcelain", "-uno") else head
    try:
        return f"version {version('warmup-sweep')}"
    except PackageNotFoundError:
        return "unknown"


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
