"""Progress of a search: a line for every proposal that has ended, and a sign of life between."""

import time

from rich.console import Console

from analysis.results.objectives import OBJECTIVES
from sweep.backend.failures import what_happened
from sweep.run.progress import duration
from sweep.search.ask_tell import AskTell
from sweep.search.proposals import Proposal
from sweep.search.space import one_line_of

SIGN_SECONDS = 30.0


class SearchProgress:
    """Says how far a search is. While it runs, all console output comes from here."""

    def __init__(self, console: Console, ask_tell: AskTell) -> None:
        self._console, self._ask_tell = console, ask_tell
        self._objectives = [OBJECTIVES[name] for name in ask_tell.search.objectives]
        self._started = self._spoke = time.monotonic()
        self._ended = 0  # proposals, of this launch
        self._examples = 0

    def trained(self, examples: int) -> None:
        self._examples += examples
        if time.monotonic() - self._spoke > SIGN_SECONDS:
            rate = self._examples / (time.monotonic() - self._started)
            self._say(f"{self._state()} · {rate:,.0f} examples/s")

    def finished(self, proposal: Proposal) -> None:
        self._ended += 1
        means = ", ".join(
            f"{o.label} {mean:.4g}"
            for o, mean in zip(self._objectives, proposal.means, strict=False)
        )
        state = proposal.state
        if proposal.state == "stopped":
            state = f"stopped after {proposal.seeds} seeds"
        elif proposal.violation > 0 and proposal.state == "finished":
            state = f"loses {proposal.violation:.3g} more accuracy than allowed"
        text = f"#{proposal.number} {state}: {means or 'no value'}"
        self._say(f"{text} ({one_line_of(proposal.params)})\n  {self._state()}")

    def retried(self, number: int, error: str) -> None:
        self._say(f"#{number}: failed, tried again from its checkpoint: {what_happened(error)}")

    def failed(self, number: int, error: str) -> None:
        self._ended += 1
        self._say(f"#{number}: failed for good: {what_happened(error)}")

    def _state(self) -> str:
        """`8/50 proposals, 2 running, best ECE 0.064 (#3) · 6 min left`."""
        found = self._ask_tell.proposals()
        running = sum(p.state == "running" for p in found)
        done, budget = len(found) - running, self._ask_tell.budget
        text = f"{done}/{budget} proposals, {running} running"
        best = self._ask_tell.best()
        if best:
            text += f", best {self._objectives[0].label} {best.means[0]:.4g} (#{best.number})"
        if self._ended and done < budget:
            seconds = (time.monotonic() - self._started) / self._ended * (budget - done)
            if self._ask_tell.deadline is not None:
                seconds = min(seconds, max(0.0, self._ask_tell.deadline - time.monotonic()))
            text += f" · {duration(seconds)} left"
        return text

    def _say(self, text: str) -> None:
        self._spoke = time.monotonic()
        self._console.print(text, soft_wrap=True)
