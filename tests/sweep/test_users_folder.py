"""A launch by a user who has nothing, in a folder whose names are taken: to its report."""

import os
import subprocess
import sys

import pytest
from support import ROOT, same_records
from users import NOBODY, as_nobody

MODULES = (
    *("analysis", "trainables", "random", "types", "logging", "socket", "json", "queue"),
    *("torch", "ray", "mlflow", "numpy", "yaml", "fsspec", "scipy", "safetensors", "sqlalchemy"),
)
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}


@pytest.mark.slow
def test_a_container_s_user_without_home_name_or_signs_in_a_folder_of_own_files(finished, place):
    place.write("tiny")
    for name in MODULES:
        (place.folder / f"{name}.py").write_text("raise SystemExit(f'{__file__} was imported')")
    for path in (place.folder, *place.folder.iterdir()):
        os.chown(path, NOBODY, NOBODY) if os.geteuid() == 0 else None
    unnamed = [f"-u{name}" for name in ("HOME", "USER", "LOGNAME", "USERNAME", "LNAME")]
    user = [*as_nobody(), "env", *unnamed]

    launch = place.start("tiny.yaml", before=user, **ASCII)
    _, err = place.ended(launch, seconds=400)
    assert err == ""
    assert len(same_records(place.results("tiny"), finished.results)) == 8
    (place.folder / "analysis.py").unlink()  # Python itself would run it
    command = [*user, sys.executable, "-m", "analysis.report", "tiny", "--out", "résultats"]
    env = os.environ | ASCII | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=place.folder, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "résultats/index.html\n"
    assert (place.folder / "résultats/index.html").is_file()
