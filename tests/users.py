"""Commands as another user has them: without rights, without a home, without a name."""

import os
import shutil
import subprocess

import pytest

NOBODY = 12345  # no user of this system, as in a container

# may read everything, for an interpreter may lie in root's home; write only what is NOBODY's
_BECOME = [
    *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
]


def as_nobody() -> list[str]:
    """What goes before a command; skips where this process may not become another."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user, with setpriv")
    if subprocess.run([*_BECOME, "true"], capture_output=True).returncode:
        pytest.skip("root may not keep the right to read here")
    return _BECOME
