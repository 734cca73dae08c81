"""Launches of what is no perceptron on images: a user's own network, and text."""

import math

import pytest

OWN = """
from torch import nn


def make(num_classes, input_shape):
    width = 4
    return nn.Sequential(
        nn.Conv2d(input_shape[0], width, 5, stride=4), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Flatten(), nn.Linear(196, num_classes),
    )
"""


def test_a_network_from_a_file_beside_the_command_is_trained_by_every_worker(place):
    (place.folder / "my_net.py").write_text(OWN, "utf-8")
    said = place.launch(place.write("tiny"), "--set", "model=my_net:make")
    assert "network my_net:make, data photos: 8 trials, 8 to run" in said
    results = place.results("tiny")
    assert results.count("finished") == 8
    assert results.plan.network == "my_net:make"
    for trial in results.trials:
        assert trial.record.trial["model"]["name"] == "my_net:make"
    # another content of the file is another network, whose trials are to be run
    (place.folder / "my_net.py").write_text(OWN.replace("width = 4", "width = 4 + 0"), "utf-8")
    again = place.launch(place.write("tiny"), "--set", "model=my_net:make", "--dry-run")
    assert "to run 8" in " ".join(again.split())


def test_text_is_learnt_by_a_transformer_and_what_does_not_apply_is_left_out(place):
    arguments = ("--data", "text", "--ood", "text_ood", "--replicates", "1")
    network = "{name: transformer, depth: 1, width: 16}"
    said = place.launch(place.write("tiny"), *arguments, "--set", f"model={network}")
    assert "left out: warmup.noise.distribution: pink is for images" in said
    results = place.results("tiny")
    assert results.plan.grids["distribution"] == ("gaussian",)
    assert results.count("finished") == len(results.trials) == 3
    for trial in results.trials:
        assert trial.record.logits["test"].shape == (100 * 16, 256)
        numbers = trial.numbers
        assert numbers["test_perplexity"] == pytest.approx(math.exp(numbers["test_nll"]))
    page = (place.folder / "reports/tiny/laptop-text/index.html").read_text("utf-8")
    assert "Left out, as having no meaning for these data" in page
