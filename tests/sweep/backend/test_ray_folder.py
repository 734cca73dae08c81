"""A local Ray starts wherever there is a folder for it, and leaves nothing there."""

import fcntl
import itertools
import os
import shutil
import socket
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import ray
from support import refusal, same_records

from sweep.backend import ray_folder as module
from sweep.backend.connection import connected
from sweep.backend.preflight import check_resources
from sweep.backend.ray_folder import ENDING, LOCK, LONGEST, own_token, ray_folder
from sweep.options import Resources


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch):
    for name in ("RAY_TMPDIR", "TMPDIR", "RAY_ADDRESS", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)


def long(folder: Path, length: int = LONGEST) -> Path:
    """A folder within, whose path has so many characters."""
    path = folder / ("x" * (length - len(str(folder)) - 1))
    path.mkdir()
    return path


def test_the_longest_folder_is_as_long_as_a_socket_can_be(rays):
    fits, too_long = (f"{long(rays, length)}{ENDING}" for length in (LONGEST, LONGEST + 1))
    Path(fits).parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as one:
        with pytest.raises(OSError, match="AF_UNIX path too long"):
            one.bind(too_long)
        one.bind(fits)


def test_the_folder_is_where_ray_would_have_it_and_goes_with_what_is_in_it(rays, monkeypatch):
    temporary = long(rays)
    monkeypatch.setenv("TMPDIR", str(temporary))
    with ray_folder() as folder:
        assert folder.path.parent == temporary
        assert folder.path.stat().st_mode & 0o777 == 0o700
        Path(folder.temp_dir).mkdir()
        Path(folder.temp_dir, "log").write_text("said")
    assert not os.listdir(temporary)


@pytest.mark.parametrize("unfit", ["too long", "a file", "not there", "without room"])
def test_where_the_usual_folder_will_not_do_there_is_another(rays, monkeypatch, unfit):
    usual = {
        "too long": long(rays, LONGEST + 1),
        "a file": rays / "file",
        "not there": rays / "nowhere",
        "without room": rays,
    }[unfit]
    (rays / "file").touch()
    room = shutil.disk_usage
    monkeypatch.setattr(
        shutil, "disk_usage", lambda p: SimpleNamespace(free=0) if p == str(rays) else room(p)
    )
    monkeypatch.setenv("TMPDIR", str(usual))
    with ray_folder() as folder:
        assert folder.path.parent == Path("/tmp")
    assert not folder.path.exists()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("too long", f"has {LONGEST + 1} characters, and with more than {LONGEST} the paths of"),
        ("a file", "Not a directory; give another folder, or unset it"),
        ("nowhere", "No such file or directory; give another folder"),
    ],
)
def test_a_folder_that_is_asked_for_and_will_not_do_is_refused(rays, monkeypatch, asked, says):
    (rays / "a file").touch()
    path = long(rays, LONGEST + 1) if asked == "too long" else rays / asked
    monkeypatch.setenv("RAY_TMPDIR", str(path))
    line = refusal(check_resources, Resources())
    assert line.startswith(f"RAY_TMPDIR {path}: ")
    assert says in line
    check_resources(Resources(cpus=0.5, address="auto"))  # a cluster has folders of its own


def test_where_there_is_none_at_all_each_says_why(rays, monkeypatch):
    monkeypatch.setattr(module, "_unfit", lambda place: "has no room")
    monkeypatch.setenv("TMPDIR", str(rays))
    line = refusal(ray_folder().__enter__)
    assert "there is no folder for Ray's files" in line
    assert f"{rays}: has no room; /tmp: has no room; " in line
    assert "set RAY_TMPDIR to one" in line


def test_what_a_killed_launch_has_left_goes_and_what_another_uses_stays(rays, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(rays))
    for name in ("ray-killed", "ray-another", "ray-starting", "session_2026", "elsewhere"):
        (rays / name).mkdir()
        if name not in ("ray-starting", "elsewhere"):
            (rays / name / LOCK).touch()
    (rays / "elsewhere" / LOCK).touch()
    (rays / "ray-link").symlink_to(rays / "elsewhere")
    with (rays / "ray-another" / LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with ray_folder() as folder:
            left = {path.name for path in rays.iterdir()}
            with ray_folder() as second:  # two launches at a time
                assert folder.path.is_dir()
                assert second.path.is_dir()
    expected = {"ray-another", "ray-starting", "session_2026", "elsewhere", "ray-link"}
    assert left == expected | {folder.path.name}
    assert {path.name for path in rays.iterdir()} == expected


def test_what_a_ray_that_does_not_start_says_is_kept_until_the_next_launch(rays, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(rays))
    monkeypatch.setattr(ray, "init", Mock(side_effect=RuntimeError("the raylet\nis gone.")))
    said = refusal(connected(Resources()).__enter__)
    (kept,) = rays.iterdir()
    assert said.startswith("Ray does not start on this machine (the raylet is gone); it takes ")
    assert f"of room in {rays}, of which " in said
    assert f"{kept}/r/session_latest/logs until the next launch" in said
    with ray_folder():
        assert not kept.exists()


@pytest.mark.parametrize("name", ["RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"])
def test_a_token_is_made_where_the_user_has_said_nothing_of_one(tmp_path, monkeypatch, name):
    for other in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    assert len(own_token()["RAY_AUTH_TOKEN"]) == 64
    assert own_token() != own_token()
    monkeypatch.delenv("HOME")
    assert own_token()
    monkeypatch.setenv(name, "as the user says")
    assert not own_token()
    monkeypatch.delenv(name)
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("secret")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not own_token()


# In all adversities at once


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux holds processes to CPUs")
def test_one_trial_at_a_time_with_no_home_and_a_long_temporary_folder_gives_the_same_numbers(
    finished, place, monkeypatch
):
    """A launch that is held to one CPU; `finished` had all that this machine has."""
    temporary = place.folder / ("long" * 30)
    temporary.mkdir()
    (place.folder / "file").touch()
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):  # as an earlier test of this process left it
        monkeypatch.delenv(name, raising=False)
    settings = {"TMPDIR": str(temporary), "HOME": str(place.folder / "file/home")}
    study = place.write("tiny")
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(mine)})  # which the launch inherits
    try:
        refused = place.launch(study, "--cpus-per-trial", "2", code=2, **settings)
        assert "--cpus-per-trial 2: this process may use 1 here" in refused
        assert "1 trials at a time" in place.launch(study, "--dry-run", **settings)
        said = place.launch(study, "--log", "log", **settings)
    finally:
        os.sched_setaffinity(0, mine)
    assert "Traceback" not in said
    assert len(same_records(place.results("tiny"), finished.results)) == 8
    steps = {"started": 1, "finished": -1}
    running = itertools.accumulate(steps.get(line["event"], 0) for line in place.log())
    assert max(running) == 1
    assert not list(temporary.glob("ray*"))
