"""Long names are cut for databases that refuse them, and stay apart."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import MAX_DATASET_NAME_SIZE

from sweep.tracking.entities import data_sets, parameters, run_name
from sweep.tracking.names import shortened
from trainables.config.trial import Data, Trial
from trainables.data.photos import photos


@given(st.text(max_size=300), st.integers(20, 250))
def test_a_text_is_itself_or_as_long_as_may_be(text, most):
    short = shortened(text, most)
    assert short == text if len(text) <= most else len(short) == most


def test_long_texts_that_differ_in_the_middle_stay_apart():
    one, two = (f"npz:{'a' * 300}{middle}{'b' * 300}.npz" for middle in "xy")
    assert shortened(one, 250) != shortened(two, 250)
    assert shortened(one, 250).startswith("npz:aaa")
    assert shortened(one, 250).endswith("bbb.npz")


def test_a_path_of_600_characters_fits_what_mlflow_takes():
    name = f"npz:{'folder/' * 90}set.npz"
    trial = Trial(data=Data(source=name, ood=None))
    (row,) = data_sets(trial, {name: dataclasses.replace(photos(), name=name)})
    assert len(row.dataset.name) == MAX_DATASET_NAME_SIZE
    assert len(run_name(f"laptop, {name}")) == 250
    assert {p.key: p.value for p in parameters(trial)}["data.source"] == name
