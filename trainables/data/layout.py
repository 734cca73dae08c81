"""Which files of a folder are which split and class, by the names of its folders.

    PATH/train/<class>/*   PATH/test/<class>/*   and, if wanted, PATH/validation/<class>/*
    PATH/<class>/*         alone, as PATH/train/<class>/* alone: of each class a fifth, drawn once
                           for all, is the test split

`SPLITS` has the other names of splits, in any case of letters. Where validation stands beside train
without a test split, it serves as that. What was chosen so is said in a note; what could mean two
things, such as folders of masks or class folders that all hold the same folders, is refused.
"""

import random
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from trainables.data.files import ENDINGS, Listing, images_under, listing
from trainables.errors import DataError, shown

SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
TEST_FRACTION = 0.2

# names of folders whose images belong to those of another folder, or may
MASKS = {
    *("masks", "mask", "labels", "label", "annotations", "annotation", "trimaps"),
    *("segmentationclass", "segmentationobject", "groundtruth", "ground_truth", "gt"),
}
_PARTS = {*MASKS, "images", "image", "imgs", "img", "jpegimages"}
# other words for splits, of which it is not clear which they mean
_UNCLEAR = {"eval", "evaluation", "holdout", "heldout", "development", "trainval", "trn", "tst"}

Files = dict[str, list[Path]]  # by class name
Item = TypeVar("Item")


class Layout(NamedTuple):
    splits: dict[str, Files]  # `test` is always there
    notes: tuple[str, ...]
    left_out: Counter[str]


def layout(name: str, root: Path) -> Layout:
    """The splits and classes under `root`, for the source `name`.

    Raises:
        DataError: says what was found and what to do.
    """
    left_out: Counter[str] = Counter()
    top = listing(name, root, left_out)
    folders = _splits(name, top)
    if not folders or _is_class_train(name, folders, top):
        splits, notes = _drawn(name, _classes(name, root, top, left_out))
        if folders:
            notes = (*notes, f"The folder {folders['train'].name} is taken for a class.")
        return Layout(splits, notes, left_out)
    for folder in top.folders:
        if folder not in folders.values():
            beside = next(iter(folders.values())).name
            raise DataError(
                f"{name}: the folder {shown(folder.name)!r} stands beside {beside}/, which is "
                "named as a split is; rename it to train, validation or test, or move it away, "
                f"or rename {beside}/ if both are classes"
            )
    _count_loose(top, left_out)
    given = {s: _classes_of_split(name, folder, left_out) for s, folder in folders.items()}
    splits, notes = _completed(name, given, folders)
    _check_classes(name, splits, folders)
    return Layout(splits, notes, left_out)


def layout_of_ood(name: str, root: Path) -> Layout:
    """As `layout`, and where that is refused all images of the test split, or of the whole folder,
    as one class: out-of-distribution data need none."""
    try:
        return layout(name, root)
    except DataError:
        left_out: Counter[str] = Counter()
        tests = [f for f in listing(name, root, Counter()).folders if _split_of(f) == "test"]
        folder = tests[0] if len(tests) == 1 else root
        images = images_under(name, folder, left_out)
        if not images:
            raise
    _check_masks(name, folder, images)
    where = f" in {tests[0].name}/" if len(tests) == 1 else ""
    note = f"All {len(images)} images{where} serve as out-of-distribution data, without classes."
    return Layout({"test": {"images": images}}, (note,), left_out)


