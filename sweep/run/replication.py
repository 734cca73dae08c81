"""The paper's own scale, study by study, and the page of what it says.

What is finished is not launched again, so that the same command goes on where it was stopped. After
every study the page is made of all that there is.
"""

import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from threadpoolctl import threadpool_limits

from analysis.errors import one_line
from analysis.replication.claims import asked_of
from analysis.replication.evidence import (
    Evidence,
    Measured,
    Picture,
    Source,
    measure,
    read_evidence,
    write_evidence,
)
from analysis.replication.page import FOLDER, render
from analysis.replication.runs import RUNS, SCALE, Run
from analysis.replication.sizes import sizes_of
from analysis.results.loading import load_study
from analysis.results.study_results import ResultsError, StudyResults
from sweep.errors import InputError, NotYet
from sweep.inputs.resolve import plan_study
from sweep.options import Options, Outcome, Resources
from sweep.plan import study as studies
from sweep.plan.plan import trials_without_data
from sweep.plan.study import Study
from sweep.run.halves import halves_of, has_training_images, make_halves
from sweep.tracking.client import connect_if_there
from sweep.tracking.ledger import read_ledger
from trainables.config.data_names import check_name
from trainables.errors import DataError, choices

Launch = Callable[[Study, Options, Console], Outcome]

PAGE, NUMBERS = "replication.md", "numbers.json"


@dataclass(frozen=True)
class Asked:
    """What was asked of a replication."""

    images: Path  # the folder of cifar10.npz and svhn.npz
    only: tuple[str, ...]  # studies; none: all
    scale: str
    storage: Path | str
    resources: Resources
    out: Path  # the folder of the page
    download: bool = False
    dry_run: bool = False
    page_only: bool = False

    def scale_of(self, run: Run) -> str:
        return run.scale if self.scale == SCALE else self.scale

    def file(self, name: str) -> Path:
        """Of images."""
        return self.images.absolute() / f"{name}.npz"

    def ood_of(self, run: Run) -> str:
        """Unseen images, as a trial names them."""
        return f"npz:{self.file(run.ood)}"

    def source_of(self, run: Run) -> str:
        """What is learnt from, as a trial names it: where a file has test images alone, one half
        of them, of a run that may have them so."""
        file = self.file(run.data)
        with suppress(DataError):  # a page alone needs no images
            if run.halves and not has_training_images(file):
                file = halves_of(file)
        return f"npz:{file}"


def replicate(asked: Asked, console: Console, launch: Launch) -> int:
    """Run what is left, and make the page; 1 where some trial or study failed.

    Raises:
        InputError, DataError: there are no such images or no such study; nothing has been run.
    """
    runs = _runs(asked)
    if not runs:
        raise InputError("nothing of that can be run here; give --gpus-per-trial 1, or --download")
    if not asked.page_only:
        runs = _usable(runs, asked, console)
    codes = [0]
    for place, run in enumerate(runs, start=1):
        console.rule(f"{run.key}, {run.pairs} pairs, {place} of {len(runs)}")
        try:
            codes.append(_carried_out(run, asked, console, launch))
        except (InputError, DataError) as error:
            console.print(f"{run.key}: {one_line(error)}", soft_wrap=True)
            codes.append(1)
        except Exception:  # hours are not lost by one study's fault
            console.print(f"{run.key}: {traceback.format_exc()}", soft_wrap=True)
            codes.append(1)
    if not asked.dry_run:
        console.print(f"\nThe page: {asked.out / PAGE}", soft_wrap=True)
    return max(codes)


def _runs(asked: Asked) -> list[Run]:
    known = {run.name for run in RUNS}
    # at any other scale a run that is cut down is the same study as the whole one
    any_of_them = asked.page_only and asked.scale == SCALE
    for name in asked.only:
        if name not in known:
            raise InputError(f"--only {name}: no such study here; {choices(name, known)}")
    return [
        run
        for run in RUNS
        if run.name in (asked.only or known) and (any_of_them or _can_run(run, asked))
    ]


def _can_run(run: Run, asked: Asked) -> bool:
    here = not run.cut if asked.resources.gpus else not run.gpu
    return here and (asked.download or not run.downloads)


def _usable(runs: list[Run], asked: Asked, console: Console) -> list[Run]:
    """Those whose images can be learnt from; the console is told of the others."""
    of_files = [run for run in runs if not run.own_data]
    for name in sorted({source for run in of_files for source in (run.data, run.ood)}):
        check_name(f"npz:{asked.file(name)}")
    unusable = {run: reason for run in of_files if (reason := _unusable(run, asked, console))}
    for run, reason in unusable.items():
        console.print(f"{run.key}: left out, {reason}", soft_wrap=True)
    if len(unusable) == len(runs):
        raise InputError(f"{asked.images}: nothing there can be learnt from; give training images")
    return [run for run in runs if run not in unusable]


