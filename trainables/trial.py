"""The trial: one training run as a frozen, validated value, and the ids that follow from it.

A trial says everything that determines its result. Its *trial id* is a hash of exactly that: not
the name under which the data were found (their digest stands in for it), not where or when it
runs. A control has no warm-up, so its id holds no noise field and one control serves every noise
condition of its seed. The *warm-up key* hashes what determines a warmed-up network, so that trials
which differ only in what comes after share it.
"""

import hashlib
import json
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from trainables.noise import DISTRIBUTIONS

# Raised whenever a change of the code changes the numbers a trial gives: old results then keep
# their ids and new ones get their own.
RECIPE = 1

Channels = tuple[float, ...]
Number = Annotated[float, AfterValidator(lambda x: x + 0.0)]  # −0 is 0, in the id too


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Model(Frozen):
    """The multilayer perceptron of the paper: `depth` linear layers, `width` units in each hidden
    one. `model: mlp` is short for `model: {name: mlp}`."""

    name: Literal["mlp"] = "mlp"
    depth: int = Field(6, ge=2, le=100)
    width: int = Field(256, ge=2)


class Noise(Frozen):
    """Distribution of the warm-up's inputs, with its mean and std per element."""

    distribution: str = "gaussian"
    mean: Number = 0.0
    std: float = Field(1.0, gt=0)

    @field_validator("distribution")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in DISTRIBUTIONS:
            raise ValueError(f"not a noise distribution; choose from {', '.join(DISTRIBUTIONS)}")
        return name


class Optimizer(Frozen):
    """Adam; `weight_decay` is the coupled L2 of the paper, added to the gradient."""

    name: Literal["adam"] = "adam"
    lr: float = Field(gt=0)
    weight_decay: Number = Field(0.0, ge=0)


class Warmup(Frozen):
    """Training on fresh noise with random labels: `examples` in all, measured after each epoch.

    An epoch is floor(examples / epochs / batch) steps; the remainder is left out, as in the paper.
    """

    noise: Noise = Noise()
    examples: int = Field(480_000, ge=2)
    epochs: int = Field(15, ge=1)
    batch: int = Field(128, ge=2)
    optimizer: Optimizer = Optimizer(lr=1e-4)

    @property
    def steps_per_epoch(self) -> int:
        return self.examples // self.epochs // self.batch

    @model_validator(mode="after")
    def _at_least_one_step(self) -> Self:
        if self.steps_per_epoch < 1:
            raise ValueError(
                f"examples: {self.examples} make no step of {self.batch} in each of {self.epochs} "
                f"epochs; give at least {self.epochs * self.batch}"
            )
        return self


class Task(Frozen):
    """Training on the data. A last incomplete mini-batch is used, unless it holds one example
    only (batch normalisation needs two)."""

    epochs: int = Field(30, ge=1)
    batch: int = Field(128, ge=2)
    optimizer: Optimizer = Optimizer(lr=2e-5, weight_decay=1e-3)


class DataFacts(Frozen):
    """What the decoded data are; found by loading them, never written by hand."""

    digest: str
    ood_digest: str | None
    shape: tuple[int, ...]  # (channels, height, width)
    classes: int
    mean: Channels | None  # per channel, pixels in [0, 1]; None: taken from the training subset
    std: Channels | None


class Data(Frozen):
    """In-distribution and out-of-distribution images, and how many of each.

    `normalisation`: `source` uses the constants stated for the source and, where none are, those
    of the training subset; `subset` always the latter; `cifar10` the paper's constants (the std is
    the mean of per-image stds) and `cifar10-pixels` those of an older release (the pixels' std).
    `subset_seed`: null draws each replicate its own training subset; a number gives one to all.
    """

    source: str = "photos"
    ood: str | None = "photos_ood"
    examples: int = Field(500, ge=2)
    validation: int = Field(500, ge=1)
    test: int | None = Field(None, ge=1)
    ood_examples: int | None = Field(None, ge=1)
    subset_seed: int | None = Field(None, ge=0)
    normalisation: Literal["source", "subset", "cifar10", "cifar10-pixels"] = "source"
    ood_normalised: bool = True
    facts: DataFacts | None = None


