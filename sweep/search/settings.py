"""The `search:` section of a study file.

    search:
      space:
        warmup.noise.distribution: [gaussian, pink, constant]       # one of these
        warmup.noise.std: {low: 0.1, high: 4.0, log: true}           # a number between
        warmup.examples: {low: 6400, high: 102400, log: true}        # whole, for both ends are
        warmup.optimizer.momentum:                                   # only where it has a meaning
          {low: 0.5, high: 0.95, when: {warmup.optimizer.name: [sgd]}}
      objectives: [ece]         # several: a Pareto front
      accuracy_drop: 0.01       # at most so much below the accuracy of the base's control
      seeds: 3                  # of each proposal; its value is their mean
      trials: 50                # proposals in all
      sampler: tpe              # or nsga2, gp, random
      stopping: median          # or asha: proposals that are clearly worse are not run on all seeds

Every objective is measured on validation examples. The base trial is the first proposal, so it must
lie in the space.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from sweep.errors import InputError, explain

Level = str | bool | int | float | None
ObjectiveName = Literal["ece", "nll", "brier", "gap", "accuracy", "warmup_examples"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(_Part):
    """Numbers from `low` to `high`, both included; whole ones where both are.

    `when`: the field is varied only where others of the space have one of these levels; elsewhere
    it is the base's.
    """

    low: int | float
    high: int | float
    log: bool = False
    when: dict[str, list[Level]] = {}

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low: {self.low} is not below high, {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low: {self.low} has no logarithm; give more than 0, or no log")
        return self


class Choice(_Part):
    """One of some levels; `when` as of a range."""

    choices: Annotated[list[Level], Field(min_length=1)]
    when: dict[str, list[Level]] = {}


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "<levels>"
    choice = "choices" in value if isinstance(value, dict) else isinstance(value, Choice)
    return "<choice>" if choice else "<range>"


_Levels = Annotated[list[Level], Field(min_length=1)]
Dimension = Annotated[
    Annotated[Range, Tag("<range>")]
    | Annotated[Choice, Tag("<choice>")]
    | Annotated[_Levels, Tag("<levels>")],
    Discriminator(_kind),
]


class Search(_Part):
    """What is searched, for what, and how."""

    space: Annotated[dict[str, Dimension], Field(min_length=1)]  # dotted field → its levels
    objectives: Annotated[list[ObjectiveName], Field(min_length=1)] = ["ece"]
    accuracy_drop: Annotated[float, Field(ge=0)] | None = None
    seeds: Annotated[int, Field(ge=1)] = 3
    trials: Annotated[int, Field(ge=1)] = 50
    sampler: Literal["tpe", "nsga2", "gp", "random"] = "tpe"
    seed: Annotated[int, Field(ge=0)] = 0  # of the sampler
    stopping: Literal["median", "asha"] | None = None
    stop_after: Annotated[int, Field(ge=1)] = 2  # seeds

    @property
    def dimensions(self) -> dict[str, Range | Choice]:
        """The space with plain lists as choices; those with conditions come last."""
        every = {
            field: Choice(choices=levels) if isinstance(levels, list) else levels
            for field, levels in self.space.items()
        }
        return dict(sorted(every.items(), key=lambda item: bool(item[1].when)))

    @model_validator(mode="after")
    def _conditions_name_dimensions_before_them(self) -> Self:
        before: set[str] = set()
        for field, dimension in self.dimensions.items():
            if field == "seed" or field.startswith("seed."):
                raise ValueError("space.seed: proposals share their seeds; leave it out")
            for other in dimension.when:
                if other not in before:
                    raise ValueError(f"space.{field}.when: {other} is not in the space before it")
            before.add(field)
        return self

    @model_validator(mode="after")
    def _stopping_needs_one_objective(self) -> Self:
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("objectives: one is named twice")
        if self.stopping and len(self.objectives) > 1:
            raise ValueError(
                f"stopping: {self.stopping} compares one objective, and there are "
                f"{len(self.objectives)}; leave it out"
            )
        return self


def parse_search(fields: dict[str, Any]) -> Search:
    """The validated section.

    Raises:
        InputError: names the field, its value and what would be accepted.
    """
    try:
        return Search.model_validate(fields)
    except ValidationError as error:
        raise InputError(explain(error, within="search")) from error
