"""One trial that cannot be published holds up no other, and an MLflow that is away loses none."""

from types import SimpleNamespace

import pytest
from mlflow.exceptions import MlflowException

from analysis.results.places import ArtifactsError
from sweep.tracking.outbox import Outbox, Publication
from trainables.errors import StorageError


class Publisher:
    """Stands for one that fails: which a real one cannot be made to do at will."""

    def __init__(self, fails):
        self.fails = fails  # by name, the errors of its next attempts
        self.published = []

    def publish(self, planned, payload, origin=None):
        if self.fails.get(planned.name):
            raise self.fails[planned.name].pop(0)
        self.published.append((planned.name, payload))

    def publish_study(self, share):
        """It is told of the end."""


def send(publisher, *names):
    outbox = Outbox(publisher)
    for name in names:
        outbox.put(Publication(SimpleNamespace(name=name, trial_id=name), name.encode))
    outbox.close()
    return outbox


@pytest.mark.parametrize("kind", [ValueError, MlflowException.invalid_parameter_value])
def test_a_publication_that_is_refused_is_told_and_the_others_are_published(kind):
    publisher = Publisher({"b": [kind("logits contain NaN")]})
    outbox = send(publisher, "a", "b", "c")
    assert publisher.published == [("a", b"a"), ("c", b"c")]
    assert outbox.refused == ["b: logits contain NaN"]
    assert outbox.waiting == []


def test_what_waits_while_mlflow_is_away_is_published_in_order_when_it_is_back():
    publisher = Publisher({"a": [MlflowException("away"), OSError("away")]})
    outbox = send(publisher, "a", "b", "c")
    assert [name for name, _ in publisher.published] == ["a", "b", "c"]
    assert (outbox.waiting, outbox.refused) == ([], [])


def test_what_is_still_waiting_at_the_end_is_kept_with_the_reason():
    publisher = Publisher({"a": [MlflowException("no answer at //user:secret@host")] * 9})
    outbox = send(publisher, "a", "b")
    assert [publication.planned.name for publication in outbox.waiting] == ["a", "b"]
    assert (outbox.away, outbox.reason) == ("MLflow", "no answer at //…@host")


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (StorageError, "the storage"),
        (ArtifactsError, "the store of MLflow's artifacts"),
        (OSError, "MLflow"),
    ],
)
def test_what_is_away_is_called_by_its_name(error, away):
    outbox = send(Publisher({"a": [error("connection refused")] * 9}), "a")
    assert (outbox.away, outbox.reason) == (away, "connection refused")
    assert (len(outbox.waiting), outbox.refused) == (1, [])
