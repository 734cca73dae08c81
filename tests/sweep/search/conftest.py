"""A search without Ray: what a proposal is worth is a formula, and everything else is real."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from analysis.results.objectives import OBJECTIVES
from sweep.inputs.datasets import Sources
from sweep.plan.plan import StudyPlan
from sweep.search.ask_tell import AskTell, RunningProposal
from sweep.search.optuna_storage import opened
from sweep.search.plan import controls_of
from sweep.search.samplers import make_pruner, make_sampler
from sweep.search.settings import parse_search
from sweep.search.space import Space

NOISE = {"warmup.noise.std": {"low": 0.1, "high": 4.0, "log": True}}
Worth = Callable[[dict[str, Any], int], float]  # params, seed → ECE; NaN: diverged


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def base_plan(planned: Callable[..., StudyPlan], sources: Sources) -> SimpleNamespace:
    """The tiny study without grids: its plan on three seeds, and how trials are looked at."""
    plan = planned({"grids": {}}, replicates=3)
    return SimpleNamespace(plan=plan, resolve=sources.resolve, study=plan.study)


class Bench:
    """Proposers of one search in one place."""

    def __init__(self, folder: Path, base_plan: SimpleNamespace, fields: dict[str, Any]) -> None:
        self.folder, self.base_plan = folder, base_plan
        self.search = parse_search({"space": NOISE, "seeds": 3, "trials": 8} | fields)
        self.space = Space(self.search, base_plan.plan.base, base_plan.resolve)
        self.url = f"sqlite:///{folder}/search.db"

    @contextmanager
    def ask_tell(
        self,
        deadline: float | None = None,
        worth: Worth | None = None,
        accuracy: Worth | None = None,
    ) -> Iterator[AskTell]:
        search = self.search
        values: dict[str, tuple[dict[str, Any], int]] = {}

        def read(trial_id: str) -> SimpleNamespace:
            if trial_id not in values:  # a control
                return record(0.2, 0.5)
            params, seed = values[trial_id]
            ece = (worth or standard)(params, seed)
            right = 0.5 if accuracy is None else accuracy(params, seed)
            return record(ece, right, "diverged" if np.isnan(ece) else "finished")

        with opened(
            self.url,
            "bench",
            [OBJECTIVES[name].direction for name in search.objectives],
            self.folder,
            make_sampler(search.sampler, search.seed),
            make_pruner(search.stopping, search.stop_after),
        ) as store:
            ask_tell = AskTell(
                search=search,
                space=self.space,
                store=store,
                controls=tuple(p.trial for p in controls_of(self.base_plan.plan))[: search.seeds],
                read=read,
                budget=search.trials,
                deadline=deadline,
            )
            asked = ask_tell.ask

            def ask() -> RunningProposal | None:
                live = asked()
                if live is not None:
                    for member in live.members:
                        values[member.trial_id] = (live.params, member.seed)
                return live

            ask_tell.ask = ask  # type: ignore[method-assign]
            yield ask_tell

    @contextmanager
    def searched(self, **asked: Any) -> Iterator[AskTell]:
        """An ask-and-tell whose budget is spent."""
        with self.ask_tell(**asked) as ask_tell:
            ask_tell.begin()
            run_all(ask_tell)
            yield ask_tell


def standard(params: dict[str, Any], seed: int) -> float:
    """Best at std 0.5."""
    return 0.02 * seed + abs(np.log(params.get("warmup.noise.std", 1.0) / 0.5)) / 10


def record(ece: float, accuracy: float, status: str = "finished") -> SimpleNamespace:
    """A record of 1,000 predictions, so many right, whose confidence is off by `ece`."""
    n, classes = 1000, 10  # so that a confidence below one half is the largest all the same
    confidence = accuracy + (0.0 if np.isnan(ece) else ece)
    logits = np.full((n, classes), np.log((1 - confidence) / (classes - 1)), dtype=np.float32)
    predicted = np.where(np.arange(n) < round(accuracy * n), 0, 1)
    logits[np.arange(n), predicted] = np.log(confidence)
    labels = np.zeros(n, dtype=np.int64)
    splits = {"validation": logits}
    return SimpleNamespace(
        status=status, logits=splits, labels={"validation": labels}, examples={"warmup": 512}
    )


def run(ask_tell: AskTell, live: RunningProposal) -> Any:
    """The proposal, seed by seed, until it is ended."""
    for seeds in range(1, len(live.members) + 1):
        ask_tell.seeds_done(live.number, seeds)
        if live.ended:
            break
    return ask_tell.finished(live.number)


def run_all(ask_tell: AskTell) -> None:
    while (live := ask_tell.ask()) is not None:
        run(ask_tell, live)


def alternate(*searches: AskTell) -> None:
    """Each runs one proposal after the other has, until there is none."""
    for ask_tell in searches:
        ask_tell.begin()
    for ask_tell in itertools.cycle(searches):
        live = ask_tell.ask()
        if live is None:
            return
        run(ask_tell, live)


@pytest.fixture
def bench(tmp_path: Path, base_plan: SimpleNamespace) -> Callable[..., Bench]:
    return lambda **fields: Bench(tmp_path, base_plan, fields)


@pytest.fixture(scope="session")
def driver() -> SimpleNamespace:
    return SimpleNamespace(run=run, run_all=run_all, alternate=alternate)
