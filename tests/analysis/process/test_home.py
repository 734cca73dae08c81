"""Users without a home or a name, as processes of their own."""

import os
import subprocess
import sys

import pytest
from support import ROOT
from users import NOBODY, as_nobody

ASKED = """
import getpass, os, pathlib
from analysis.process.home import give_home
give_home()
names = ("XDG_CACHE_HOME", "MPLCONFIGDIR")
print(pathlib.Path.home(), getpass.getuser(), *(os.environ.get(name) for name in names), sep="|")
"""


@pytest.fixture
def places(tmp_path):
    """Folders that everyone may write to: for temporary files, and a home."""
    os.chmod(tmp_path, 0o777)
    for name in ("tmp", "home"):
        (tmp_path / name).mkdir()
        os.chmod(tmp_path / name, 0o777)
    return tmp_path


def asked(places, **env):
    env |= {"TMPDIR": str(places / "tmp"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*as_nobody(), sys.executable, "-c", ASKED], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n").split("|")


@pytest.mark.parametrize("env", [{}, {"HOME": "/not/there"}, {"HOME": ""}])
def test_who_has_no_home_gets_one_that_stays_and_is_closed_to_others(places, env):
    own = places / "tmp" / f"warmup-sweep-{NOBODY}"
    assert asked(places, **env) == [str(own), f"user-{NOBODY}", "None", "None"]
    assert own.stat().st_mode & 0o777 == 0o700
    assert asked(places, **env)[0] == str(own)


def test_a_home_that_can_only_be_read_stays_and_caches_are_elsewhere(places):
    os.chmod(places / "home", 0o555)
    own = places / "tmp" / f"warmup-sweep-{NOBODY}"
    said = asked(places, HOME=str(places / "home"), USER="me", MPLCONFIGDIR="/mine")
    assert said == [str(places / "home"), "me", f"{own}/cache", "/mine"]


def test_a_home_that_is_there_is_left_alone(places):
    said = asked(places, HOME=str(places / "home"), LOGNAME="me")
    assert said == [str(places / "home"), "me", "None", "None"]
    assert not list((places / "tmp").iterdir())


def test_another_users_folder_of_that_name_is_not_taken(places):
    theirs = places / "tmp" / f"warmup-sweep-{NOBODY}"
    theirs.mkdir(mode=0o777)
    home = asked(places)[0]
    assert home != str(theirs)
    assert home.startswith(f"{theirs}-")
