"""What the commands' lines have in common: a parser, kinds of values, and the same options."""

import argparse
from pathlib import Path
from typing import Any

import yaml

from sweep.errors import InputError
from sweep.storage.location import FOLDER
from trainables.config.yaml_text import GivenTwice, read_yaml


class Parser(argparse.ArgumentParser):
    """Errors in one line, as everywhere in this program, under the command's last name."""

    def __init__(self, prog: str, description: str, epilog: str = "") -> None:
        super().__init__(
            prog,
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog.rsplit('.', 1)[-1]}: {message} (--help explains)\n")


def add_plan(group: argparse._ArgumentGroup) -> None:
    """What a study's plan follows from."""
    add = group.add_argument
    add("--scale", help="smoke, laptop or paper, where the study has them; default: laptop")
    add("--replicates", type=at_least_one, metavar="N", help="pairs a condition")
    add("--data", metavar="DATA", help="in-distribution examples; see below")
    add("--ood", metavar="DATA", help="out-of-distribution examples, or none")
    add(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a field of every trial, such as task.optimizer.lr=1e-4, or the levels of one "
        "that the study varies; repeatable",
    )
    add("--download", action="store_true", help="data sets and weights may be fetched")


def add_tracking(group: argparse._ActionsContainer) -> None:
    add = group.add_argument
    add(
        "--tracking-uri",
        metavar="URI",
        help="where MLflow is; default: MLFLOW_TRACKING_URI, else mlflow.db in this folder",
    )


def add_storage(group: argparse._ActionsContainer) -> None:
    group.add_argument(
        "--storage",
        default=FOLDER,
        metavar="DIR|URL",
        help="records, warmed-up networks, checkpoints; for a cluster, a folder that all nodes "
        "share, or an object store such as s3://BUCKET/PREFIX, with credentials in the "
        f"environment; default: {FOLDER}",
    )


def add_kept(group: argparse._ActionsContainer) -> None:
    add_tracking(group)
    add_storage(group)
    add = group.add_argument
    add(
        "--search-storage",
        metavar="URL",
        help="Optuna's database of a search, such as postgresql://HOST/NAME, for several launchers "
        "at once; with a password, by SWEEP_SEARCH_STORAGE in the environment; default: search.db "
        f"in the storage folder, or in {FOLDER}",
    )
    add(
        "--log",
        type=Path,
        metavar="FILE",
        help="append a line of JSON for everything that happens, for programs",
    )


def assignment(text: str) -> tuple[str, Any]:
    """(dotted field, value) of FIELD=VALUE.

    Raises:
        InputError: it is no such text.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--set {text}: write FIELD=VALUE, such as --set task.epochs=60")
    try:
        return name, read_yaml(value)
    except GivenTwice as error:
        raise InputError(f"--set {text}: {error}") from error
    except yaml.YAMLError as error:
        raise InputError(f"--set {text}: the value is not YAML") from error


def at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is too few: give 1 or more")
    return number


def count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number}: give 0 or more")
    return number


def precision(text: str) -> float:
    """Half the width of an interval."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(
            f"{text!r}: give half the width of an interval that is narrow enough, such as 0.01"
        )
    return number


def share(text: str) -> float:
    """Of CPUs or GPUs, 0 or more."""
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: give 0 or more")
    return number


def span(text: str) -> float:
    """Seconds, of 90s, 30m, 2h or 30d."""
    seconds = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}.get(text[-1:])
    try:
        number = float(text[:-1])
    except ValueError:
        number = 0.0
    if seconds is None or not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: write a time such as 90s, 30m, 2h or 7d")
    return number * seconds
