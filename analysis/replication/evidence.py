"""What was measured: rows of the exhibits' tables, with the study and the trials they come from.

A number is never computed here: a row is what an exhibit has put into its table for CSV, read
from records through MLflow. As JSON it is what the page is made of, and all that it is made of.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from analysis.replication.sizes import sizes_of

if TYPE_CHECKING:  # slow to import, and a page needs none of it
    from analysis.exhibits.common.exhibit import Drawing, Exhibit
    from analysis.results.records import Record
    from analysis.results.study_results import StudyResults

Row = Mapping[str, Any]

_FIGURES = 6  # of a number that is kept
_DATA = {"data.source", "data.ood"}  # levels that name a file, which is kept without its folder


@dataclass(frozen=True)
class Source:
    """Rows of a table that an exhibit makes of a study."""

    study: str  # a run's key
    exhibit: str
    table: str
    where: Mapping[str, Any] = field(default_factory=dict)  # column → value, or a tuple of such

    def holds(self, row: Row) -> bool:
        return all(row.get(column) in _each(wanted) for column, wanted in self.where.items())


@dataclass(frozen=True)
class Picture:
    """A drawing that an exhibit makes of a study."""

    study: str
    exhibit: str
    drawing: str

    @property
    def file(self) -> str:
        return f"{self.study.replace(' ', '-').replace('_', '-')}-{self.drawing}.png"


@dataclass(frozen=True)
class Measured:
    """A study's rows, and what they are made of."""

    study: str
    scale: str
    data: str  # files, with the digests of what is in them
    ood: str
    run: str  # of MLflow
    pairs: int  # of a condition, planned; the least
    trials: int
    finished: int
    diverged: int
    failed: int
    missing: int
    commits: tuple[str, ...]
    devices: tuple[str, ...]
    seconds: float  # of one worker; a warm-up that trials share counts once
    tables: Mapping[str, tuple[Row, ...]]  # by name
    pictures: Mapping[str, str]  # file → title
    cut: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # size → here, in the paper


@dataclass(frozen=True)
class Evidence:
    """What is known of every study, by its run's key."""

    studies: Mapping[str, Measured] = field(default_factory=dict)

    def rows(self, source: Source) -> list[Row]:
        """Those of a source that rest on anything; empty where its study was not run."""
        return [row for row in self._of(source) if _rests(row)]

    def lacking(self, source: Source) -> list[str]:
        """What a source asks for and no pair has: conditions, or values of its `where`."""
        found = self._of(source)
        bare = [str(row.get("condition", "")) for row in found if not _rests(row)]
        asked = [(c, value) for c, values in source.where.items() for value in _each(values)]
        missing = [str(v) for c, v in asked if not any(row.get(c) == v for row in found)]
        return [*dict.fromkeys(bare), *missing] if found else []

    def _of(self, source: Source) -> list[Row]:
        known = self.studies.get(source.study)
        rows = known.tables.get(source.table, ()) if known else ()
        return [row for row in rows if source.holds(row)]

    def title(self, picture: Picture) -> str | None:
        """None where it was not drawn."""
        known = self.studies.get(picture.study)
        return known.pictures.get(picture.file) if known else None


def read_evidence(path: Path) -> Evidence:
    """Nothing is known where there is no such file."""
    if not path.exists():
        return Evidence()
    kept = json.loads(path.read_text("utf-8"))
    return Evidence({key: _measured(fields) for key, fields in kept["studies"].items()})


