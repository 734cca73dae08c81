"""The MLP against the paper's sizes and He's law; its weights depend on the seed alone."""

import itertools
import math

import fingerprints
import numpy as np
import pytest
import scipy.stats
import torch
from fingerprints import network_digest
from lives import CPU
from small import FACTS
from torch import nn

from trainables.config.model import Mlp
from trainables.config.trial import Data, Trial
from trainables.models.build import build
from trainables.models.initialisation import initialise
from trainables.models.mlp import mlp
from trainables.seeds import generator

ERRORS = 5  # standard errors allowed


def network(depth: int = 6, seed: int = 0, width: int = 256) -> nn.Sequential:
    made = mlp((3, 32, 32), 10, depth, width)
    initialise(made, "he", generator(seed, "weights"))
    return made


def linears(made: nn.Module) -> list[nn.Linear]:
    return [layer for layer in made.modules() if isinstance(layer, nn.Linear)]


def trial(**fields: object) -> Trial:
    return Trial(data=Data(facts=FACTS), **fields)


def same(*networks: nn.Module) -> bool:
    return len({network_digest(network) for network in networks}) == 1


# Architecture


@pytest.mark.parametrize(
    ("depth", "parameters"),
    [(2, 789_770), (3, 856_074), (4, 922_378), (5, 988_682), (6, 1_054_986)],
)
def test_the_paper_s_networks_have_the_paper_s_parameters(depth, parameters):
    assert sum(parameter.numel() for parameter in network(depth).parameters()) == parameters


@pytest.mark.parametrize("depth", [2, 3, 4, 5, 6])
def test_hidden_blocks_are_linear_relu_batchnorm_and_the_last_linear_stands_alone(depth):
    block = [nn.Linear, nn.ReLU, nn.BatchNorm1d]
    expected = [nn.Flatten, *block * (depth - 1), nn.Linear]
    assert [type(layer) for layer in network(depth)] == expected
    widths = [(layer.in_features, layer.out_features) for layer in linears(network(depth))]
    assert widths == list(itertools.pairwise([3072, *[256] * (depth - 1), 10]))


def test_the_toy_model_of_the_paper_is_the_same_builder():
    toy = mlp((2,), 2, depth=3, width=10)
    assert [tuple(layer.weight.shape) for layer in linears(toy)] == [(10, 2), (10, 10), (2, 10)]
    assert toy(torch.zeros(4, 2)).shape == (4, 2)


def test_a_forward_pass_is_the_formula():
    """By hand in float64: h ← BN(max(0, W h + b)) with batch statistics, and no BN at the end."""
    made = network(4, width=16).train()
    inputs = torch.randn(32, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    hidden = inputs.flatten(1).double().numpy()
    *blocks, last = [layer.weight.detach().double().numpy() for layer in linears(made)]
    for weight in blocks:
        hidden = np.maximum(0, hidden @ weight.T)
        hidden = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + 1e-5)
    np.testing.assert_allclose(made(inputs).detach().numpy(), hidden @ last.T, atol=1e-4)


# Initialisation


@pytest.mark.parametrize("layer", range(6))
def test_weights_follow_he_s_normal_law(layer):
    weights = linears(network(6))[layer].weight.detach().double().numpy()
    sigma = math.sqrt(2 / weights.shape[1])
    assert abs(weights.mean()) < ERRORS * sigma / math.sqrt(weights.size)
    assert weights.std() == pytest.approx(sigma, rel=ERRORS / math.sqrt(2 * weights.size))
    assert scipy.stats.kstest(weights.ravel() / sigma, "norm").pvalue > 0.01


# Randomness


def test_the_seed_is_all_of_the_trial_that_the_weights_depend_on():
    one, other = trial(seed=3), trial(seed=3, warmup={"examples": 9999, "noise": {"std": 2}})
    members = (build(t, CPU) for t in (one, one.control(), other))
    assert same(*members, network(depth=6, seed=3))


@pytest.mark.parametrize("seed", [1, 2, 2**40])
def test_another_seed_gives_other_weights_in_every_layer(seed):
    for one, other in zip(linears(network(seed=0)), linears(network(seed=seed)), strict=True):
        size = one.weight.numel()
        correlation = np.corrcoef(one.weight.detach().ravel(), other.weight.detach().ravel())[0, 1]
        assert abs(correlation) < ERRORS / math.sqrt(size)


def test_a_model_section_sets_depth_and_width():
    made = build(trial(model=Mlp(depth=3, width=20)), CPU)
    assert [layer.out_features for layer in linears(made)] == [20, 20, 10]


def test_another_process_draws_the_same_weights(elsewhere):
    assert elsewhere["weights"] == fingerprints.weights()
