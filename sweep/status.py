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
    return run_command("status", lambda: _status(_parser().parse_args(arguments)), "interrupted")


def _status(asked: "Namespace") -> int:
    storage = location_of(asked.storage)
    if isinstance(storage, Path) and asked.storage != FOLDER and not storage.is_dir():
        raise InputError(f"--storage {asked.storage}: there is no such folder")
    set_tracking(asked.tracking_uri)
    from analysis.errors import one_line
    from sweep.tracking.client import AWAY
    from sweep.tracking.study_status import look_at, study_statuses

    client = _client()
    try:
        contents = look_at(storage)
    except OSError as error:
        raise InputError(f"--storage {storage}: {one_line(error)}") from error
    try:
        found = study_statuses(client, _name(asked.study), asked.scale, asked.data, contents)
    except AWAY as error:
        raise InputError(f"MLflow does not answer any more: {one_line(error)}") from error
    if asked.json:
        print(json.dumps(_as_json(found, storage, contents), indent=1, ensure_ascii=False))
    else:
        for status in found:
            print(line_of(status) if asked.study is None else page_of(status, contents))
        print(_locks(storage, contents))
    return int(not all(status.well for status in found))


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


def line_of(status: "StudyStatus") -> str:
    """`noise_ablation, laptop, photos: running · 57/114 done, 2 failed, 55 missing · …`"""
    counts = status.counts
    done = counts["finished"] + counts["diverged"]
    running = sum(trial.running for trial in status.trials)
    rest = {name: counts[name] for name in ("diverged", "failed")}
    rest |= {"running": running, "missing": counts["missing"] - running}
    parts = [f"{done}/{len(status.trials)} done"]
    parts += [f"{count} {name}" for name, count in rest.items() if count]
    if status.unpublished and not status.running:
        parts.append(f"{len(status.unpublished)} stored and not published")
    return (
        f"{status.study}, {status.scale}, {status.data}: {_state(status)} · "
        f"{status.note or ', '.join(parts)} · launched {status.launched_at}"
    )


def page_of(status: "StudyStatus", contents: "StorageContents | None") -> str:
    counts = ", ".join(f"{count} {outcome}" for outcome, count in status.counts.items())
    running = [trial.name for trial in status.trials if trial.running]
    lines = [
        f"{status.study}, scale {status.scale}, data {status.data}",
        f"  launch      {_state(status, contents)}, last launched {status.launched_at}",
        f"  trials      {status.note or f'{len(status.trials)}: {counts}'}",
    ]
    if running:
        lines.append(f"  running     {len(running)} ({_names(running)}), for 10 s or longer")
    if status.last_finished is not None:
        date = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(status.last_finished))
        ago = _age(time.time() - status.last_finished)
        lines.append(f"  last        finished {date}, {ago} ago")
    if status.nodes:
        nodes = (f"{node or 'not recorded'} {count}" for node, count in status.nodes.items())
        lines.append(f"  nodes       {', '.join(nodes)}")
    for error, trials in status.failures.items():
        where = sorted({trial.node for trial in trials if trial.node})
        on = f", on {', '.join(where)}" if where else ""
        lines.append(
            f"  failed      {len(trials)} × {error} ({_names([t.name for t in trials])}{on})"
        )
    if status.unpublished:
        names = _names([trial.name for trial in status.unpublished])
        then = "" if status.running else f"; python -m sweep.publish {status.study} sends them"
        lines.append(f"  unpublished {len(status.unpublished)} stored ({names}){then}")
    begun = [
        f"{t.name}, {_age(t.checkpoint_age)} old"
        for t in status.trials
        if t.checkpoint_age is not None
    ]
    if begun:
        lines.append(f"  checkpoints {len(begun)} of unfinished trials ({_names(begun, '; ')})")
    return "\n".join(lines)


def _state(status: "StudyStatus", contents: "StorageContents | None" = None) -> str:
    said = STATUSES.get(status.status, status.status.lower())
    if status.process:
        return f"running (process {status.process})"
    if status.running and contents is not None:
        said += " as MLflow has it, and no process here holds its lock"
    if status.status == "FAILED" and status.counts["failed"]:
        said = "ended with failures"
    if status.ended_by and not status.running:
        said += f": {status.ended_by}"
    return said


def _locks(storage: Path | str, contents: "StorageContents | None") -> str:
    if contents is None:
        return f"storage {storage}: not there"
    held = ", ".join(f"{name} (process {pid})" for name, pid in contents.locks.items())
    return f"storage {storage}: {len(contents.recorded)} records; locks held: {held or 'none'}"


def _as_json(
    found: "Sequence[StudyStatus]", storage: Path | str, contents: "StorageContents | None"
) -> dict[str, Any]:
    return {
        "storage": contents
        and {
            "place": str(storage),
            "records": len(contents.recorded),
            "locks": dict(contents.locks),
        },
        "launches": [
            asdict(status)
            | {"running": status.running, "counts": status.counts, "nodes": status.nodes}
            | {"failures": {e: [t.trial_id for t in ts] for e, ts in status.failures.items()}}
            | {"unpublished": [trial.trial_id for trial in status.unpublished]}
            for status in found
        ],
    }


def _names(names: Sequence[str], between: str = ", ") -> str:
    more = len(names) - NAMES
    return between.join(names[:NAMES]) + (f" and {more} more" if more > 0 else "")


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
