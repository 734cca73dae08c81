"""The launch's last will: a process that does nothing until the launch is gone.

A launch that is killed cannot say so. This one waits at the other end of a pipe; when the pipe
closes without a farewell, it marks what the launch left RUNNING in MLflow as KILLED. Until then it
has imported next to nothing and takes 10 MB.

    python -m sweep.tracking.watchdog PARENT_RUN_ID  # with MLFLOW_TRACKING_URI in the environment
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_FAREWELL = b"done"


@contextmanager
def guarded(tracking_uri: str, parent_run_id: str) -> Iterator[None]:
    """Whatever ends the process inside, its MLflow runs say so."""
    watch = subprocess.Popen(
        [sys.executable, "-m", "sweep.tracking.watchdog", parent_run_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"MLFLOW_TRACKING_URI": tracking_uri},  # it may hold a password
        start_new_session=True,  # a terminal's Ctrl-C and a killed process group do not reach it
    )
    try:
        yield
    finally:
        watch.communicate(_FAREWELL)


def mark_killed(parent_run_id: str) -> None:
    """Parent and trials that are RUNNING become KILLED."""
    from mlflow import MlflowClient

    from analysis.results.mlflow_store import running_children

    client = MlflowClient()
    parent = client.get_run(parent_run_id)
    for run in running_children(client, parent):
        client.set_terminated(run.info.run_id, "KILLED")
    if parent.info.status == "RUNNING":
        client.set_terminated(parent_run_id, "KILLED")


if __name__ == "__main__":
    if sys.stdin.buffer.read() != _FAREWELL:
        mark_killed(sys.argv[1])