def write_evidence(evidence: Evidence, path: Path) -> None:
    studies = {key: asdict(known) for key, known in sorted(evidence.studies.items())}
    text = json.dumps({"studies": studies}, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", "utf-8")


def _measured(fields: Mapping[str, Any]) -> Measured:
    lists = {name: tuple(fields[name]) for name in ("commits", "devices")}
    tables = {name: tuple(rows) for name, rows in fields["tables"].items()}
    cut = {name: (here, full) for name, (here, full) in fields.get("cut", {}).items()}
    return Measured(**{**fields, **lists, "tables": tables, "cut": cut})


def measure(
    results: "StudyResults",
    sources: Sequence[Source],
    pictures: Sequence[Picture],
    folder: Path,
    full: Mapping[str, str] = MappingProxyType({}),
) -> Measured:
    """The rows and pictures that are asked for of a study.

    Args:
        folder: takes the pictures; of those that cannot be drawn yet there is none.
        full: sizes at the paper's scale, of a study that is cut down, see `sizes_of`.
    """
    from analysis.exhibits import EXHIBITS
    from analysis.results.study_results import planned_pairs

    wanted = [*(source.exhibit for source in sources), *(picture.exhibit for picture in pictures)]
    made = {name: EXHIBITS[name](results) for name in dict.fromkeys(wanted)}
    plan, count = results.plan, results.count
    records = [trial.record for trial in results.trials if trial.record]
    return Measured(
        study=plan.study,
        scale=plan.scale,
        data=_named(plan.data, records, "digest"),
        ood=_named(plan.ood or "none", records, "ood_digest"),
        run=results.parent_run_id,
        pairs=min((len(planned_pairs(results, c)) for c in plan.conditions()), default=0),
        trials=len(results.trials),
        finished=count("finished"),
        diverged=count("diverged"),
        failed=count("failed"),
        missing=count("missing"),
        commits=results.commits if records else (),
        devices=tuple(sorted({record.device for record in records})),
        seconds=round(seconds_spent(records), 1),
        tables=_tables(results, sources, made),
        pictures=dict(_drawn(pictures, made, folder)),
        cut=_cut(records, full) if full else {},
    )


def _cut(records: "Sequence[Record]", full: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    here = sizes_of(record.trial for record in records)
    every = {name: (here.get(name, "—"), full[name]) for name in full}
    return {name: (ours, papers) for name, (ours, papers) in every.items() if ours != papers}


def _named(name: str, records: "Sequence[Record]", digest: str) -> str:
    """A data set's name without the folder that it lies in, and with a digest of its content; of
    all that there is where trials were taken over under another name."""
    short, field_ = name.rpartition("/")[2], {"digest": "source"}.get(digest, "ood")
    every = [record.trial.get("data") or {} for record in records]
    named = [data for data in every if data.get(field_) == name] or every
    found = {str(data.get("facts", {}).get(digest) or "")[:12] for data in named} - {""}
    return f"{short} ({', '.join(sorted(found))})" if found else short


def seconds_spent(records: "Iterable[Record]") -> float:
    """Seconds of one worker. A record has those of its network's whole life; a warm-up that several
    networks start from was lived once."""
    rest, warmups = 0.0, {}
    for record in records:
        warming = float(record.seconds.get("warmup", 0.0))
        rest += float(record.seconds.get("total", 0.0)) - warming
        lived = {name: record.trial.get(name) for name in ("model", "seed", "warmup")}
        warmups[json.dumps(lived, sort_keys=True, default=str)] = warming
    return rest + sum(warmups.values())


def _tables(
    results: "StudyResults", sources: Sequence[Source], made: "Mapping[str, Exhibit]"
) -> dict[str, tuple[Row, ...]]:
    """Of each table the rows that some source asks for, in the table's order."""
    found: dict[str, tuple[Row, ...]] = {}
    cells = {c: cell for grid in results.plan.grids for c, cell in results.plan.cells(grid).items()}
    for exhibit in made.values():
        for table in exhibit.tables:
            asking = [source for source in sources if source.table == table.name]
            rows = [_kept(row, cells) for row in table.values.to_dict("records")] if asking else []
            chosen = [row for row in rows if any(source.holds(row) for source in asking)]
            if chosen:
                found[table.name] = tuple(chosen)
    return found


def _kept(row: Mapping[Any, Any], cells: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A row as JSON holds it, with the levels of its condition; what is not known is left out."""
    levels = cells.get(str(row.get("condition", row.get("arm", ""))), {})
    every = {**levels, **{str(key): value for key, value in row.items()}}
    for name in _DATA & every.keys():
        every[name] = every[name] and every[name].rpartition("/")[2]
    plain = {key: _plain(value) for key, value in every.items()}
    return {key: value for key, value in plain.items() if value is not None}


def _plain(value: Any) -> Any:
    value = getattr(value, "item", lambda: value)()  # of NumPy's numbers
    if not isinstance(value, float):
        return value if isinstance(value, str | int | bool) and value != "" else None
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 1e9 else float(f"{value:.{_FIGURES}g}")


def _each(wanted: Any) -> tuple[Any, ...]:
    return wanted if isinstance(wanted, tuple) else (wanted,)


def _rests(row: Row) -> bool:
    """Whether it has a pair, or a network, to rest on."""
    return bool(row.get("pairs", row.get("networks", 0)))


def _drawn(
    pictures: Sequence[Picture], made: "Mapping[str, Exhibit]", folder: Path
) -> Iterator[tuple[str, str]]:
    for picture in pictures:
        drawing = _drawing(made[picture.exhibit], picture.drawing)
        if drawing is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / picture.file).write_bytes(drawing.save("png"))
            yield picture.file, drawing.title


def _drawing(exhibit: "Exhibit", name: str) -> "Drawing | None":
    return next((found for found in exhibit.figures if found.name == name), None)
