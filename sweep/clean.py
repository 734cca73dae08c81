"""Remove what a storage need not keep: `python -m sweep.clean`.

A launch goes on afterwards as if nothing had been removed: what it still needs it finds in MLflow,
or computes again to the same numbers. Nothing is touched while a launch uses the folder; of an
object store, while one of this folder does, for its locks lie here.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

from sweep.cli.arguments import Parser, add_storage, add_tracking, span
from sweep.cli.main import run_command, set_tracking
from sweep.errors import InputError
from sweep.storage.location import launch_folder, location_of, open_storage

if TYPE_CHECKING:  # slow to import, and --help needs none of it
    from argparse import Namespace
    from pathlib import Path

    from sweep.storage.removable import Removable
    from trainables.storage.storage import Storage

DESCRIPTION = """\
Remove what the storage need not keep: checkpoints of finished trials, half-written files and what
launches that died have left. Nothing is touched while a launch uses the folder; of an object store,
only launches from this folder are known.

  python -m sweep.clean --dry-run
      what would be removed, and how many bytes that are
  python -m sweep.clean --warmups --older-than 7d
      warmed-up networks too that no trial has started from for a week; they can be computed again
  python -m sweep.clean --records
      records too, if MLflow has them, whole, as artifacts"""

EPILOG = """\
exit codes: 0 done, 1 something could not be removed, 2 bad input or a launch uses the folder,
130 interrupted: the same command goes on"""

MONTH = 30 * 86400.0  # seconds


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command("clean", lambda: _clean(_parser().parse_args(arguments)))


def _clean(asked: "Namespace") -> int:
    from analysis.errors import one_line
    from sweep.storage.locks import LOCKS, cleaning
    from sweep.storage.removable import is_storage

    location = location_of(asked.storage)
    storage, folder = open_storage(location), launch_folder(location)
    if asked.older_than is not None and not asked.warmups:
        raise InputError("--older-than: is of warmed-up networks; give --warmups too")
    try:
        if not is_storage(storage):
            raise InputError(f"--storage {asked.storage}: no launch has left anything there")
        with cleaning(folder) if (folder / LOCKS).is_dir() else nullcontext():
            found = list(_found(storage, folder, asked))
            kept = set() if asked.dry_run else {g.place for g in found if not _removed(g)}
    except OSError as error:  # of an object store
        raise InputError(f"--storage {asked.storage}: {one_line(error)}") from error
    for kind in dict.fromkeys(one.kind for one in found):
        sizes = [one.size for one in found if one.kind == kind and one.place not in kept]
        print(f"{len(sizes):>6} {kind}, {sum(sizes):,} bytes")
    gone = sum(one.size for one in found if one.place not in kept)
    print(f"{'would free' if asked.dry_run else 'freed'} {gone:,} bytes in {location}")
    for place in sorted(kept):
        print(f"clean: {place}: cannot be removed", file=sys.stderr)
    return int(bool(kept))


def _found(storage: "Storage", folder: "Path", asked: "Namespace") -> "Iterator[Removable]":
    from sweep.storage import removable

    now = time.time()
    yield from removable.leftovers(storage, folder, now)
    if asked.warmups:
        older = MONTH if asked.older_than is None else asked.older_than
        yield from removable.old_warmups(storage, now, older)
    if asked.records:
        yield from removable.records(storage, _in_mlflow(storage, asked.tracking_uri))


def _in_mlflow(storage: "Storage", tracking_uri: str | None) -> set[str]:
    """Of the stored records, those of the trials whose run is done and has its record, whole."""
    set_tracking(tracking_uri)
    from analysis.errors import one_line
    from analysis.results.mlflow_store import all_runs
    from analysis.results.records import RecordError, read_record
    from analysis.results.tags import TRIAL_ID, TRIALS
    from sweep.storage.contents import recorded
    from sweep.tracking.client import AWAY, connect_if_there
    from sweep.tracking.ledger import is_done, record_bytes

    client, stored = connect_if_there(), recorded(storage)
    safe: set[str] = set()
    if client is None:
        raise InputError("--records: there is no MLflow database here; give --tracking-uri")
    try:
        experiments = [e.experiment_id for e in client.search_experiments()]
        for run in all_runs(client, experiments, TRIALS):
            trial_id = run.data.tags.get(TRIAL_ID, "")
            if trial_id not in stored - safe or not is_done(client, run):
                continue
            try:
                if read_record(record_bytes(client, run)).trial_id == trial_id:
                    safe.add(trial_id)
            except (RecordError, *AWAY):  # gone or damaged: ours is the only one
                continue
    except AWAY as error:
        raise InputError(f"--records: MLflow does not answer: {one_line(error)}") from error
    return safe


def _removed(one: "Removable") -> bool:
    try:
        one.remove()
    except OSError:
        return False
    return True


def _parser() -> Parser:
    parser = Parser("python -m sweep.clean", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("--dry-run", action="store_true", help="say what would be removed, and remove nothing")
    add("--warmups", action="store_true", help="warmed-up networks that were of no use for long")
    add("--older-than", type=span, metavar="TIME", help="of --warmups: 12h or 7d; default: 30d")
    add("--records", action="store_true", help="records that MLflow has")
    add_storage(parser)
    add_tracking(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
