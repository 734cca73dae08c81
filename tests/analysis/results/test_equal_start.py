"""Members of a pair are one network before anything is trained, or the report says that they are
not, before all else."""

from dataclasses import replace

import numpy as np
import pytest
from studies import Spec, make_results

from analysis.rendering.findings import findings
from analysis.rendering.page import render_page
from analysis.results.equal_start import unequal_starts, warning


@pytest.fixture
def study():
    """Three replicates of two distributions; no two trials share a record."""
    spec = Spec(distributions=("gaussian", "pink"), stds=(), replicates=3, exhibits=())
    return make_results(spec)


def changed(study, trial_id, **fields):
    """The study, with other fields of one trial."""
    return replace(
        study,
        trials=tuple(
            replace(trial, **fields) if trial.trial_id == trial_id else trial
            for trial in study.trials
        ),
    )


def with_record(study, trial_id, **fields):
    """The study, with other fields of one trial's record."""
    return changed(study, trial_id, record=replace(study.by_id[trial_id].record, **fields))


def with_column(study, trial_id, name, value):
    """The study, with another first row of a column of one trial's history."""
    columns = study.by_id[trial_id].record.columns
    column = np.concatenate([[value], columns[name][1:]])
    return with_record(study, trial_id, columns=columns | {name: column})


def with_loss(study, trial_id, value, loss="test_loss"):
    return with_column(study, trial_id, loss, value)


def test_equal_starts_are_no_news(study):
    assert unequal_starts(study) == []
    assert warning(study) == []


@pytest.mark.parametrize("loss", ["validation_loss", "test_loss"])
def test_a_pair_of_two_networks_is_told_of_before_anything_else(study, loss):
    broken = with_loss(study, "warm1x2", 2.31, loss)
    (found,) = unequal_starts(broken)
    assert (found.without.trial_id, found.with_.trial_id) == ("control2", "warm1x2")
    assert found.values == (2.3, 2.31)
    first, *rest = findings(broken)
    assert rest == findings(study)
    assert "in 1 of 6 pairs" in first
    assert f"of pink #2 the untrained {loss.replace('_', ' ')} is 2.3 without" in first
    assert "and 2.31 with)" in first
    page = render_page(broken, [], {})
    assert page.index("in 1 of 6 pairs") < page.index("How to read this")


def test_a_control_that_is_another_network_is_in_no_pair_with_any_of_its_partners(study):
    found = unequal_starts(with_loss(study, "control0", 2.4))
    assert [pair.with_.trial_id for pair in found] == ["warm0x0", "warm1x0"]


@pytest.mark.parametrize(
    ("value", "device", "said"),
    [
        (2.3 * (1 + 5e-5), "cpu", 0),  # another processor's rounding
        (2.3 * (1 + 5e-4), "cpu", 1),
        (2.3 * (1 + 5e-4), "NVIDIA H100", 0),
        (2.3 * (1 + 5e-2), "NVIDIA H100", 1),
    ],
)
def test_rounding_is_no_difference(study, value, device, said):
    trials = tuple(replace(t, record=replace(t.record, device=device)) for t in study.trials)
    moved = with_loss(replace(study, trials=trials), "warm0x1", value)
    assert len(unequal_starts(moved)) == said


def test_kinds_of_device_are_not_compared(study):
    broken = with_loss(study, "warm0x0", 9.0)
    assert unequal_starts(with_record(broken, "warm0x0", device="NVIDIA H100")) == []


def test_nothing_is_said_of_records_without_the_row_or_of_trials_without_a_record(study):
    broken = with_loss(study, "warm0x0", 9.0)
    assert unequal_starts(with_column(broken, "warm0x0", "phase", "warmup")) == []
    assert unequal_starts(changed(broken, "warm0x0", record=None, outcome="failed")) == []


def test_trials_that_diverged_began_too(study):
    broken = with_loss(study, "warm0x0", 9.0)
    assert len(unequal_starts(changed(broken, "warm0x0", outcome="diverged"))) == 1
