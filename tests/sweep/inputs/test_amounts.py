"""A refusal says what would be accepted, and what it says is accepted."""

import re

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from support import refusal

from sweep.errors import InputError
from sweep.inputs.amounts import check_amounts
from trainables.config.trial import Data
from trainables.data.examples import Examples, Source


def examples(labels):
    labels = torch.as_tensor(labels, dtype=torch.int64)
    return Examples(torch.zeros((len(labels), 1, 1, 1), dtype=torch.uint8), labels)


def source(train, test=10, validation=None, classes=2):
    own = None if validation is None else examples(torch.arange(validation) % classes)
    names = tuple(f"c{label}" for label in range(classes))
    train = torch.arange(train) % classes if isinstance(train, int) else train
    return Source("npz:x", examples(train), own, examples(torch.arange(test) % classes), names)


def accepted(said, data):
    """The data section as the refusal would have it."""
    levels = dict(re.findall(r"--set data\.(\w+)=(\d+)", said))
    if not levels:
        levels = {re.match(r"data\.(\w+):", said)[1]: re.search(r"give at most (\d+)$", said)[1]}
    return data.model_copy(update={field: int(level) for field, level in levels.items()})


def test_one_field_that_asks_for_too_much_is_named_with_the_most_there_is():
    data = Data(source="npz:x", ood=None, examples=61, validation=20)
    assert refusal(check_amounts, data, source(80), None) == (
        "data.examples: 61 asked for, npz:x has 60; give at most 60"
    )
    data = Data(source="npz:x", ood=None, examples=10, validation=71)
    assert refusal(check_amounts, data, source(80), None) == (
        "data.validation: 71 asked for, npz:x has 80 to train on, of which 10 are asked for; "
        "give at most 70"
    )


def test_fields_that_ask_for_too_much_together_are_named_together():
    data = Data(source="npz:x", ood="npz:y", test=500, ood_examples=99)
    said = refusal(check_amounts, data, source(24, test=6), source(3, test=7))
    assert said == (
        "data.validation 500, data.examples 500, data.test 500, data.ood_examples 99: npz:x has "
        "24 training, 6 test examples, npz:y 7; this much is there: --set data.validation=12 "
        "--set data.examples=12 --set data.test=6 --set data.ood_examples=7"
    )
    check_amounts(accepted(said, data), source(24, test=6), source(3, test=7))


@pytest.mark.parametrize(
    ("there", "changes", "says"),
    [
        (source(2), {}, "data.source: npz:x has 2 training examples; give at least 3"),
        (source(1, validation=5), {}, "npz:x has 1 training examples; give at least 2"),
        (
            source([0, 0, 0, 1, 1, 2], classes=3, test=2),
            {"classes": 2, "examples": 2, "validation": 6},
            "data.validation: 6 asked for, npz:x of 2 classes has 5 to train on",
        ),
        (
            source([0] * 50 + [1], validation=5),
            {"balanced": True, "examples": 40},
            "the rarest class of npz:x has 1 of 51; give at most 2",
        ),
        (
            source([0] * 50, validation=5),
            {"balanced": True, "examples": 40},
            "data.balanced: of npz:x, class c1 has no example to train on; leave it out",
        ),
    ],
)
def test_where_no_value_would_do_the_refusal_asks_for_more_data(there, changes, says):
    data = Data(source="npz:x", ood=None, **{"validation": 2} | changes)
    assert says in refusal(check_amounts, data, there, None)


@given(
    train=st.lists(st.integers(0, 2), max_size=60),
    own=st.none() | st.integers(1, 20),
    test=st.integers(1, 20),
    ood=st.none() | st.integers(1, 20),
    asked=st.fixed_dictionaries(
        {"examples": st.integers(2, 80), "validation": st.integers(1, 80)},
        optional={
            "test": st.integers(1, 40),
            "ood_examples": st.integers(1, 40),
            "balanced": st.booleans(),
            "classes": st.integers(2, 3),
        },
    ),
)
def test_what_a_refusal_proposes_is_accepted(train, own, test, ood, asked):
    there = source(train, test=test, validation=own, classes=3)
    others = None if ood is None else source(3, test=ood)
    data = Data(source="npz:x", ood=None if ood is None else "npz:y", **asked)
    try:
        check_amounts(data, there, others)
    except InputError as error:
        said = str(error)
    else:
        return
    assume("give at least" not in said and "data.balanced: of" not in said)
    better = accepted(said, data)
    Data(**better.model_dump())  # no value that the field itself refuses
    check_amounts(better, there, others)
    for field in ("examples", "validation", "test", "ood_examples"):
        before, after = getattr(data, field), getattr(better, field)
        assert (before is None) == (after is None)
        assert before is None or after <= before
