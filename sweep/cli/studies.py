"""The studies there are, for `--list`: at once, so without PyTorch, Ray or MLflow."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from sweep.plan.study import Collection, Study, load, shipped

MORE = "--list STUDY: what one answers, which figure it makes, how long it takes"


def list_studies(console: Console, name: str | None = None) -> None:
    """Every study with its title and scales, a line or two each; or all that is known of one.

    name: of a study, or the path of the user's own file.

    Raises:
        InputError: there is no such study.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=name is None)
    if name is None:
        for column in ("Study", "Title", "Scales"):
            table.add_column(column, overflow="fold", no_wrap=column == "Study")
        for each in shipped():
            study = load(each)
            table.add_row(each, study.title, _scales(study))
    else:
        for row in _about(load(name)):
            table.add_row(*row)
    console.print(table)
    if name is None:
        console.print(f"\n{MORE}", soft_wrap=True)


def _scales(study: Study | Collection) -> str:
    if isinstance(study, Collection):
        return f"{len(study.collects)} studies in turn"
    return ", ".join(study.scales)


def _about(study: Study | Collection) -> Iterator[tuple[str, str]]:
    """What is said of one: name and text."""
    yield "study", study.name
    yield "title", study.title
    yield "answers", study.answers
    if study.makes:
        yield "makes", study.makes
    if isinstance(study, Collection):
        yield "collects", ", ".join(study.collects)
        return
    default = study.scale(None)[0]
    for name, scale in study.scales.items():
        words = f"scale {name}" + (", the default" if name == default else "")
        yield words, scale.about
