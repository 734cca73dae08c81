"""Every command by one name: `warmup-sweep launch STUDY`, or `python -m sweep launch STUDY`."""

import sys
from collections.abc import Sequence
from importlib import import_module

from sweep.cli.main import run_command
from sweep.errors import InputError
from trainables.errors import choices

COMMANDS = {
    "launch": ("sweep.launch", "run a study, from its file to its report"),
    "status": ("sweep.status", "how studies stand: done, left, failed and why"),
    "publish": ("sweep.publish", "send MLflow what it has missed; nothing is run"),
    "report": ("analysis.report", "a study's tables and figures again, from MLflow"),
    "replicate": ("sweep.replicate", "the paper at its own scale, and what of it replicates"),
    "export": ("sweep.export", "write a network's weights to a file, to be taken home"),
    "clean": ("sweep.clean", "remove what the storage need not keep"),
    "settle": ("sweep.settle", "make a copied or moved project this folder's own"),
}

USAGE = "\n".join(
    (
        "usage: warmup-sweep COMMAND ...\n",
        *(f"  {name:9} {about}" for name, (_, about) in COMMANDS.items()),
        "\nwarmup-sweep COMMAND --help says more; to begin with: warmup-sweep launch --list",
    )
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The named command, with the rest of the words; its exit code."""
    name, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["--help"]
    if name not in COMMANDS:
        return run_command("warmup-sweep", lambda: _help(name), "interrupted")
    module, _ = COMMANDS[name]
    code: int = import_module(module).main(rest)
    return code


def _help(name: str) -> int:
    if name not in ("-h", "--help"):
        raise InputError(f"{name!r} is no command; {choices(name, COMMANDS)}")
    print(USAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
