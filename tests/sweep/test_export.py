"""A network of a study is written to a file that `load_state_dict` takes, with what made it."""

import shutil
import sys
from pathlib import Path

import pytest
import ready
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from support import identical
from torch import nn

from analysis.results.records import read_record
from sweep.export import main
from trainables.lifecycle.start import device_of_warmup
from trainables.models.mlp import mlp
from trainables.storage.serialization import unpack
from trainables.storage.storage import Storage

NOISES = {"distribution": {"warmup.noise.distribution": ["gaussian", "pink"]}}
TIED = """
import torch
from torch import nn

class Tied(nn.Module):
    def __init__(self, num_classes, input_shape):
        super().__init__()
        self.first, self.norm = nn.Linear(3 * 32 * 32, 6), nn.BatchNorm1d(6)
        self.inner, self.again = nn.Linear(6, 6), nn.Linear(6, 6)
        self.again.weight = self.inner.weight
        self.last = nn.Linear(6, num_classes)

    def forward(self, x):
        x = self.norm(self.first(x.flatten(1)))
        return self.last(self.again(torch.relu(self.inner(x))))
"""


@pytest.fixture(scope="module")
def lived(tmp_path_factory) -> Path:
    """A folder where a study of two conditions was run, and one that keeps its last weights."""
    folder = tmp_path_factory.mktemp("exported")
    ready.write(folder, "small", grids=NOISES)
    base = ready.SMALL["base"] | {"probes": ["weights"]}
    ready.write(folder, "kept", base=base)
    ready.live(folder, ["small.yaml", "kept.yaml"])
    return folder


@pytest.fixture
def here(lived, tmp_path, monkeypatch) -> Path:
    """A copy of it, as the working folder."""
    shutil.copytree(lived, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


def read(path: str = "warm.safetensors") -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, "pt") as file:
        return load_file(path), file.metadata()


def network() -> nn.Module:
    """The study's, as a user would make it."""
    return mlp((3, 32, 32), 10, 2, 16)


def stored_warmups(folder: Path) -> dict[Path, dict[str, torch.Tensor]]:
    storage = Storage(folder / "sweep_storage")
    listed = storage.listed("warmups")
    return {
        one.name: unpack(storage.get(one.name), torch.device("cpu"))["network"] for one in listed
    }


def test_the_start_is_the_stored_warmup_and_is_loaded_by_its_names(here, said):
    shown = said(main, "small.yaml", "--condition", "gaussian", "-o", "warm.safetensors")
    assert "warm.safetensors: " in shown
    assert "of gaussian #0 at the start" in shown
    state, metadata = read()
    made = network()
    made.load_state_dict(state)  # strictly: every name, and no other
    assert any(
        all(torch.equal(state[name], held[name]) for name in state)
        for held in stored_warmups(here).values()
    )
    assert metadata["condition"] == "gaussian"
    assert (metadata["arm"], metadata["at"], metadata["seed"]) == ("warmup", "start", "0")
    assert '"distribution":"gaussian"' in metadata["warmup"]
    assert {"trial_id", "study", "replicate", "commit", "model", "mean", "std"} <= metadata.keys()


def test_a_warmup_that_was_cleaned_away_is_made_again_to_the_bit(here, said):
    said(main, "small.yaml", "--condition", "pink", "-o", "warm.safetensors")
    shutil.rmtree(here / "sweep_storage" / "warmups")
    said(main, "small.yaml", "--condition", "pink", "-o", "again.safetensors")
    identical(read("again.safetensors")[0], read()[0])
    said(main, "small.yaml", "--condition", "gaussian", "-o", "other.safetensors")
    first = next(iter(network().state_dict()))
    assert not torch.equal(read("other.safetensors")[0][first], read()[0][first])


