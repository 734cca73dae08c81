"""What docs/architecture.md says of adding one of each: a new file, and at most a line elsewhere.

A copy of the packages gets the files and the lines, and runs a study that uses all of them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support import ROOT

from analysis.results.loading import load_study

NEW = {
    "trainables/checkered.py": """
import torch

def checkered(shape, generator):
    return torch.ones(shape, device=generator.device).cumsum(-1).remainder(2) * 2 - 1
""",
    "trainables/models/flat.py": """
from math import prod

from torch import nn

def flat(num_classes, input_shape):
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), num_classes))
""",
    "trainables/data/stripes.py": """
import torch

from trainables.data.examples import Examples, Source

def stripes():
    def split(count, seed):
        labels = torch.arange(count) % 2
        random = torch.randint(256, (count, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
        random[labels == 1, :, ::2] //= 4
        return Examples(random.to(torch.uint8), labels)
    return Source("stripes", split(100, 0), split(50, 1), split(60, 2), ("plain", "striped"))
""",
    "trainables/probes/length.py": """
import torch

def length(subject):
    return {"of_weights": torch.stack([p.norm() for p in subject.network.parameters()]).detach()}
""",
    "analysis/metrics/surest.py": """
def surest(confidence, correct):
    return float(confidence.max())
""",
    "analysis/exhibits/calibration/tally.py": """
import pandas as pd

from analysis.exhibits.common.exhibit import Exhibit, Table, made_of

def tally(results):
    counts = pd.DataFrame({"trials": [len(results.trials)]})
    return Exhibit("tally", "Tally", made_of(results), (Table("tally", "Tally", counts, counts),))
""",
    "sweep/hello.py": """
def main(arguments=None):
    print("hello", *arguments)
    return 0
""",
    "sweep/studies/toy.yaml": """
title: Toy
answers: Does what was added work?
base:
  model: trainables.models.flat:flat
  data.source: stripes
  data.ood: digits
  data.resize: 8
  data.examples: 64
  data.validation: 40
  data.test: 40
  data.ood_examples: 40
  warmup.examples: 64
  warmup.epochs: 1
  warmup.batch: 32
  warmup.noise.distribution: checkered
  task.epochs: 1
  task.batch: 32
  probes: [length]
exhibits: [tally]
scales:
  laptop: {about: seconds, replicates: 1}
""",
}
ADDED = {  # file → the line that the new one stands above, and the new one
    "trainables/config/noise.py": (
        '        "constant": Distribution(',
        '        "checkered": Distribution("By turns.", module="trainables.checkered"),',
    ),
    "trainables/config/data_names.py": (
        '    "points": late(',
        '    "stripes": late("trainables.data.stripes:stripes"),',
    ),
    "trainables/config/probes.py": (
        '    "weights": Probe(',
        '    "length": Probe(late("trainables.probes.length:length"), END),',
    ),
    "analysis/results/summary.py": (
        '    "gap": ',
        '    "surest": late("analysis.metrics.surest:surest"),',
    ),
    "analysis/exhibits/__init__.py": (
        '    "pairs": ',
        '    "tally": "calibration.tally",',
    ),
    "sweep/__main__.py": (
        '    "settle": ',
        '    "hello": ("sweep.hello", "says hello"),',
    ),
}
RUN = """
import sys
from pathlib import Path
from ready import live
from sweep.__main__ import main

live(Path.cwd(), ["house/sweep/studies/toy.yaml"], replicates=1)
sys.exit(main(["hello", "world"]) or main(["launch", "toy"]))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the toy study has been run by the house that was added to."""
    folder = tmp_path_factory.mktemp("added")
    house = folder / "house"
    for part in ("analysis", "trainables", "sweep"):
        shutil.copytree(ROOT / part, house / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in NEW.items():
        assert not (house / name).exists()
        (house / name).write_text(text, "utf-8")
    for name, (below, line) in ADDED.items():
        text = (house / name).read_text("utf-8")
        assert text.count(f"\n{below}") == 1, name
        (house / name).write_text(text.replace(f"\n{below}", f"\n{line}\n{below}"), "utf-8")
    path = os.pathsep.join([str(house), str(ROOT / "tests")])
    ended = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("hello world\n")
    return folder


def test_a_study_of_what_was_added_runs_to_its_report(place: Path) -> None:
    results = load_study(MlflowClient(f"sqlite:///{place}/mlflow.db"), "toy")
    control, warmed = (trial.record for trial in results.trials)
    assert warmed.trial["warmup"]["noise"]["distribution"] == "checkered"
    assert warmed.trial["model"]["name"] == "trainables.models.flat:flat"
    assert warmed.trial["data"]["facts"]["classes"] == 2
    (report,) = (place / "reports").rglob("tally.csv")
    assert report.read_text() == "trials\n2\n"
    assert (control.probes["length/of_weights"] != warmed.probes["length/of_weights"]).any()


def test_a_new_metric_is_in_mlflow(place: Path) -> None:
    client = MlflowClient(f"sqlite:///{place}/mlflow.db")
    experiment = client.get_experiment_by_name("toy")
    runs = client.search_runs([experiment.experiment_id], "tags.kind = 'trial'")
    assert len(runs) == 2
    assert all(
        run.data.metrics["test_surest"] >= run.data.metrics["test_confidence"] for run in runs
    )


def test_the_page_says_the_same_as_this_test() -> None:
    """Every file with a line to be added is named in docs/architecture.md, in its table."""
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = page.partition("## How to add")[2]
    assert all(f"`{name}`" in table for name in ADDED), [n for n in ADDED if f"`{n}`" not in table]