def a_fifth(label: str, members: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """The (training, test) members of a class, the same in every run."""
    # of Python's generators, random() alone is promised to repeat in every version
    draw = random.Random(label.encode("utf-8", "surrogateescape")).random
    order = sorted(range(len(members)), key=[draw() for _ in members].__getitem__)
    shuffled = [members[place] for place in order]
    tests = max(1, round(TEST_FRACTION * len(members)))
    return shuffled[tests:], shuffled[:tests]


def _split_of(folder: Path) -> str | None:
    return SPLITS.get(folder.name.lower())


def _splits(name: str, top: Listing) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in top.folders:
        split = _split_of(folder)
        if split is None:
            continue
        if split in found:
            raise DataError(
                f"{name}: {found[split].name}/ and {folder.name}/ both mean the {split} split; "
                "put their images together, or move one away"
            )
        found[split] = folder
    return {split: found[split] for split in ("train", "validation", "test") if split in found}


def _is_class_train(name: str, folders: dict[str, Path], top: Listing) -> bool:
    """Whether `train` is a class, such as of vehicles: it holds images alone, as others do."""
    if list(folders) != ["train"] or len(top.folders) < 3:
        return False
    return not _inside(name, folders["train"]).folders


def _inside(name: str, folder: Path) -> Listing:
    """What lies in a folder, without counting it."""
    return listing(name, folder, Counter())


def _completed(
    name: str, given: dict[str, Files], folders: dict[str, Path]
) -> tuple[dict[str, Files], tuple[str, ...]]:
    """With a test split, and with a note where it was chosen."""
    if "test" in given:
        return given, ()
    if "train" not in given:
        alone = folders["validation"].name
        raise DataError(f"{name}: {alone}/ stands alone; give train/ too, or call it test/")
    if "validation" not in given:
        return _drawn(name, given["train"], f"{folders['train'].name}/ stands alone: ")
    note = (
        f"There is no test split: {folders['validation'].name}/ serves as that, and validation "
        "examples are held out of training."
    )
    return {"train": given["train"], "test": given["validation"]}, (note,)


def _drawn(name: str, files: Files, why: str = "") -> tuple[dict[str, Files], tuple[str, ...]]:
    """A fifth of each class as the test split."""
    _at_least_two(name, files)
    splits: dict[str, Files] = {"train": {}, "test": {}}
    for label, paths in files.items():
        if len(paths) < 2:
            raise DataError(
                f"{name}: {shown(label)!r} holds one image; give 2 or more, to train and test"
            )
        splits["train"][label], splits["test"][label] = a_fifth(label, paths)
    drawn = sum(map(len, splits["test"].values()))
    note = f"{why}a fifth of each class, {drawn} images in all, is drawn as the test split."
    return splits, (note[0].upper() + note[1:] if not why else note,)


def _at_least_two(name: str, files: Files) -> None:
    if len(files) < 2:
        found = f"only the class {shown(next(iter(files)))!r}" if files else "no class folder"
        raise DataError(f"{name}: {found}; give at least 2 folders of images, one per class")


def _classes_of_split(name: str, folder: Path, left_out: Counter[str]) -> Files:
    found = listing(name, folder, left_out)
    if not found.folders:
        loose = f", its {len(found.images)} images lie beside each other" if found.images else ""
        raise DataError(
            f"{name}: {folder.name}/ holds no class folder{loose}; "
            f"give {folder.name}/<class>/ with images"
        )
    return _classes(name, folder, found, left_out)


def _classes(name: str, folder: Path, found: Listing, left_out: Counter[str]) -> Files:
    """The image files of each class folder in `folder`, of which `found` was found."""
    _check_wrapper(name, folder, found)
    _check_names(name, found)
    _check_inside(name, found)
    _check_links(name, folder, found)
    _count_loose(found, left_out)
    files = {}
    for sub in found.folders:
        before = left_out.copy()
        files[sub.name] = images_under(name, sub, left_out)
        if not files[sub.name]:
            others = ", ".join(f"{n} {kind}" for kind, n in (left_out - before).items())
            raise DataError(
                f"{name}: {shown(sub)} holds no image{f' but {others}' if others else ''}; "
                f"accepted: {', '.join(sorted(ENDINGS))}"
            )
        _check_masks(name, sub, files[sub.name])
    return files


def _check_masks(name: str, folder: Path, images: Sequence[Path]) -> None:
    for path in images:
        for part in path.relative_to(folder).parts[:-1]:
            if part.lower() in MASKS:
                raise DataError(
                    f"{name}: {shown(folder)} holds the folder {part!r}, as if of masks and not "
                    "of images; give a folder that holds images alone, or rename it"
                )


def _count_loose(found: Listing, left_out: Counter[str]) -> None:
    if found.images:
        left_out["beside the class folders"] += len(found.images)


def _check_wrapper(name: str, folder: Path, found: Listing) -> None:
    """That it is not a folder further in which is meant."""
    if not found.folders and found.images:
        raise DataError(
            f"{name}: its {len(found.images)} images lie beside each other; "
            "give at least 2 folders of images, one per class"
        )
    inner, where = found, folder
    while len(inner.folders) == 1 and _split_of(inner.folders[0]) is None:
        where = inner.folders[0]
        inner = _inside(name, where)
    if where != folder and inner.folders and _split_of(folder) is None:
        raise DataError(
            f"{name}: its only folder is {shown(found.folders[0].name)!r}, and class folders "
            f"lie further in; give folder:{shown(where)}"
        )


def _check_names(name: str, found: Listing) -> None:
    """That no class is named as a split or a part of an example is."""
    names = [folder.name for folder in found.folders]
    for label in names:
        if label.lower() in _PARTS:
            raise DataError(
                f"{name}: the folder {label!r} looks like a part of each example and not like a "
                f"class (found: {_some(names)}); give a folder of class folders, or rename it"
            )
        is_split = label.lower() in SPLITS and label.lower() != "train"
        if is_split or label.lower() in _UNCLEAR:
            raise DataError(
                f"{name}: the folder {label!r} looks like a split and not like a class (found: "
                f"{_some(names)}); name splits train, validation and test, or rename the class"
            )
    meant = {split for label in names for split in _splits_in(label)}
    if len(meant) > 1 and all(map(_splits_in, names)):
        raise DataError(
            f"{name}: the folders {_some(names)} look like splits and not like classes; "
            "name them train, validation and test"
        )


def _splits_in(label: str) -> set[str]:
    """The splits of which a name speaks: train of `training_set`, `TrainImages` and `train2017`."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", label)
    return {SPLITS[word.lower()] for word in words if word.lower() in SPLITS}


def _check_inside(name: str, found: Listing) -> None:
    """That it is the outer folders that are the classes, not those within them."""
    within = [{sub.name for sub in _inside(name, folder).folders} for folder in found.folders]
    for folder, subs in zip(found.folders, within, strict=True):
        splits = sorted(sub for sub in subs if sub.lower() in SPLITS)
        if splits:
            raise DataError(
                f"{name}: the folder {shown(folder.name)!r} holds {splits[0]}/; give one that "
                f"holds the splits, such as folder:{shown(folder)}, or put the classes into them"
            )
    shared = set.intersection(*within) if len(within) > 1 else set()
    if len(shared) > 1:
        names = [folder.name for folder in found.folders]
        raise DataError(
            f"{name}: the folders {_some(names)} all hold the folders {_some(sorted(shared))}: "
            "which are the classes? give a folder that holds these, or put the images of each "
            "class directly into its folder"
        )


def _check_links(name: str, folder: Path, found: Listing) -> None:
    """That no two class folders are the same one, nor one that holds them."""
    seen = {parent: str(parent) for parent in (folder.resolve(), *folder.resolve().parents)}
    for sub in found.folders:
        real = sub.resolve()
        if real in seen:
            raise DataError(
                f"{name}: {shown(sub)} is a link to {shown(seen[real])}, which is found already; "
                "remove the link"
            )
        seen[real] = str(sub)


def _check_classes(name: str, splits: dict[str, Files], folders: dict[str, Path]) -> None:
    """That all splits speak of the same classes."""
    if "train" in splits:
        _at_least_two(name, splits["train"])
    known = splits.get("train", splits["test"]).keys()
    by_letters = {label.lower(): label for label in known}
    for split, files in splits.items():
        where = folders.get(split, folders.get("validation"))
        for label in sorted(files.keys() - known):
            folder = f"{where.name if where else split}/{shown(label)}"
            alike = by_letters.get(label.lower())
            if alike is not None:
                raise DataError(
                    f"{name}: {folder} and {alike} of train/ differ in capital letters only; "
                    "use the same class names"
                )
            raise DataError(f"{name}: {folder} is no class of train/; use the same class names")


def _some(names: Sequence[str]) -> str:
    few = ", ".join(shown(label) for label in names[:4])
    return few if len(names) <= 4 else f"{few} and {len(names) - 4} more"
