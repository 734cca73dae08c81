"""Whether a trial's metrics in MLflow are its record's numbers, to the bit: then none is computed.

A run is published with a seal among its tags: of which code its numbers are, their digest and their
names. Metrics that the seal does not fit are not used: those of other code or other libraries,
those that somebody has changed, those that MLflow changes itself, as it makes infinity 1.8e308. Of
runs without a seal, which earlier code has published, none is used either.
"""

from collections.abc import Mapping

from mlflow.entities import Run

from analysis.cache import code_of_numbers, sha256
from analysis.results.tags import SUMMARY


def seal(numbers: Mapping[str, float]) -> str:
    """The tag `SUMMARY` of a run whose metrics these numbers of `summarise` are."""
    exact = " ".join(f"{name} {float(value).hex()}" for name, value in numbers.items())
    return " ".join((code_of_numbers(), sha256(exact.encode())[:16], *numbers))


def names_sealed(run: Run) -> list[str]:
    """The metrics that the run says are its record's numbers; it need not be so."""
    return str(run.data.tags.get(SUMMARY, "")).split()[2:]


def published_numbers(run: Run) -> dict[str, float] | None:
    """What `summarise` gives of the record that the run was published with; None: not known."""
    metrics = run.data.metrics
    numbers = {name: metrics[name] for name in names_sealed(run) if name in metrics}
    return numbers if run.data.tags.get(SUMMARY) == seal(numbers) else None
