"""The studies there are, for `--list`: at once, so without PyTorch, Ray or MLflow."""

from rich.console import Console
from rich.table import Table

from sweep.plan.study import Collection, load, shipped


def list_studies(console: Console) -> None:
    """Every study: what it answers, which figure or table it makes, and its scale of default."""
    table = Table(box=None, padding=(0, 2, 1, 0))
    for column in ("Study", "What it answers", "Makes", "Default scale"):
        table.add_column(column, overflow="fold")
    for name in shipped():
        study = load(name)
        if isinstance(study, Collection):
            about = f"{len(study.collects)} studies in turn"
        else:
            scale, sized = study.scale(None)
            about = f"{scale}: {sized.about}"
        table.add_row(name, study.answers, study.makes, about)
    console.print(table)
