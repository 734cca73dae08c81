"""YAML as study files and `--set` mean it.

PyYAML's safe loader, with two differences. Of two equal keys it keeps the last without a word: here
they are refused, with both lines. And it reads numbers as YAML 1.1 does, by which 1e-4 is a text,
1:30 is ninety and 010 is eight: here they are read as in YAML 1.2, so that 1e-4 is a number, 010 is
ten, and times and dates are texts.
"""

import re
from collections.abc import Hashable
from typing import Any

import yaml

_INT, _FLOAT, _TIME = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp"))
_MERGE = "tag:yaml.org,2002:merge"  # of `<<`


class GivenTwice(yaml.YAMLError):
    """Two equal keys in one mapping; says which, and their lines."""


def read_yaml(text: str) -> Any:
    """The value that the text stands for.

    Raises:
        GivenTwice: a mapping gives a key twice.
        yaml.YAMLError: it is no YAML.
    """
    return yaml.load(text, _Loader)  # derived from the safe loader


def write_yaml(value: Any) -> str:
    """A text that `read_yaml` reads the value from."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _without_numbers() -> dict[str, list[Any]]:
    """How PyYAML tells values apart that have no quotes, by their first letter."""
    return {
        first: [(tag, pattern) for tag, pattern in known if tag not in (_INT, _FLOAT, _TIME)]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = _without_numbers()

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        first: dict[Hashable, yaml.Mark] = {}
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:  # its keys are those that others stand in for
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # PyYAML has words for that
            if key in first:
                raise GivenTwice(
                    f"{key!r} is given in line {first[key].line + 1} and again in line "
                    f"{key_node.start_mark.line + 1}; keep one of them"
                )
            first[key] = key_node.start_mark
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Puts quotes about texts that the loader would take for numbers."""

    yaml_implicit_resolvers = _without_numbers()


def _whole(loader: _Loader, node: Any) -> int:
    text = loader.construct_scalar(node).replace("_", "")
    return int(text, 16 if "x" in text else 10)


_DIGITS = "[0-9][0-9_]*"
_EXPONENT = "[eE][-+]?[0-9]+"
_NUMBERS = {
    _INT: rf"[-+]?(?:{_DIGITS}|0x[0-9a-fA-F_]+)\Z",
    _FLOAT: rf"[-+]?(?:{_DIGITS}{_EXPONENT}|{_DIGITS}\.[0-9_]*(?:{_EXPONENT})?"
    rf"|\.{_DIGITS}(?:{_EXPONENT})?|\.(?:inf|Inf|INF))\Z|\.(?:nan|NaN|NAN)\Z",
}
for _class in (_Loader, _Dumper):
    for _tag, _pattern in _NUMBERS.items():
        _class.add_implicit_resolver(_tag, re.compile(_pattern), list("-+.0123456789"))
_Loader.add_constructor(_INT, _whole)
