"""Images of any size, with or without classes, serve as out-of-distribution data."""

from functools import partial

import numpy as np
import pytest
from PIL import Image
from support import trial_of

from sweep.errors import InputError
from sweep.inputs.datasets import Sources

RNG = np.random.default_rng(0)

trial = partial(trial_of, {"data.validation": 20, "data.examples": 50})


def images(folder, sizes):
    folder.mkdir(parents=True)
    for number, (width, height) in enumerate(sizes):
        pixels = RNG.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return f"folder:{folder}"


def test_they_are_brought_to_the_size_of_the_others(tmp_path):
    sources = Sources()
    ood = images(tmp_path / "flat", [(8 + i, 20 - i) for i in range(6)])
    asked = {"data__source": "digits", "data__ood": ood, "data__channels": 3}
    plain = sources.resolve(trial(**asked))
    sized = sources.resolve(trial(**asked, data__resize=16))
    for looked, side in ((plain, 8), (sized, 16)):
        held = sources.loaded[looked.data.loaded_ood(looked.facts.shape)]
        assert held.shape == (3, side, side)
        assert (len(held.test), held.digest) == (6, looked.facts.ood_digest)
    assert plain.facts.ood_digest != sized.facts.ood_digest


def test_one_folder_may_serve_in_both_roles(tmp_path):
    for label in ("ant", "bee"):
        images(tmp_path / "both" / label, [(8 + i, 9) for i in range(60)])
    name = f"folder:{tmp_path / 'both'}"
    sources = Sources()
    looked = sources.resolve(trial(data__source=name, data__ood=name, data__resize=8))
    assert looked.facts.digest == looked.facts.ood_digest
    assert len(sources.loaded) == 2


def test_images_of_one_size_are_those_of_a_source_of_their_own(tmp_path):
    for label in ("ant", "bee"):
        images(tmp_path / "ood" / label, [(12, 10)] * 5)
    sources = Sources()
    name = f"folder:{tmp_path / 'ood'}"
    ood = sources.resolve(trial(data__ood=name)).facts.ood_digest
    itself = trial(data__source=name, data__ood=None, data__examples=4, data__validation=2)
    assert sources.resolve(itself).facts.digest == ood


def test_images_do_not_serve_for_a_text(tmp_path):
    ood = images(tmp_path / "flat", [(8, 9), (9, 8)])
    with pytest.raises(InputError, match=r"are images of shape .* texts of 64 tokens"):
        Sources().resolve(trial(data__source="text", data__ood=ood))
