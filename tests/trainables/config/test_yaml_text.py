"""Study files are read as they are meant: nothing given twice, and numbers are numbers."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import refusal

from sweep.cli.arguments import assignment
from sweep.cli.launch_arguments import parse_options
from sweep.plan.study import load_study
from trainables.config.yaml_text import GivenTwice, read_yaml, write_yaml

# as YAML 1.2's core schema has them: yaml.org/spec/1.2.2, section 10.3
NUMBERS = {
    **{"1e-4": 1e-4, "1E5": 1e5, "1.0e5": 1e5, "+1e3": 1e3, "-2.5e-3": -2.5e-3, ".5": 0.5},
    **{"5.": 5.0, "010": 10, "0": 0, "-7": -7, "0x1F": 31, "12e0": 12.0, ".inf": math.inf},
}
TEXTS = ["1:30", "2020-01-01", "1.2.3", "1-2", "e5", "1e", "nan", "_1", "12:30:45"]


@pytest.mark.parametrize(("text", "number"), NUMBERS.items())
def test_numbers_are_those_of_yaml_1_2(text, number):
    for value in (read_yaml(text), *read_yaml(f"[{text}]"), *read_yaml(f"a: {text}").values()):
        assert (type(value), value) == (type(number), number)
    assert assignment(f"a={text}") == ("a", number)


@pytest.mark.parametrize("text", TEXTS)
def test_times_dates_and_versions_are_texts(text):
    assert read_yaml(text) == text


def test_words_are_what_pyyaml_takes_them_for():
    text = "[yes, no, on, off, true, null, ~, .nan]"
    assert repr(read_yaml(text)) == repr(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "'a' is given in line 1 and again in line 3; keep one of them"),
        ("x:\n  p: 1\n  p: 1", "'p' is given in line 2 and again in line 3"),
        ("[{p: 1, 'p': 2}]", "'p' is given in line 1"),
        ("x: &x {p: 1, p: 2}\ny: {<<: *x}", "'p' is given in line 1"),
        ("1: a\n1.0: b", "1.0 is given in line 1 and again in line 2"),
    ],
)
def test_equal_keys_are_refused_with_their_lines(text, says):
    with pytest.raises(GivenTwice) as caught:
        read_yaml(text)
    assert says in str(caught.value)


def test_a_merged_key_may_be_given_anew():
    text = "a: &a {p: 1, q: 2}\nb: {<<: *a, p: 3}"
    assert read_yaml(text)["b"] == {"p": 3, "q": 2} == yaml.safe_load(text)["b"]


# PyYAML itself takes some control characters for ends of lines
TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
    | st.sampled_from([*NUMBERS, *TEXTS, "yes", "null", "~", "", "a: b", "#"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(VALUES)
def test_what_is_written_is_read_again(value):
    again = read_yaml(write_yaml(value))
    assert again == value
    assert repr(again) == repr(value)


def test_a_study_that_gives_a_grid_twice_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: T\nanswers: A?\ngrids:\n"
        "  std: {warmup.noise.std: [1]}\n"
        "  std: {warmup.noise.std: [2]}\n"
        "scales: {laptop: {replicates: 1}}\n"
    )
    line = refusal(load_study, str(path))
    assert line.startswith(f"{path}: 'std' is given in line 4 and again in line 5;")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "a=1", "--set", "a=2"], "--set a: a is given twice"),
        (["--set", "data.source=x", "--data", "y"], "--data: data.source is given twice"),
        (["--ood", "none", "--set", "data.ood=x"], "--ood: data.ood is given twice"),
        (["--set", "a={b: 1, b: 2}"], "'b' is given in line 1"),
    ],
)
def test_an_option_that_would_undo_another_is_refused(arguments, says):
    assert says in refusal(parse_options, ["noise_ablation", *arguments])
