"""What a folder's names mean: splits, classes, what is left out, and what is refused."""

import os
import random
import socket

import numpy as np
import pytest
from pictures import classes, images
from PIL import Image
from support import one_line

from trainables.data.layout import SPLITS
from trainables.data.sources import load


def sizes(source):
    """Examples of train, validation and test; None where there is no such split."""
    splits = (source.train, source.validation, source.test)
    return tuple(None if split is None else len(split) for split in splits)


# --- splits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SPLITS, "Train", "VAL", "Testing", "tEsT", "Valid"])
def test_a_split_may_have_any_of_its_names_in_any_case(tmp_path, name):
    counts = {"train": 3, "validation": 2, "test": 4}
    for split, count in counts.items():
        classes(tmp_path / (name if SPLITS[name.lower()] == split else split), count)
    source = load(f"folder:{tmp_path}")
    assert sizes(source) == (6, 4, 8)
    assert (source.class_names, source.notes, source.left_out) == (("ant", "bee"), (), {})


@pytest.mark.parametrize(
    ("one", "two"), [("Train", "training"), ("val", "dev"), ("test", "Testing"), ("valid", "val")]
)
def test_two_folders_of_one_split_are_refused(tmp_path, one, two):
    for split in (one, two):
        classes(tmp_path / split)
    says = "both mean the"
    one_line(lambda: load(f"folder:{tmp_path}"), f"{one}/", f"{two}/", says, "move one away")


def test_of_train_alone_a_fifth_is_drawn_as_of_class_folders(tmp_path):
    classes(tmp_path / "train", 10)
    source = load(f"folder:{tmp_path}")
    assert sizes(source) == (16, None, 4)
    assert source.digest == load(f"folder:{tmp_path / 'train'}").digest
    (note,) = source.notes
    assert note.startswith("train/ stands alone: a fifth of each class, 4 images")


def test_the_fifth_is_that_of_pythons_generator_seeded_by_the_class(tmp_path):
    classes(tmp_path, 10)
    source = load(f"folder:{tmp_path}")
    draw = random.Random("ant").random
    drawn = [number for _, number in sorted((draw(), number) for number in range(10))]
    expected = [np.asarray(Image.open(tmp_path / f"ant/{number}.png")) for number in drawn]
    found = np.concatenate([source.test.inputs[:2], source.train.inputs[:8]])
    assert (found.transpose(0, 2, 3, 1) == np.stack(expected)).all()
    assert source.notes == ("A fifth of each class, 4 images in all, is drawn as the test split.",)


def test_without_a_test_split_validation_serves_as_that(tmp_path):
    classes(tmp_path / "Train", 4)
    classes(tmp_path / "Val", 3)
    source = load(f"folder:{tmp_path}")
    assert sizes(source) == (8, None, 6)
    (note,) = source.notes
    assert "no test split: Val/ serves as that" in note
    assert "held out of training" in note


def test_a_vehicle_class_named_train_stays_a_class_and_a_note_says_so(tmp_path):
    classes(tmp_path, names=("boat", "car", "train"))
    source = load(f"folder:{tmp_path}")
    assert source.class_names == ("boat", "car", "train")
    assert "The folder train is taken for a class." in source.notes


def test_images_beside_the_folders_are_left_out_and_counted(tmp_path):
    for split in ("train", "test"):
        classes(tmp_path / split)
        images(tmp_path / split, 2)
    images(tmp_path, 3)
    source = load(f"folder:{tmp_path}")
    assert sizes(source) == (10, None, 10)
    assert source.left_out == {"beside the class folders": 7}


# --- what is left out -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [".ipynb_checkpoints", ".git", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "lost+found", "#recycle"],
)
@pytest.mark.parametrize("depth", ["", "train", "train/ant", "train/ant/deeper", "test/bee"])
def test_folders_that_systems_leave_are_left_out_at_every_depth(tmp_path, place, depth):
    for split in ("train", "test"):
        classes(tmp_path / split)
    before = load(f"folder:{tmp_path}")
    images(tmp_path / depth / place, 2)
    images(tmp_path / depth / place / "deeper", 1)
    source = load(f"folder:{tmp_path}")
    assert source.left_out == {f"{place}/": 3}
    assert source.digest == before.digest


def test_other_files_are_left_out_and_counted_by_ending(tmp_path):
    classes(tmp_path)
    before = load(f"folder:{tmp_path}")
    deeper = tmp_path / "ant" / "deeper"
    deeper.mkdir()
    names = ["a.txt", "b.TXT", "c.gif", "._0.png", ".DS_Store", "Thumbs.db", "README", "d.2024"]
    for name in names:
        (deeper / name).write_text("no image")
    source = load(f"folder:{tmp_path}")
    assert source.left_out == {".txt": 2, ".gif": 1, "hidden": 2, ".db": 1, "no known ending": 2}
    assert source.digest == before.digest


