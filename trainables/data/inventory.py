"""What was found in a source: for the user to see before a number is believed.

`Inventory` is a plain value, which goes into the plan; `sentences` puts it into words, the same in
a dry run, at a launch, in MLflow and at the head of a report. `trainables.data.inspection` makes
one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from trainables.config.base import Kind

FEW = 10  # training examples of a class, under which it is named
_NAMED = 12  # classes or endings, before the others are only counted


@dataclass(frozen=True)
class Inventory:
    """Of one source, for training or as examples never seen."""

    name: str  # as the user wrote it
    role: str  # "data" or "ood"
    kind: Kind
    shape: tuple[int, ...]  # of a stored example
    classes: tuple[str, ...]  # names; empty of a text, whose classes are its tokens
    examples: Mapping[str, int]  # by split
    training_by_class: tuple[int, ...]  # in the order of `classes`; empty where it is not labelled
    seen: Mapping[str, int]  # split → its examples that are training examples too
    left_out: Mapping[str, int]  # files, by ending or by place
    notes: tuple[str, ...]  # on what was chosen for the user

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "sentences": list(sentences(self))}


def sentences(found: Inventory) -> Iterator[str]:
    """The inventory in words; the first says what there is, each other one what to look at."""
    what = _what(found)
    if found.role == "ood":
        yield f"Out of distribution {found.name}: {_counted(found)} {what}{_shaped(found)}."
    else:
        classes = f", {len(found.classes)} classes: {_listed(found.classes)}"
        yield (
            f"Data {found.name}: {_counted(found)} {what}{_shaped(found)}"
            f"{classes if found.classes else ''}."
        )
    yield from found.notes
    if found.left_out:
        files = sum(found.left_out.values())
        by_kind = [f"{count} {kind}" for kind, count in found.left_out.items()]
        yield f"{_files(files)} left out of {found.name}: {_listed(by_kind)}."
    few = [
        f"{name} ({count})"
        for name, count in zip(found.classes, found.training_by_class, strict=False)
        if count < FEW
    ]
    if few:
        yield f"Classes with fewer than {FEW} training {what}: {_listed(few)}."
    for split, count in found.seen.items():
        if count:
            of = "out-of-distribution" if found.role == "ood" else split
            yield (
                f"{count:,} of {found.examples[split]:,} {of} {what} of {found.name} "
                f"{'is' if count == 1 else 'are'} in the training set too."
            )


def _what(found: Inventory) -> str:
    if found.kind == "language":
        return "texts"
    return "images" if len(found.shape) == 3 else "examples"


def _counted(found: Inventory) -> str:
    if found.role == "ood":
        return f"{found.examples['test']:,}"
    parts = [f"{count:,} {split}" for split, count in found.examples.items()]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _shaped(found: Inventory) -> str:
    match found.shape:
        case (channels, height, width):
            kind = {1: "in grey", 3: "in colour"}.get(channels, f"of {channels} channels")
            return f" of {width}×{height} pixels {kind}"
        case (context,):
            return f" of {context} {'tokens' if found.kind == 'language' else 'values'}"
        case shape:
            return f" of shape {shape}"


def _files(count: int) -> str:
    return "1 file is" if count == 1 else f"{count:,} files are"


def _listed(names: tuple[str, ...] | list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
