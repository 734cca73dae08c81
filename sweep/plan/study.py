"""A study file: a base trial, the factors varied, the scales it is run at, and its exhibits.

    title: Robustness to the noise
    answers: Does it matter which noise a network is warmed up on?
    makes: Supplementary Figs 10, 11
    base:                                   # dotted fields of a trial; what is left out keeps its
      task.optimizer.lr: 2.0e-5             # default
    grids:                                  # each the product of its fields' levels,
      distribution:
        warmup.noise.distribution: [gaussian, uniform]
      std:
        warmup.noise.std: [0.5, 1, 2]
      network:                              # or cell by cell, with a name for tables
        - {label: deep, model.depth: 12, task.epochs: 60}
    exhibits: [pairs, reliability, curves]
    sizes: mlp                              # common to many studies, see sizes.yaml; or left out
    scales:
      laptop:
        about: two CPU cores, 6 minutes
        replicates: 6                       # or of each grid, {distribution: 6, std: 30}
        set: {data.examples: 500}           # over the base and the common sizes

`until: 0.01` of a scale is `--until` where nothing else is asked, and `decided_by: warm-up` beside
the grids names the one condition that decides. A study with a `search:` in place of grids looks for
the best trial, see `sweep.search.settings`.
`after: [pretraining]` of a scale launches another study first, from whose network `model.weights:
study:pretraining` starts. A file with `collects: [calibration, datasets]` beside its title and
answers is a collection: its studies are run in turn, and share one index page.

The file's own name is the study's. Files are read with YAML's safe loader.
"""

from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)

from analysis.exhibits import EXHIBITS
from sweep.errors import InputError, complaint, explain
from trainables.config.yaml_text import GivenTwice, read_yaml
from trainables.errors import choices

STUDIES = Path(__file__).parents[1] / "studies"
SIZES: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("sizes.yaml").read_text("utf-8")
)  # block → scale → dotted field → value
DEFAULT_SCALE = "laptop"

Name = Annotated[  # of files too
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=250)
]
Sentence = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
Levels = Annotated[list[Any], Field(min_length=1)]
Product = Annotated[dict[str, Levels], Field(min_length=1)]  # dotted field → levels
Listed = Annotated[list[dict[str, Any]], Field(min_length=1)]  # cells: dotted field → level
Grid = Annotated[
    Annotated[Product, Tag("<levels>")] | Annotated[Listed, Tag("<cells>")],
    Discriminator(lambda grid: "<cells>" if isinstance(grid, list) else "<levels>"),
]

Count = Annotated[int, Field(ge=1)]
Replicates = Annotated[  # of every grid, or grid → its own
    Annotated[Count, Tag("<count>")] | Annotated[dict[Name, Count], Tag("<counts>")],
    Discriminator(lambda count: "<counts>" if isinstance(count, dict) else "<count>"),
]

LABEL = "label"  # of a listed cell: its name in tables, no field of a trial


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Scale(_Part):
    """How large the study is run."""

    about: str = ""  # data, hardware and time, in a few words
    replicates: Replicates
    set: dict[str, Any] = {}  # dotted field → value, over the study's base
    grids: dict[Name, Grid] = {}  # in place of the study's of that name
    after: list[str] = []  # studies that are launched first, at the same scale
    search: dict[str, Any] = {}  # over the study's own
    until: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None  # --until, if not given


