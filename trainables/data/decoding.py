"""Image files as 8-bit pixels of red, green and blue, upright, as viewers show them.

One decoder for every source of image files. Integers of 16 bits are scaled by their range (value /
257, to the nearest; 12 bits of a TIFF likewise by theirs), transparency is laid on white, EXIF's
turn is made. What states no range of its own, such as floats or integers of 32 bits, is refused.
Colours of 16 bits a channel are reduced by Pillow itself, by value / 256 rounded down. Files are
opened as the formats of `FORMATS` only: others are never tried, as Pillow starts a program for
some. Resized: bilinear with antialiasing, the classes of masks by nearest pixel.

Sizes are (width, height), as Pillow has them, of the upright image. An opaque 8-bit image that
has the size is not changed.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from trainables.data.arrays import scaled
from trainables.errors import DataError, shown

Size = tuple[int, int]  # (width, height) in pixels, Pillow's order

FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

# From so many pixels on a photograph is shrunk while it is decoded: a JPEG by a power of two, to
# at least twice the size asked for. Below, every pixel is used.
LARGE = 2**20

_READ = ("1", "L", "P", "RGB", "CMYK", "YCbCr", "LA", "PA", "RGBA")
_DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N")
_STORE = "store images as integers of 8 or 16 bits, such as PNG"

_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_WHITE_IS_ZERO = 0
_UNSIGNED = (1, 4)  # 4: not stated, which is to be read as unsigned

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (5, 6, 7, 8)  # orientations that exchange width and height


class Header(NamedTuple):
    """What an image file says of itself without its pixels."""

    size: Size  # upright
    several: bool  # pages or frames, of which the first is decoded
    deep: bool  # grey of more than 8 bits
    side_up: bool  # whether EXIF data that are there can be read, to tell which side is up


class _Refused(ValueError):
    """What is wrong with an image that could be opened, and the remedy."""


@contextmanager
def refusals(name: str, path: Path | None = None) -> Iterator[None]:
    """Whatever goes wrong with the image file at `path` is a DataError of the source `name`; None:
    with the image that `name` names."""
    what = name if path is None else f"{name}: {shown(path)}"
    try:
        yield
    except DataError:
        raise
    except _Refused as error:
        raise DataError(f"{what} {error}") from error
    except UnidentifiedImageError as error:
        known = f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise DataError(
            f"{what} cannot be decoded as an image, it is no {known} file; repair or remove it"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{what} has more than {Image.MAX_IMAGE_PIXELS} pixels; make it smaller"
        ) from error
    # a damaged file makes Pillow's readers raise whatever their arithmetic or their tables do,
    # from KeyError to ZeroDivisionError
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.errno else None
        if reason:
            raise DataError(f"{what} cannot be read ({reason})") from error
        raise DataError(f"{what} cannot be decoded as an image; repair or remove it") from error


def header(path: Path) -> Header:
    """Raises whatever Pillow raises: to be called within `refusals`, as are the others here."""
    with _opened(path) as image:
        turn = _orientation(image)
        width, height = image.size
        if image.format == "TIFF":  # which some versions of Pillow give as turned and some do not
            width, height = image.tag_v2[256], image.tag_v2[257]  # type: ignore[attr-defined]
        size = (height, width) if turn in _ON_ITS_SIDE else (width, height)
        # the further frames of a camera's MPO are other versions of the same picture
        several = getattr(image, "is_animated", False) and image.format != "MPO"
        return Header(size, several, image.mode in _DEEP, turn is not None)


def pixels(path: Path, size: Size | None, upright: bool = True) -> NDArray[np.uint8]:
    """The image, resized unless `size` is None: (3, height, width).

    `upright`: false leaves it as it is stored, where a mask of its pixels goes with it.
    """
    with _opened(path) as image:
        if size is not None and upright and image.size[0] * image.size[1] > LARGE:
            wanted = size[::-1] if _orientation(image) in _ON_ITS_SIDE else size
            image.draft(None, (2 * wanted[0], 2 * wanted[1]))
        _check_fits(image)
        image.load()
        colours = _rgb(image, path)
        turn = _TURNS.get(_orientation(image) or 0)
        if upright and turn is not None and image.format != "TIFF":  # which is turned on loading
            colours = colours.transpose(turn)
    if size is not None:
        colours = colours.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(colours).transpose(2, 0, 1)


def from_image(image: Image.Image) -> NDArray[np.uint8]:
    """An image that others have opened, as they give it, upright or not: (1, height, width) where
    it is grey, else (3, height, width). To be called within `refusals`."""
    if image.mode not in (*_READ, *_DEEP):
        raise _Refused(f"holds colours of the kind {image.mode}, which are not read; {_STORE}")
    clear = "transparency" in image.info or image.mode in ("LA", "PA", "RGBA")
    if clear and image.mode in ("1", "L", "RGB", *_DEEP):
        raise _Refused("names a transparent colour; store an alpha channel")
    if image.mode in _DEEP:
        return np.asarray(_from_deep(image))[np.newaxis, ..., 0]
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[np.newaxis]
    return np.asarray(_on_white(image) if clear else image.convert("RGB")).transpose(2, 0, 1)


def classes(path: Path, size: Size) -> NDArray[Any]:
    """The values of a mask, such as the entries of its palette: (height, width)."""
    with _opened(path) as mask:
        if mask.mode not in ("1", "L", "P"):
            raise _Refused(f"is a mask of the kind {mask.mode}; store one of 8 bits a pixel")
        return np.asarray(mask.resize(size, Image.Resampling.NEAREST))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged metadata that are not needed
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            yield image


def _check_fits(image: Image.Image) -> None:
    """That there is memory for it, 4 bytes a pixel, and for the steps to the final colours."""
    area = image.size[0] * image.size[1]
    if area > LARGE and 16 * area > psutil.virtual_memory().available:
        raise _Refused(f"is too large for the memory there is, {area} pixels; make it smaller")


def _orientation(image: Image.Image) -> int | None:
    """EXIF's, 1 where there are no such data; None where they cannot be read."""
    try:
        # the base class's, as that of PNG decodes all pixels to look for data that come after them
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF data raise as damaged images do
        return None
    return value if value in _TURNS else 1


