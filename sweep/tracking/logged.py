"""Which rows of a trial's curves its run has already, from this launch or an earlier one.

A trial that was cut short is trained again from its last checkpoint, or from the start, and comes
to the same numbers a little earlier or later: told again they would stand there twice.
"""

import math
import sys
from collections.abc import Iterable

from mlflow.entities import Metric, Run
from mlflow.tracking import MlflowClient

_LARGEST = sys.float_info.max  # MLflow keeps it in place of what is infinite


class LoggedRows:
    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._values: dict[str, dict[tuple[str, int], float]] = {}  # run id → (name, step) → value

    def lacking(self, run: Run, rows: Iterable[Metric]) -> list[Metric] | None:
        """Those of the rows that the run has not; None where it has another value of one: then the
        trial was run by other code or on another device, and its run cannot be completed."""
        rows = list(rows)
        known = self._known(run, {row.key for row in rows})
        if any(_differs(row, known[_place(row)]) for row in rows if _place(row) in known):
            return None
        return [row for row in rows if _place(row) not in known]

    def add(self, run: Run, rows: Iterable[Metric]) -> None:
        known = self._values.setdefault(run.info.run_id, {})
        known |= {_place(row): float(row.value) for row in rows}

    def forget(self, run: Run) -> None:
        self._values.pop(run.info.run_id, None)

    def _known(self, run: Run, names: set[str]) -> dict[tuple[str, int], float]:
        run_id = run.info.run_id
        if run_id not in self._values:
            self._values[run_id] = {}
            for name in names & run.data.metrics.keys():  # of an earlier launch
                self.add(run, self._client.get_metric_history(run_id, name))
        return self._values[run_id]


def _place(row: Metric) -> tuple[str, int]:
    return row.key, row.step


def _differs(row: Metric, known: float) -> bool:
    """From a value that MLflow has, or was told; no number is the same as no number."""
    a, b = (min(max(value, -_LARGEST), _LARGEST) for value in (float(row.value), known))
    return a != b and not (math.isnan(a) and math.isnan(b))
