"""Studies that build on each other: run in turn, sharing trials, into one index page."""

import re

import pytest
from ready import SMALL

from sweep.launch import main

CONTROL = {name: level for name, level in SMALL["base"].items() if not name.startswith("warmup")}
ALONE = SMALL | {
    "title": "Alone",
    "answers": "What to start from?",
    "base": CONTROL | {"arm": "control", "warmup": None, "probes": ["weights"], "data.ood": None},
    "grids": {},
}


@pytest.fixture(scope="module")
def collected(new_place):
    """A collection of two studies with a control in common, the second after a third."""
    place = new_place("collected")
    noise = "warmup.noise.distribution"
    place.write("first", grids={"a": {noise: ["gaussian", "uniform"]}})
    place.put("alone", ALONE)
    fine_tuned = [
        {"label": "from scratch", noise: "gaussian"},
        {"label": "fine-tuned", "model.weights": "study:alone.yaml", "warmup.train": "head"},
    ]
    place.write(
        "second",
        grids={"start": fine_tuned},
        scales={"laptop": {"replicates": 2, "after": ["alone.yaml"]}},
    )
    both = {"title": "Both", "answers": "Both?", "collects": ["first.yaml", "second.yaml"]}
    place.put("both", both)
    return place, place.launch("both.yaml")


def all_runs(place):
    return place.client.search_runs([place.client.get_experiment_by_name("both").experiment_id])


def test_the_second_study_adopts_what_the_first_has_run(collected):
    _, said = collected
    announced = re.findall(r"(\d+) trials, (\d+) to run, (.*)", said)
    assert [(total, run) for total, run, _ in announced] == [("6", "6"), ("1", "1"), ("8", "4")]
    assert "4 adopted from other studies" in announced[2][2]


def test_a_network_of_an_earlier_study_is_where_a_later_one_starts(collected):
    place, _ = collected
    second, alone = place.results("second"), place.results("alone")
    assert second.plan.grids == {"start": ("from scratch", "fine-tuned")}
    assert second.count("finished") == 8
    (pretrained,) = alone.trials
    trained = pretrained.record.probes["weights/1.weight"]
    assert trained.shape == (16, 3072)
    tuned = [t for t in second.trials if t.condition == "fine-tuned"]
    assert {t.record.trial["model"]["weights"] for t in tuned} == {"study:alone.yaml"}
    assert len({t.record.trial["model"]["facts"]["weights"] for t in tuned}) == 1
    scratch = [t for t in second.trials if t.condition == "from scratch"]
    assert {t.record.trial["model"]["facts"]["weights"] for t in scratch} == {None}


def test_one_page_shows_every_study_and_leads_to_each_report(collected):
    place, said = collected
    folder = place.folder / "reports/both/laptop"
    assert "Index of 2 reports: reports/both/laptop/index.html" in said
    page = (folder / "index.html").read_text("utf-8")
    for name in ("first", "second"):
        assert f'href="{name}/index.html"' in page
        assert (folder / name / "index.html").is_file()
    for path in re.findall(r'(?:href|src)="([^"#]+)"', page):
        assert (folder / path).is_file(), path
    assert len(re.findall("<img", page)) == 2  # the box plots of each
    (run,) = all_runs(place)
    listed = {path.name for path in place.artifacts(run).iterdir()}
    assert listed == {"index.html", "first", "second"}


def test_the_same_command_again_runs_nothing(collected):
    place, _ = collected
    announced = re.findall(r"(\d+) to run", place.launch("both.yaml"))
    assert announced == ["0", "0", "0"]
    assert len(all_runs(place)) == 1


def test_a_collection_with_an_unknown_study_is_refused_before_anything_runs(place, here, refused):
    place.write("first")
    place.write("second", base={"data.examples": 100_000})
    says = {
        "calibraton": "study 'calibraton' is unknown; did you mean 'calibration'?",
        "second.yaml": "data.examples: 100000 asked for, photos has 4000",
    }
    for name, text in says.items():
        wrong = {"title": "Wrong", "answers": "?", "collects": ["first.yaml", name]}
        place.put("wrong", wrong)
        assert text in refused(main, "wrong.yaml")
        assert not (place.folder / "sweep_storage").exists()


def test_a_study_that_comes_before_itself_is_refused(place, here, refused):
    for name, other in (("one", "two"), ("two", "one")):
        place.write(name, scales={"laptop": {"replicates": 1, "after": [f"{other}.yaml"]}})
    assert "one.yaml comes after itself" in refused(main, "one.yaml")
    place.write("own", base={"model.weights": "study:own.yaml"})
    assert "study:own.yaml starts from itself" in refused(main, "own.yaml")


def test_a_dry_run_says_what_has_to_come_first(place):
    place.put("alone", ALONE)
    scales = {"laptop": {"replicates": 1, "after": ["alone.yaml"]}}
    place.write("later", base={"model.weights": "study:alone.yaml"}, scales=scales)
    said = " ".join(place.launch("later.yaml", "--dry-run").split())
    assert "later: its plan follows from what comes before" in said
    assert not (place.folder / "sweep_storage").exists()


def test_a_study_whose_start_is_missing_says_so(place, here, refused):
    place.write("lonely", base={"model.weights": "study:alone.yaml", "data.ood": None})
    place.put("alone", ALONE)
    says = "study alone.yaml has left no network at scale laptop yet; launch it first"
    assert says in refused(main, "lonely.yaml")
