"""What a search would do: for reading before anything runs."""

import optuna
import torch
from rich.console import Console

from analysis.results.objectives import OBJECTIVES
from analysis.results.places import database_file
from sweep.options import Options
from sweep.run.dry_run import device_in_words, say_notes, show_rows, slots
from sweep.run.estimate import seconds_by_measuring
from sweep.run.progress import duration
from sweep.run.worklist import make_worklist
from sweep.search.proposals import proposals
from sweep.search.resolve import ResolvedSearch
from sweep.search.space import one_line_of
from sweep.tracking.ledger import Ledger
from trainables.lifecycle.context import Inputs
from trainables.storage.storage import Storage


def show_search(
    console: Console,
    asked: ResolvedSearch,
    inputs: Inputs,
    options: Options,
    chosen: str = "",
) -> None:
    """The space, the first proposal, and how long it all takes at the base's length of warm-up.

    Args:
        chosen: which device, in words, where that was for the launch to choose.

    Nothing is written: a history on a server, where looking makes tables, is not looked at.
    """
    search, base = asked.search, asked.base
    say_notes(base, console)
    device = torch.device(options.resources.device)
    work = make_worklist(base, Ledger(), Storage(options.folder / "none"), device)
    one = seconds_by_measuring(work, inputs) / max(1, search.seeds)
    at_a_time = slots(options.resources)
    confirming = 2 * asked.replicates
    seconds = one * (search.seeds * search.trials + confirming) / at_a_time
    drop = search.accuracy_drop
    stopping = f"{search.stopping}, from {search.stop_after} seeds on"
    rows = {
        "Study": f"{asked.study.name}: {asked.study.title}",
        "Scale": f"{base.scale} ({asked.study.scales[base.scale].about or 'no description'})",
        "Network": base.base.model.name,
        "Data": "\n".join(base.found_sentences),
        "Device": chosen or device_in_words(options.resources),
        "Objectives": ", ".join(
            f"{OBJECTIVES[name].direction} {OBJECTIVES[name].label}" for name in search.objectives
        )
        + ", on validation examples",
        "Constraint": "none" if drop is None else f"accuracy at most {drop:g} below the control's",
        "Proposals": f"{search.trials} by {search.sampler}, each on {search.seeds} seeds",
        "Stopping": stopping if search.stopping else "none",
        "First proposal": one_line_of(asked.space.base),
        **{f"  {field}": text for field, text in asked.space.described().items()},
        "  left out": "; ".join(asked.space.left_out) or "none",
        "Confirmed": f"the best and the base on {asked.replicates} fresh seeds",
        "History": f"{asked.name}, {_done(asked)}",
        "Time": f"about {duration(seconds)} from the start, without stopping, "
        f"{at_a_time} trials at a time (by a short measurement on this CPU, at the base's length "
        "of warm-up)",
    }
    show_rows(console, rows)


def _done(asked: ResolvedSearch) -> str:
    """How much of the search there is already, where its database is a file."""
    path = database_file(asked.url)
    if path is None:
        return "on a server"
    if not path.is_file():
        return "nothing done yet"
    try:
        study = optuna.load_study(study_name=asked.name, storage=asked.url)
    except KeyError:
        return "nothing done yet"
    done = sum(p.state != "running" for p in proposals(study))
    return f"{done} proposals done"
