"""The data are looked at once, and what they cannot give is told before anything runs."""

import shutil
from functools import partial

import numpy as np
import pytest
from support import refusal, trial_of

from sweep.inputs.datasets import Sources
from trainables.config.trial import Data
from trainables.errors import DataError

trial = partial(trial_of, {"data.validation": 20, "data.examples": 50})


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("npz")
    rng = np.random.default_rng(0)

    def write(name, shape=(80, 8, 8), tests=30):
        x = rng.integers(0, 256, shape, np.uint8)
        y = np.arange(shape[0]) % 4
        path = folder / f"{name}.npz"
        np.savez(path, x_train=x, y_train=y, x_test=x[:tests], y_test=y[:tests])
        return f"npz:{path}"

    return write


def test_facts_are_those_of_the_data(sources):
    facts = sources.resolve(trial()).facts
    photos = sources.get(Data(), "photos")
    assert (facts.digest, facts.shape, facts.classes) == (photos.digest, (3, 32, 32), 10)
    assert facts.ood_digest == sources.get(Data(), "photos_ood").digest
    assert facts.mean is not None
    assert sources.resolve(trial(data__ood=None)).facts.ood_digest is None


def test_a_set_without_stated_constants_takes_those_of_the_subset(sources, archive):
    grey = {"data__source": archive("grey"), "data__ood": None}
    assert sources.resolve(trial(**grey)).facts.mean is None
    assert sources.resolve(trial(data__normalisation="subset")).facts.std is None
    assert sources.resolve(trial(data__normalisation="cifar10")).facts.mean[0] == 0.49139968
    line = refusal(sources.resolve, trial(**grey, data__normalisation="cifar10"))
    assert f"is for 3 channels and {grey['data__source']} has 1; use subset" in line


def test_a_name_is_loaded_once(sources):
    assert sources.get(Data(), "photos") is sources.get(Data(), "photos")


def test_the_same_images_under_another_name_are_the_same_trial(sources, archive):
    one = archive("one")
    two = one.replace("one.npz", "two.npz")
    shutil.copy(one.removeprefix("npz:"), two.removeprefix("npz:"))
    ids = {sources.resolve(trial(data__source=s, data__ood=None)).trial_id for s in (one, two)}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data__examples": 4001}, "data.examples: 4001 asked for, photos has 4000"),
        ({"data__validation": 1001}, "data.validation: 1001 asked for, photos has 1000"),
        ({"data__test": 2001}, "data.test: 2001 asked for, photos has 2000"),
        ({"data__ood_examples": 2001}, "data.ood_examples: 2001 asked for, photos_ood has 2000"),
        ({"data__source": "photos_ood"}, "photos_ood holds no training examples"),
        ({"data__source": "text"}, "photos_ood are images of shape (3, 32, 32), those of text"),
        ({"data__ood": "text_ood"}, "text_ood are texts of 64 tokens, those of photos images"),
        ({"data__source": "points", "data__ood": "text"}, "of points values of shape (2,)"),
        ({"data__source": "grey", "data__ood": None, "data__examples": 61}, "has 60; give at most"),
    ],
)
def test_more_than_there_is_is_refused(sources, archive, changes, says):
    if changes.get("data__source") == "grey":
        changes = changes | {"data__source": archive("small")}
    assert says in refusal(sources.resolve, trial(**changes))


@pytest.mark.parametrize(
    ("changes", "shape", "mean"),
    [
        ({"data__source": "grey"}, (1, 8, 8), None),
        ({"data__source": "grey", "data__channels": 3, "data__resize": 16}, (3, 16, 16), None),
        ({"data__channels": 1, "data__resize": 64}, (1, 64, 64), None),
        ({"data__resize": 64}, (3, 64, 64), 0.49304313),
        ({"data__normalisation": "imagenet"}, (3, 32, 32), 0.485),
        ({"data__source": "text", "data__ood": "text_ood"}, (64,), ()),
        ({"data__source": "points", "data__ood": "points_ood"}, (2,), ()),
    ],
)
def test_images_are_brought_to_the_size_and_channels_that_are_asked_for(
    sources, archive, changes, shape, mean
):
    if changes.get("data__source") == "grey":
        changes = changes | {"data__source": archive("grey")}
    facts = sources.resolve(trial(**changes)).facts
    assert facts.shape == shape
    assert (facts.mean[0] if facts.mean else facts.mean) == mean


