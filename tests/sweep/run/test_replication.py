"""The paper's studies in turn: what each is asked for, and that a page comes of it."""

import re
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from analysis.replication.evidence import Evidence, read_evidence, write_evidence
from analysis.replication.page import render
from analysis.replication.runs import RUNS, SCALE
from sweep.options import Outcome, Resources
from sweep.plan.plan import check_fields
from sweep.run.halves import halves_of, has_training_images, make_halves
from sweep.run.replication import Asked, _is_done, _runs, as_asked, replicate
from trainables.errors import DataError


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """As small as they can be; of SVHN there are test images alone."""
    folder, draw = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for name, splits in (("cifar10", {"train": 400, "test": 200}), ("svhn", {"test": 400})):
        arrays = {}
        for split, n in splits.items():
            arrays[f"x_{split}"] = draw.integers(0, 256, (n, 8, 8, 3)).astype(np.uint8)
            arrays[f"y_{split}"] = np.arange(n) % 10
        np.savez(folder / f"{name}.npz", **arrays)
    return folder


@pytest.fixture
def halved(images, monkeypatch):
    """A working folder in which the halves of SVHN are made."""
    monkeypatch.chdir(images)
    return make_halves(images / "svhn.npz")


def asked(images: Path, **more) -> Asked:
    fields = {"only": (), "scale": SCALE, "storage": Path("s"), "resources": Resources()}
    return Asked(**{"images": images, "out": Path("reports"), **fields, **more})


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run.key}-{run.pairs}")
@pytest.mark.parametrize("scale", ["smoke", SCALE])
def test_every_run_can_be_planned(run, scale, images, halved):
    study, options = as_asked(run, asked(images, scale=scale))
    check_fields(study, options.scale, options.overrides)
    sized = study.scales[options.scale]
    assert options.scale == (run.scale if scale == SCALE else scale)
    assert set(study.grids) == set(sized.replicates)
    assert set(run.grids) <= set(study.grids)
    assert max(sized.replicates.values()) == run.pairs or scale == "smoke"
    named = str(sized.set.get("data.source"))
    if run.own_data:
        return
    if run.data == "svhn":  # of which there are test images alone
        assert named == f"npz:{halved}"
    else:
        assert named == f"npz:{images.absolute()}/{run.data}.npz"


def test_what_is_run_needs_what_there_is_and_the_page_takes_all_that_was(images):
    """A page is made without --gpus-per-trial, of studies that were run with it too."""
    here, gpu = _runs(asked(images)), _runs(asked(images, resources=Resources(gpus=1.0)))
    assert not any(run.gpu or run.downloads for run in here)
    assert any(run.cut for run in here)
    assert any(run.gpu for run in gpu)
    assert not any(run.cut for run in gpu)
    assert _runs(asked(images, page_only=True)) == list(RUNS)


@pytest.mark.usefixtures("halved")
def test_studies_that_share_a_run_in_mlflow_differ_in_pairs_alone(images):
    """One study at one scale on one data set has one parent, whose plan the last launch makes."""
    found = {}
    for run in RUNS:
        study, _ = as_asked(run, asked(images))
        [scale] = study.scales.values()
        plain = study.model_copy(
            update={"scales": {run.scale: scale.model_copy(update={"replicates": 1})}}
        )
        assert found.setdefault(run.key, plain) == plain


def test_a_run_ends_in_the_page_and_is_not_run_again(place, images, monkeypatch):
    only = ("--only", "calibration", "--only", "segmentation")
    arguments = (str(images), "--scale", "smoke", *only)
    first = place.launch(*arguments, command="replicate")
    assert "4/4 done" in first
    assert "svhn.npz has no training images: half of its test images serve as such" in first
    reports = place.folder / "reports"
    evidence = read_evidence(reports / "replication" / "numbers.json")
    page = (reports / "replication.md").read_text("utf-8")
    assert page == render(evidence)
    assert evidence.studies["calibration"].finished == 4
    halved = evidence.studies["calibration on svhn"]
    assert halved.finished == 4
    assert halved.data.startswith("svhn-halves-")
    assert halved.ood == "cifar10.npz (" + evidence.studies["calibration"].data.split("(")[1]
    assert "SVHN as training data is the first half" in page
    assert evidence.studies["segmentation, cut down"].cut["data"] == ("mosaics", "pet")
    assert "\n| S4 | ECE of pixels is lower with warm-up | " in page
    assert (reports / "replication" / "calibration-curves.png").is_file()
    again = place.launch(*arguments, command="replicate")
    assert "finished before" in again
    assert "done" not in again
    place.launch(*arguments, "--page", command="replicate")
    assert (reports / "replication.md").read_text("utf-8") == page
    joined(place, images, evidence.studies)
    monkeypatch.chdir(place.folder)
    fine_tuning = next(run for run in RUNS if run.name == "fine_tuning" and run.cut)
    plan = as_asked(fine_tuning, asked(images, scale="smoke"))
    assert not _is_done(*plan)  # it cannot be planned before pretraining has run


