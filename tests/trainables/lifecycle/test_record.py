"""What `trainables` writes, `analysis` reads: every field of a record, its shapes and types."""

import importlib.metadata
import io
import json
import platform
import time
import zipfile

import numpy as np
import pytest
import torch

from analysis.results.records import FORMAT, Record, read_record
from trainables.config.trial import Data, DataFacts, Trial, Warmup
from trainables.lifecycle.record import write_record
from trainables.training.loop import Outputs

FACTS = DataFacts(
    digest="d1", ood_digest="o1", shape=(1, 4, 4), classes=3, mean=(0.5,), std=(0.25,)
)
TRIAL = Trial(
    seed=2**53 + 1,  # more than a double holds
    data=Data(source="npz:/größe/x.npz", facts=FACTS),
    warmup=Warmup(examples=1000, epochs=3, batch=20),
)
SPLITS = {"validation": 5, "test": 7, "ood": 4}  # examples
SECONDS = {"evaluation": 0.5, "warmup": 1.25, "task": 2.0}
CPU = torch.device("cpu")
TIMES = ("phase", "epoch", "step", "examples", "seconds")
HISTORY = [
    dict(zip(TIMES, row, strict=True)) | measured
    for row, measured in [
        (("untrained", 0, 0, 0, 0.25), {"test_loss": 2.5}),
        (("warmup", 1, 16, 320, 1.5), {"noise_loss": 2.4, "test_loss": 2.3}),
        (("task", 1, 2**40, 2**53 + 1, 3.75), {"test_loss": 1 / 3, "train_loss": 0.1}),
    ]
]


def outputs() -> dict[str, Outputs]:
    random = torch.Generator().manual_seed(0)
    return {
        split: Outputs(
            torch.randn(count, 3, generator=random), torch.randint(3, (count,), generator=random)
        )
        for split, count in SPLITS.items()
    }


def written(status: str = "finished", **changes: object) -> bytes:
    said = outputs() if status == "finished" else {}
    arguments = {"trial": TRIAL, "history": HISTORY, "outputs": said, "seconds": SECONDS}
    return write_record(status=status, device=CPU, **arguments | changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def record() -> Record:
    return read_record(written())


def test_logits_and_labels_come_back_bit_for_bit(record):
    assert set(record.logits) == set(SPLITS)
    for split, said in outputs().items():
        assert record.logits[split].dtype == np.float32
        assert record.logits[split].shape == (SPLITS[split], 3)
        assert record.logits[split].tobytes() == said.logits.numpy().tobytes()
    assert set(record.labels) == {"validation", "test"}
    for split, labels in record.labels.items():
        assert labels.dtype == np.int64
        assert labels.tolist() == outputs()[split].labels.tolist()


def test_a_record_of_outputs_made_in_inference_mode_can_be_written():
    with torch.inference_mode():
        said = {"test": Outputs(torch.eye(3), torch.arange(3))}
    read = read_record(written(outputs=said))
    assert read.logits["test"].tolist() == np.eye(3).tolist()


def test_the_trial_comes_back_whole(record):
    assert record.trial_id == TRIAL.trial_id
    assert Trial.model_validate(record.trial) == TRIAL
    assert Trial.model_validate(record.trial).trial_id == record.trial_id


def test_a_control_comes_back_without_a_warmup():
    history = [row for row in HISTORY if row["phase"] != "warmup"]
    read = read_record(written(trial=TRIAL.control(), history=history))
    assert read.trial["arm"] == "control"
    assert read.trial["warmup"] is None
    assert read.examples["warmup"] == 0
    assert read.trial_id == TRIAL.control().trial_id != TRIAL.trial_id


def test_the_meta_fields_come_back(record):
    assert record.status == "finished"
    assert record.device == "cpu"
    assert record.examples == {"warmup": 320, "task": 2**53 + 1 - 320}
    assert record.seconds == SECONDS | {"total": 3.75}
    assert abs(time.time() - record.finished_at) < 60
    assert record.versions["python"] == platform.python_version()
    for name in ("torch", "torchvision", "numpy", "scikit-image", "scikit-learn"):
        assert record.versions[name] == importlib.metadata.version(name)


def test_the_commit_and_the_number_of_workers_come_back_or_are_unknown_and_one(record):
    given = read_record(written(commit="3f2a+changes", workers=3))
    assert (given.commit, given.workers) == ("3f2a+changes", 3)
    assert (record.commit, record.workers) == ("unknown", 1)


def test_the_history_comes_back_exactly(record):
    assert len(record.history) == len(HISTORY)
    for (_, read), row in zip(record.history.iterrows(), HISTORY, strict=True):
        for name, value in row.items():
            assert read[name] == value, name


def test_counts_are_whole_numbers_and_metrics_doubles(record):
    types = record.history.dtypes
    assert {types[name] for name in ("epoch", "step", "examples")} == {np.dtype(np.int64)}
    others = ("seconds", "test_loss", "noise_loss", "train_loss")
    assert {types[name] for name in others} == {np.dtype(np.float64)}
    assert record.history["phase"].tolist() == ["untrained", "warmup", "task"]


def test_what_was_not_measured_is_nan(record):
    assert record.history["noise_loss"].isna().tolist() == [True, False, True]
    assert record.history["train_loss"].isna().tolist() == [True, True, False]
    assert not record.history["test_loss"].isna().any()


def test_a_diverged_trial_leaves_its_history_and_no_logits():
    read = read_record(written("diverged"))
    assert read.status == "diverged"
    assert not read.logits
    assert not read.labels
    assert read.history["test_loss"].tolist() == [2.5, 2.3, 1 / 3]


def test_a_network_that_diverges_before_its_first_measurement_leaves_an_empty_history():
    read = read_record(written("diverged", history=[], seconds={}))
    assert read.status == "diverged"
    assert read.history.empty
    assert read.seconds == {"total": 0.0}


def test_the_format_is_the_one_that_is_read():
    with np.load(io.BytesIO(written())) as archive:
        assert json.loads(str(archive["meta"]))["format"] == FORMAT


def test_there_is_no_pickle_in_it_and_it_is_compressed():
    with np.load(io.BytesIO(written()), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    assert all(array.dtype.kind in "Uif" for array in arrays.values())
    assert sorted(arrays) == sorted(
        [
            "meta",
            *(f"{split}/logits" for split in SPLITS),
            *(f"{split}/labels" for split in ("validation", "test")),
            *(f"history/{name}" for name in {name for row in HISTORY for name in row}),
        ]
    )
    with zipfile.ZipFile(io.BytesIO(written())) as file:
        assert {entry.compress_type for entry in file.infolist()} == {zipfile.ZIP_DEFLATED}


def test_numpy_s_own_numbers_in_a_history_are_read_as_they_are():
    row = HISTORY[0] | {"epoch": np.int64(3), "test_loss": np.float32(0.5)}
    read = read_record(written(history=[row]))
    assert read.history.loc[0, "epoch"] == 3
    assert read.history.loc[0, "test_loss"] == 0.5
