"""Tables and figures of a study, from MLflow alone; nothing is trained, and Ray is not needed.

    python -m analysis.report noise_ablation
    python -m analysis.report noise_ablation --scale paper --data cifar10 --out figures/

Leaves `index.html`, one page that needs nothing else, with `tables/` (Markdown, CSV, LaTeX),
`figures/` (SVG, PNG) and `contents.json` beside it. Promises: MLflow is only read, and where there
is no database none is made; a bad argument ends in one line and exit code 2. 114 trials take 8 s on
one core of an AMD EPYC, 4 s of which are start-up and reading.
"""

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.command import run_command

if TYPE_CHECKING:  # slow to import: --help and a typing error need neither
    from mlflow.tracking import MlflowClient

    from analysis.exhibits.common.exhibit import Exhibit
    from analysis.results import StudyResults

CONTENTS = "contents.json"  # of a report, beside its page
_LONGEST = 100  # characters of a name in a path, of 255 that file systems take

DESCRIPTION = """\
Make a study's tables and figures again, from what MLflow holds of it. Nothing is trained.

  python -m analysis.report noise_ablation
      the launch last begun here; ends in reports/noise_ablation/<scale>-<data>/index.html
  python -m analysis.report noise_ablation --scale paper --data cifar10
      another scale or data set of the same study
  python -m analysis.report noise_ablation --tracking-uri http://localhost:5000
      from a server"""


def write_report(results: "StudyResults", folder: Path) -> Path:
    """Writes page, tables and figures into a folder (made if need be); the page's path."""
    from threadpoolctl import threadpool_limits

    from analysis.exhibits import build_exhibits
    from analysis.page import render_page

    making, exhibits, svg = build_exhibits(results), [], {}
    for kind in ("tables", "figures"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    # on arrays as small as these, threads only wait for each other
    with threadpool_limits(1):  # type: ignore[no-untyped-call]
        for exhibit in making:  # the first can be read while others are made
            _write_tables(exhibit, folder / "tables")
            exhibits.append(exhibit)
    for exhibit in exhibits:
        for drawing in exhibit.figures:
            svg[drawing.name] = drawing.save("svg")
            name = _safe(drawing.name)
            (folder / "figures" / f"{name}.svg").write_bytes(svg[drawing.name])
            (folder / "figures" / f"{name}.png").write_bytes(drawing.save("png"))
    page = folder / "index.html"
    page.write_text(render_page(results, exhibits, svg), "utf-8")
    contents = json.dumps(_contents(results, exhibits), indent=1, ensure_ascii=False)
    (folder / CONTENTS).write_text(contents, "utf-8")
    return page


def _contents(results: "StudyResults", exhibits: "list[Exhibit]") -> dict[str, Any]:
    """What is in the report, for programs and for the index of several: see `analysis.index`."""
    from analysis.findings import findings

    plan = results.plan
    return {
        "study": plan.study,
        "title": plan.title or plan.study,
        "answers": plan.answers,
        "makes": plan.makes,
        "scale": plan.scale,
        "data": plan.data,
        "network": plan.network,
        "trials": len(results.trials),
        "finished": results.count("finished"),
        "findings": findings(results),
        "exhibits": [
            {
                "title": exhibit.title,
                "tables": [
                    {"title": table.title, "file": f"tables/{_safe(table.name)}.md"}
                    for table in exhibit.tables
                    if not table.shown.empty
                ],
                "figures": [
                    {
                        "title": drawing.title,
                        "description": drawing.description,
                        "file": f"figures/{_safe(drawing.name)}.svg",
                    }
                    for drawing in exhibit.figures
                ],
            }
            for exhibit in exhibits
        ],
    }


def publish_report(client: "MlflowClient", results: "StudyResults", folder: Path) -> None:
    """Puts a written report among the artifacts of the study's parent run, under `report`."""
    from analysis.places import artifact_store

    address = client.get_run(results.parent_run_id).info.artifact_uri
    store = artifact_store(client.tracking_uri, address)
    store.log_artifacts(str(folder), "report")  # type: ignore[no-untyped-call]


def default_folder(results: "StudyResults") -> Path:
    """reports/<study>/<scale>-<data>; of other data another folder, whatever their path."""
    plan = results.plan
    return Path("reports", _safe(plan.study), _safe(f"{plan.scale}-{plan.data}"))


def _write_tables(exhibit: "Exhibit", folder: Path) -> None:
    from analysis.tables import markdown_escape, to_csv, to_latex, to_markdown

    for table in exhibit.tables:
        name = _safe(table.name)
        (folder / f"{name}.csv").write_text(to_csv(table.values), "utf-8")
        if table.shown.empty:  # numbers behind a figure
            continue
        caption = f"{table.title}. {exhibit.caption}"
        title, below = markdown_escape(table.title), markdown_escape(exhibit.caption)
        markdown = f"**{title}.**\n\n{to_markdown(table.shown)}\n{below}\n"
        (folder / f"{name}.md").write_text(markdown, "utf-8")
        (folder / f"{name}.tex").write_text(to_latex(table.shown, caption, name), "utf-8")


def _safe(name: str) -> str:
    """The name in characters that are safe in a path, and not too many; a digest then tells it from
    other names that look alike."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_LONGEST].strip("-.")
    if safe == name:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{safe}-{digest}".lstrip("-")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code."""
    return run_command(
        "report",
        lambda: _report(_parser().parse_args(arguments)),
        "interrupted; the same command makes it again",
        (),
        only_prints=False,
    )


def _report(asked: argparse.Namespace) -> int:
    if asked.tracking_uri:
        os.environ["MLFLOW_TRACKING_URI"] = asked.tracking_uri
    # a server that is down is told of within seconds; MLflow's own default is minutes
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    from analysis.errors import one_line
    from analysis.places import tracking_uri
    from analysis.results import ResultsError, load_study

    uri = tracking_uri()
    try:
        _refuse_what_is_not_here(uri)
        client = MlflowClient(uri)
        results = load_study(client, asked.study, asked.scale, asked.data)
        print(write_report(results, asked.out or default_folder(results)))
    except (ResultsError, MlflowException, SQLAlchemyError, OSError) as error:
        print(f"report: {one_line(error)}", file=sys.stderr)
        return 2
    return 0


def _refuse_what_is_not_here(uri: str) -> None:
    """Looking must leave nothing behind, and MLflow would make an empty database; and it must not
    look into another folder."""
    from analysis.elsewhere import refusal
    from analysis.places import absent_database
    from analysis.results import ResultsError

    elsewhere = refusal(uri)
    if elsewhere:
        raise ResultsError(elsewhere)
    absent = absent_database(uri)
    if absent:
        raise ResultsError(
            f"there is nothing here: no MLflow database {absent}; launch a study first, "
            "or say where MLflow is with --tracking-uri or MLFLOW_TRACKING_URI"
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m analysis.report",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("study", metavar="STUDY", help="its name, as in MLflow's experiments")
    parser.add_argument("--scale", help="smoke, laptop, paper; default: that of the last launch")
    parser.add_argument("--data", help="such as photos or cifar10; default: the last launch's")
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="where MLflow is; default: MLFLOW_TRACKING_URI, else mlflow.db in this folder",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        help="folder to write to; default: reports/STUDY/SCALE-DATA",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
