"""The recipe in a file: a recipe by itself, a trial's `warmup` section, or the `best.yaml` that a
search leaves. Of a study the warm-up alone is read, and it must be one: a study that varies it, or
sizes it by scale, is refused.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

BEST = "best found"  # a search's name for its find, in `best.yaml`
_OF_A_STUDY = ("base", "grids", "scales", "search", "sizes")

Fields = dict[str, Any]


def read_recipe(path: str | Path) -> Fields:
    """The fields of the recipe in the file, as `trainables.warm_up.recipe.parse` takes them.

    Raises:
        ValueError: the file cannot be read, or does not hold one recipe.
    """
    content = _content(Path(path))
    try:
        if any(name in content for name in _OF_A_STUDY):
            return _of_study(content)
        nested = _nested(content)
        return _section(nested) if "warmup" in nested else nested
    except ValueError as error:
        raise ValueError(f"like: {path}: {error}") from error


def _content(path: Path) -> Fields:
    import yaml  # here alone: without `like` PyTorch is enough

    from trainables.config.yaml_text import read_yaml

    try:
        content = read_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"like: {path} cannot be read ({type(error).__name__}); check the path"
        ) from error
    except yaml.YAMLError as error:
        raise ValueError(f"like: {path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ValueError(f"like: {path} holds no fields; give a warm-up's, such as examples: 51200")
    return content


def _of_study(content: Fields) -> Fields:
    """That of the base, with what the best of a search changes."""
    grids = content.get("grids") or {}
    cells = [c for grid in grids.values() for c in (grid if isinstance(grid, list) else [grid])]
    best = [cell for cell in cells if cell.get("label") == BEST]
    for field in _varied(content, [] if len(best) == 1 else cells):
        raise ValueError(
            f"the study varies {field}, so it holds more than one recipe; write the one to use "
            "into a file of its own, as `warmup: {...}`"
        )
    changes = best[0] if len(best) == 1 else {}
    return _section(_nested((content.get("base") or {}) | changes))


def _varied(content: Fields, cells: list[Fields]) -> Iterator[str]:
    """Fields of the warm-up that are not the same everywhere in the study."""
    yield from (name for name in ("sizes", "search") if content.get(name))
    scales = [scale.get("set") or {} for scale in (content.get("scales") or {}).values()]
    for changed in (*cells, *scales):
        yield from (field for field in changed if str(field).split(".")[0] == "warmup")


def _section(fields: Fields) -> Fields:
    section = fields.get("warmup", {})
    if not isinstance(section, dict):
        raise ValueError(f"warmup: {section!r} is no warm-up; give its fields")
    return section


def _nested(fields: Mapping[str, Any]) -> Fields:
    """Dotted fields as fields in fields, {"noise.std": 2} → {"noise": {"std": 2}}; the outer ones
    are set first, as in a study."""
    nested: Fields = {}
    for dotted, value in sorted(fields.items(), key=lambda field: str(field[0]).count(".")):
        *path, last = str(dotted).split(".")
        inner = nested
        for name in path:
            inner = inner.setdefault(name, {})
            if not isinstance(inner, dict):
                raise ValueError(f"{dotted}: {name} is {inner!r} and holds no fields")
        inner[last] = dict(value) if isinstance(value, dict) else value
    return nested
