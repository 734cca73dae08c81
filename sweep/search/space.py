"""The space of a search: dotted fields of a trial as Optuna's parameters, and trials from them."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import optuna

from sweep.errors import DoesNotApply, InputError
from sweep.plan.fields import Fields, get_field, parse_trial, with_fields
from sweep.plan.plan import outer_first
from sweep.search.settings import Choice, Range, Search
from trainables.config.trial import Trial

Params = dict[str, Any]  # dotted field → level, of the dimensions that are active
SAMPLES = 100  # combinations tried before anything runs


class Space:
    """The dimensions around a base trial."""

    def __init__(self, search: Search, base: Trial, resolve: Callable[[Trial], Trial]) -> None:
        """resolve: fills in the facts of a trial's data and network.

        Raises:
            InputError: the base is not in the space, or a trial of the space cannot be.
        """
        self._resolve = resolve
        self._fields = base_fields(base)
        self.left_out: list[str] = []  # levels that have no meaning for the data, and why
        self._dimensions = search.dimensions
        self._dimensions = {f: self._meaningful(f, d) for f, d in search.dimensions.items()}
        self.base = self._base_params()
        self._try()

    def suggest(self, trial: optuna.trial.BaseTrial) -> Params:
        """A level of every active dimension, by the trial's sampler."""
        params: Params = {}
        for field, dimension in self._dimensions.items():
            if not _active(dimension, params, self._fields):
                continue
            if isinstance(dimension, Choice):
                params[field] = trial.suggest_categorical(field, dimension.choices)
            elif dimension.whole:
                low, high = int(dimension.low), int(dimension.high)
                params[field] = trial.suggest_int(field, low, high, log=dimension.log)
            else:
                params[field] = trial.suggest_float(
                    field, dimension.low, dimension.high, log=dimension.log
                )
        return params

    def trial(self, params: Params, seed: int) -> Trial:
        """The base with these levels, looked at.

        Raises:
            InputError: it cannot be.
        """
        fields = with_fields(self._fields, outer_first(params)) | {"seed": seed}
        return self._resolve(parse_trial(fields))

    def described(self) -> dict[str, str]:
        return {field: _words(dimension) for field, dimension in self._dimensions.items()}

    @property
    def logarithmic(self) -> list[str]:
        return [f for f, d in self._dimensions.items() if isinstance(d, Range) and d.log]

    def _base_params(self) -> Params:
        params: Params = {}
        for field, dimension in self._dimensions.items():
            if not _active(dimension, params, self._fields):
                continue
            level = get_field(self._fields, field)
            if not _contains(dimension, level):
                raise InputError(
                    f"search.space.{field}: the base's {level!r} is not in {_words(dimension)}, "
                    "and the base is the first proposal; widen it, or change the base"
                )
            params[field] = level
        return params

    def _meaningful(self, field: str, dimension: Range | Choice) -> Range | Choice:
        """The dimension without the levels that have no meaning for the data."""
        if isinstance(dimension, Range):
            return dimension
        kept = []
        for level in dimension.choices:
            try:
                self._tried(field, level)
                kept.append(level)
            except DoesNotApply as reason:
                self.left_out.append(str(reason))
        if not kept:
            raise InputError(f"search.space.{field}: nothing is left; {self.left_out[-1]}")
        return dimension.model_copy(update={"choices": kept})

    def _try(self) -> None:
        """Both ends of every range, and combinations drawn at random."""
        for field, dimension in self._dimensions.items():
            if isinstance(dimension, Range):
                for level in (dimension.low, dimension.high):
                    self._tried(field, level)
        for params in islice(self._random(), SAMPLES):
            try:
                self.trial(params, 0)
            except DoesNotApply:
                raise
            except InputError as error:
                raise InputError(
                    f"search.space: {one_line_of(params)} cannot be: {error}"
                ) from error

    def _tried(self, field: str, level: Any) -> None:
        """The level, where its conditions hold."""
        dimension = self._dimensions[field]
        holding = {other: levels[0] for other, levels in dimension.when.items()}
        try:
            self.trial(holding | {field: level}, 0)
        except DoesNotApply:
            raise
        except InputError as error:
            raise InputError(f"search.space.{field}: {level!r}: {error}") from error

    def _random(self) -> Iterator[Params]:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        silent = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        while True:
            yield self.suggest(silent.ask())


def base_fields(base: Trial) -> Fields:
    """The fields that make the trial; what follows from its data and network is found again."""
    fields = base.model_dump(mode="json")
    for section in ("data", "model"):
        fields[section].pop("facts", None)
    return fields


def one_line_of(params: Mapping[str, Any]) -> str:
    """`noise.std=1.3, examples=51200`: the last two parts of each name are enough for the eye."""
    return ", ".join(
        f"{'.'.join(f.split('.')[-2:])}={f'{v:.3g}' if isinstance(v, float) else v}"
        for f, v in params.items()
    )


def _active(dimension: Range | Choice, params: Params, base: Fields) -> bool:
    return all(
        params.get(other, get_field(base, other)) in levels
        for other, levels in dimension.when.items()
    )


def _contains(dimension: Range | Choice, level: Any) -> bool:
    if isinstance(dimension, Choice):
        return level in dimension.choices
    number = isinstance(level, int | float) and not isinstance(level, bool)
    return number and dimension.low <= level <= dimension.high


def _words(dimension: Range | Choice) -> str:
    if isinstance(dimension, Choice):
        text = ", ".join(map(str, dimension.choices))
    else:
        kind = "whole numbers " if dimension.whole else ""
        scale = ", logarithmic" if dimension.log else ""
        text = f"{kind}{dimension.low:g} to {dimension.high:g}{scale}"
    for other, levels in dimension.when.items():
        text += f" (where {other} is {' or '.join(map(str, levels))})"
    return text
