"""A launch that adds pairs in looks until every condition is decided: `--until`.

The design is fixed, with the study's run in MLflow, before the first look. A look is the study with
more replicates, of the conditions that are still open: it runs what MLflow and the storage lack of
them, and then takes the first replicates, in order, as many as the design plans. What it finds is
kept with the study's run. So an interrupted launch goes on where it was, and no look is taken
early, or twice with other numbers. One connection to Ray serves all looks.
"""

import json
import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace

from mlflow.entities import Run, RunTag
from mlflow.tracking import MlflowClient
from rich.console import Console

from analysis.errors import one_line
from analysis.exhibits.common.looks_text import verdict
from analysis.exhibits.common.text import label, listed, plural
from analysis.results import tags as tag
from analysis.results.loading import load_study, read_plan
from analysis.results.study_results import ResultsError
from analysis.statistics.comparison import main_measure
from analysis.statistics.sequential import Design
from analysis.statistics.study_looks import MOST_CONDITIONS, StudyLooks, looked_at, study_looks
from sweep.errors import InputError
from sweep.options import Options, Outcome
from sweep.plan.looks import planned_looks
from sweep.plan.plan import StudyPlan
from sweep.run.executor import conclude, execute, execute_beginning, reach, tell_found
from sweep.run.prestart import ray_ahead
from sweep.run.progress import PairsOfLook, duration
from sweep.run.publishing import log_of
from sweep.storage.locks import using
from sweep.tracking.client import AWAY, connect, connect_if_there, what_to_do
from sweep.tracking.ledger import study_run
from trainables.lifecycle.context import Inputs


def execute_in_looks(
    plan: StudyPlan, inputs: Inputs, options: Options, console: Console
) -> Outcome:
    """Look after look, until all is decided, none is left or the budget ends; then the report.

    plan: with the most replicates that there may be.
    """
    ends = math.inf if options.budget is None else time.monotonic() + options.budget
    looks = begun(plan, options)
    with using(options.folder), ExitStack() as rays:
        rays.enter_context(ray_ahead(planned(plan, looks), options))  # meanwhile MLflow is reached
        looks = _agreed(reach(options), plan, options)
        launch = _Launch(plan, inputs, options, console, looks, ends)
        if not looks.over:
            tell_found(plan, console)
        while not launch.looks.over and time.monotonic() < ends:
            rays.enter_context(ray_ahead(planned(plan, launch.looks), options))
            if not launch.take():
                break
        return launch.concluded()


def begun(plan: StudyPlan, options: Options) -> StudyLooks:
    """The design, before a look is taken.

    Raises:
        InputError: the study has nothing to compare, or too much.
    """
    arms = [p for p in plan.trials if p.trial.arm != "control"]
    first = {p.condition: p.trial_id for p in reversed(arms) if p.replicate == 0}
    conditions = {p.condition: first[p.condition] for p in arms}
    if not conditions:
        raise InputError(f"--until: {plan.study.name} has no pairs to compare; leave it out")
    decides = plan.study.decided_by
    if decides is not None:
        if decides not in conditions:
            raise InputError(
                f"decided_by: {decides!r} is no condition of {plan.study.name}; name one of "
                f"{', '.join(conditions)}"
            )
        conditions = {decides: conditions[decides]}
    if len(conditions) > MOST_CONDITIONS:
        raise InputError(
            f"--until: {plan.study.name} has {len(conditions)} conditions, and at most "
            f"{MOST_CONDITIONS} can be decided together; give fewer levels with --set"
        )
    if options.until is None:
        raise ValueError("until must be given")
    design = Design(planned_looks(options.replicates), options.until, len(conditions))
    return StudyLooks(design, conditions, main_measure(plan.base.task.epochs != 0))


def looks_in_words(plan: StudyPlan, options: Options) -> str:
    """For a dry run: when it is looked at, what decides, and which looks were taken already.

    Raises:
        InputError: as `execute_in_looks`.
    """
    client = connect_if_there()
    looks = _told(client, plan, options) if client else begun(plan, options)
    taken = f"; {len(looks.taken)} of them taken already" if looks.taken else ""
    return (
        f"at {listed(map(str, looks.design.looks))} pairs{taken}\nuntil the interval of the mean "
        f"difference in {looks.measure.label} leaves out zero or is ± {looks.design.precision:g} "
        f"at most, of {_which(looks)}"
    )


def _which(looks: StudyLooks) -> str:
    """The one condition that decides, or how many do."""
    if len(looks.conditions) == 1:
        return f"“{label(next(iter(looks.conditions)))}”"
    return plural(len(looks.conditions), "condition")


def planned(plan: StudyPlan, looks: StudyLooks, with_next: bool = True) -> StudyPlan:
    """The part of a plan that the looks so far have planned, and that the next one does; of
    conditions that do not decide, as many pairs as of the one that does."""
    pairs = looks.pairs(with_next)
    most, arms = max(pairs.values()), [p for p in plan.trials if p.trial.arm != "control"]
    arms = [p for p in arms if p.replicate < pairs.get(p.condition, most)]
    kept = {p.trial_id for p in arms} | {p.pair for p in arms}
    trials = tuple(p for p in plan.trials if p.trial_id in kept)
    return replace(plan, trials=trials, tags=looks.tags() | {tag.BUDGET: ""})