Probe = Literal["features", "odin"]


def _each_once(probes: tuple[Probe, ...]) -> tuple[Probe, ...]:
    return tuple(sorted(set(probes)))


def _short_model(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Trial(Frozen):
    """One network's life: weights from `seed`, a warm-up where the arm has one, then the task.

    `probes` are measurements of the trained network that go into its record: `features`, `odin`.
    """

    arm: Literal["control", "warmup"] = "warmup"
    seed: int = Field(0, ge=0)
    model: Annotated[Model, BeforeValidator(_short_model)] = Model()
    data: Data = Data()
    warmup: Warmup | None = Warmup()
    task: Task = Task()
    probes: Annotated[tuple[Probe, ...], AfterValidator(_each_once)] = ()

    @model_validator(mode="after")
    def _probes_have_what_they_need(self) -> Self:
        if "odin" in self.probes and self.data.ood is None:
            raise ValueError("probes: odin needs out-of-distribution images; give data.ood")
        return self

    @model_validator(mode="after")
    def _arm_and_warmup_agree(self) -> Self:
        if (self.arm == "warmup") != (self.warmup is not None):
            raise ValueError(
                f"arm: {self.arm} {'needs a' if self.warmup is None else 'has no'} warmup"
            )
        return self

    @property
    def facts(self) -> DataFacts:
        """The data's facts.

        Raises:
            ValueError: the data have not been looked at yet.
        """
        if self.data.facts is None:
            raise ValueError("data.facts: the trial's data have not been loaded yet")
        return self.data.facts

    @property
    def subset_seed(self) -> int:
        return self.seed if self.data.subset_seed is None else self.data.subset_seed

    def control(self) -> "Trial":
        """The trial's other half: the same seed, data and task without the warm-up."""
        return self.model_copy(update={"arm": "control", "warmup": None})

    @property
    def trial_id(self) -> str:
        """Hash of everything that determines the result, and of nothing else; 16 hex digits."""
        fields = self.model_dump(exclude={"data": {"source", "ood", "normalisation", "facts"}})
        fields["data"]["subset_seed"] = self.subset_seed
        if not self.probes:  # a trial without any keeps the id it had before there were probes
            del fields["probes"]
        if self.data.ood is None:
            fields["data"].update(ood_examples=None, ood_normalised=None)
        return _hash(fields, self.facts.model_dump())

    @property
    def warmup_key(self) -> str | None:
        """Hash of what determines the warmed-up network: model, seed, warm-up, input and output
        shape. None for a control."""
        if self.warmup is None:
            return None
        fields = self.model_dump(include={"seed", "model", "warmup"})
        return _hash(fields, {"shape": self.facts.shape, "classes": self.facts.classes})

    @property
    def measured_key(self) -> str:
        """Hash of the images on which every epoch is measured, as the network sees them."""
        fields = {"validation": self.data.validation, "test": self.data.test}
        facts = self.facts.model_dump(exclude={"ood_digest"})
        if self.facts.mean is None:  # the constants are those of the training subset
            fields |= {"examples": self.data.examples, "subset_seed": self.subset_seed}
        return _hash(fields, facts)

    @property
    def warmup_examples(self) -> int:
        """Examples the warm-up trains on."""
        if self.warmup is None:
            return 0
        return self.warmup.epochs * self.warmup.steps_per_epoch * self.warmup.batch

    @property
    def task_examples(self) -> int:
        """Examples the task trains on."""
        lone = self.data.examples % self.task.batch == 1
        return self.task.epochs * (self.data.examples - lone)


def _hash(*values: dict[str, Any]) -> str:
    text = json.dumps([RECIPE, *values], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