def test_the_control_s_start_is_the_untrained_network_of_its_seed(here, said):
    words = ["small.yaml", "--condition", "gaussian", "--arm", "control", "--replicates", "2"]
    states = []
    for replicate in ("0", "1"):
        said(main, *words, "--replicate", replicate, "-o", "first.safetensors")
        state, metadata = read("first.safetensors")
        states.append(state)
        assert (metadata["arm"], metadata["warmup"]) == ("control", "null")
        assert metadata["seed"] == replicate
        assert all((v == 0).all() for n, v in state.items() if n.endswith("running_mean"))
    name = next(name for name, value in states[0].items() if value.ndim > 1)
    assert not torch.equal(states[0][name], states[1][name])


def test_the_end_gives_the_logits_that_the_record_holds(here, said):
    said(main, "kept.yaml", "--at", "end", "-o", "last.safetensors")
    state, metadata = read("last.safetensors")
    made = network()
    made.load_state_dict(state)
    payload = Storage("sweep_storage").get(f"records/{metadata['trial_id']}")
    record = read_record(payload)
    assert metadata["commit"] == record.commit
    from sweep.inputs.datasets import Sources  # the test images, as the trial takes them
    from trainables.config.trial import Trial
    from trainables.data.splits import prepare

    trial = Trial.model_validate(record.trial)
    loaded = [Sources().get(trial.data, name) for name in ("photos", "photos_ood")]
    data = prepare(trial, *loaded, torch.device("cpu"))
    with torch.no_grad():
        logits = made.eval()(data.test.inputs)
    torch.testing.assert_close(logits, torch.as_tensor(record.logits["test"]), rtol=1e-4, atol=1e-5)
    assert metadata["mean"] == str(list(data.constants[0]))


def test_weights_that_two_layers_share_are_under_both_names(here, said, monkeypatch):
    (here / "tied_net.py").write_text(TIED, "utf-8")
    monkeypatch.syspath_prepend(here)
    said(
        main,
        "small.yaml",
        "--condition",
        "pink",
        "--set",
        "model=tied_net:Tied",
        "-o",
        "t.safetensors",
    )
    state, _ = read("t.safetensors")
    assert torch.equal(state["inner.weight"], state["again.weight"])
    made = sys.modules["tied_net"].Tied(10, (3, 32, 32))
    made.load_state_dict(state)
    assert made.again.weight is made.inner.weight
    assert torch.equal(made.inner.weight, state["inner.weight"])
    assert int(state["norm.num_batches_tracked"]) > 0
    sys.modules.pop("tied_net")


def test_where_only_a_gpu_has_warmed_it_up_it_says_so(here, refused, planned):
    trial = planned().trials[-1].trial
    storage = Storage(here / "other")
    assert device_of_warmup(trial, storage) == "cpu"
    for path in (here / "sweep_storage" / "warmups").iterdir():
        path.rename(path.with_name("cuda"))
    if not torch.cuda.is_available():
        words = ("small.yaml", "--condition", "pink", "-o", "x.safetensors")
        assert "was made on a GPU" in refused(main, *words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["small.yaml", "-o", "x.safetensors"], "--condition: must be given; there is gaussian"),
        (
            ["small.yaml", "--condition", "gausian", "-o", "x.safetensors"],
            "did you mean 'gaussian'",
        ),
        (
            ["small.yaml", "--condition", "pink", "--replicate", "3", "-o", "x.safetensors"],
            "--replicate 3: pink has 0; give --replicates for more",
        ),
        (["small.yaml", "--condition", "pink", "-o", "x.pt"], "ends in .safetensors"),
        (["small.yaml", "--condition", "pink", "-o", "no/x.safetensors"], "there is no folder no"),
        (
            ["small.yaml", "--condition", "pink", "--at", "end", "-o", "x.safetensors"],
            "is run without keeping its last weights; launch the study with --set 'probes=[weights",
        ),
        (
            ["kept.yaml", "--at", "end", "--set", "seed=9", "-o", "x.safetensors"],
            "gaussian #0 of kept has not been run; launch the study",
        ),
        (["smal", "-o", "x.safetensors"], "study 'smal' is unknown"),
        (["warmup_search", "-o", "x.safetensors"], "is a search; export from"),
    ],
)
def test_what_cannot_be_written_is_told_in_one_line(here, refused, words, says):
    assert says in refused(main, *words)
    assert not list(here.glob("*x.*"))
