"""`text`, `text_ood` and `text:PATH`: texts as bytes, each to be predicted from those before it.

A token is a byte, so that any text in any encoding has 256 classes and nothing is lost. An example
is a window of 64 bytes, its targets the 64 bytes that follow them one by one. Windows do not
overlap: a text of n bytes gives n / 64 of them.

The text is cut into blocks of 64 windows, and the blocks are dealt out in turn: of every ten the
fifth is validation, the tenth test and the others training. All splits see all of the text's
topics, no byte belongs to two splits, and the last target of a block is in it too.

`text`: what Python's `help()` says about the language, in English (pydoc_data.topics, made from
CPython's Language Reference). `text_ood`: source code, in the same characters but another language,
namely twenty modules of Python's standard library, all in the test split. Both ship with Python
and are read from it, under its licence (PSF); another version of Python has another text, and so
another digest.

Measured with CPython 3.11.7: 5,874 training, 704 validation and 704 test windows, and 18,077 of
`text_ood`, load in 0.02 s on one CPU core. A table of bigrams, counted in the training windows,
predicts the test bytes with a cross-entropy of 2.51 nats and an accuracy of .28, and those of
`text_ood` with 2.73 and .35.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from trainables.data.examples import Examples, Source, no_examples
from trainables.data.memory import check_fits
from trainables.errors import DataError

CONTEXT = 64  # tokens of a window
BLOCK = 64 * CONTEXT + 1  # bytes: each but the last is an input, each but the first a target
DEALT = ("train",) * 4 + ("validation",) + ("train",) * 4 + ("test",)
SHORTEST = (len(DEALT) - 1) * BLOCK + CONTEXT + 1  # bytes, for a window in every split

# each byte as Python prints it: a, \n, \xe9
TOKENS = tuple(ascii(chr(byte))[1:-1] for byte in range(256))

# one file each in every version of Python from 3.11 on, and written by hand
MODULES = (
    *("argparse", "ast", "bisect", "calendar", "configparser", "csv", "dataclasses", "difflib"),
    *("fractions", "functools", "inspect", "ipaddress", "optparse", "pickle", "random", "shutil"),
    *("statistics", "subprocess", "textwrap", "typing"),
)


def text() -> Source:
    """English documentation."""
    try:
        from pydoc_data.topics import topics  # late: half a megabyte
    except ImportError as error:
        raise DataError(
            "text: this Python lacks pydoc_data; install all of its standard library, "
            "or give a text of your own as text:PATH"
        ) from error
    return _source("text", "\n".join(topics[name] for name in sorted(topics)).encode())


def text_ood() -> Source:
    """Source code, all of it test examples."""
    test = windows([b"".join(_source_code(module) for module in MODULES)])
    return Source("text_ood", no_examples(test), None, test, TOKENS, "language")


def from_text(name: str, path: Path) -> Source:
    try:
        length = path.stat().st_size
        # its bytes, windows of them, and 8 bytes for every target
        check_fits(name, 12 * length, "give a part of it")
        with path.open("rb") as file:
            content = file.read(length)  # no more, should it grow
    except OSError as error:
        raise DataError(f"{name}: {error.strerror}; give the path of a text file") from error
    return _source(name, content)


def windows(blocks: Sequence[bytes]) -> Examples:
    """The windows of each block, one block after another; its last bytes where they fill none are
    left out.

    inputs (n, 64) uint8, labels (n, 64) int64.
    """
    inputs, labels = [], []
    for block in blocks:
        count = (len(block) - 1) // CONTEXT
        tokens = np.frombuffer(block, np.uint8)
        inputs.append(tokens[: count * CONTEXT].reshape(-1, CONTEXT))
        labels.append(tokens[1 : count * CONTEXT + 1].reshape(-1, CONTEXT))
    return Examples(
        torch.from_numpy(np.concatenate(inputs)),
        torch.from_numpy(np.concatenate(labels).astype(np.int64)),
    )


def _source(name: str, content: bytes) -> Source:
    if len(content) < SHORTEST:
        raise DataError(
            f"{name}: {len(content)} bytes are too few to train, validate and test; "
            f"give a text of at least {SHORTEST} bytes"
        )
    dealt: dict[str, list[bytes]] = {split: [] for split in DEALT}
    for number, start in enumerate(range(0, len(content), BLOCK)):
        dealt[DEALT[number % len(DEALT)]].append(content[start : start + BLOCK])
    train, validation, test = (windows(dealt[s]) for s in ("train", "validation", "test"))
    return Source(name, train, validation, test, TOKENS, "language")


def _source_code(module: str) -> bytes:
    spec = find_spec(module)  # finds the file without importing the module
    file = spec.origin if spec and spec.origin else module
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise DataError(
            f"text_ood: cannot read {file} ({type(error).__name__}); "
            "install Python's standard library with its source files"
        ) from error
