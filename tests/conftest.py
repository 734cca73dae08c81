"""What every test has: a cache of its own session's, and nobody's home is touched."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["WARMUP_SWEEP_CACHE"] = str(tmp_path_factory.mktemp("cache"))