def _rgb(image: Image.Image, path: Path) -> Image.Image:
    """Three channels of 8 bits, without transparency."""
    if image.mode == "F":
        raise _Refused(f"holds floats, whose range is not stated; {_STORE}")
    if _tag(image, _SAMPLE_FORMAT, 1) not in _UNSIGNED:
        raise _Refused(f"holds signed or other numbers, whose range is not stated; {_STORE}")
    if image.mode in _DEEP:
        return _from_deep(image)
    if image.mode not in _READ:
        raise _Refused(f"holds colours of the kind {image.mode}, which are not read; {_STORE}")
    if "transparency" not in image.info and image.mode not in ("LA", "PA", "RGBA"):
        return image.convert("RGB")
    if image.mode in ("1", "L", "RGB"):
        return _with_transparent_colour(image, path)
    return _on_white(image)


def _from_deep(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits, scaled by its range."""
    if image.mode == "I" and image.format not in ("PNG", "PPM"):  # those hold 16 bits as 32
        raise _Refused(f"holds integers of 32 bits, whose range is not stated; {_STORE}")
    values = np.asarray(image)
    grey = scaled(values, _tag(image, _BITS, 16))
    if _tag(image, _PHOTOMETRIC, 1) == _WHITE_IS_ZERO:
        grey = 255 - grey
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(grey).convert("RGB")


def _with_transparent_colour(image: Image.Image, path: Path) -> Image.Image:
    """Of a PNG that names one of its colours, which is to be white."""
    clear = image.info["transparency"]
    with path.open("rb") as file:
        depth = file.read(25)[-1]  # bits a channel, as the header says
    if image.mode == "RGB":
        if depth > 8:  # which Pillow has reduced, and the named colour not
            raise _Refused(f"names a transparent colour of {depth} bits; store an alpha channel")
        return _on_white(image)
    if image.mode == "1":
        clear = 255 * bool(clear)
    elif depth < 8:  # scaled by Pillow, and the named value not
        clear *= 255 // (2**depth - 1)
    grey = np.array(image.convert("L"))
    grey[grey == clear] = 255
    return Image.fromarray(grey).convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    full = image.convert("RGBA")
    alpha = full.getchannel("A")
    least, most = alpha.getextrema()
    if least == 255:
        return image.convert("RGB")
    colours = full.convert("RGB")
    if most == 0 and np.ptp(np.asarray(colours), axis=(0, 1)).any():
        raise _Refused("is transparent all over, its colours are not seen; leave out its alpha")
    white = Image.new("RGB", image.size, "white")
    white.paste(colours, mask=alpha)
    return white


def _tag(image: Image.Image, tag: int, otherwise: int) -> int:
    """The largest value of a TIFF's tag; other formats have none."""
    if image.format != "TIFF":
        return otherwise
    values = image.tag_v2.get(tag, otherwise)  # type: ignore[attr-defined]
    return int(max(values)) if isinstance(values, tuple) else int(values)
