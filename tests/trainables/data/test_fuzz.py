"""Damaged files end in examples or in one line, whatever is damaged, and no program is started."""

import io
import random
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from pictures import image
from PIL import Image, ImageFile

from trainables.data.sources import load
from trainables.errors import DataError

STARTED = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn")
EXTREME = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\1", b"\x80\0\0\0")

_watched: list[list[str]] = []


def _hook(event, arguments):
    for seen in _watched:
        if event.startswith(STARTED):
            seen.append(event)


sys.addaudithook(_hook)  # which cannot be taken away again


@contextmanager
def programs_started():
    seen: list[str] = []
    _watched.append(seen)
    try:
        yield seen
    finally:
        _watched.remove(seen)


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def images():
    """Small files of all formats that are read, in most kinds they have, and of some others."""
    rng = np.random.default_rng(0)
    colours = Image.fromarray(rng.integers(0, 256, (11, 13, 3), np.uint8))
    clear = Image.fromarray(rng.integers(0, 256, (11, 13, 4), np.uint8))
    deep = Image.fromarray(rng.integers(0, 65536, (11, 13)).astype(np.uint16))
    floats = Image.fromarray(rng.random((11, 13)).astype(np.float32))
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [encoded(colours, "JPEG", exif=exif), encoded(colours, "JPEG", progressive=True)]
    files += [encoded(colours.convert(mode), "JPEG") for mode in ("L", "CMYK")]
    files += [encoded(colours.convert(mode), "PNG", exif=exif) for mode in ("1", "L", "P", "RGB")]
    files += [encoded(clear.convert(mode), "PNG") for mode in ("LA", "RGBA")]
    files += [encoded(colours.convert("P"), "PNG", transparency=3), encoded(deep, "PNG")]
    files += [encoded(clear, "PNG", save_all=True, append_images=[colours.convert("RGBA")])]
    files += [encoded(colours.convert(mode), "PPM") for mode in ("1", "L", "RGB")]
    files += [encoded(deep, "PPM"), b"P2\n3 1\n1000\n0 500 1000\n"]
    files += [encoded(colours.convert(mode), "BMP") for mode in ("1", "L", "P", "RGB")]
    files += [encoded(clear, "BMP"), encoded(deep, "TIFF"), encoded(floats, "TIFF")]
    modes = ("1", "L", "P", "RGB", "CMYK", "LAB", "YCbCr")
    files += [encoded(colours.convert(mode), "TIFF", exif=exif) for mode in modes[:5]]
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        files.append(encoded(colours, "TIFF", compression=compression))
    files += [encoded(colours.convert("1"), "TIFF", compression="group4")]
    files += [encoded(colours, "TIFF", save_all=True, append_images=[clear])]
    files += [encoded(colours, "WEBP", exif=exif), encoded(clear, "WEBP", lossless=True)]
    files += [encoded(colours, "WEBP", save_all=True, append_images=[colours.rotate(90)])]
    return files + [encoded(colours, kind) for kind in ("GIF", "EPS", "ICO", "PDF")]


@pytest.fixture(scope="module")
def archives():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (9, 4, 4), np.uint8), np.arange(9) % 3
    files = []
    for save in (np.savez, np.savez_compressed):
        for arrays in (
            {"x_train": x, "y_train": y, "x_test": x, "y_test": y},
            {"train_images": x.astype(np.uint16) * 257, "train_labels": y[:, None]},
        ):
            file = io.BytesIO()
            save(file, **arrays)
            files.append(file.getvalue())
    return files


def mutated(rng, files):
    """One of the files: bits turned, bytes overwritten by extreme numbers, taken out or put in, cut
    short, or with the beginning of another."""
    content = bytearray(rng.choice(files))
    for _ in range(rng.randint(1, 4)):
        # most in the header, where a format says how to read the rest
        place = int(len(content) * rng.random() ** rng.choice((1, 4)))
        match rng.randrange(6):
            case 0:
                content[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                content[place : place + 4] = rng.choice(EXTREME)
            case 2:
                del content[place : place + rng.randint(1, 8)]
            case 3:
                content[place:place] = rng.randbytes(rng.randint(1, 8))
            case 4:
                del content[place:]
            case _:
                other = rng.choice(files)
                content[:place] = other[: rng.randrange(len(other))]
    return bytes(content)


def outcomes(folder, name, files, count):
    """How many of `count` mutated files gave examples, and how many one line."""
    rng = random.Random(f"{name}/{count}")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    source = f"npz:{path}" if name.endswith(".npz") else f"folder:{folder}"
    given = refused = 0
    with programs_started() as started:
        for number in range(count):
            content = mutated(rng, files)
            path.write_bytes(content)
            error = None
            try:
                found = load(source, as_ood=bool(number % 2), size=(4, 4), side=4)
            except DataError as raised:
                error = str(raised)
            if error is None:
                assert len(found.test) > 0
                given += 1
            else:
                assert "\n" not in error
                assert error.startswith(f"{source}: ")
                refused += 1
    assert started == []
    return given, refused


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("files", "name", "count"),
    [
        ("images", "test/any/a.png", 600),
        ("archives", "a.npz", 200),
        pytest.param("images", "test/any/a.png", 10_000, marks=pytest.mark.slow),
        pytest.param("archives", "a.npz", 1_000, marks=pytest.mark.slow),
    ],
)
def test_mutated_files_end_in_examples_or_in_one_line(tmp_path, request, files, name, count):
    given, refused = outcomes(tmp_path, name, request.getfixturevalue(files), count)
    assert given > count // 50, "hardly any file was still read: the mutations are too strong"
    assert refused > count // 10
    print(f"{count} mutated {files}: {given} gave examples, {refused} one line")


def test_what_is_not_mutated_is_read(tmp_path, images, archives):
    path = tmp_path / "test/any/a.png"
    path.parent.mkdir(parents=True)
    refused = []
    for content in images[:-4]:  # the last four are of formats that are not read
        path.write_bytes(content)
        try:
            load(f"folder:{tmp_path}")
        except DataError as error:
            refused.append(str(error))
    assert len(refused) == 1
    assert "floats" in refused[0]
    for content in archives:
        (tmp_path / "a.npz").write_bytes(content)
        assert len(load(f"npz:{tmp_path / 'a.npz'}").test)


def test_the_watch_sees_a_program_that_is_started():
    import subprocess

    with programs_started() as started:
        subprocess.run([sys.executable, "-c", ""], check=True)
    assert "subprocess.Popen" in started


@pytest.mark.parametrize("kind", ["EPS", "GIF", "ICO", "PDF"])
def test_formats_that_are_not_on_the_list_are_refused_without_a_program(tmp_path, kind):
    image(tmp_path / "test/any/a.png", Image.new("RGB", (8, 8), "red"), format=kind)
    with programs_started() as started, pytest.raises(DataError, match=r"a\.png .* it is no BMP"):
        load(f"folder:{tmp_path}")
    assert started == []


def test_truncated_images_stay_refused():
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
