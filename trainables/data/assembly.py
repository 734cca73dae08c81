"""From the labelled splits that a data set has to the source that it makes.

Where validation examples stand beside training examples without a test split, they serve as that;
of training examples alone a fifth is drawn. What was chosen so is said in a note.
"""

from collections.abc import Mapping, Sequence

import torch

from trainables.data.arrays import classes_of
from trainables.data.examples import Examples, Source, no_examples
from trainables.data.layout import a_fifth
from trainables.errors import DataError

Called = Mapping[str, str]  # split → what its images or labels are called


def assembled(
    name: str,
    given: Mapping[str, Examples],
    images: Called,
    labels: Called,
    notes: tuple[str, ...] = (),
    class_names: Sequence[str] = (),
) -> Source:
    """The source of these splits, of `train`, `validation` and `test`.

    Args:
        class_names: where they are known, of those classes at least that there are.

    Raises:
        DataError: the splits do not go together, or their labels are no classes.
    """
    classes = classes_of(name, given, labels)
    splits, chosen = _completed(name, given, images)
    test = splits["test"]
    for split, content in given.items():
        ours, expected = tuple(content.inputs.shape[1:]), tuple(test.inputs.shape[1:])
        if ours != expected:
            raise DataError(
                f"{name}: {images[split]} holds images of (channels, height, width) {ours} and "
                f"{images.get('test', 'the test split')} of {expected}; give all splits one size"
            )
    known = len(class_names) >= classes
    names = tuple(class_names[:classes]) if known else tuple(map(str, range(classes)))
    train, validation = splits.get("train", no_examples(test)), splits.get("validation")
    return Source(name, train, validation, test, names, notes=(*notes, *chosen))


def _completed(
    name: str, given: Mapping[str, Examples], keys: Mapping[str, str]
) -> tuple[dict[str, Examples], tuple[str, ...]]:
    """With a test split, and with a note where it was chosen."""
    if "test" in given:
        return dict(given), ()
    train = given["train"]
    if "validation" in given:
        note = (
            f"There is no test split: {keys['validation']} serves as that, and validation "
            "examples are held out of training."
        )
        return {"train": train, "test": given["validation"]}, (note,)
    rows: dict[str, list[int]] = {"train": [], "test": []}
    for label in range(int(train.labels.max()) + 1):
        members = torch.nonzero(train.labels == label).flatten().tolist()
        if len(members) < 2:
            raise DataError(
                f"{name}: {keys['train']} holds {len(members)} images of label {label}; "
                "give 2 or more of each, to train and test"
            )
        kept, drawn = a_fifth(str(label), members)
        rows["train"] += kept
        rows["test"] += drawn
    splits = {s: Examples(train.inputs[chosen], train.labels[chosen]) for s, chosen in rows.items()}
    note = (
        f"{keys['train']} stands alone: a fifth of each class, {len(rows['test'])} images in all, "
        "is drawn as the test split."
    )
    return splits, (note,)
