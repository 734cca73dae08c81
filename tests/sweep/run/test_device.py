"""Which device a launch chooses where nobody has said. No GPU is needed: the choice is a function
of what is found, and Ray takes a node at its word that it has some."""

from types import SimpleNamespace

import pytest
import torch

from sweep.backend import gpus
from sweep.backend.capacity import shows_gpu
from sweep.backend.gpus import gpus_here, share_that_fits
from sweep.cli.launch_arguments import parse_options
from sweep.launch import main
from sweep.options import Gpus, Options, Resources
from sweep.run import device
from sweep.run.device import largest, settled
from sweep.tracking import client, ledger
from trainables.lifecycle.context import Inputs

GB = 10**9
H100 = Gpus(1, memory=80 * GB)
CHOOSING = Options("tiny", choose_device=True)


@pytest.mark.parametrize(
    ("taken", "memory", "share"),
    [
        (0.1 * GB, 80 * GB, 0.25),
        (12.8 * GB, 80 * GB, 0.25),  # 12.8 · 1.5 + 0.8 = 20.0
        (12.9 * GB, 80 * GB, 0.5),
        (26.1 * GB, 80 * GB, 0.5),  # 26.1 · 1.5 + 0.8 = 39.95
        (26.2 * GB, 80 * GB, 1),
        (100 * GB, 80 * GB, 1),  # not even alone: the trial will tell
        (0.1 * GB, 2 * GB, 0.5),
    ],
)
def test_so_many_share_a_gpu_as_fit_in_its_memory_with_room_and_the_drivers_part(
    taken, memory, share
):
    assert share_that_fits(taken, memory) == share


@pytest.fixture
def plan(planned, monkeypatch):
    """The tiny study's, of which MLflow holds nothing."""
    monkeypatch.setattr(client, "connect_if_there", lambda: None)
    return planned({"base": {**BASE, "data.examples": 100}})


BASE: dict[str, object] = {"data.source": "digits", "data.ood": None, "data.validation": 50}


@pytest.fixture
def take(monkeypatch):
    """Let the largest trial take so many GB."""

    def take(taken: float | None) -> None:
        its = None if taken is None else taken * GB
        monkeypatch.setattr(gpus, "most_taken", lambda trials, resources: its)

    return take


def settle(plan, sources, there: Gpus | None, options: Options = CHOOSING) -> tuple[float, str]:
    options, said = settled(options, there, plan, Inputs(sources.loaded, {}))
    return options.resources.gpus, said


def test_small_trials_share_a_gpu_and_it_is_said_how_to_choose_otherwise(plan, sources, take):
    take(1.24)
    share, said = settle(plan, sources, H100)
    assert share == 0.25
    assert said == (
        "trained on GPUs, with --gpus-per-trial 0.25, for one takes 1.2 of 80 GB, as measured; "
        "--gpus-per-trial takes another share of each, or 0: the CPU"
    )


def test_what_could_not_be_measured_has_a_gpu_of_its_own(plan, sources, take):
    take(None)
    assert settle(plan, sources, H100)[0] == 1
    take(1.0)  # never asked: the cluster's GPUs were busy
    share, said = settle(plan, sources, Gpus(4))
    assert share == 1
    assert "as measured" not in said


def test_of_trials_that_are_fused_the_whole_group_has_to_fit(plan, sources, take):
    take(2.0)
    fused = Options("tiny", choose_device=True, resources=Resources(fuse=16))
    share, said = settle(plan, sources, H100, fused)
    assert share == 1  # 32 · 1.5 + 0.8 = 48.8 of 80
    assert "one takes 32.0 of 80 GB" in said


def test_each_of_several_workers_has_a_gpu_of_its_own(plan, sources, take):
    take(0.1)
    team = Options("tiny", choose_device=True, resources=Resources(workers=2))
    assert settle(plan, sources, Gpus(2, memory=80 * GB), team)[0] == 1


def test_in_a_mixed_cluster_nodes_without_a_gpu_have_no_part(plan, sources, take):
    take(1.0)
    share, said = settle(plan, sources, Gpus(2, nodes=2, without=3, memory=16 * GB))
    assert share == 0.25
    assert said.endswith("; of 5 nodes 3 have no GPU, and no part in it")


