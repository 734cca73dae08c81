"""The command line of `python -m sweep.launch`: what may be asked, and what its words mean."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweep.cli.arguments import (
    Parser,
    add_kept,
    add_plan,
    assignment,
    at_least_one,
    count,
    precision,
    share,
    span,
)
from sweep.errors import InputError
from sweep.options import Options, Resources
from sweep.storage.location import location_of

DESCRIPTION = """\
Run a study: paired, replicated trials with and without warm-up, on this machine or a Ray cluster,
into MLflow and a report. The same command goes on after a crash, and runs nothing twice.

  python -m sweep.launch noise_ablation
      the study at scale laptop: embedded photographs, minutes on two CPU cores, no download
  python -m sweep.launch noise_ablation --dry-run
      what that would do, what is done already, and how long the rest will take
  python -m sweep.launch noise_ablation --replicates 30 --set task.epochs=60 --data npz:mine.npz
      more pairs, a changed trial, images of your own
  python -m sweep.launch noise_ablation --scale paper --download --address HOST:6379
      the paper's numbers on CIFAR-10 and SVHN, on a Ray cluster
  python -m sweep.launch noise_ablation --set model=my_net:make
      a network of your own: the function `make` of my_net.py in this folder
  python -m sweep.launch noise_ablation --set warmup.noise.distribution=[gaussian,pink]
      fewer levels of a factor
  python -m sweep.launch assess --set model=my_net:make --data folder:mine --budget 30m
      a verdict on a network of your own: should it be warmed up, or is something simpler as good?
  python -m sweep.launch calibration --until 0.01 --budget 2h
      as many pairs as are needed to tell, and no more
  python -m sweep.launch warmup_search --trials 50 --timeout 2h
      the best warm-up for a network, by Optuna; goes on where it was stopped
  python -m sweep.launch my_study.yaml
      a study of your own; copy one of sweep/studies/ to begin with
  python -m sweep.launch --list
      the studies; --list STUDY: what one answers, which figure or table it makes, its scales

