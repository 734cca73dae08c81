"""How the studies stand: `python -m sweep.status`, or of one, `python -m sweep.status STUDY`.

From MLflow, which is only read, the plan of each launch, and the storage.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.cli.arguments import Parser, add_storage, add_tracking
from sweep.cli.main import run_command, set_tracking
from sweep.errors import InputError
from sweep.storage.location import FOLDER, location_of

if TYPE_CHECKING:  # slow to import, and --help needs none of it
    from argparse import Namespace

    from sweep.tracking.study_status import StorageContents, StudyStatus

DESCRIPTION = """\
How studies stand: what is done, what is left, what failed and why, and on which node.

  python -m sweep.status
      a line for every study, scale and data set that was launched
  python -m sweep.status noise_ablation
      more of one: failures by their error, what is stored and not published, checkpoints, nodes
  python -m sweep.status noise_ablation --scale paper --json
      the same for programs: {"storage": …, "launches": [{"study": …, "counts": …, …}]}"""

EPILOG = """\
exit codes: 0 nothing has failed, 1 some trial failed or waits to be published, 2 bad input,
130 interrupted"""

STATUSES = {
    "RUNNING": "running",
    "FINISHED": "finished",
    "FAILED": "not complete",
    "KILLED": "interrupted",
}
NAMES = 6  # trials named of a group


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    return run_command("status", lambda: _status(_parser().parse_args(arguments)), "interrupted")


def _status(asked: "Namespace") -> int:
    storage = location_of(asked.storage)
    if isinstance(storage, Path) and asked.storage != FOLDER and not storage.is_dir():
        raise InputError(f"--storage {asked.storage}: there is no such folder")
    set_tracking(asked.tracking_uri)
    from analysis.errors import one_line
    from sweep.tracking.client import AWAY
    from sweep.tracking.study_status import look_at, standings

    client = _client()
    try:
        shelf = look_at(storage)
    except OSError as error:
        raise InputError(f"--storage {storage}: {one_line(error)}") from error
    try:
        found = standings(client, _name(asked.study), asked.scale, asked.data, shelf)
    except AWAY as error:
        raise InputError(f"MLflow does not answer any more: {one_line(error)}") from error
    if asked.json:
        print(json.dumps(_as_json(found, storage, shelf), indent=1, ensure_ascii=False))
    else:
        for standing in found:
            print(line_of(standing) if asked.study is None else page_of(standing, shelf))
        print(_locks(storage, shelf))
    return int(not all(standing.well for standing in found))


def _client() -> Any:
    from analysis.results.places import absent_database, tracking_uri
    from sweep.tracking.client import connect_if_there

    client = connect_if_there()
    if client is None:
        raise InputError(
            "there is nothing here: no MLflow database "
            f"{absent_database(tracking_uri())}; launch a study first, or say where "
            "MLflow is with --tracking-uri or MLFLOW_TRACKING_URI"
        )
    return client


def _name(study: str | None) -> str | None:
    """The study's, of which a file may be given as to the launch."""
    if study is None or Path(study).suffix not in (".yaml", ".yml"):
        return study
    from sweep.plan.study import load

    return load(study).name


def line_of(standing: "StudyStatus") -> str:
    """`noise_ablation, laptop, photos: running · 57/114 done, 2 failed, 55 missing · …`"""
    counts = standing.counts
    done = counts["finished"] + counts["diverged"]
    parts = [f"{done}/{len(standing.trials)} done"]
    parts += [
        f"{counts[name]} {name}" for name in ("diverged", "failed", "missing") if counts[name]
    ]
    if standing.unpublished and not standing.running:
        parts.append(f"{len(standing.unpublished)} stored and not published")
    return (
        f"{standing.study}, {standing.scale}, {standing.data}: {_state(standing)} · "
        f"{standing.note or ', '.join(parts)} · launched {standing.launched_at}"
    )


def page_of(standing: "StudyStatus", shelf: "StorageContents | None") -> str:
    """All there is to say, in a few lines."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in standing.counts.items())
    lines = [
        f"{standing.study}, scale {standing.scale}, data {standing.data}",
        f"  launch      {_state(standing, shelf)}, last launched {standing.launched_at}",
        f"  trials      {standing.note or f'{len(standing.trials)}: {counts}'}",
    ]
    if standing.last_finished is not None:
        lines.append(f"  last        finished {_date(standing.last_finished)}")
    if standing.nodes:
        nodes = (f"{node or 'not recorded'} {count}" for node, count in standing.nodes.items())
        lines.append(f"  nodes       {', '.join(nodes)}")
    for error, trials in standing.failures.items():
        where = sorted({trial.node for trial in trials if trial.node})
        on = f", on {', '.join(where)}" if where else ""
        lines.append(
            f"  failed      {len(trials)} × {error} ({_names([t.name for t in trials])}{on})"
        )
    if standing.unpublished:
        names = _names([trial.name for trial in standing.unpublished])
        then = "" if standing.running else f"; python -m sweep.publish {standing.study} sends them"
        lines.append(f"  unpublished {len(standing.unpublished)} stored ({names}){then}")
    begun = [
        f"{t.name}, {_age(t.checkpoint_age)} old"
        for t in standing.trials
        if t.checkpoint_age is not None
    ]
    if begun:
        lines.append(f"  checkpoints {len(begun)} of unfinished trials ({_names(begun, '; ')})")
    return "\n".join(lines)


def _state(standing: "StudyStatus", shelf: "StorageContents | None" = None) -> str:
    said = STATUSES.get(standing.status, standing.status.lower())
    if standing.process:
        return f"running (process {standing.process})"
    if standing.running and shelf is not None:
        said += " as MLflow has it, and no process here holds its lock"
    if standing.status == "FAILED" and standing.counts["failed"]:
        said = "ended with failures"
    if standing.ended_by and not standing.running:
        said += f": {standing.ended_by}"
    return said


def _locks(storage: Path | str, shelf: "StorageContents | None") -> str:
    if shelf is None:
        return f"storage {storage}: not there"
    held = ", ".join(f"{name} (process {pid})" for name, pid in shelf.locks.items())
    return f"storage {storage}: {len(shelf.recorded)} records; locks held: {held or 'none'}"


def _as_json(
    found: "Sequence[StudyStatus]", storage: Path | str, shelf: "StorageContents | None"
) -> dict[str, Any]:
    return {
        "storage": shelf
        and {"place": str(storage), "records": len(shelf.recorded), "locks": dict(shelf.locks)},
        "launches": [
            asdict(standing)
            | {"running": standing.running, "counts": standing.counts, "nodes": standing.nodes}
            | {"failures": {e: [t.trial_id for t in ts] for e, ts in standing.failures.items()}}
            | {"unpublished": [trial.trial_id for trial in standing.unpublished]}
            for standing in found
        ],
    }


def _names(names: Sequence[str], between: str = ", ") -> str:
    more = len(names) - NAMES
    return between.join(names[:NAMES]) + (f" and {more} more" if more > 0 else "")


def _date(seconds: float) -> str:
    date = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    return f"{date}, {_age(time.time() - seconds)} ago"


def _age(seconds: float | None) -> str:
    from sweep.run.progress import duration

    return duration(max(0.0, seconds or 0.0))


def _parser() -> Parser:
    parser = Parser("python -m sweep.status", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("study", metavar="STUDY", nargs="?", help="its name in MLflow, or its file")
    add("--scale", help="of the study; default: all")
    add("--data", help="of the study; default: all")
    add("--json", action="store_true", help="for programs; times are seconds since 1970")
    add_tracking(parser)
    add_storage(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