def _unusable(run: Run, asked: Asked, console: Console) -> str:
    """Why there is nothing to learn from; "": there is."""
    file = asked.file(run.data)
    try:
        if has_training_images(file):
            return ""
        if not run.halves:
            return f"{file.name} has no training images"
        if asked.dry_run and not halves_of(file).exists():  # which writes nothing
            return f"{file.name} has no training images: a run makes them of half its test images"
        made = make_halves(file)
        plan_study(*as_asked(run, asked))
    except (DataError, InputError) as error:
        return one_line(error)
    console.print(
        f"{file.name} has no training images: half of its test images serve as such, see {made}",
        soft_wrap=True,
    )
    return ""


def as_asked(run: Run, asked: Asked) -> tuple[Study, Options]:
    """The study as it is run: on these images, with so many pairs, of the grids that can be."""
    study = studies.load_study(run.study)
    name, scale = study.scale(asked.scale_of(run))
    grids = study.grids | scale.grids
    grids = {grid: grids[grid] for grid in run.grids or grids}
    fields: dict[str, Any] = {}
    if not run.own_data:
        fields |= {"data.source": asked.source_of(run), "data.ood": asked.ood_of(run)}
        fields |= {"data.normalisation": "cifar10"} if run.data == "cifar10" else {}
    most = run.pairs if run.cut and name == run.scale else 0  # a laptop's own may be too few
    pairs = {grid: most or min(study.replicates(scale, grid), run.pairs) for grid in grids}
    sized = scale.model_copy(
        update={"replicates": pairs, "grids": {}, "set": scale.set | fields, "until": None}
    )
    changes = {"name": run.name, "grids": grids, "scales": {name: sized}}
    study = study.model_copy(update=changes)
    options = Options(
        study=run.study, scale=name, storage=asked.storage, resources=asked.resources,
        download=asked.download, dry_run=asked.dry_run,
    )  # fmt: skip
    return study, options


def _carried_out(run: Run, asked: Asked, console: Console, launch: Launch) -> int:
    """One run, and the page with it; the exit code of its launch."""
    study, options = as_asked(run, asked)
    if asked.dry_run:
        return launch(study, options, console).code
    done = asked.page_only or _is_done(study, options)
    if done and not asked.page_only:
        console.print("finished before")
    code = 0 if done else launch(study, options, console).code
    write_page(run, asked, console, anew=asked.page_only or not done)
    return code


def _is_done(study: Study, options: Options) -> bool:
    """Whether MLflow has every trial, in this study: a launch of fewer pairs would make its plan
    that of fewer. It has none where what the plan follows from is still to be run."""
    client = connect_if_there()
    if client is None:
        return False
    try:
        plan, _ = plan_study(study, options)
    except NotYet:
        return False
    return read_ledger(client, plan).done.keys() >= plan.by_id.keys()


def write_page(run: Run, asked: Asked, console: Console, anew: bool) -> None:
    """The page, with what MLflow has of a study by now; without any, or with less than the page
    has of it, as it was.

    Args:
        anew: measure the study even if the page has it.
    """
    folder = asked.out / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    evidence = read_evidence(folder / NUMBERS)
    before = evidence.studies.get(run.key)
    results = _results(run, asked) if anew or before is None else None
    if before is not None and results is not None and _has_more(before, results):
        console.print(
            f"{run.key}: the page keeps run {before.run[:8]}, of which {before.finished} trials "
            f"finished; here {results.count('finished')} have"
        )
    elif results is None and anew:
        console.print("MLflow has nothing of it here")
    elif results is not None:
        # on arrays as small as these, threads only wait for each other
        with threadpool_limits(1):  # type: ignore[no-untyped-call]
            found = measure(results, *_asked_of(run), folder, _full_sizes(run, asked))
        evidence = Evidence({**evidence.studies, run.key: found})
    write_evidence(evidence, folder / NUMBERS)
    evidence = read_evidence(folder / NUMBERS)  # the page is made of the file
    (asked.out / PAGE).write_text(render(evidence), "utf-8")


def _results(run: Run, asked: Asked) -> StudyResults | None:
    """What MLflow has of a study."""
    client = connect_if_there()
    if client is None:
        return None
    data = None if run.own_data else asked.source_of(run)
    try:
        return load_study(client, run.name, asked.scale_of(run), data)
    except ResultsError:
        return None


def _asked_of(run: Run) -> tuple[tuple[Source, ...], tuple[Picture, ...]]:
    """Of a run that is cut down no pictures, which would stand for the paper's own scale."""
    sources, pictures = asked_of(run.subject)
    return sources, () if run.cut else pictures


def _full_sizes(run: Run, asked: Asked) -> dict[str, str]:
    """Of a run that is cut down: sizes at the paper's scale."""
    if not run.cut:
        return {}
    study, _ = as_asked(replace(run, scale=SCALE), replace(asked, scale=SCALE))
    _, *cells = trials_without_data(study, SCALE)
    return sizes_of(trial.model_dump(mode="json") for trial in cells)


def _has_more(before: Measured, results: StudyResults) -> bool:
    """Whether more of the same had ended when the page was made before: on another machine, say,
    where this one has only begun."""
    if before.scale != results.plan.scale:
        return False
    unknown = results.count("failed") + results.count("missing")
    return before.trials - before.failed - before.missing > len(results.trials) - unknown
