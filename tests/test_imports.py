"""One direction of data: rooms stand on those below them, and nothing runs in a circle."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

from support import ROOT

# from the ground up: a room imports itself and what stands before it
ROOMS = [
    *("analysis.errors", "analysis.process", "analysis", "analysis.cache", "analysis.metrics"),
    *("analysis.results", "analysis.statistics", "analysis.exhibits", "analysis.rendering"),
    *("analysis.replication", "analysis.report"),
    *("trainables", "trainables.errors", "trainables.config", "trainables.seeds"),
    "trainables.imported",
    *("trainables.storage", "trainables.tasks", "trainables.noise", "trainables.data"),
    *("trainables.models", "trainables.training", "trainables.warm_up", "trainables.probes"),
    *("trainables.lifecycle", "trainables.fused", "trainables.preflight", "trainables.adapters"),
    *("sweep", "sweep.errors", "sweep.plan", "sweep.storage", "sweep.options", "sweep.cli"),
    *("sweep.backend", "sweep.tracking", "sweep.inputs", "sweep.run", "sweep.search"),
    *("sweep.dispatch", "sweep.settle", "sweep.clean", "sweep.status", "sweep.publish"),
    *("sweep.export", "sweep.replicate"),
    *("sweep.launch", "sweep.__main__"),
]
# of analysis.exhibits: questions stand beside each other on what they share
QUESTIONS = ["calibration", "ood", "initial_state", "dynamics", "landscape", "controls", "cost"]

FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for part in ("analysis", "trainables", "sweep")
    for path in sorted((ROOT / part).rglob("*.py"))
}

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


def imported(path: Path) -> set[str]:
    """The modules that a file names, at its top, late, or for types alone."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in FILES else node.module for name in inside}
    return names


IMPORTS = {name: imported(path) - {name} for name, path in FILES.items()}
OURS = {name: names & FILES.keys() for name, names in IMPORTS.items()}


def room(module: str) -> str:
    return max((r for r in ROOMS if f"{module}.".startswith(f"{r}.")), key=len)


def test_every_module_can_be_imported_before_all_others():
    command = [sys.executable, "-c", EACH_FIRST, *FILES]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == ""


def test_no_import_runs_in_a_circle():
    assert set(TopologicalSorter(OURS).static_order()) == FILES.keys()  # else CycleError


def test_nothing_is_imported_from_above():
    floor = {module: ROOMS.index(room(module)) for module in FILES}
    assert not [f"{m} -> {name}" for m in FILES for name in OURS[m] if floor[name] > floor[m]]


def test_questions_do_not_know_each_other():
    asked = {f"analysis.exhibits.{question}" for question in QUESTIONS}
    for module in FILES:
        mine = {question for question in asked if module.startswith(f"{question}.")}
        others = tuple(f"{question}." for question in asked - mine)
        assert not (mine and [name for name in OURS[module] if name.startswith(others)])


def test_of_all_that_trains_only_the_adapters_know_ray():
    knows = {
        room(m) for m, names in IMPORTS.items() if any(n.split(".")[0] == "ray" for n in names)
    }
    assert {name for name in knows if not name.startswith("sweep.")} == {"trainables.adapters"}