Afterwards `mlflow ui` in the same folder shows everything, and `python -m analysis.report STUDY`
makes the report again."""

EPILOG = """\
data sets
  embedded: photos, photos_ood, digits, textures; mosaics, mosaics_ood (segmentation); text,
    text_ood (language); points, points_ood (the paper's toy)
  by torchvision: cifar10, cifar100, svhn, mnist, fashion_mnist, stl10; pet, voc (segmentation)
  your own: npz:PATH, folder:PATH, text:PATH; dataset:my_data:make, a torch Dataset;
    hf:NAME_OR_PATH, of Hugging Face's datasets
networks (--set model=NAME): mlp, resnet18 to resnet152, densenet121 to densenet201, vit; unet
  (segmentation); transformer (language); timm:NAME; package.module:factory, your own, called
  with num_classes and input_shape
resources (--set resources.NAME=N)
  workers: train each network on N workers; fuse: train N trials of a cell, seeds and arms, as one
    network on a GPU, for small ones; each is still a trial of its own
exit codes: 0 all is well, 1 some trial failed or could not be published, 2 bad input,
130 interrupted: the same command goes on"""

RESOURCES = "resources"  # of --set: how a trial is run, which is no part of what it is


def parse_options(arguments: Sequence[str] | None) -> Options:
    """What a launch asks; argparse itself ends the process with code 2 where the words are wrong.

    Raises:
        InputError: a --set is not FIELD=VALUE, a --storage holds a password, or an option lacks the
            one that it belongs to.
    """
    asked = launch_parser().parse_args(arguments)
    if not asked.list and asked.study is None:
        raise InputError("give a STUDY, or --list to see them")
    options = plan_options(asked, asked.workers_per_trial)
    resources = replace(
        options.resources,
        address=asked.address,
        concurrency=asked.concurrency,
        cpus=asked.cpus_per_trial,
        gpus=asked.gpus_per_trial or 0.0,
        retries=asked.retries,
    )
    return replace(
        options,
        list_studies=asked.list,
        dry_run=asked.dry_run,
        resources=resources,
        choose_device=asked.gpus_per_trial is None,
        trials=asked.trials,
        timeout=asked.timeout,
        until=asked.until,
        budget=asked.budget,
    )


def plan_options(asked: argparse.Namespace, workers: int | None = None) -> Options:
    """What every command asks that plans a study: which one, and where its results are kept."""
    overrides = _overrides(asked)
    workers, fuse = _counts(overrides, workers)
    return Options(
        study=asked.study,
        scale=asked.scale,
        replicates=asked.replicates,
        overrides=overrides,
        download=asked.download,
        tracking_uri=asked.tracking_uri,
        storage=location_of(asked.storage),
        resources=Resources(workers=workers, fuse=fuse),
        search_storage=asked.search_storage,
        log=asked.log and Path(os.path.expanduser(asked.log)).absolute(),
    )


def _overrides(asked: argparse.Namespace) -> dict[str, Any]:
    """What --set, --data and --ood change: dotted field → value."""
    said = [(f"--set {name}", name, value) for name, value in map(assignment, asked.set)]
    if asked.data is not None:
        said.append(("--data", "data.source", asked.data))
    if asked.ood is not None:
        said.append(("--ood", "data.ood", None if asked.ood == "none" else asked.ood))
    overrides: dict[str, Any] = {}
    for option, name, value in said:
        if name in overrides:
            raise InputError(f"{option}: {name} is given twice; keep one of them")
        overrides[name] = value
    return overrides


def _counts(overrides: dict[str, Any], workers: int | None) -> tuple[int, int]:
    """(workers, fuse). Takes what is said of resources out of the overrides: it is no field of a
    trial."""
    said: dict[str, Any] = {"workers": 1 if workers is None else workers, "fuse": 1}
    for name in [name for name in overrides if name.split(".")[0] == RESOURCES]:
        count = name.removeprefix(f"{RESOURCES}.")
        if count not in said:
            there = " and ".join(f"{RESOURCES}.{one}" for one in said)
            raise InputError(f"{name}: no such field; there are {there}")
        said[count] = overrides.pop(name)
    for name, value in said.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise InputError(
                f"{RESOURCES}.{name}: {value!r} is refused: give a whole number from 1"
            )
    return said["workers"], said["fuse"]


def launch_parser() -> argparse.ArgumentParser:
    parser = Parser("python -m sweep.launch", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("study", metavar="STUDY", nargs="?", help="a name of --list, or the path of a YAML file")
    add("--list", action="store_true", help="show the studies, or more of STUDY, and end")
    add("--dry-run", action="store_true", help="show the plan and end; nothing is written")

    what = parser.add_argument_group("what is run")
    add = what.add_argument
    add_plan(what)
    add("--trials", type=at_least_one, metavar="N", help="of a search: proposals in all")
    add(
        "--timeout",
        type=span,
        metavar="TIME",
        help="of a search: 90s, 30m or 2h, after which nothing more is proposed; what is best then "
        "is still confirmed",
    )

    add(
        "--until",
        type=precision,
        metavar="PRECISION",
        help="add pairs in looks, at 6, 10, 16 and 30 or up to --replicates, until of every "
        "condition the interval of the mean difference in ECE leaves out zero, or reaches at most "
        "this far to either side; errs in 5 %% of studies at most, over all looks and conditions",
    )
    add(
        "--budget",
        type=span,
        metavar="TIME",
        help="of --until: 90s, 30m or 2h, after which no trial begins; those that run are finished",
    )

    where = parser.add_argument_group("where it runs")
    add = where.add_argument
    add("--address", metavar="HOST:PORT", help="of a Ray cluster; default: RAY_ADDRESS, else local")
    add("--concurrency", type=at_least_one, metavar="N", help="trials at a time; default: all fit")
    add(
        "--workers-per-trial",
        type=int,
        metavar="N",
        help="train each network on N workers at once, for large ones; --set resources.workers=N "
        "is the same; default: 1",
    )
    add(
        "--cpus-per-trial",
        type=share,
        default=1.0,
        metavar="N",
        help="or for each of its workers; default: 1",
    )
    add(
        "--gpus-per-trial",
        type=share,
        metavar="SHARE",
        help="such as 0.25, four trials a GPU, or whole ones for each of its workers; 0: train on "
        "the CPU; default: a share that fits where there are GPUs, by a trial's measured memory",
    )
    add("--retries", type=count, default=2, metavar="N", help="of a failed trial; default: 2")

    kept = parser.add_argument_group("where results are kept")
    add_kept(kept)
    return parser
