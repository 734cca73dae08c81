"""Files of a user's own that are called as modules are, in the folder of a command."""

import pytest
from support import ROOT, run_python

from analysis.process.imports import taken_names

# ours, Python's and others'; as files, as packages, and as folders without any code
NAMES = ("analysis", "trainables", "random", "tempfile", "numpy", "yaml", "rich", "pandas")


@pytest.fixture(params=["file", "package", "folder"])
def taken(request, tmp_path):
    """A folder in which all these names are taken, by code that must not run."""
    for name in NAMES:
        path = tmp_path / f"{name}.py"
        if request.param != "file":
            path = tmp_path / name / "__init__.py"
            path.parent.mkdir()
        if request.param != "folder":
            path.write_text("raise SystemExit(f'{__file__} was taken for ours')")
    (tmp_path / "mine.py").write_text("print('mine is found')")
    return tmp_path


def python(folder, *arguments, **env):
    return run_python(*arguments, cwd=folder, env={"PYTHONPATH": str(ROOT)} | env)


def test_what_is_installed_is_imported_and_a_users_own_modules_too(taken):
    code = (
        "import sys, sweep, random, tempfile, numpy, yaml, rich, pandas\n"
        "import analysis, trainables, mine\n"
        "print(*[module.__file__ for module in (analysis, trainables)])"
    )
    done = python(taken, "-c", code)
    assert done.stderr == ""
    ours = " ".join(f"{ROOT}/{name}/__init__.py" for name in ("analysis", "trainables"))
    assert done.stdout.splitlines() == ["mine is found", ours]


def test_a_command_of_the_sweep_runs_there(taken):
    done = python(taken, "-m", "sweep.launch", "--list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "noise_ablation" in done.stdout


def test_beside_a_users_own_sweep_it_runs_by_pythons_own_means(tmp_path):
    (tmp_path / "sweep.py").write_text("")
    (tmp_path / "mine.py").write_text("")
    assert python(tmp_path, "-m", "sweep.launch", "--list").returncode == 1  # Python's own refusal
    done = python(tmp_path, "-m", "sweep.launch", "--list", PYTHONSAFEPATH="1")
    assert (done.returncode, done.stderr) == (0, "")
    done = python(tmp_path, "-c", "import sweep, mine", PYTHONSAFEPATH="1")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_cluster_is_not_asked_for_where_its_workers_would_find_a_users_file(tmp_path):
    study = ("noise_ablation", "--dry-run", "--address", "127.0.0.1:1")
    for name in ("trainables.py", "analysis/__init__.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
        done = python(tmp_path, "-m", "sweep.launch", *study)
        assert done.returncode == 2
        own = name.split("/")[0].removesuffix(".py")
        assert done.stderr.startswith(f"launch: {path}: a cluster's workers would take it for ")
        assert f"this program's own {own}; rename it" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        path.unlink()
    assert not taken_names(ROOT)


def test_a_folder_that_is_gone_is_no_failure(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os, sys; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); import analysis"
    assert python(tmp_path, "-c", code).stderr == ""
