"""Paths that cannot be used: one line that any terminal can print, before anything runs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import classes
from PIL import Image
from support import one_line

from trainables.data import folder as module
from trainables.data.sources import load
from trainables.data.texts import SHORTEST
from trainables.errors import shown

LATIN = os.fsdecode(b"caf\xe9")  # not UTF-8


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain žluť 写真 [/b]", "plain žluť 写真 [/b]"),
        ("a\nb\tc\x1b[0m", r"a\nb\tc\x1b[0m"),
        (LATIN, r"caf\xe9"),
        ("\u2028\u202e\ud800", r"\u2028\u202e\ud800"),
        (Path("a/b"), "a/b"),
    ],
)
def test_what_is_shown_is_one_line_of_utf8(text, expected):
    assert shown(text) == expected
    assert len(shown(text).encode().splitlines()) == 1


@pytest.mark.parametrize("label", [LATIN, "new\nline", "żółw", "[b]", "a" * 200])
def test_any_name_of_a_class_works(tmp_path, label):
    classes(tmp_path, names=("ant", label))
    source = load(f"folder:{tmp_path}")
    assert set(source.class_names) == {"ant", shown(label)}
    assert len(source.test) == 2


@pytest.mark.parametrize("label", [LATIN, "new\nline"])
def test_a_damaged_file_of_any_name_is_one_line(tmp_path, label):
    classes(tmp_path, names=("ant", label))
    (tmp_path / label / f"{label}.png").write_text("")
    with pytest.raises(ValueError, match="cannot be decoded") as raised:
        load(f"folder:{tmp_path}")
    assert len(str(raised.value).encode().splitlines()) == 1
    assert f"{shown(label)}/{shown(label)}.png" in str(raised.value)


@pytest.mark.parametrize("kind", ["npz", "folder", "text"])
@pytest.mark.parametrize("path", [LATIN, "new\nline", "nul\0"])
def test_a_path_that_cannot_be_shown_is_refused(tmp_path, kind, path):
    one_line(lambda: load(f"{kind}:{path}"), kind, shown(path), "rename it")


@pytest.mark.parametrize("kind", ["npz", "folder", "text"])
def test_paths_that_lead_nowhere(tmp_path, kind):
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "file").write_text("")
    for path, says in (
        ("x" * 300, "File name too long"),
        ("circle", "symbolic links"),
        ("file/x", "no such"),
        ("gone", "no such"),
    ):
        one_line(lambda path=path: load(f"{kind}:{tmp_path / path}"), says, "give ")
    one_line(lambda: load(f"{kind}:~nobody_of_this_name/x"), "cannot be read", "give ")


@pytest.mark.parametrize(("kind", "wanted"), [("npz", "an .npz archive"), ("text", "a text")])
def test_what_is_no_regular_file_is_refused_without_reading_it(tmp_path, kind, wanted):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/stdin"):
        name = f"{kind}:{path}"
        one_line(lambda name=name: load(name), "no regular file", f"give the path of {wanted}")
    one_line(lambda: load(f"folder:{tmp_path / 'pipe'}"), "no such folder, it is a file")


# --- permission ---------------------------------------------------------------------------------


def said_to_another_user(*names):
    """A line for each, of what loading says where permissions bind, which for root they do not."""
    script = (
        "import os, sys; from trainables.data.sources import load;"
        "from PIL import Image; Image.init();"
        "os.getuid() or os.setuid(65534);"
        "from trainables.errors import DataError\n"
        "for name in sys.argv[1:]:\n"
        "    try: load(name); print('loaded')\n"
        "    except DataError as error: print(error)"
    )
    command = [sys.executable, "-c", script, *names]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()


@pytest.fixture
def open_to_all(tmp_path):
    """A folder that every user may read: those of pytest are closed to others."""
    for folder in (tmp_path, *list(tmp_path.parents)[:-2]):
        if folder.owner() == Path.home().owner():
            folder.chmod(0o755)
    return tmp_path


def test_a_file_or_folder_that_may_not_be_read_is_named(open_to_all):
    one, other = open_to_all / "one", open_to_all / "other"
    for root in (one, other):
        classes(root)
    text, archive = open_to_all / "a.txt", open_to_all / "a.npz"
    text.write_text("a" * SHORTEST)
    archive.write_text("")
    closed = {
        f"folder:{one}": one / "ant" / "3.png",
        f"folder:{other}": other / "bee",
        f"text:{text}": text,
        f"npz:{archive}": archive,
    }
    modes = [path.stat().st_mode for path in closed.values()]
    for path in closed.values():
        path.chmod(0)
    lines = said_to_another_user(*closed)
    for path, mode in zip(closed.values(), modes, strict=True):
        path.chmod(mode)
    for (name, path), said in zip(closed.items(), lines, strict=True):
        assert said.startswith(f"{name}: ")
        assert str(path) in said
        assert "Permission denied" in said


# --- memory -------------------------------------------------------------------------------------


def test_images_that_do_not_fit_memory_are_refused_and_the_remedy_works(
    tmp_path, little_memory, monkeypatch
):
    classes(tmp_path, size=(100, 80))
    little_memory(10 * 3 * 100 * 80 - 1)
    monkeypatch.setattr(module, "MUCH", 10 * 3 * 100 * 80 - 1)
    name = f"folder:{tmp_path}"
    one_line(lambda: load(name), "0.0 GB of memory", "are available", "--set data.resize=64")
    assert load(name, side=64).shape == (3, 64, 64)
    assert load(name, as_ood=True, size=(32, 16)).shape == (3, 32, 16)


def test_images_of_one_size_are_shrunk_only_where_they_are_large(tmp_path, monkeypatch):
    classes(tmp_path, size=(100, 80))
    name = f"folder:{tmp_path}"
    assert load(name, side=8).shape == (3, 80, 100)
    monkeypatch.setattr(module, "LARGE", 100 * 80 - 1)
    found = load(name, side=8).test.inputs
    assert found.shape[1:] == (3, 8, 8)
    with Image.open(tmp_path / "ant" / "0.png") as image:
        first = np.asarray(image.resize((8, 8), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    both = np.concatenate([load(name, side=8).train.inputs, found])
    assert any((row == first).all() for row in both)
    assert load(name, side=200).shape == (3, 80, 100)


def test_a_text_larger_than_memory_is_refused_before_it_is_read(tmp_path, little_memory):
    path = tmp_path / "a.txt"
    with path.open("wb") as file:
        file.truncate(10**12)  # which takes no room on most file systems
    little_memory(10**9)
    one_line(lambda: load(f"text:{path}"), "12,000.0 GB", "1.0 GB are available", "a part of it")
