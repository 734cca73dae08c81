"""Image files become the 8-bit colours that viewers show, held against pixels computed here."""

import struct
import zlib
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin
from PIL.JpegImagePlugin import JpegImageFile
from support import one_line

from trainables.data.decoding import LARGE, header, pixels
from trainables.data.sources import load

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65536, (6, 5)).astype(np.uint16)
DEEP[0] = (0, 65535, 128, 129, 257)  # 128/257 rounds down, 129/257 up
COLOURS = RNG.integers(0, 256, (6, 5, 3), np.uint8)
ALPHA = RNG.choice([0, 1, 100, 254, 255], (6, 5)).astype(np.uint8)
STORE = "integers of 8 or 16 bits"


def decoded(path):
    """(height, width, 3)"""
    return pixels(path, None).transpose(1, 2, 0)


def grey(values):
    return np.repeat(np.asarray(values, np.uint8)[..., None], 3, axis=2)


def by_range(values, largest=65535):
    return np.rint(values.astype(float) * 255 / largest).astype(np.uint8)


def folder_with(path, write, ending="png"):
    """A folder of one class whose only image `write` writes; the source's name."""
    file = path / "test" / "any" / f"a.{ending}"
    file.parent.mkdir(parents=True)
    write(file)
    return f"folder:{path}", file


def chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png(path, rows, width, bits, kind, before=b"", after=b""):
    """A PNG of these packed rows; kind 0 is grey, 2 colours, 4 grey and alpha."""
    head = struct.pack(">IIBBBBB", width, len(rows), bits, kind, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = chunk(b"IHDR", head) + before + chunk(b"IDAT", data) + after + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def tiff(path, values, bits, sample_format=1, photometric=1):
    """A grey TIFF of values (height, width) that are packed already, where they are bytes."""
    data = values.tobytes()
    width = values.shape[1] * values.itemsize * 8 // bits
    tags = [(256, width), (257, len(values)), (258, bits), (259, 1), (262, photometric), (273, 8)]
    tags += [(277, 1), (278, len(values)), (279, len(data)), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory)


# --- depth ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "order"), [("png", "<"), ("tif", "<"), ("tif", ">"), ("pgm", "<")]
)
def test_sixteen_bits_in_either_order_of_bytes_are_scaled_by_their_range(tmp_path, ending, order):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(DEEP.astype(f"{order}u2")).save(path)
    assert (decoded(path) == grey(by_range(DEEP))).all()
    assert header(path).deep


@pytest.mark.parametrize("largest", [1, 100, 255, 1000, 4095, 65535])
def test_the_greatest_value_that_a_pgm_states_is_white(tmp_path, largest):
    values = RNG.integers(0, largest + 1, (6, 5))
    values[0, :2] = (0, largest)
    path = tmp_path / "a.pgm"
    kind = ">u2" if largest > 255 else "u1"
    path.write_bytes(f"P5 5 6 {largest}\n".encode() + values.astype(kind).tobytes())
    expected = grey(by_range(values, largest)).astype(int)
    found = decoded(path).astype(int)
    assert abs(found - expected).max() <= (largest != 255)  # Pillow rounds halves otherwise
    assert (found[0, :2] == expected[0, :2]).all()


def test_twelve_bits_of_a_tiff_are_scaled_by_theirs(tmp_path):
    packed = np.array([[0xFF, 0xF0, 0x00], [0x80, 0x00, 0x01]], np.uint8)
    tiff(tmp_path / "a.tif", packed, 12)
    expected = by_range(np.array([[4095, 0], [2048, 1]]), 4095)
    assert (decoded(tmp_path / "a.tif") == grey(expected)).all()


@pytest.mark.parametrize(("kind", "bits"), [("<u1", 8), ("<u2", 16)])
def test_a_tiff_whose_zero_is_white(tmp_path, kind, bits):
    values = (DEEP >> (16 - bits)).astype(kind)
    tiff(tmp_path / "a.tif", values, bits, photometric=0)
    assert (decoded(tmp_path / "a.tif") == grey(255 - by_range(values, 2**bits - 1))).all()