def test_what_is_no_regular_file_is_left_out_without_waiting_for_it(tmp_path, monkeypatch):
    classes(tmp_path)
    before = load(f"folder:{tmp_path}")
    os.mkfifo(tmp_path / "ant" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(tmp_path)  # a socket's path is short
        listening.bind("ant/socket.png")
    (tmp_path / "ant" / "device.png").symlink_to("/dev/zero")
    (tmp_path / "ant" / "gone.png").symlink_to("nowhere")
    (tmp_path / "ant" / "circle.png").symlink_to("circle.png")
    source = load(f"folder:{tmp_path}")
    assert source.left_out == {"pipes, sockets and devices": 3, "broken links": 2}
    assert source.digest == before.digest


def test_links_to_files_and_class_folders_are_followed_and_others_lead_nowhere(tmp_path):
    root = tmp_path / "data"
    classes(root)
    digest = load(f"folder:{root}").digest
    (root / "bee").rename(tmp_path / "elsewhere")
    (root / "bee").symlink_to(tmp_path / "elsewhere")
    (root / "ant" / "0.png").rename(tmp_path / "0.png")
    (root / "ant" / "0.png").symlink_to(tmp_path / "0.png")
    (root / "ant" / "circle").symlink_to(root)
    source = load(f"folder:{root}")
    assert source.digest == digest
    assert source.left_out == {"links to folders": 1}
    (root / "cow").symlink_to(root / "ant")
    one_line(lambda: load(f"folder:{root}"), "cow is a link to", "ant", "remove the link")
    (root / "cow").unlink()
    (root / "cow").symlink_to(root)
    one_line(lambda: load(f"folder:{root}"), "cow is a link to", "remove the link")


def test_a_folder_named_as_an_image_is_a_folder(tmp_path):
    classes(tmp_path)
    before = load(f"folder:{tmp_path}").digest
    (tmp_path / "ant" / "x.png").mkdir()
    assert load(f"folder:{tmp_path}").digest == before


# --- what is refused ------------------------------------------------------------------------------


# five images in each folder, none where it ends in /; a file is no image
REFUSED = [
    ([], "no class folder", "at least 2 folders"),
    (["ant"], "only the class 'ant'", "at least 2 folders"),
    (["train/ant", "test/ant"], "only the class 'ant'", "at least 2 folders"),
    (["ant", "bee", "cow/"], "cow holds no image", ".png"),
    (["ant", "bee", "cow/a.txt"], "cow holds no image but 1 .txt; accepted", ".png"),
    (["ant", "bee", "ant/a.png", "bee/a.png"], "a.png cannot be decoded", "repair or remove"),
    (["train/ant", "train/bee", "test/"], "test/ holds no class folder", "test/<class>/"),
    (["train", "test"], "train/ holds no class folder, its 5 images lie", "train/<class>/"),
    (["train/a", "train/b", "test"], "test/ holds no class folder, its 5", "test/<class>/"),
    (["train/a", "train/b", "extra/a"], "'extra' stands beside train", "rename it"),
    (["cat", "dog", "test"], "'cat' stands beside test/", "if both are classes"),
    (["valid", "invalid"], "'invalid' stands beside valid/", "if both are classes"),
    ([""], "its 5 images lie beside each other", "one per class"),
    (["val/a", "val/b"], "val/ stands alone", "call it test/"),
    (["images", "masks"], "'images' looks like a part of each", "class folders"),
    (["train/a", "train/Labels", "test/a"], "'Labels' looks like a part", "rename it"),
    (["cat", "dog", "dog/masks"], "dog holds the folder 'masks'", "images alone"),
    (["cat", "dog", "eval"], "'eval' looks like a split", "rename the class"),
    (["train/a", "train/test", "test/a"], "'test' looks like a split", "rename"),
    (["training_set/a", "test_set/a"], "test_set, training_set look like", "name them train"),
    (["TrainImages", "ValImages"], "look like splits and not like classes", "name them"),
    (["train2017", "val2017"], "look like splits and not like classes", "name them"),
    (["a/cat", "a/dog", "b/cat", "b/dog"], "a, b all hold the folders cat, dog", "which"),
    (["train/a/l", "train/a/r", "train/b/l", "train/b/r"], "all hold the folders", "which"),
    (["cat/train", "cat/test", "dog/train", "dog/test"], "'cat' holds test/", "splits"),
    (["x/train/a", "x/test/a", "y/train/a", "y/test/a"], "'x' holds test/", "/x, or put"),
    (["train/Cat", "train/dog", "test/cat"], "test/cat and Cat of train/", "same class"),
    (["train/a", "train/b", "val/a", "val/c"], "val/c is no class", "same class names"),
    (["train/a", "train/b", "test/a", "test/c"], "test/c is no class of train/", "same class"),
]


@pytest.mark.parametrize(("paths", "value", "remedy"), REFUSED)
def test_what_can_mean_two_things_or_nothing_is_refused(tmp_path, paths, value, remedy):
    for path in paths:
        if path.endswith("/"):
            (tmp_path / path).mkdir(parents=True)
        elif "." in path:
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text("no image")
        else:
            images(tmp_path / path)
    one_line(lambda: load(f"folder:{tmp_path}"), f"folder:{tmp_path}: ", value, remedy)


@pytest.mark.parametrize("inner", ["a/b", "a", "images"])
def test_a_folder_around_the_classes_is_named_and_the_path_that_is_given_works(tmp_path, inner):
    for root in (tmp_path / "one" / inner, tmp_path / "two" / inner / "Train"):
        classes(root)
    for root in (tmp_path / "one", tmp_path / "two"):
        with pytest.raises(ValueError, match="give folder:") as raised:
            load(f"folder:{root}")
        given = str(raised.value).partition("give ")[2]
        assert given == f"folder:{root / inner}"
        assert sizes(load(given)) == (8, None, 2)


def test_class_folders_may_hold_folders_of_their_own(tmp_path):
    for folder in ("n01/images", "n02/images", "n01", "n02/left", "n02/right"):
        images(tmp_path / folder)
    assert sizes(load(f"folder:{tmp_path}")) == (20, None, 5)


@pytest.mark.parametrize(
    "names", [("test_tube", "vase"), ("valid_pass", "expired_pass"), ("0", "1")]
)
def test_ordinary_class_names_stay_class_names(tmp_path, names):
    classes(tmp_path, names=names)
    assert load(f"folder:{tmp_path}").class_names == tuple(sorted(names))


# --- as out-of-distribution data ------------------------------------------------------------------


def test_ood_images_need_neither_classes_nor_one_size(tmp_path):
    images(tmp_path, 3, (9, 7))
    images(tmp_path / "deeper", 2, (5, 6), start=3)
    source = load(f"folder:{tmp_path}", as_ood=True, size=(4, 3))
    assert sizes(source) == (0, None, 5)
    assert source.shape == (3, 4, 3)
    for row, name in enumerate(["0.png", "1.png", "2.png", "deeper/3.png", "deeper/4.png"]):
        with Image.open(tmp_path / name) as image:
            expected = np.asarray(image.resize((3, 4), Image.Resampling.BILINEAR))
        assert (source.test.inputs[row].permute(1, 2, 0).numpy() == expected).all()
    assert source.notes == ("All 5 images serve as out-of-distribution data, without classes.",)


@pytest.mark.parametrize(
    ("folders", "counts"),
    [
        (["only"], (0, None, 5)),
        (["train/a", "test"], (0, None, 5)),
        (["train/a", "test/b"], (0, None, 5)),
        (["a/b/c/d"], (0, None, 5)),
        (["Training", "Testing/x/y"], (0, None, 5)),
        (["a/x", "a/y", "b/x", "b/y"], (0, None, 20)),
        (["val"], (0, None, 5)),
        # as other data, so that trials that were run stay what they are
        (["test/a"], (0, None, 5)),
        (["a", "b"], (8, None, 2)),
        (["train/a", "train/b", "val/a"], (10, None, 5)),
    ],
)
def test_ood_images_of_any_layout_serve(tmp_path, folders, counts):
    for folder in folders:
        images(tmp_path / folder)
    source = load(f"folder:{tmp_path}", as_ood=True, size=(4, 4))
    assert sizes(source) == counts
    if counts[2] != 5 or folders != ["test/a"]:
        assert source.notes


def test_ood_images_that_serve_as_other_data_too_are_the_same(tmp_path):
    classes(tmp_path)
    name = f"folder:{tmp_path}"
    assert load(name, as_ood=True, size=(2, 2)).digest == load(name).digest


def test_masks_are_no_ood_images(tmp_path):
    images(tmp_path / "images")
    images(tmp_path / "masks")
    name = f"folder:{tmp_path}"
    one_line(lambda: load(name, as_ood=True, size=(4, 4)), "'masks'", "images alone")
    assert sizes(load(f"{name}/images", as_ood=True, size=(4, 4))) == (0, None, 5)


def test_ood_without_an_image_or_with_one_that_is_damaged_is_refused(tmp_path):
    name = f"folder:{tmp_path}"
    one_line(lambda: load(name, as_ood=True), "no class folder", "images")
    (tmp_path / "a.png").write_text("no image")
    one_line(lambda: load(name, as_ood=True), "a.png cannot be decoded", "repair or remove")
