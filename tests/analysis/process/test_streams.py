"""Streams that cannot be written any more, against what the operating system does to them."""

import io
import os
import subprocess
import sys

import pytest

from analysis.process.streams import Forgiving, forgiving


def test_a_pipe_that_nobody_reads_takes_everything_and_that_is_no_loss():
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as file:
        stream = Forgiving(file)
        assert stream.write("a line\n" * 10_000) == 70_000
        stream.flush()
        stream.writelines(["and", "more"])
        stream.finish()
    assert stream.lost == ""


def test_a_terminal_whose_window_is_closed_takes_everything_and_that_is_no_loss():
    window, terminal = os.openpty()
    with open(terminal, "w") as file:
        stream = Forgiving(file)
        stream.write("seen\n")
        stream.flush()
        assert stream.isatty()
        os.close(window)
        stream.write("not seen\n")
        stream.finish()
    assert stream.lost == ""


def test_a_full_disk_is_a_loss_with_its_reason():
    with open("/dev/full", "w") as file:
        stream = Forgiving(file)
        stream.write("a line\n")
        stream.finish()
    assert stream.lost == "No space left on device"


def test_a_closed_file_takes_everything():
    file = io.StringIO()
    stream = Forgiving(file)
    stream.write("kept")
    assert file.getvalue() == "kept"
    file.close()
    assert stream.write("dropped") == 7
    stream.finish()


def test_the_streams_are_those_of_before_when_it_is_over(capsys):
    before = sys.stdout, sys.stderr
    with forgiving() as output:
        print("one")
        print("two", file=sys.stderr)
        assert sys.stdout is output
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("one\n", "two\n")


SIGNS = """
import sys
from analysis.process.streams import forgiving
with forgiving():
    print(sys.argv[1], "±", file=sys.stdout)
"""


@pytest.mark.parametrize(
    ("encoding", "printed"), [("ascii", b"r\xe9sultats ?\n"), ("utf-8", b"r\xe9sultats \xc2\xb1\n")]
)
def test_the_name_of_a_file_is_printed_as_its_bytes_and_what_cannot_be_as_a_question_mark(
    encoding, printed
):
    done = subprocess.run(
        [sys.executable, "-c", SIGNS, b"r\xe9sultats"],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    assert done.stdout == printed
