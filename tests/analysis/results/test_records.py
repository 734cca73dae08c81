"""A record is read whole or refused in one line; its numbers agree with scikit-learn's."""

import io
import json

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from studies import make_record

from analysis.metrics.classification import softmax
from analysis.results.records import RecordError, read_record
from analysis.results.summary import summarise


def altered(data: bytes, drop: str = "", **arrays) -> bytes:
    with np.load(io.BytesIO(data)) as archive:
        kept = {key: archive[key] for key in archive.files if key != drop}
    buffer = io.BytesIO()
    np.savez(buffer, **(kept | {key.replace("__", "/"): a for key, a in arrays.items()}))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def whole() -> bytes:
    return make_record("abc", warm=True)


def test_a_record_is_read_as_it_was_written(whole, tmp_path):
    path = tmp_path / "record.npz"
    path.write_bytes(whole)
    for source in (path, whole, io.BytesIO(whole)):
        record = read_record(source)
        assert (record.trial_id, record.status, record.device) == ("abc", "finished", "cpu")
        assert record.logits["test"].shape == (400, 10)
        assert record.logits["test"].dtype == np.float32
        assert set(record.logits) == {"validation", "test", "ood"}
        assert set(record.labels) == {"validation", "test"}
        assert list(record.history["phase"].unique()) == ["untrained", "warmup", "task"]
        assert record.history["noise_loss"].notna().sum() == 5
        assert record.seconds["total"] == 3.0


@pytest.mark.parametrize("keep", [0, 3, 100, 0.5, -1])
def test_a_truncated_file_is_refused_in_one_line_that_names_it(whole, tmp_path, keep):
    path = tmp_path / "cut.npz"
    path.write_bytes(whole[: int(len(whole) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(RecordError, match=r"cut\.npz") as error:
        read_record(path)
    assert "\n" not in str(error.value)


def test_a_flipped_byte_is_noticed(whole):
    at = len(whole) // 3
    with pytest.raises(RecordError):
        read_record(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])


def test_an_absent_file_is_a_record_error(tmp_path):
    with pytest.raises(RecordError, match="absent"):
        read_record(tmp_path / "absent.npz")


def test_pickles_are_never_loaded():
    class Bomb:
        def __reduce__(self):
            return pytest.fail, ("a pickle was executed",)

    buffer = io.BytesIO()
    np.savez(buffer, meta=np.array([Bomb()], dtype=object))
    with pytest.raises(RecordError):
        read_record(buffer.getvalue())


def test_a_single_array_is_refused():
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    with pytest.raises(RecordError, match="single array"):
        read_record(buffer.getvalue())


@pytest.mark.parametrize(
    "key", ["meta", "test/logits", "test/labels", "history/phase", "history/step"]
)
def test_a_missing_part_is_named(whole, key):
    with pytest.raises(RecordError, match=key):
        read_record(altered(whole, drop=key))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"meta": np.array("{")}, "format 1"),
        ({"meta": np.array(json.dumps({"format": 2}))}, "another format"),
        ({"test__labels": np.zeros(7, int)}, "do not fit"),
        ({"test__logits": np.zeros(400)}, "classes"),
        ({"history__epoch": np.zeros(2)}, "differ in length"),
    ],
)
def test_foreign_content_is_refused(whole, change, says):
    with pytest.raises(RecordError, match=says):
        read_record(altered(whole, **change))


def test_an_unknown_status_is_refused():
    with pytest.raises(RecordError, match="status"):
        read_record(make_record("a", status="asleep"))


def test_the_summary_agrees_with_scikit_learn(whole):
    record = read_record(whole)
    numbers = summarise(record)
    for split in ("validation", "test"):
        probabilities = softmax(record.logits[split])
        labels = record.labels[split]
        right = accuracy_score(labels, probabilities.argmax(1))
        assert numbers[f"{split}_accuracy"] == pytest.approx(right)
        assert numbers[f"{split}_nll"] == pytest.approx(log_loss(labels, probabilities))
        assert numbers[f"{split}_confidence"] == pytest.approx(probabilities.max(1).mean())
        gap = numbers[f"{split}_confidence"] - right
        assert numbers[f"{split}_gap"] == pytest.approx(gap)
        assert abs(gap) <= numbers[f"{split}_ece"] + 1e-12
    known, unknown = (softmax(record.logits[s]).max(1) for s in ("test", "ood"))
    positive = np.repeat([1, 0], [known.size, unknown.size])
    expected = roc_auc_score(positive, np.concatenate([known, unknown]))
    assert numbers["ood_auroc"] == pytest.approx(expected)
    assert numbers["ood_confidence"] == pytest.approx(unknown.mean())


def test_what_was_not_measured_is_absent():
    without_ood = summarise(read_record(make_record("a", ood=False)))
    assert not [name for name in without_ood if name.startswith("ood")]
    assert "test_ece" in without_ood
    assert summarise(read_record(make_record("a", status="diverged"))) == {}
