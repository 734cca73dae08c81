"""MLflow's metrics count as a record's numbers where they are that to the bit, and nowhere else."""

import pytest
from mlflow.entities import Metric
from studies import one_condition, publish

from analysis.cache import Cache
from analysis.results import download, published
from analysis.results.loading import load_study
from analysis.results.published import published_numbers, seal
from analysis.results.summary import summarise

INF, NAN = float("inf"), float("nan")
EXACT = {"test_ece": 0.1 + 0.2, "test_gap": -1 / 3, "test_nll": 5e-324, "test_ece_smooth": NAN}


@pytest.fixture
def run_with(store):
    """A run in MLflow with a seal and metrics, of (step, value) each."""
    experiment = store.client.get_experiment_by_name("synthetic").experiment_id

    def make(said, metrics):
        run_id = store.client.create_run(experiment, tags={"summary": said}).info.run_id
        for name, (step, value) in metrics:
            store.client.log_batch(run_id, [Metric(name, value, 1, step)])
        return store.client.get_run(run_id)

    return make


def at_the_end(numbers):
    return [(name, (7, value)) for name, value in numbers.items()]


def bits(numbers):
    return {name: float(value).hex() for name, value in numbers.items()}


def test_sealed_metrics_come_back_to_the_bit_and_no_other_metric_does(run_with):
    others = [("test_accuracy", (7, 0.5)), ("train_loss", (7, 1.0)), ("test_ece", (3, 0.9))]
    run = run_with(seal(EXACT), [*others, *at_the_end(EXACT)])
    assert bits(published_numbers(run)) == bits(EXACT)
    assert published_numbers(run_with(seal({}), others)) == {}  # of a trial that diverged


@pytest.mark.parametrize(
    ("sealed", "logged"),
    [
        ({"test_nll": INF}, {"test_nll": INF}),  # which MLflow makes 1.8e308
        ({"test_nll": 1.0}, {"test_nll": 1.0 + 2**-52}),
        ({"test_nll": 1.0}, {}),
        ({"test_nll": 1.0}, {"test_nll": NAN}),
        ({"test nll": 1.0}, {"test nll": 1.0}),  # no name of ours has a space
    ],
)
def test_what_the_seal_does_not_fit_is_not_known(run_with, sealed, logged):
    assert published_numbers(run_with(seal(sealed), at_the_end(logged))) is None


@pytest.mark.parametrize("said", ["", "nonsense", "test_ece", "0123456789abcdef 0 test_ece"])
def test_without_a_seal_or_with_no_such_one_nothing_is_known(run_with, said):
    assert published_numbers(run_with(said, at_the_end(EXACT))) is None


def test_metrics_of_other_code_are_not_known(run_with, monkeypatch):
    run = run_with(seal(EXACT), at_the_end(EXACT))
    monkeypatch.setattr(published, "code_of_numbers", lambda: "another")
    assert published_numbers(run) is None


@pytest.fixture
def computed(monkeypatch, tmp_path):
    """The trials whose numbers are computed from their records."""
    monkeypatch.setenv("WARMUP_SWEEP_CACHE", str(tmp_path / "cache"))
    of = []
    monkeypatch.setattr(download, "summarise", lambda r: of.append(r.trial_id) or summarise(r))
    return of


def test_a_report_computes_what_metrics_do_not_say_and_has_the_same_numbers(store, computed):
    """Of three pairs: one as it is now, one of code that knew a measure less, one without seals."""
    spec = one_condition(study="sealed", replicates=3, outcomes={("", 1): "diverged"})
    publish(store.client, spec, store.folder)
    of_records = load_study(store.client, "sealed")
    assert sorted(computed) == ["control0", "control2", "warm0x0", "warm0x1", "warm0x2"]
    for trial in of_records.trials[:4]:
        numbers = dict(trial.numbers)
        metrics = [Metric(name, value, 2, 9) for name, value in numbers.items()]
        store.client.log_batch(trial.run_id, metrics)
        store.client.set_tag(trial.run_id, "summary", seal(numbers))
    lacking = of_records.by_id["warm0x1"]
    fewer = {name: n for name, n in lacking.numbers.items() if name != "test_ece_smooth"}
    of_then = seal(fewer).replace(published.code_of_numbers(), "0123456789abcdef")
    store.client.set_tag(lacking.run_id, "summary", of_then)
    Cache().clear()
    computed.clear()
    of_metrics = load_study(store.client, "sealed")
    sealed = {t.trial_id for t in of_records.trials[:4]} - {"warm0x1"}
    assert set(computed) == {t.trial_id for t in of_records.trials if t.numbers} - sealed
    for one, two in zip(of_records.trials, of_metrics.trials, strict=True):
        assert (one.outcome, bits(one.numbers)) == (two.outcome, bits(two.numbers))
        assert list(one.numbers) == list(two.numbers)


def test_numbers_of_an_exchanged_record_are_of_no_trial(store, computed):
    publish(store.client, one_condition(study="exchanged and sealed"), store.folder)
    trial = load_study(store.client, "exchanged and sealed").by_id["warm0x0"]
    assert bits(trial.numbers) == bits(summarise(trial.record))
    store.client.log_batch(trial.run_id, [Metric(n, v, 2, 9) for n, v in trial.numbers.items()])
    store.client.set_tag(trial.run_id, "summary", seal(trial.numbers))
    other = store.folder / "record.npz"
    other.write_bytes(b"another")
    store.client.log_artifact(trial.run_id, str(other))
    found = load_study(store.client, "exchanged and sealed").by_id["warm0x0"]
    assert (found.outcome, found.numbers) == ("missing", {})
