"""Optuna's samplers, seeded so that a proposal depends on what has been told and its own number.

A sampler that draws from one stream depends on how often it was asked: a search that is killed and
goes on, or that two launchers share, would draw other numbers, or the same numbers twice.
"""

import hashlib
from typing import Any

import optuna
from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

STARTUP = 10  # proposals drawn at random before a model is fitted


def make_sampler(name: str, seed: int) -> BaseSampler:
    """Of a search section: tpe, nsga2, gp or random."""
    return _ByNumber(name, seed)


class _ByNumber(BaseSampler):
    """A new sampler for every proposal, seeded with its number."""

    def __init__(self, name: str, seed: int) -> None:
        self._name, self._seed = name, seed
        self._sampler: BaseSampler = RandomSampler(seed=seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        text = f"{self._seed}/{trial.number}".encode()
        self._sampler = _new(self._name, int(hashlib.sha256(text).hexdigest()[:8], 16))
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        self._sampler.after_trial(study, trial, state, values)


def _new(name: str, seed: int) -> BaseSampler:
    if name == "tpe":  # grouped: conditional dimensions are modelled where they are active
        return TPESampler(
            seed=seed, n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True
        )
    if name == "nsga2":
        return NSGAIISampler(seed=seed, population_size=STARTUP)
    if name == "gp":
        return GPSampler(seed=seed, n_startup_trials=STARTUP, warn_independent_sampling=False)
    return RandomSampler(seed=seed)


def make_pruner(name: str | None, stop_after: int) -> optuna.pruners.BasePruner:
    """Which proposals are not run on all seeds. A step is a seed, its value the mean so far.

    Over epochs nothing is stopped: a warmed-up network begins better calibrated than its control
    and the curves cross, so an early epoch says little of the last.
    """
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=stop_after - 1)
    if name == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=stop_after, reduction_factor=2)
    return optuna.pruners.NopPruner()
