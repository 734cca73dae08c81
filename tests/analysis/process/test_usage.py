"""MLflow and Ray send nothing to their makers, as they would by themselves."""

import os
import subprocess
import sys

import pytest
from support import ROOT

# No more: MLflow is silent without being told where a variable says that it is tested, or in CI.
NEEDED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH")

SCRIPT = """
from analysis.process.command import run_command

def carry_out():
    from mlflow.telemetry.client import get_telemetry_client
    from ray._common.usage.usage_lib import usage_stats_enabled
    print(get_telemetry_client() is not None, usage_stats_enabled())
    return 0

raise SystemExit(run_command("it", carry_out, "", ()))
"""


def told(**said):
    """Whether a command tells MLflow's makers, and Ray's."""
    environment = {name: os.environ[name] for name in NEEDED if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment | {"PYTHONPATH": str(ROOT)} | said,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ["False", "False"]),
        ({"MLFLOW_DISABLE_TELEMETRY": "false"}, ["True", "False"]),
        ({"RAY_USAGE_STATS_ENABLED": "1"}, ["False", "True"]),
    ],
)
def test_makers_are_told_only_where_the_user_wants_it(said, expected):
    assert told(**said) == expected
