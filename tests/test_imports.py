"""One direction of data: every module can be the first that is imported, so there is no circle."""

import subprocess
import sys

from support import ROOT

# third-party modules stay imported; ours are forgotten before each
EACH_FIRST = """
import importlib, sys
for name in sys.argv[1:]:
    for known in [m for m in sys.modules if m.split(".")[0] in ("analysis", "trainables", "sweep")]:
        del sys.modules[known]
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: {error}")
"""


def test_every_module_can_be_imported_before_all_others():
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for part in ("analysis", "trainables", "sweep")
        for path in sorted((ROOT / part).rglob("*.py"))
    ]
    command = [sys.executable, "-c", EACH_FIRST, *names]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == ""
