"""Libraries that tell their makers how they are used: not unless the user wants it so."""

import os

_NOT_TOLD = {"MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0"}


def tell_nobody() -> None:
    """For this process and those it starts, before it imports them; what the environment says of
    it stands."""
    for name, value in _NOT_TOLD.items():
        os.environ.setdefault(name, value)
