"""What was found in the data is said wherever a user looks, and shown as it is."""

import json

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from analysis.results.download import artifact_bytes
from sweep.cli.launch_arguments import parse_options
from sweep.inputs.resolve import plan_study
from sweep.launch import main
from sweep.plan.study import load_study
from sweep.tracking.ledger import read_ledger
from sweep.tracking.publisher import Publisher

SMALL = ["--ood", "none", "--set", "data.validation=4", "--set", "data.test=4"]
SMALL += ["--set", "data.examples=8", "--set", "warmup.batch=8", "--replicates", "1"]
PATH = "my [/b] [red]:cat: images"  # what rich would take for markup and emoji


@pytest.fixture
def here(place, monkeypatch):
    """A working folder with a tiny study and a folder of images."""
    monkeypatch.chdir(place.folder)
    monkeypatch.setenv("COLUMNS", "400")
    place.write("tiny")
    rng = np.random.default_rng(0)
    for name, count in (("cat", 24), ("dog", 11)):
        folder = place.folder / PATH / name
        folder.mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return place.folder


def test_a_dry_run_says_what_was_found_and_shows_names_as_they_are(here, capsys):
    assert main(["tiny.yaml", "--dry-run", "--data", f"folder:{PATH}", *SMALL]) == 0
    said = capsys.readouterr().out
    assert f"Data folder:{PATH}: 28 training and 7 test images of 8×8 pixels in colour" in said
    assert "2 classes: cat, dog" in said
    assert "Classes with fewer than 10 training images: dog (9)" in said


def test_mlflow_and_the_plan_have_what_was_found(here):
    options = parse_options(["tiny.yaml", "--data", f"folder:{PATH}", *SMALL])
    plan, resolver = plan_study(load_study("tiny.yaml"), options)
    assert plan.found_sentences[0].startswith(f"Data folder:{PATH}: 28 training")
    client = MlflowClient(f"sqlite:///{here}/mlflow.db")
    client.create_experiment("tiny", (here / "artifacts").as_uri())
    Publisher(client, plan, read_ledger(client, plan), resolver.inputs.sources, "abc")
    (run,) = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    note = run.data.tags["mlflow.note.content"]
    assert [line[2:] for line in note.splitlines() if line.startswith("- ")] == list(
        plan.found_sentences
    )
    stored = json.loads(artifact_bytes(client, run, "plan.json"))
    assert stored["found"][0]["training_by_class"] == [19, 9]