@pytest.mark.parametrize(("kind", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_colours_of_sixteen_bits_are_within_one_of_the_nearest(tmp_path, kind, channels):
    values = RNG.integers(0, 65536, (6, 5, channels)).astype(np.uint16)
    if channels in (2, 4):
        values[..., -1] = 65535
    png(tmp_path / "a.png", [row.astype(">u2").tobytes() for row in values], 5, 16, kind)
    expected = by_range(values[..., :3] if channels > 2 else values[..., :1])
    assert abs(decoded(tmp_path / "a.png").astype(int) - expected).max() <= 1


UNSTATED = [
    (np.zeros((3, 4), "<f4"), 32, 3, "holds floats"),
    (np.zeros((3, 4), "<i4"), 32, 2, "signed or other numbers"),
    (np.zeros((3, 4), "<u4"), 32, 1, "integers of 32 bits"),
    (np.zeros((3, 4), "<i2"), 16, 2, "signed or other numbers"),
    (np.zeros((3, 4), "<i1"), 8, 2, "signed or other numbers"),
]


@pytest.mark.parametrize(("values", "bits", "sample_format", "says"), UNSTATED)
def test_a_range_that_is_not_stated_is_refused(tmp_path, values, bits, sample_format, says):
    name, file = folder_with(tmp_path, lambda path: tiff(path, values, bits, sample_format))
    one_line(lambda: load(name), name, str(file), says, "range is not stated", STORE)


FLOATS = Image.fromarray(np.ones((3, 4), np.float32))
UNCLEAR = [
    (FLOATS, "PPM", "holds floats", STORE),
    (Image.new("LAB", (4, 3)), "TIFF", "colours of the kind LAB", STORE),
    (Image.fromarray(DEEP % 256), "PNG", "of 16 bits are black", "as images of 8 bits"),
]


@pytest.mark.parametrize(("image", "kind", "says", "remedy"), UNCLEAR)
def test_floats_lab_colours_and_sixteen_bits_of_which_eight_are_used_are_refused(
    tmp_path, image, kind, says, remedy
):
    name, file = folder_with(tmp_path, lambda path: image.save(path, kind))
    one_line(lambda: load(name), str(file), says, remedy)


# --- transparency ---------------------------------------------------------------------------------


def on_white(colours, alpha):
    part = alpha[..., None] / 255
    return colours * part + 255 * (1 - part)


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_transparency_is_laid_on_white(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    options = {"lossless": True, "exact": True} if ending == "webp" else {}
    Image.fromarray(np.dstack([COLOURS, ALPHA])).save(path, **options)
    assert abs(decoded(path) - on_white(COLOURS, ALPHA)).max() <= 0.5
    Image.fromarray(np.dstack([COLOURS[..., 0], ALPHA]), "LA").save(tmp_path / "b.png")
    assert abs(decoded(tmp_path / "b.png") - on_white(COLOURS[..., :1], ALPHA)).max() <= 0.5


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK"])
def test_opaque_images_are_those_that_pillow_converts(tmp_path, mode):
    ending = "tif" if mode == "CMYK" else "png"
    image = Image.fromarray(COLOURS).convert(mode)
    image.save(tmp_path / f"a.{ending}")
    assert (decoded(tmp_path / f"a.{ending}") == np.asarray(image.convert("RGB"))).all()
    small = np.asarray(image.convert("RGB").resize((3, 2), Image.Resampling.BILINEAR))
    found = pixels(tmp_path / f"a.{ending}", (3, 2)).transpose(1, 2, 0)
    assert (found == small).all()


def test_the_transparent_colour_of_a_palette_is_white(tmp_path):
    image = Image.fromarray(RNG.integers(0, 4, (6, 5)).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    image.save(tmp_path / "a.png", transparency=2)
    expected = np.asarray(image.convert("RGB")).copy()
    expected[np.asarray(image) == 2] = 255
    assert (decoded(tmp_path / "a.png") == expected).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_grey_of_a_png_is_white_at_any_depth(tmp_path, bits):
    values = RNG.integers(0, 2**bits, (6, 8)).astype(np.uint16)
    clear = 2 ** (bits - 1) - (bits == 1)  # grey, or black where there is no grey
    values[0, 0] = clear
    digits = ["".join(f"{value:0{bits}b}" for value in row) for row in values]
    rows = [int(row, 2).to_bytes(bits, "big") for row in digits]
    named = chunk(b"tRNS", struct.pack(">H", clear))
    png(tmp_path / "a.png", rows, 8, bits, 0, before=named)
    expected = by_range(values, 2**bits - 1)
    expected[values == clear] = 255
    assert (decoded(tmp_path / "a.png") == grey(expected)).all()


def test_the_transparent_colour_of_a_png_is_white(tmp_path):
    named = chunk(b"tRNS", struct.pack(">HHH", *COLOURS[2, 3]))
    png(tmp_path / "a.png", [row.tobytes() for row in COLOURS], 5, 8, 2, before=named)
    expected = COLOURS.copy()
    expected[2, 3] = 255
    assert (decoded(tmp_path / "a.png") == expected).all()
    rows = [row.astype(">u2").tobytes() for row in COLOURS]
    name, _ = folder_with(tmp_path, lambda path: png(path, rows, 5, 16, 2, before=named))
    one_line(lambda: load(name), "a transparent colour of 16 bits", "alpha channel")


def test_a_drawing_under_an_alpha_that_hides_it_is_refused(tmp_path):
    hidden = Image.fromarray(np.dstack([COLOURS, np.zeros((6, 5), np.uint8)]))
    name, file = folder_with(tmp_path, hidden.save)
    one_line(lambda: load(name), str(file), "transparent all over", "leave out its alpha")
    Image.new("RGBA", (5, 6)).save(file)  # nothing is hidden in an empty page
    assert (load(name).test.inputs == 255).all()


# --- upright --------------------------------------------------------------------------------------

# orientation → what a viewer makes of the stored rows and columns, by the EXIF standard
TURNED = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("ending", ["png", "tif", "webp", "jpg"])
def test_pictures_stand_upright(tmp_path, orientation, ending):
    path = tmp_path / f"a.{ending}"
    options = {"webp": {"lossless": True}, "jpg": {"quality": 95}}.get(ending, {})
    if ending == "tif":
        options["tiffinfo"] = TiffImagePlugin.ImageFileDirectory_v2()
        options["tiffinfo"][0x0112] = orientation
    else:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    stored = COLOURS if ending != "jpg" else np.kron(COLOURS, np.ones((16, 16, 1), np.uint8))
    Image.fromarray(stored).save(path, **options)
    if ending == "jpg":
        with Image.open(path) as image:
            stored = np.asarray(image)
    expected = TURNED[orientation](stored)
    assert (decoded(path) == expected).all()
    assert header(path).size == (expected.shape[1], expected.shape[0])


def test_a_turn_that_comes_after_the_pixels_is_made_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    late = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    rows = [row.tobytes() for row in COLOURS]
    name, file = folder_with(tmp_path, lambda path: png(path, rows, 5, 8, 2, after=late))
    Image.fromarray(COLOURS).save(file.with_name("b.png"))
    one_line(lambda: load(name), "a.png is 6×5 pixels", "--set data.resize=64")
    small = load(name, side=4).test.inputs
    upright = Image.fromarray(np.ascontiguousarray(TURNED[6](COLOURS)))
    expected = np.asarray(upright.resize((4, 4), Image.Resampling.BILINEAR))
    assert (small[0].permute(1, 2, 0).numpy() == expected).all()


def test_damaged_exif_data_are_said_and_the_picture_is_as_it_is_stored(tmp_path):
    broken = chunk(b"eXIf", b"no directory of tags")
    rows = [row.tobytes() for row in COLOURS]
    name, _ = folder_with(tmp_path, lambda path: png(path, rows, 5, 8, 2, before=broken))
    source = load(name)
    assert (source.test.inputs[0].permute(1, 2, 0).numpy() == COLOURS).all()
    (note,) = source.notes
    assert note.startswith("In 1 of 1 files the EXIF data cannot be read")


# --- frames and size ------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["tif", "png", "webp"])
def test_the_first_of_several_frames_is_used_and_a_note_says_so(tmp_path, ending):
    first, second = Image.new("RGB", (5, 6), "red"), Image.new("RGB", (5, 6), "blue")
    options = {"save_all": True, "append_images": [second, second], "lossless": True}
    name, _ = folder_with(tmp_path, lambda path: first.save(path, **options), ending)
    source = load(name)
    assert source.test.inputs[0, :, 0, 0].tolist() == [255, 0, 0]
    (note,) = source.notes
    assert note.startswith("In 1 of 1 files there are several pages or frames")


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_photograph_is_shrunk_while_it_is_decoded(tmp_path, orientation, monkeypatch):
    drafted, draft = [], JpegImageFile.draft

    def noted(image, *arguments):
        draft(image, *arguments)
        drafted.append(image.size)

    monkeypatch.setattr(JpegImageFile, "draft", noted)
    side = 1 + int(LARGE**0.5)
    coarse = RNG.integers(0, 256, (4, 6, 3), np.uint8)
    stored = np.kron(coarse, np.ones((-(-side // 4), -(-side // 4), 1), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(stored).save(path, quality=95, exif=exif)
    upright = TURNED[orientation](stored)
    size = (60, 40) if orientation == 1 else (40, 60)
    found = pixels(path, size).transpose(1, 2, 0).astype(int)
    whole = Image.fromarray(np.ascontiguousarray(upright)).resize(size, Image.Resampling.BILINEAR)
    assert found.shape == np.asarray(whole).shape
    assert abs(found - np.asarray(whole)).mean() < 1.5
    assert max(drafted[0]) < side


@pytest.mark.parametrize("pixels_of_a_bomb", [1.5, 3])  # Pillow warns of the one, refuses the other
def test_more_pixels_than_pillow_thinks_safe_are_refused(tmp_path, monkeypatch, pixels_of_a_bomb):
    name, file = folder_with(tmp_path, Image.new("L", (10, 10)).save)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(100 / pixels_of_a_bomb))
    one_line(lambda: load(name), str(file), "has more than", "make it smaller")


@pytest.mark.parametrize("ending", ["png", "jpg", "ppm", "bmp", "tif", "webp"])
def test_truncated_files_of_every_format_are_refused(tmp_path, ending):
    image = Image.fromarray(RNG.integers(0, 256, (40, 40, 3), np.uint8))
    name, file = folder_with(tmp_path, image.save, ending)
    content = file.read_bytes()
    for kept in (0, 1, *(int(part * len(content)) for part in (0.1, 0.5, 0.9))):
        file.write_bytes(content[:kept])
        one_line(lambda: load(name), str(file), "cannot be decoded", "repair or remove")


@pytest.mark.parametrize(
    "error",
    [KeyError("a"), ZeroDivisionError(), MemoryError(), struct.error("a\nb"), RecursionError()],
)
def test_whatever_pillow_raises_is_one_line(tmp_path, monkeypatch, error):
    name, file = folder_with(tmp_path, Image.fromarray(COLOURS).save)

    monkeypatch.setattr(Image, "open", Mock(side_effect=error))
    one_line(lambda: load(name), str(file), "cannot be decoded as an image", "repair or remove")