class Study(_Part):
    """A named experiment, as its file says it."""

    name: Name
    title: Sentence
    answers: Sentence  # the question, in words
    makes: str = ""  # the figure or table of the paper
    base: dict[str, Any] = {}  # dotted field → value, over a trial's defaults
    grids: dict[Name, Grid] = {}  # none: the base trial alone
    exhibits: list[str] = []
    decided_by: str | None = None  # --until looks at this condition, and the others go along
    search: dict[str, Any] | None = None  # see `sweep.search.settings`
    sizes: str | None = None  # a block of `SIZES`
    scales: Annotated[dict[Name, Scale], Field(min_length=1)]

    def scale(self, name: str | None) -> tuple[str, Scale]:
        """The scale by its name; without one, `laptop`, or the file's first.

        Raises:
            InputError: the study has no such scale.
        """
        if name is None:
            name = DEFAULT_SCALE if DEFAULT_SCALE in self.scales else next(iter(self.scales))
        if name not in self.scales:
            raise InputError(
                f"--scale {name}: study {self.name} has none; {choices(name, self.scales)}"
            )
        return name, self.scales[name]

    def common(self, scale: str) -> dict[str, Any]:
        """Dotted field → value that its `sizes` give a scale, below the scale's own; not of what
        every cell sets itself."""
        common = SIZES[self.sizes][scale] if self.sizes else {}
        cells = [cell for grid in self.grids.values() for cell in _fields_of_cells(grid)]
        everywhere = set.intersection(*cells) if cells else set()
        return {field: value for field, value in common.items() if field not in everywhere}

    def replicates(self, scale: Scale, grid: str) -> int:
        """Of a grid's cells at a scale."""
        return scale.replicates if isinstance(scale.replicates, int) else scale.replicates[grid]

    @model_validator(mode="after")
    def _replicates_of_every_grid(self) -> Self:
        for name, scale in self.scales.items():
            grids = self.grids | scale.grids
            if isinstance(scale.replicates, dict) and scale.replicates.keys() != grids.keys():
                raise ValueError(
                    f"scales.{name}.replicates: {', '.join(scale.replicates)} are not the grids; "
                    f"give {', '.join(grids) or 'a number, for there is no grid'}"
                )
        return self

    @model_validator(mode="after")
    def _a_search_has_no_grids(self) -> Self:
        gridded = self.grids or any(scale.grids for scale in self.scales.values())
        if self.search is not None and gridded:
            raise ValueError("search: proposals take the place of grids; leave one of them out")
        return self

    @field_validator("sizes")
    @classmethod
    def _known_sizes(cls, sizes: str | None) -> str | None:
        if sizes is not None and sizes not in SIZES:
            raise ValueError(choices(sizes, SIZES))
        return sizes

    @model_validator(mode="after")
    def _sizes_of_every_scale(self) -> Self:
        known = SIZES[self.sizes] if self.sizes else self.scales
        for name in self.scales:
            if name not in known:
                raise ValueError(
                    f"sizes: {self.sizes} has {', '.join(known)}, and no scale {name}; name the "
                    "scale as one of these, or leave sizes out"
                )
        return self

    @property
    def factors(self) -> tuple[str, ...]:
        """Every dotted field that a grid varies, in the file's order."""
        fields = (
            field
            for grid in self.grids.values()
            for cell in (grid if isinstance(grid, list) else [grid])
            for field in cell
        )
        return tuple(field for field in dict.fromkeys(fields) if field != LABEL)


def _fields_of_cells(grid: Product | list[dict[str, Any]]) -> list[set[str]]:
    """What each cell sets; the cells of a product all set the same."""
    return [set(cell) for cell in (grid if isinstance(grid, list) else [grid])]


class Collection(_Part):
    """Studies that are run in turn, at one scale."""

    name: Name
    title: Sentence
    answers: Sentence
    makes: str = ""
    collects: Annotated[list[str], Field(min_length=1)]  # names, or paths of files


def shipped() -> dict[str, Path]:
    """The project's own studies: name → file."""
    return {path.stem: path for path in sorted(STUDIES.glob("*.yaml"))}


def load_study(name: str) -> Study:
    """A study by its name, or by the path of the user's own file.

    Raises:
        InputError: there is no such study, it is a collection, or its file says what cannot be.
    """
    study = load(name)
    if isinstance(study, Collection):
        raise InputError(f"{name} is a collection of studies; name one of {study.collects}")
    return study


def load(name: str) -> Study | Collection:
    """A study or a collection, by its name or by the path of the user's own file.

    Raises:
        InputError: there is no such study, or its file says something that cannot be.
    """
    own = Path(name)
    if own.suffix in (".yaml", ".yml"):
        return _read(own)
    studies = shipped()
    if name not in studies:
        raise InputError(
            f"study {name!r} is unknown; {choices(name, studies)} "
            "(a file of your own is given by its path, my_study.yaml)"
        )
    return _read(studies[name])


def _read(path: Path) -> Study | Collection:
    try:
        content = read_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}); check the path"
        ) from error
    except GivenTwice as error:
        raise InputError(f"{path}: {error}") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: is not YAML: {reason}") from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: must hold the fields of a study, such as title, grids and scales"
        )
    kind: type[Study] | type[Collection] = Collection if "collects" in content else Study
    try:
        study = kind.model_validate({"name": path.stem} | content)
    except ValidationError as error:
        first = complaint(error)
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            wanted = str(first["loc"][0])
            known = choices(wanted, kind.model_fields)
            raise InputError(f"{path}: {wanted}: no such field; {known}") from error
        raise InputError(f"{path}: {explain(error)}") from error
    for name in study.exhibits if isinstance(study, Study) else ():
        if name not in EXHIBITS:
            raise InputError(f"{path}: exhibits: {name!r} is unknown; {choices(name, EXHIBITS)}")
    return study
