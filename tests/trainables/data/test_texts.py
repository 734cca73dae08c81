"""Texts: windows are put together again to the bytes they were cut from."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import one_line

from trainables.data import texts
from trainables.data.examples import Examples
from trainables.data.sources import load
from trainables.data.texts import BLOCK, CONTEXT, DEALT, MODULES, SHORTEST, TOKENS, windows

RNG = np.random.default_rng(0)


def file(folder, content):
    path = folder / "some.txt"
    path.write_bytes(content)
    return f"text:{path}"


def put_together(examples):
    """The bytes of windows that follow one another."""
    if not len(examples):
        return b""
    return examples.inputs.numpy().tobytes() + bytes([int(examples.labels[-1, -1])])


def all_bytes(source):
    """What the three splits were cut from, a block after another."""
    splits = {split: getattr(source, split) for split in set(DEALT)}
    taken = dict.fromkeys(splits, 0)
    found = b""
    while any(taken[split] < len(held) for split, held in splits.items()):
        for split in DEALT:
            part = slice(taken[split], taken[split] + (BLOCK - 1) // CONTEXT)
            held = splits[split]
            found += put_together(Examples(held.inputs[part], held.labels[part]))
            taken[split] += (BLOCK - 1) // CONTEXT
    return found


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4))
def test_labels_are_the_bytes_that_follow(blocks):
    found = windows(blocks)
    expected = [
        (block[start : start + CONTEXT], block[start + 1 : start + CONTEXT + 1])
        for block in blocks
        for start in range(0, len(block), CONTEXT)
        if start + CONTEXT < len(block)
    ]
    assert [bytes(tokens) for tokens in found.inputs.tolist()] == [i for i, _ in expected]
    assert [bytes(tokens) for tokens in found.labels.tolist()] == [t for _, t in expected]
    assert found.inputs.shape == found.labels.shape == (len(expected), CONTEXT)
    assert (found.inputs.dtype, found.labels.dtype) == (torch.uint8, torch.int64)


@pytest.mark.parametrize("more", [0, 1, CONTEXT - 1, CONTEXT, BLOCK, 17 * BLOCK + 1000])
def test_a_file_comes_back_but_for_its_last_bytes(tmp_path, more):
    content = RNG.bytes(SHORTEST + more)
    source = load(file(tmp_path, content))
    found = all_bytes(source)
    assert content.startswith(found)
    assert len(content) - len(found) < CONTEXT
    windows_in_all = sum(len(getattr(source, split)) for split in set(DEALT))
    assert windows_in_all == pytest.approx(len(content) / CONTEXT, rel=0.01)


def test_no_byte_is_in_two_splits_and_every_tenth_block_is_tested(tmp_path):
    content = b"".join(bytes([block]) * BLOCK for block in range(40))
    source = load(file(tmp_path, content))
    seen = {}
    for split in set(DEALT):
        held = getattr(source, split)
        seen[split] = set(held.inputs.flatten().tolist()) | set(held.labels.flatten().tolist())
    assert seen["validation"] == {4, 14, 24, 34}
    assert seen["test"] == {9, 19, 29, 39}
    assert seen["train"] == set(range(40)) - seen["validation"] - seen["test"]
    assert (len(source.train), len(source.validation), len(source.test)) == (2048, 256, 256)


def test_what_a_text_says_of_itself(tmp_path):
    name = file(tmp_path, "žluťoučký kůň\n".encode("latin2") * 4000)
    source = load(name, side=8)
    assert (source.name, source.kind) == (name, "language")
    assert (source.shape, source.classes) == ((CONTEXT,), 256)
    assert len(set(TOKENS)) == 256
    shown = [TOKENS[byte] for byte in b"a \n'\\\x00\xe9"]
    assert shown == ["a", " ", r"\n", "'", r"\\", r"\x00", r"\xe9"]


def test_a_text_that_cannot_be_used_is_named_with_its_remedy(tmp_path):
    name = file(tmp_path, bytes(SHORTEST - 1))
    one_line(lambda: load(name), name, f"{SHORTEST - 1} bytes", f"at least {SHORTEST} bytes")
    one_line(lambda: load(f"text:{tmp_path / 'none'}"), "none: no such file", "path of a text")
    one_line(lambda: load(f"text:{tmp_path}"), str(tmp_path), "directory", "path of a text")


def test_text_is_the_documentation_in_python():
    topics = import_module("pydoc_data.topics").topics
    source = load("text")
    expected = "\n".join(topic for _, topic in sorted(topics.items())).encode()
    found = all_bytes(source)
    assert expected.startswith(found)
    assert len(expected) - len(found) < CONTEXT
    # as many as an epoch of a small study, in every version of Python
    assert len(source.train) > 4000
    assert min(len(source.validation), len(source.test)) > 400


def test_text_ood_is_the_source_of_the_standard_library():
    source = load("text_ood")
    files = [Path(import_module(module).__file__) for module in MODULES]
    expected = b"".join(path.read_bytes() for path in files)
    found = put_together(source.test)
    assert expected.startswith(found)
    assert len(expected) - len(found) < CONTEXT
    assert source.kind == "language"


def test_modules_are_read_without_being_imported(tmp_path, monkeypatch):
    code = b"raise RuntimeError\n" * 100
    (tmp_path / "explosive.py").write_bytes(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(texts, "MODULES", ("explosive",))
    assert code.startswith(put_together(load("text_ood").test))


def test_a_python_without_its_texts_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    one_line(lambda: load("text"), "pydoc_data", "text:PATH")
    monkeypatch.setattr(texts, "MODULES", ("no_such_module",))
    one_line(lambda: load("text_ood"), "no_such_module", "standard library")