def test_halves_are_the_file_cut_in_the_middle(images, tmp_path, monkeypatch):
    """Neighbours, which may be digits of one photograph, stay on one side."""
    monkeypatch.chdir(tmp_path)
    svhn = images / "svhn.npz"
    assert not has_training_images(svhn)
    assert has_training_images(images / "cifar10.npz")
    with np.load(svhn) as before, np.load(make_halves(svhn)) as after:
        for key in ("x", "y"):
            assert len(after[f"{key}_train"]) == 200
            both = np.concatenate([after[f"{key}_train"], after[f"{key}_test"]])
            assert np.array_equal(both, before[f"{key}_test"])
            assert after[f"{key}_train"].dtype == np.dtype("uint8" if key == "x" else "int64")
    made = halves_of(svhn)
    assert list(made.parent.iterdir()) == [made]
    assert re.fullmatch(r"svhn-halves-[0-9a-f]{8}\.npz", made.name)
    written = made.stat().st_mtime_ns
    assert make_halves(svhn) == made
    assert made.stat().st_mtime_ns == written  # who reads them is left alone
    shutil.copy(images / "cifar10.npz", tmp_path / "svhn.npz")
    assert halves_of(tmp_path / "svhn.npz") != made  # of other images


def test_halves_that_cannot_be_written_are_refused_in_one_line(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    halves_of.cache_clear()
    (tmp_path / "reports").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        make_halves(images / "svhn.npz")
    halves_of.cache_clear()


IMAGES = (8, 8, 3)


@pytest.mark.parametrize(
    ("name", "images_", "labels", "said"),
    [
        ("svhn", 400, 0, "calibration on svhn: left out, npz:"),  # which do to be noticed
        ("svhn", 20, 20, "calibration on svhn: left out, data.validation 50, data.examples 100"),
        ("cifar10", 400, 400, "little_data: left out, cifar10.npz has no training images"),
    ],
)
def test_what_cannot_be_learnt_from_is_left_out(
    images, tmp_path, monkeypatch, name, images_, labels, said
):
    """The rest is launched; of CIFAR-10 no halves are made."""
    monkeypatch.chdir(tmp_path)
    for other in ("cifar10", "svhn"):
        shutil.copy(images / f"{other}.npz", tmp_path)
    arrays = {"x_test": np.zeros((images_, *IMAGES), np.uint8)}
    arrays |= {"y_test": np.arange(labels) % 10} if labels else {}
    np.savez(tmp_path / f"{name}.npz", **arrays)
    console, launched = Console(file=StringIO(), width=300), []

    def launch(study, options, console):
        launched.append(study.name)
        return Outcome(0, None)

    only = ("calibration", "little_data", "segmentation")
    assert replicate(asked(tmp_path, scale="smoke", only=only), console, launch) == 0
    assert said in console.file.getvalue()
    expected = ["calibration", "little_data"] if name == "svhn" else ["calibration"]
    assert launched == [*expected, "segmentation"]


def test_a_page_needs_no_images(tmp_path):
    """Those of SVHN may be gone or unlabelled by then: it is looked for by its own name."""
    run = next(run for run in RUNS if run.halves)
    gone = asked(tmp_path)
    assert gone.source_of(run) == f"npz:{tmp_path / 'svhn.npz'}"
    np.savez(tmp_path / "svhn.npz", x_test=np.zeros((4, *IMAGES), np.uint8))
    assert gone.source_of(run) == f"npz:{tmp_path / 'svhn.npz'}"


def test_a_dry_run_makes_no_halves(place, images):
    arguments = (str(images), "--scale", "smoke", "--only", "calibration", "--dry-run")
    said = place.launch(*arguments, command="replicate")
    assert "a run makes them of half its test images" in said
    assert not list(place.folder.rglob("*.npz"))


def joined(place, images, here):
    """A page measured elsewhere takes what it lacks or has less of, and keeps what it has."""
    numbers = place.folder / "docs" / "replication" / "numbers.json"
    numbers.parent.mkdir(parents=True)
    calibration = here["calibration"]
    for there in (3, 5):
        missing = 5 - there
        elsewhere = replace(calibration, run="elsewhere", trials=5, finished=there, missing=missing)
        kept = {"calibration": elsewhere} if there > calibration.finished else {}
        controls = replace(elsewhere, study="controls")
        write_evidence(Evidence({"calibration": elsewhere, "controls": controls}), numbers)
        arguments = ("--scale", "smoke", "--page", "--out", "docs")
        said = place.launch(str(images), *arguments, command="replicate")
        assert ("calibration: the page keeps run elsewher" in said) == bool(kept)
        expected = {**here, "controls": controls}
        assert read_evidence(numbers).studies == (expected | kept)
        assert render(read_evidence(numbers)) == (numbers.parents[1] / "replication.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "calibrations"], "--only calibrations: no such study here"),
        (["--only", "datasets"], "nothing of that can be run here"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(place, images, arguments, said):
    _, err = place.ended(place.start(str(images), *arguments, command="replicate"), 2)
    assert said in err
    assert err.count("\n") == 1


def test_a_folder_without_images_is_refused(place, tmp_path):
    _, err = place.ended(place.start(str(tmp_path), command="replicate"), 2)
    assert "cifar10.npz" in err
