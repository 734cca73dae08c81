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

from pydantic import AfterValidator, Field, field_validator, model_validator

from trainables.config.base import Frozen, Kind, Number
from trainables.config.data_names import is_read_by_role
from trainables.config.loss import Loss
from trainables.config.model import Mlp, Model
from trainables.config.noise import DISTRIBUTIONS
from trainables.config.probes import PROBES

# Raised whenever a change of the code changes the numbers a trial gives: old results then keep
# their ids and new ones get their own.
RECIPE = 4

Channels = tuple[float, ...]


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
    """`weight_decay` of adam and sgd is the coupled L2 of the paper, added to the gradient; of
    adamw it is decoupled, as in Loshchilov & Hutter 2019."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    lr: float = Field(gt=0)
    weight_decay: Number = Field(0.0, ge=0)
    momentum: Number | None = Field(None, ge=0, lt=1)  # of sgd

    @model_validator(mode="after")
    def _only_sgd_has_momentum(self) -> Self:
        if self.momentum is not None and self.name != "sgd":
            raise ValueError(f"momentum: {self.name} has none; leave it out, or use name: sgd")
        return self


class Warmup(Frozen):
    """Training on fresh noise with random labels: `examples` in all, measured after each epoch.

    An epoch is floor(examples / epochs / batch) steps; the remainder is left out, as in the paper.
    `train`: `head` trains the last layer alone, `statistics` no weight at all; the running
    statistics of batch normalisation move in any case.
    `keep`: what of the warmed-up network the task starts with, see
    `trainables.lifecycle.ablations`; null keeps all of it.
    """

    noise: Noise = Noise()
    examples: int = Field(480_000, ge=2)
    epochs: int = Field(15, ge=1)
    batch: int = Field(128, ge=2)
    optimizer: Optimizer = Optimizer(lr=1e-4)
    train: Literal["all", "head", "statistics"] = "all"
    keep: Literal["shuffled", "norms", "logit_variance", "step_size"] | None = None

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


class Augmentation(Frozen):
    """Of every training image anew: cropped at random after `crop` pixels of padding, mirrored
    left to right with even odds."""

    crop: int = Field(0, ge=0)
    flip: bool = False


class Task(Frozen):
    """Training on the data. A last incomplete mini-batch is used, unless it holds one example
    only (batch normalisation needs two).

    `epochs`: 0 leaves the network as it starts, untrained or warmed up.
    `schedule`: `cosine` lowers the learning rate, epoch by epoch, from lr towards 0.
    `loss`: of a training step; null is cross-entropy, which is what is measured in any case.
    """

    epochs: int = Field(30, ge=0)
    batch: int = Field(128, ge=2)
    optimizer: Optimizer = Optimizer(lr=2e-5, weight_decay=1e-3)
    schedule: Literal["cosine"] | None = None
    augmentation: Augmentation | None = None
    loss: Loss | None = None


class Compute(Frozen):
    """How the arithmetic is done, which pays on GPUs and changes the last digits.

    `bfloat16`: matrix products and convolutions under PyTorch's autocast. `channels_last`: the
    memory layout that convolutions are fastest in with it; CPUs use it in any case.
    """

    bfloat16: bool = False
    channels_last: bool = False


class DataFacts(Frozen):
    """What the decoded data are; found by loading them, never written by hand."""

    kind: Kind = "classification"
    digest: str
    ood_digest: str | None
    shape: tuple[int, ...]  # of a network's input, such as (channels, height, width)
    classes: int
    mean: Channels | None  # per channel, pixels in [0, 1]; None: taken from the training subset
    std: Channels | None


class Data(Frozen):
    """In-distribution and out-of-distribution examples, and how many of each.

    `classes`: the examples of so many classes, the first ones, and a network with as many outputs.
    `balanced`: as many training examples of each class as of any other, to within one.
    `resize`, `channels`: images are brought to so many pixels a side, and to 1 (grey) or 3
    channels; null leaves them as they are. Out-of-distribution images are brought to the shape of
    the others in any case.
    `positions`: how many pixels or tokens of each example are measured, drawn once for all.
    `normalisation`: `source` uses the constants stated for the source and, where none are, those
    of the training subset; `subset` always the latter; `cifar10` the paper's constants (the std is
    the mean of per-image stds) and `cifar10-pixels` those of an older release (the pixels' std).
    `ood_each_epoch`: the out-of-distribution examples are measured after every epoch, too.
    `subset_seed`: null draws each replicate its own training subset; a number gives one to all.
    """

    source: str = "photos"
    ood: str | None = "photos_ood"
    classes: int | None = Field(None, ge=2)
    examples: int = Field(500, ge=2)
    balanced: bool = False
    validation: int = Field(500, ge=1)
    test: int | None = Field(None, ge=1)
    ood_examples: int | None = Field(None, ge=1)
    subset_seed: int | None = Field(None, ge=0)
    resize: int | None = Field(None, ge=1)
    channels: Literal[1, 3] | None = None
    positions: int = Field(16, ge=1)
    normalisation: Literal["source", "subset", "cifar10", "cifar10-pixels", "imagenet"] = "source"
    ood_normalised: bool = True
    ood_each_epoch: bool = False
    facts: DataFacts | None = None

    def loaded(self, name: str) -> str:
        """The name under which a source's examples are held: images of mixed sizes are resized
        while they are decoded, and so are other examples at another size."""
        return name if self.resize is None else f"{name}@{self.resize}"

    def loaded_ood(self, shape: tuple[int, ...]) -> str:
        """The name under which the out-of-distribution examples are held, for networks that take
        inputs of `shape`: those that are read otherwise in that role are held apart.

        Raises:
            ValueError: there are none.
        """
        if self.ood is None:
            raise ValueError("data.ood: there are no out-of-distribution examples")
        if not is_read_by_role(self.ood):
            return self.loaded(self.ood)
        return f"{self.ood} as ood for {'×'.join(map(str, shape))}"


def _known_and_once(probes: tuple[str, ...]) -> tuple[str, ...]:
    for name in probes:
        if name not in PROBES:
            raise ValueError(f"{name!r} is not a probe; choose from {', '.join(PROBES)}")
    return tuple(sorted(set(probes)))


class Trial(Frozen):
    """One network's life: weights from `seed`, a warm-up where the arm has one, then the task.

    `probes` are measurements of the network at the start of the task, along it or at its end, that
    go into its record, see `trainables.config.probes`; from `weights` another trial can start.
    """

    arm: Literal["control", "warmup"] = "warmup"
    seed: int = Field(0, ge=0)
    model: Model = Mlp()
    data: Data = Data()
    warmup: Warmup | None = Warmup()
    task: Task = Task()
    compute: Compute = Compute()
    probes: Annotated[tuple[str, ...], AfterValidator(_known_and_once)] = ()

    @model_validator(mode="after")
    def _has_the_ood_images_it_needs(self) -> Self:
        if self.data.ood is not None:
            return self
        for probe in self.probes:
            if PROBES[probe].needs_ood:
                raise ValueError(f"probes: {probe} needs out-of-distribution images; give data.ood")
        if self.data.ood_each_epoch:
            raise ValueError("data.ood_each_epoch: there are no such images; give data.ood")
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
        names = {"source", "ood", "normalisation", "resize", "channels", "classes", "facts"}
        fields = self.model_dump(exclude={"data": names}) | self._network()
        fields["data"]["subset_seed"] = self.subset_seed
        if self.facts.kind == "classification":
            del fields["data"]["positions"]
        if self.data.ood is None:
            del fields["data"]["ood_examples"], fields["data"]["ood_normalised"]
        return _hash(fields, self.facts.model_dump())

    @property
    def warmup_key(self) -> str | None:
        """Hash of what determines the warmed-up network: model, seed, warm-up, arithmetic, and the
        shape of its inputs and outputs. None for a control."""
        if self.warmup is None:
            return None
        fields = self.model_dump(include={"seed", "warmup", "compute"}) | self._network()
        del fields["warmup"]["keep"]
        facts = self.facts.model_dump(include={"kind", "shape", "classes"})
        return _hash(fields, facts)

    @property
    def measured_key(self) -> str:
        """Hash of the examples on which every epoch is measured, as the network sees them."""
        fields = {"validation": self.data.validation, "test": self.data.test}
        facts = self.facts.model_dump(exclude={"ood_digest"})
        if self.data.ood_each_epoch:
            ood = self.data.model_dump(include={"ood_examples", "ood_normalised"})
            facts |= ood | {"ood_digest": self.facts.ood_digest}
        if self.facts.kind != "classification":
            fields["positions"] = self.data.positions
        if self.facts.mean is None:  # the constants are those of the training subset
            fields |= {
                "examples": self.data.examples,
                "balanced": self.data.balanced,
                "subset_seed": self.subset_seed,
            }
        return _hash(fields, facts)

    def _network(self) -> dict[str, Any]:
        """The model section as the ids hold it: a digest in place of the weights' name, and a
        factory's arguments letter by letter, for it may make something of a null or a false."""
        if self.model.weights and not self.model.facts.weights:
            raise ValueError("model.facts: the weights have not been read yet")
        fields = self.model.model_dump(exclude={"weights"})
        if not self.uses_head:
            del fields["facts"]["head"]
        if "arguments" in fields:
            fields["arguments"] = json.dumps(fields["arguments"], sort_keys=True)
        return {"model": fields}

    @property
    def uses_head(self) -> bool:
        """Whether it matters which layer makes the logits."""
        warmup, probes = self.warmup, self.probes
        alone = warmup is not None and (warmup.train == "head" or warmup.keep == "logit_variance")
        return alone or self.model.weights is not None or "features" in probes

    @property
    def warmup_examples(self) -> int:
        if self.warmup is None:
            return 0
        return self.warmup.epochs * self.warmup.steps_per_epoch * self.warmup.batch

    @property
    def task_examples(self) -> int:
        lone = self.data.examples % self.task.batch == 1
        return self.task.epochs * (self.data.examples - lone)


def _hash(*values: dict[str, Any]) -> str:
    text = json.dumps([RECIPE, *map(_used, values)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _used(value: Any) -> Any:
    """The fields without what is not asked for: null, false and empty.

    So a feature that is added later, and off unless asked for, leaves the ids of earlier trials as
    they were.
    """
    if not isinstance(value, dict):
        return value
    used = {name: _used(inner) for name, inner in value.items()}
    return {name: v for name, v in used.items() if not (v is None or v is False or v in ((), {}))}
