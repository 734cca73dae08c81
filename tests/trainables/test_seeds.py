"""Global random states are forked and seeded, whoever's they are, and left as they were."""

import contextlib
import hashlib
import random

import numpy as np
import pytest
import torch

from trainables.seeds import global_positions, global_state, kept_global_state

CPU = torch.device("cpu")


def draws() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.rand()), random.random()


def test_draws_of_all_three_follow_from_seed_and_purpose_alone():
    found = {}
    for seed, purpose in ((0, "a"), (0, "b"), (1, "a")):
        with global_state(seed, purpose, CPU):
            found[seed, purpose] = draws()
        draws()
        with global_state(seed, purpose, CPU):
            assert draws() == found[seed, purpose]
    for kind in zip(*found.values(), strict=True):
        assert len(set(kind)) == 3


def test_pytorch_s_draws_are_those_of_a_generator_seeded_by_the_name():
    seed = int.from_bytes(hashlib.sha256(b"5/construction").digest()[:8], "big", signed=True)
    expected = torch.rand(3, generator=torch.Generator().manual_seed(seed))
    with global_state(5, "construction", CPU):
        assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("raises", [False, True])
def test_all_three_go_on_afterwards_as_if_nothing_had_been(raises):
    def seed_all() -> None:
        for seed in (torch.manual_seed, np.random.seed, random.seed):
            seed(3)

    seed_all()
    before, wanted = global_positions(), draws()
    seed_all()
    with contextlib.suppress(KeyError), global_state(0, "x", CPU), kept_global_state():
        draws()
        np.random.seed(9)
        if raises:
            raise KeyError
    assert global_positions() == before
    assert draws() == wanted


@pytest.mark.parametrize("source", ["PyTorch", "NumPy", "random"])
def test_a_draw_moves_its_own_position_alone(source):
    before = global_positions()
    {"PyTorch": torch.rand, "NumPy": np.random.rand, "random": lambda n: random.random()}[source](1)
    after = global_positions()
    assert [name for name in before if after[name] != before[name]] == [source]
