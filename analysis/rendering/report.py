"""A report's folder: `index.html`, `tables/`, `figures/` and `contents.json`."""

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # slow to import, and a launch needs neither before it reports
    from mlflow.tracking import MlflowClient

    from analysis.exhibits.common.exhibit import Exhibit
    from analysis.results.study_results import StudyResults

CONTENTS = "contents.json"  # of a report, beside its page
_LONGEST = 100  # characters of a name in a path, of 255 that file systems take


def write_report(results: "StudyResults", folder: Path) -> Path:
    """Writes page, tables and figures into a folder (made if need be); the page's path."""
    from threadpoolctl import threadpool_limits

    from analysis.exhibits import build_exhibits
    from analysis.rendering.page import render_page

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
    """What is in the report, for programs and for the index of several."""
    from analysis.rendering.findings import findings

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
    from analysis.results.places import artifact_store

    address = client.get_run(results.parent_run_id).info.artifact_uri
    store = artifact_store(client.tracking_uri, address)
    store.log_artifacts(str(folder), "report")  # type: ignore[no-untyped-call]


def default_folder(results: "StudyResults") -> Path:
    """reports/<study>/<scale>-<data>; of other data another folder, whatever their path."""
    plan = results.plan
    return Path("reports", _safe(plan.study), _safe(f"{plan.scale}-{plan.data}"))


def _write_tables(exhibit: "Exhibit", folder: Path) -> None:
    from analysis.rendering.table_formats import markdown_escape, to_csv, to_latex, to_markdown

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
