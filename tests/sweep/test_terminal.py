"""Where what is printed goes: windows that are closed, pipes that nobody reads, full disks.

Each launch is compared with one that nothing has happened to.
"""

import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from support import PATIENCE, ROOT, same_records

TRIALS = 8  # of the tiny study


COMMANDS = [
    "sweep.status --json",
    "sweep.launch --list",
    "sweep.launch --help",
    "sweep.launch tiny.yaml --dry-run",
    "sweep.clean --dry-run",
    "analysis.report tiny",
    "analysis.cache",
]


def run(command, folder, **streams):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-m", *command.split()], cwd=folder, env=env, **streams)


def launched(place, output, *words, **more):
    """A launch that prints there."""
    streams = {"stdout": output, "stderr": output} | more
    return place.start(place.write("tiny"), "--log", "log", *words, streams=streams)


@pytest.fixture
def unread():
    """The end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


def as_undisturbed(place, process, finished):
    """Exit code, log, status, trials and tables are those of the launch without it."""
    assert process.wait(timeout=240 * PATIENCE) == 0
    lines = place.log()
    assert Counter(line["event"] for line in lines) == {
        "planned": 1, "started": TRIALS, "finished": TRIALS, "published": TRIALS, "ended": 1,
    }  # fmt: skip
    assert lines[-1]["code"] == 0
    assert len(same_records(place.results("tiny"), finished.results)) == TRIALS
    said = place.launch(command="status")
    assert f"tiny, laptop, photos: finished · {TRIALS}/{TRIALS} done" in said
    tables, theirs = (
        sorted(folder.glob("reports/tiny/laptop-photos/tables/pairs*.csv"))
        for folder in (place.folder, finished.place.folder)
    )
    assert [path.read_text() for path in tables] == [path.read_text() for path in theirs] != []


@pytest.mark.slow  # a whole launch
def test_a_launch_goes_on_when_its_window_is_closed(finished, place):
    window, terminal = os.openpty()
    launch = launched(place, terminal, stdin=terminal, start_new_session=True)
    os.close(terminal)
    place.wait_for(lambda: place.stored("records"))
    assert b"tiny, scale laptop" in os.read(window, 10_000)
    assert len(place.stored("records")) < TRIALS
    os.close(window)
    as_undisturbed(place, launch, finished)


@pytest.mark.slow  # a whole launch
def test_a_launch_goes_on_when_nobody_reads_it_any_more(finished, place):
    read, write = os.pipe()
    launch = launched(place, write)
    os.close(write)
    assert os.read(read, 1)  # as `| head -1`
    os.close(read)
    as_undisturbed(place, launch, finished)


@pytest.mark.slow
def test_a_launch_goes_on_when_the_disk_of_its_output_is_full(finished, place):
    with open("/dev/full", "w") as full:
        launch = launched(place, full)
    as_undisturbed(place, launch, finished)


@pytest.mark.slow
def test_ctrl_c_that_ends_tee_too_is_an_interruption_as_without_tee(place):
    read, write = os.pipe()
    launch = launched(place, write, "--scale", "long")
    os.close(write)
    place.wait_for(lambda: place.stored("checkpoints"))
    os.close(read)
    launch.send_signal(signal.SIGINT)
    assert launch.wait(timeout=60 * PATIENCE) == 130
    last = place.log()[-1]
    assert (last["event"], last["code"]) == ("ended", 130)
    assert "interrupted" in place.launch(command="status")


def test_a_command_whose_reader_is_gone_ends_as_it_would_have(copied_place, unread):
    copied_place.write("tiny")
    for command in COMMANDS:
        done = run(command, copied_place.folder, stdout=unread, stderr=subprocess.PIPE)
        assert (command, done.returncode, done.stderr) == (command, 0, b"")


@pytest.mark.parametrize("command", ["sweep.status --scale", "sweep.launch none", "sweep.clean -x"])
def test_a_refusal_that_nobody_reads_has_its_exit_code(tmp_path, unread, command):
    assert run(command, tmp_path, stdout=unread, stderr=unread).returncode == 2