@pytest.mark.parametrize("there", [None, Gpus()])
def test_nothing_is_said_where_there_is_nothing_to_choose(plan, sources, there):
    asked = Options("tiny", resources=Resources(gpus=0.5))
    assert settle(plan, sources, there, asked) == (0.5, "")


def test_a_study_goes_on_where_most_of_it_was_trained(plan, sources, take, monkeypatch):
    take(1.0)
    monkeypatch.setattr(client, "connect_if_there", lambda: "a client")
    where = {p.trial_id: "cpu" for p in plan.trials[:3]}

    def read(_, plan):
        tagged = {
            t: SimpleNamespace(data=SimpleNamespace(tags={"device": d})) for t, d in where.items()
        }
        return ledger.Ledger(done=tagged)

    monkeypatch.setattr(ledger, "read_ledger", read)
    share, said = settle(plan, sources, H100)
    assert share == 0
    assert said.startswith(
        "trained on the CPU, as the 3 trials that are finished; --gpus-per-trial"
    )
    where |= {p.trial_id: "NVIDIA H100" for p in plan.trials[3:7]}
    share, said = settle(plan, sources, H100)
    assert share == 0.25
    assert said.endswith("; 3 of its finished trials are of the CPU")


def test_of_every_network_the_trial_with_the_most_examples_is_measured(planned):
    plan = planned(
        {
            "base": BASE,
            "grids": {"a": {"model.depth": [2, 3], "data.examples": [50, 200, 100]}},
            "exhibits": [],
        }
    )
    found = {(trial.model.depth, trial.data.examples) for trial in largest(plan)}
    assert found == {(2, 200), (3, 200)}


def test_a_driver_alone_shows_a_gpu(tmp_path):
    assert not shows_gpu(tmp_path)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    assert shows_gpu(tmp_path)


@pytest.mark.parametrize(
    ("words", "chooses", "share"),
    [
        ([], True, 0),
        (["--gpus-per-trial", "0"], False, 0),
        (["--gpus-per-trial", "0.5"], False, 0.5),
    ],
)
def test_who_says_what_a_trial_takes_leaves_nothing_to_choose(words, chooses, share):
    options = parse_options(["tiny", *words])
    assert (options.choose_device, options.resources.gpus) == (chooses, share)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this PyTorch can use a GPU")
def test_a_gpu_that_pytorch_cannot_use_is_not_chosen(here, said, monkeypatch):
    monkeypatch.setattr(device, "shows_gpu", lambda: True)
    assert gpus_here(Resources()).count == 0
    told = " ".join(said(main, "tiny.yaml", "--dry-run").split())
    assert "Device trained on the CPU, for PyTorch" in told
    assert "cannot use this machine's GPU" in told
    assert "cannot use" not in said(main, "tiny.yaml", "--dry-run", "--gpus-per-trial", "0")


def test_a_cluster_is_asked_for_its_gpus(here, cluster, said, monkeypatch, take):
    """One node declares two GPUs. PyTorch there has none; then it is made to say that it has."""
    address = cluster(1, 6, gpus=2).address
    dry = ["tiny.yaml", "--dry-run", "--address", address]
    if not torch.cuda.is_available():
        told = " ".join(said(main, *dry).split())
        assert "Device trained on the CPU, for PyTorch on the cluster's nodes cannot use" in told
        assert ", 7 trials at a time" in told
    take(10.0)
    monkeypatch.setattr(gpus, "_memories", lambda nodes: [24 * GB for _ in nodes])
    told = " ".join(said(main, *dry).split())
    assert "Device trained on GPUs, with --gpus-per-trial 1, for one takes 10.0 of 24 GB" in told
    assert "of 2 nodes 1 have no GPU, and no part in it" in told
    assert ", 2 trials at a time" in told
    take(1.0)
    told = " ".join(said(main, *dry).split())
    assert "--gpus-per-trial 0.25" in told
    assert ", 6 trials at a time" in told  # of 8 shares: it has six CPUs