def _agreed(client: MlflowClient, plan: StudyPlan, options: Options) -> StudyLooks:
    """The looks that were taken of this design; what was looked at by another is forgotten, where
    those were other trials.

    Raises:
        InputError: the same trials were looked at by another design, or MLflow is away.
    """
    try:
        run, looks = study_run(client, plan), _told(client, plan, options)
        if run is not None and not looks.taken:
            for name in run.data.tags:
                if name.startswith(tag.LOOK):
                    client.delete_tag(run.info.run_id, name)
        return looks
    except AWAY as error:
        raise InputError(f"nothing was run: {what_to_do(error)}") from error


def _told(client: MlflowClient, plan: StudyPlan, options: Options) -> StudyLooks:
    """The design, with its looks that the study's run tells of.

    Raises:
        InputError: they are of another design.
    """
    run, fresh = study_run(client, plan), begun(plan, options)
    tags = run.data.tags if run is not None else {}
    if run is None or f"{tag.LOOK}1" not in tags:
        return fresh
    if tags[tag.LOOKS] == fresh.tags()[tag.LOOKS]:
        names = {trial_id: condition for condition, trial_id in fresh.conditions.items()}
        return study_looks(tags, names, fresh.measure) or fresh
    if _pairs_seen(client, run).isdisjoint(p.trial_id for p in plan.trials):
        return fresh
    told = json.loads(tags[tag.LOOKS])
    raise InputError(
        f"--until {fresh.design.precision:g}: these pairs were looked at already by --until "
        f"{told['precision']:g} --replicates {told['looks'][-1]}, of "
        f"{plural(len(told['trials']), 'condition')}, and a design is not changed once data are "
        "seen; give those, or begin with other seeds, such as --set seed=1000"
    )


def _pairs_seen(client: MlflowClient, run: Run) -> set[str]:
    """The trials with warm-up, or another treatment, that were looked at or may have been."""
    try:
        trials = read_plan(client, run).trials
    except ResultsError:
        trials = ()
    return {t.trial_id for t in trials if t.arm != "control"} | set(looked_at(run.data.tags))


@dataclass
class _Launch:
    plan: StudyPlan
    inputs: Inputs
    options: Options
    console: Console
    looks: StudyLooks
    ends: float  # of `time.monotonic`
    ran: bool = False
    unreachable: bool = False  # MLflow
    code: int = 0

    def take(self) -> bool:
        """Run what the next look needs, and take it; False where it could not be taken."""
        looks, now = self.looks, planned(self.plan, self.looks)
        number, of = len(looks.taken) + 1, len(looks.design.looks)
        pairs = looks.design.looks[number - 1]
        self._say(
            f"\nLook {number} of {of}: {pairs} pairs of {plural(len(looks.undecided), 'condition')}"
        )
        replicates = {p.trial_id: p.replicate for p in now.trials}
        look = PairsOfLook(f"look {number} of {of}", pairs, replicates, self.ends)
        self.ran = True
        self.code = execute_beginning(now, self.inputs, self.options, self.console, look).code
        try:
            taken = self._taken(now)
        except (ResultsError, InputError, *AWAY) as error:
            self._say(f"the look was not taken: {one_line(error)}")
            self.unreachable = True
            return False
        if taken is None:
            return False
        self.looks, log = taken, log_of(self.options, now)
        for condition, found in taken.taken[-1].items():
            lost = f", {found.planned - found.pairs} lost" if found.pairs < found.planned else ""
            self._say(f"{label(condition)}, {found.pairs} pairs{lost}: {verdict(taken, condition)}")
            log.write("looked", condition=condition, pairs=found.pairs, outcome=found.outcome)
        return True

    def _taken(self, now: StudyPlan) -> StudyLooks | None:
        """With the look; None where some of its trials have not been run, or no pair is whole."""
        client = connect()
        run = study_run(client, now)
        if run is None:
            raise ResultsError(f"MLflow has no run of {now.study.name}")
        results = load_study(client, now.study.name, parent_run_id=run.info.run_id)
        missing = results.count("missing")
        if missing:
            ended = time.monotonic() >= self.ends
            why = ", for the budget ended" if ended else ""
            self._say(
                f"{missing} of the look's {len(results.trials)} trials are not done{why}: the look "
                "was not taken"
            )
            self.code = self.code if ended else 1
            return None
        taken = self.looks.take(results)
        if not any(look.pairs for look in taken.taken[-1].values()):
            self._say("no pair is complete: the look was not taken")
            self.code = 1
            return None
        tags = [RunTag(*one) for one in taken.tags().items()]
        client.log_batch(run.info.run_id, tags=tags)
        return taken

    def concluded(self) -> Outcome:
        """The report of what was looked at. Trials that have failed now are not tried again now."""
        if self.unreachable:
            return Outcome(1, None)
        over = self.looks.over
        ended = "" if over or time.monotonic() < self.ends else duration(self.options.budget or 0)
        plan = planned(self.plan, self.looks, with_next=False)
        plan = replace(plan, tags=self.looks.tags() | {tag.BUDGET: ended})
        carry_out = execute if over and not self.ran else conclude
        outcome = carry_out(plan, self.inputs, self.options, self.console)
        return outcome._replace(code=outcome.code or self.code)

    def _say(self, text: str) -> None:
        self.console.print(text, soft_wrap=True)
