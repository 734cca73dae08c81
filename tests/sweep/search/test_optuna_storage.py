"""A search's database that another program, another version or nobody's right to write has left."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from support import refusal
from users import NOBODY, as_nobody

from sweep.search.optuna_storage import opened


@pytest.fixture
def database(tmp_path):
    """An empty history, as this Optuna makes it."""
    path = tmp_path / "search.db"
    RDBStorage(f"sqlite:///{path}").engine.dispose()
    return path


def refused(path: Path) -> str:
    sampler, pruner = optuna.samplers.RandomSampler(), optuna.pruners.NopPruner()
    url = f"sqlite:///{path}"
    store = opened(url, "a search", ["minimize"], path.parent, sampler, pruner)
    line = refusal(store.__enter__)
    assert line.startswith(f"--search-storage {url}: ")
    return line


@pytest.mark.parametrize(
    ("version", "schema", "remedy"),
    [
        ("v0.9.0.a", 12, "optuna storage upgrade --storage"),  # of an older Optuna
        ("v99.0.0.a", 99, "pip install -U optuna"),  # of a newer one
    ],
)
def test_tables_of_another_version_are_refused_with_optunas_own_remedy(
    database, version, schema, remedy
):
    with sqlite3.connect(database) as tables:
        tables.execute("UPDATE alembic_version SET version_num = ?", (version,))
        tables.execute("UPDATE version_info SET schema_version = ?", (schema,))
    said = refused(database)
    assert remedy in said
    assert "Or give another" in said


def test_a_file_that_is_no_database_is_refused_at_once(database):
    database.write_text("of something else\n" * 100)
    assert refused(database).endswith("is no SQLite database; move it away, or give another")


def test_a_history_that_can_only_be_read_is_refused(database):
    code = (
        "import sys\nfrom sweep.errors import InputError\n"
        "from sweep.storage.writable import check_database\n"
        "try: check_database(f'sqlite:///{sys.argv[1]}', 'the history', '--search-storage')\n"
        "except InputError as error: print(error)"
    )
    database.chmod(0o444)
    os.chown(database.parent, NOBODY, NOBODY)
    done = subprocess.run(
        [*as_nobody(), sys.executable, "-c", code, str(database)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"{database}: cannot be written to")
