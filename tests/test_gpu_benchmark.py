"""The script for a machine with a GPU runs through on the CPU, at its smallest sizes, and needs no
more there than it says. Its numbers are of no interest here."""

import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from support import ROOT

from benchmarks.gpu import SHARES, main
from benchmarks.on_gpu import real
from benchmarks.on_gpu.cases import MODELS, TINY, trial_of
from benchmarks.on_gpu.clock import Clock, Table, within
from benchmarks.on_gpu.right import _Checked
from benchmarks.on_gpu.speed import kind_of

# what a machine with a GPU may have none of
BARE = """
import importlib.abc, sys
ABSENT = set(sys.argv[1].split(","))

class Bare(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Bare())
from benchmarks.on_gpu import cases, fused, paper, real, right, speed
for name in ("mlp", "vit", "unet", "transformer"):
    trial, inputs = cases.trial_of(name, cases.TINY)
right.live(trial, inputs, right.CPU)
print("lived")
"""
ABSENT = (
    "ray,mlflow,optuna,scipy,sklearn,skimage,pandas,matplotlib,yaml,psutil,rich,PIL,fsspec,"
    "safetensors,timm,torchvision"
)


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def run(capsys, *words: str) -> str:
    assert main([*words, "--device", "cpu", "--tiny", "--seconds", "120"]) == 0
    return capsys.readouterr().out


def rows(said: str) -> list[list[str]]:
    """The cells of each row below the tables' heads."""
    lines = [line for line in said.splitlines() if line.startswith("|") and "---" not in line]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_on_one_device_a_trial_is_itself(capsys):
    head, mlp = rows(run(capsys, "right", "--networks", "mlp"))
    found = dict(zip(head, mlp, strict=True))
    assert found["Weights"] == "equal"
    assert found["Gradients, as run"] == found["without TF32"] == "0.0e+00"
    assert found["Accuracy, ECE of a control, GPU − CPU"] == "+0.000, +0.000"
    assert found["Twice"] == found["Resumed"] == "equal"
    assert found["Deterministic, × time"].startswith("equal, × ")


@pytest.mark.parametrize("network", ["unet", "transformer"])
def test_another_task_is_resumed_and_repeated_too(network):
    checked = _Checked(network, TINY, torch.device("cpu"))
    assert checked._gradients(tf32=False) == 0
    assert checked._live(checked.trial).differs(checked._live(checked.trial)) == 0


def test_a_difference_is_seen():
    checked = _Checked("mlp", TINY, torch.device("cpu"))
    other = checked.trial.model_copy(update={"seed": 1})
    assert checked._live(checked.trial).differs(checked._live(other)) > 0


def test_networks_in_a_stack_are_those_that_are_alone(capsys):
    head, *found = rows(run(capsys, "fused"))
    assert [(row[0], row[1]) for row in found] == [
        (f"depth {depth}", str(k)) for depth in (2, 6) for k in (1, 2)
    ]
    for row in found:
        cells = dict(zip(head, row, strict=True))
        assert float(cells["Differ"]) < 1e-4
        assert float(cells["in processes"].replace(",", "")) > 0


def test_speed_and_what_limits_it_are_told(capsys):
    said = run(capsys, "speed", "--networks", "mlp")
    speeds = [row for row in rows(said) if row[0].startswith("mlp")]
    assert [len(row) for row in speeds] == [8, 8, 5, 5, 5, 5]
    assert all("products" in row[4] for row in speeds[2:])


@pytest.mark.parametrize(
    ("kernel", "does"),
    [
        ("void at::native::(anonymous namespace)::multi_tensor_apply_kernel<Adam>", "optimizer"),
        ("void at::native::distribution_elementwise_grid_stride_kernel<float, normal>", "noise"),
        ("sm90_xmma_gemm_f32f32_tf32f32_f32_tn_n_tilesize128", "products"),
        ("sm90_xmma_fprop_implicit_gemm_bf16bf16_nhwckrsc", "convolutions"),
        ("void at::native::vectorized_elementwise_kernel<4, relu>", "element by element"),
        ("void cudnn::bn_fw_tr_1C11_kernel_NCHW", "batch norm"),
        ("void at::native::index_elementwise_kernel<128, 4>", "gathering"),
        ("something new", "other"),
    ],
)
def test_a_kernel_is_known_by_its_name(kernel, does):
    assert kind_of(kernel) == does


def test_a_pair_of_the_papers_network_is_trained_on_given_images(capsys, tmp_path):
    random = np.random.default_rng(0)
    made = {
        "x_train": random.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8),
        "y_train": np.arange(40) % 10,
        "x_test": random.integers(0, 256, (10, 8, 8, 3), dtype=np.uint8),
        "y_test": np.arange(10)[:, None],
    }
    np.savez(tmp_path / "images.npz", **made)
    said = run(capsys, "paper", "--images", str(tmp_path / "images.npz"))
    assert "32 examples of 16 among 40 images" in said
    _, pair = rows(said)
    assert pair[0] == "0"
    assert len(pair) == 5


def test_what_a_part_lacks_it_says_and_the_others_run(capsys, monkeypatch):
    monkeypatch.setattr(real, "find_spec", lambda name: None if name == "ray" else name)
    said = run(capsys, "real", "paper")
    assert "left out: ray cannot be imported" in said
    assert "left out: give --images" in said
    assert "paper done" in said


@pytest.mark.slow
def test_a_study_is_launched_from_command_to_report(capsys):
    assert main(["real", "--device", "cpu", "--tiny", "--seconds", "900"]) == 0
    _, row = rows(capsys.readouterr().out)
    assert row[0] == "--gpus-per-trial 0"
    assert float(row[1]) > 0


def test_a_bare_machine_needs_pytorch_numpy_and_pydantic_alone():
    done = subprocess.run(
        [sys.executable, "-c", BARE, ABSENT], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "lived\n", done.stderr


def test_every_family_of_networks_has_its_case():
    assert {trial_of(name, TINY)[0].facts.kind for name in MODELS} == {
        "classification",
        "segmentation",
        "language",
    }


def test_a_table_ends_in_time_and_says_what_it_left_out(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def takes(seconds: float) -> list[str]:
        now[0] += seconds
        return [f"{seconds:g}"]

    clock = Clock(10.0, began=0.0)
    within(
        clock,
        Table("Row", "Seconds"),
        [
            ("a", lambda: takes(3)),
            ("b", lambda: 1 / 0),  # type: ignore[arg-type, return-value]
            ("c", lambda: takes(4)),
            ("d", lambda: takes(1)),
            ("e", lambda: takes(1)),
        ],
    )
    said = capsys.readouterr().out
    assert rows(said)[1:] == [
        ["a", "3"],
        ["b", "failed: ZeroDivisionError: division by zero"],
        ["c", "4"],
    ]
    assert "stopped for time; not measured: d, e" in said


def test_a_row_that_goes_on_for_longer_is_ended(capsys):
    def for_ever() -> list[str]:
        while True:
            time.sleep(0.01)

    within(Clock(0.3), Table("Row", "Seconds"), [("a", for_ever), ("b", lambda: ["never"])])
    said = capsys.readouterr().out
    assert rows(said)[1:] == [["a", "stopped for time"]]
    assert "stopped for time; not measured: b" in said


def test_shares_leave_time_for_what_follows():
    assert all(0 < share <= 1 for share in SHARES.values())
    assert list(SHARES)[-1] == "paper"
