"""The steps by which a GPU's memory is measured; on the CPU, where nothing is counted."""

import pytest
import torch
from lives import CPU, photographs
from small import WARM

from trainables.config.trial import Trial
from trainables.preflight import memory
from trainables.preflight.memory import STEPS, few_steps


@pytest.mark.parametrize(
    ("trial", "trained"), [(WARM, 2 * STEPS), (WARM.control(), STEPS)], ids=["warmup", "control"]
)
def test_a_few_steps_of_each_phase_and_a_whole_evaluation(trial: Trial, trained, monkeypatch):
    passes: list[tuple[bool, int]] = []
    build = memory.build

    def watched(*arguments):
        network = build(*arguments)
        network.register_forward_hook(
            lambda m, given, _: passes.append((m.training, len(given[0])))
        )
        return network

    monkeypatch.setattr(memory, "build", watched)
    before = torch.random.get_rng_state()
    few_steps(trial, photographs(), CPU)
    assert passes == [(True, 8)] * trained + [(False, trial.data.validation)]
    assert torch.equal(torch.random.get_rng_state(), before)