def test_of_some_classes_there_are_so_many_outputs_and_so_many_examples(sources):
    whole, few = sources.resolve(trial()), sources.resolve(trial(data__classes=2))
    assert (whole.facts.classes, few.facts.classes) == (10, 2)
    assert whole.facts.digest == few.facts.digest
    all_of_them = sources.resolve(trial(data__classes=10))
    assert all_of_them.trial_id == whole.trial_id  # nothing is left out
    line = refusal(sources.resolve, trial(data__classes=2, data__test=5000))
    assert "data.test: 5000 asked for, photos of 2 classes has 400" in line


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data__source": "text", "data__resize": 32}, "data.resize: text holds no images"),
        ({"data__source": "text", "data__channels": 3}, "data.channels: text holds no images"),
        ({"data__source": "text", "task__augmentation__flip": True}, "task.augmentation: text"),
        ({"data__source": "text", "data__balanced": True}, "data.balanced: text is language"),
        ({"data__source": "text", "probes": ["odin"]}, "probes: odin is for the classification"),
        ({"data__source": "text", "probes": ["other_protocol"]}, "probes: other_protocol is for"),
        ({"data__source": "mosaics", "probes": ["shift"]}, "and mosaics is segmentation of shape"),
        (
            {"data__source": "points", "probes": ["shift"]},
            "of grey or colour images, and for text, and points is",
        ),
        ({"data__source": "four", "probes": ["shift"]}, "is classification of shape (4, 8, 8)"),
        ({"data__source": "mosaics", "probes": ["features"]}, "probes: features is for the class"),
        ({"data__source": "mosaics", "probes": ["layers"]}, "probes: layers is for the class"),
        ({"data__source": "digits", "probes": ["confidence_map"]}, "of points of the plane"),
        ({"data__source": "digits", "probes": ["confidence_map"]}, "leave it out"),
        ({"data__source": "text", "data__classes": 3}, "data.classes: text is language"),
        ({"data__source": "digits", "data__classes": 11}, "digits has 10; give at most 10"),
        ({"data__source": "text", "warmup__noise__distribution": "pink"}, "pink is for images"),
        (
            {"data__balanced": True, "data__examples": 81, "data__source": "uneven"},
            "has 40 of 200; give at most 80",
        ),
        (
            {"data__balanced": True, "data__examples": 81, "data__source": "uneven, undivided"},
            "of 180; give at most",
        ),
    ],
)
def test_what_has_no_meaning_for_the_data_is_refused(sources, archive, tmp_path, changes, says):
    ood = {"text": "text_ood", "mosaics": "mosaics_ood"}
    if changes["data__source"].startswith("uneven"):
        x, y = np.zeros((200, 8, 8), np.uint8), np.repeat([0, 1], [160, 40])
        splits = ["train", "test"]
        if changes["data__source"] == "uneven":
            splits.append("validation")
        arrays = {f"{kind}_{split}": v for split in splits for kind, v in (("x", x), ("y", y))}
        np.savez(tmp_path / "uneven.npz", **arrays)
        changes = changes | {"data__source": f"npz:{tmp_path / 'uneven.npz'}"}
    if changes["data__source"] == "four":
        changes = changes | {"data__source": archive("four", (80, 8, 8, 4))}
    asked = trial(**changes, data__ood=ood.get(changes["data__source"]))
    assert says in refusal(sources.resolve, asked)


def test_cifar10_is_not_fetched_unless_allowed(tmp_path):
    with pytest.raises(DataError, match="allow fetching it with --download"):
        Sources(tmp_path).resolve(trial(data__source="cifar10"))
    assert not any(tmp_path.iterdir())
