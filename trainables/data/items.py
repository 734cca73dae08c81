"""Examples that come one at a time, as (image, label), from a data set that decodes them itself.

An image is a PIL image (grey as one channel, any other as three, transparency on white), a tensor
(channels, height, width) or (height, width), or a NumPy array with the channels last. Pixels are
integers of 8 or 16 bits, or floats that are 8-bit values divided by 255, as `ToTensor` gives them,
which are brought back to those. What is neither, such as normalised pixels, is refused: the service
normalises by itself. A float vector (values,) is used as it is.

Each item is decoded once, and some a second time: what a random transform makes of an item would be
other data in every launch.
"""

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from trainables.data.arrays import CHANNELS, labels_of, scaled
from trainables.data.decoding import from_image, refusals
from trainables.data.examples import Examples
from trainables.data.memory import check_fits
from trainables.errors import DataError
from trainables.imported import in_a_line

Array = NDArray[Any]
Size = tuple[int, int]  # (width, height)
Form = tuple[int, ...]  # of one item's values

AGAIN = 32  # items of a split that are decoded twice
ROUNDING = 1e-3  # of pixels in 0 … 255 that were divided by 255 in float32

_TOTENSOR = "give 8-bit pixels, or those of ToTensor, and leave out Normalize"


class Items(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


class _Other(Exception):
    """An item does not fit what the first one was like."""

    def __init__(self, shape: Form) -> None:
        self.shape = shape


def decoded(
    name: str,
    called: Mapping[str, str],
    splits: Mapping[str, Items],
    size: Size | None,
    labelled: bool,
) -> dict[str, Examples]:
    """The splits of the source `name`, checked, their images of one shape.

    Args:
        called: what each split is called.
        size: to which images are resized where they are of several sizes.
        labelled: whether items are (image, label); else labels are left out, as 0.

    Raises:
        DataError: names the item and what it should be.
    """

    def split(which: str, form: Form | None) -> Examples:
        return _split(f"{name}: {called[which]}", splits[which], size, labelled, form)

    held = {which: split(which, None) for which in splits}
    forms = {which: tuple(examples.inputs.shape[1:]) for which, examples in held.items()}
    form = reduce(lambda a, b: a if a == b else _common(name, a, b, size), forms.values())
    return {which: held[which] if forms[which] == form else split(which, form) for which in held}


def _split(
    where: str, items: Items, size: Size | None, labelled: bool, form: Form | None
) -> Examples:
    count = _count(where, items)
    _check_repeats(where, items, count, labelled)
    first = _input(f"{where}: item 0", _item(f"{where}: item 0", items, 0), labelled)
    resized = form is not None
    form = form or first.shape
    while True:
        try:
            return _decode(where, items, count, form, first.dtype, size, labelled, resized)
        except _Other as other:
            form, resized = _common(where, form, other.shape, size), True


def _decode(
    where: str,
    items: Items,
    count: int,
    form: Form,
    dtype: np.dtype[Any],
    size: Size | None,
    labelled: bool,
    resized: bool,
) -> Examples:
    check_fits(where, count * int(np.prod(form)) * dtype.itemsize, "give fewer or smaller items")
    held, labels = np.empty((count, *form), dtype), []
    for index in range(count):
        place = f"{where}: item {index}"
        item = _item(place, items, index)
        values = _input(place, item, labelled)
        if values.dtype != dtype:
            raise DataError(f"{place} holds {values.dtype} and item 0 {dtype}; give one kind")
        held[index] = _in_form(values, form, size, resized)
        labels.append(_label(place, item) if labelled else 0)
    numbers = labels_of(f"{where}: labels", np.array(labels, dtype=np.int64))
    return Examples(torch.from_numpy(held), torch.from_numpy(numbers))


def _common(where: str, form: Form, other: Form, size: Size | None) -> Form:
    """The form of images of which some are as `form` and some as `other`."""
    channels = {form[:1], other[:1]}
    if len(form) != 3 or len(other) != 3 or (len(channels) > 1 and channels != {(1,), (3,)}):
        raise DataError(f"{where}: items of shape {form} and {other}; give all one shape")
    if form[1:] != other[1:] and size is None:
        raise DataError(
            f"{where}: images of {form[2]}×{form[1]} and {other[2]}×{other[1]} pixels; give "
            "data.resize, such as --set data.resize=64"
        )
    height, width = form[1:] if size is None or form[1:] == other[1:] else size[::-1]
    return max(form[0], other[0]), height, width


def _in_form(values: Array, form: Form, size: Size | None, resized: bool) -> Array:
    if values.shape == form:
        return values
    if not resized or values.ndim != 3 or values.shape[0] not in (1, form[0]):
        raise _Other(values.shape)
    if values.shape[1:] != form[1:]:
        if size is None or form[1:] != size[::-1]:
            raise _Other(values.shape)
        planes = map(Image.fromarray, values)
        values = np.stack([np.asarray(p.resize(size, Image.Resampling.BILINEAR)) for p in planes])
    return np.broadcast_to(values, form)


def _count(where: str, items: Items) -> int:
    try:
        count = len(items)
    except Exception as error:  # of a user's data set, anything
        raise DataError(
            f"{where}: its length raises {in_a_line(error)}; give a torch.utils.data.Dataset with "
            "__len__ and __getitem__"
        ) from error
    if not count:
        raise DataError(f"{where}: holds no item; give at least one")
    return count


def _item(place: str, items: Items, index: int) -> Any:
    try:
        return items[index]
    except Exception as error:  # of a user's data set, anything
        raise DataError(f"{place} raises {in_a_line(error)}; repair it or leave it out") from error


def _check_repeats(where: str, items: Items, count: int, labelled: bool) -> None:
    """That the same item comes again."""
    for index in _some(count):
        place = f"{where}: item {index}"
        one, same = (_item(place, items, index) for _ in range(2))
        first, second = (_input(place, item, labelled) for item in (one, same))
        labels = [_label(place, item) if labelled else 0 for item in (one, same)]
        if not np.array_equal(first, second) or labels[0] != labels[1]:
            raise DataError(
                f"{place} is another one each time, as of a random transform; leave that out, and "
                "ask for task.augmentation instead"
            )


def _some(count: int) -> Iterator[int]:
    """Up to `AGAIN` places, spread over all."""
    return iter(sorted({place * (count - 1) // max(AGAIN - 1, 1) for place in range(AGAIN)}))


def _pair(place: str, item: Any) -> tuple[Any, Any]:
    if isinstance(item, tuple | list) and len(item) == 2:
        return item[0], item[1]
    found = f"{len(item)} values" if isinstance(item, tuple | list) else type(item).__name__
    raise DataError(f"{place} is {found}; let it be (image, label)")


def _label(place: str, item: Any) -> int:
    label = _pair(place, item)[1]
    if label is None:
        raise DataError(f"{place} has no label; give one, or leave it out")
    value = label.numpy() if isinstance(label, Tensor) else np.asarray(label)
    if value.dtype.kind in "US":
        raise DataError(
            f"{place} has the label {str(label)[:40]!r}, a text; number the classes from 0, and "
            "name them in the data set's `classes`"
        )
    if value.dtype.kind not in "iu" or value.size != 1:
        raise DataError(
            f"{place} has a label of {value.dtype} and shape {value.shape}; give a class number "
            "from 0"
        )
    number = int(value.reshape(()))
    if number < 0:
        raise DataError(f"{place} has the label {number}; number the classes from 0")
    return number


def _input(place: str, item: Any, labelled: bool) -> Array:
    """Pixels (channels, height, width) of 8 bits, or float32 values (n,)."""
    pair = isinstance(item, tuple | list) and len(item) == 2
    image = _pair(place, item)[0] if labelled or pair else item
    if isinstance(image, Image.Image):
        with refusals(place):
            return from_image(image)
    if not isinstance(image, Tensor | np.ndarray):
        raise DataError(
            f"{place} holds {type(image).__name__} as its image; give a PIL image, a tensor or a "
            "NumPy array"
        )
    values = image.detach().cpu().numpy() if isinstance(image, Tensor) else image
    if values.ndim == 1 and values.dtype.kind == "f":
        return _finite(place, values.astype(np.float32))
    if values.ndim == 3 and isinstance(image, np.ndarray):
        values = values.transpose(2, 0, 1)
    if values.ndim == 2:
        values = values[np.newaxis]
    if values.ndim != 3 or values.shape[0] not in CHANNELS or 0 in values.shape:
        wanted = "(channels, height, width)" if isinstance(image, Tensor) else "channels last"
        raise DataError(
            f"{place} is of shape {tuple(image.shape)}; give an image of 1 to 4 channels, of a "
            f"{type(image).__name__} {wanted}"
        )
    return _pixels(place, values)


def _pixels(place: str, values: Array) -> Array:
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    if values.dtype == np.uint16:
        return scaled(values, 16)
    if values.dtype not in (np.float32, np.float64):
        raise DataError(f"{place} holds {values.dtype}; {_TOTENSOR}")
    as_stored = _finite(place, values).astype(np.float64) * 255.0
    whole = as_stored.round()
    if whole.min() < 0 or whole.max() > 255 or np.abs(as_stored - whole).max() > ROUNDING:
        low, high = values.min(), values.max()
        raise DataError(
            f"{place} holds {values.dtype} from {low:g} to {high:g}, which are no 8-bit values "
            f"divided by 255; {_TOTENSOR}"
        )
    return whole.astype(np.uint8)


def _finite(place: str, values: Array) -> Array:
    if not np.isfinite(values).all():
        raise DataError(f"{place} holds values that are not finite; repair it or leave it out")
    return values
