"""What an earlier study has left: the network that another one starts from, `study:NAME`.

It is that study's first control at the same scale, with the probe `weights`: taken from storage,
else from the MLflow run it was published with.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from sweep.errors import NotYet
from sweep.plan.plan import StudyPlan, make_plan
from sweep.plan.study import load_study
from trainables.config.trial import Trial
from trainables.models.build import State
from trainables.models.weights import read_weights
from trainables.storage.keys import record_key
from trainables.storage.storage import Storage


def weights_of_study(
    name: str, scale: str | None, storage: Storage, resolve: Callable[[Trial], Trial]
) -> State:
    """The weights of the study's first control.

    Raises:
        NotYet: it has not been run.
    """
    plan = make_plan(load_study(name), resolve, scale, replicates=1)
    payload = record_of(plan.trials[0].trial_id, plan, storage)
    if payload is None:
        raise NotYet(
            f"model.weights: study {name} has left no network at scale {plan.scale} yet; "
            f"launch it first, or name it under `after:`"
        )
    return weights_in(payload)


def record_of(trial_id: str, plan: StudyPlan, storage: Storage) -> bytes | None:
    """The record of one of the plan's trials: from storage, else from MLflow; None where it is in
    neither."""
    payload = storage.get(record_key(trial_id))
    if payload is not None:
        return payload
    # late: MLflow takes a second to import
    from sweep.tracking.client import connect_if_there
    from sweep.tracking.ledger import read_ledger, record_bytes

    client = connect_if_there()
    if client is None:
        return None
    ledger = read_ledger(client, plan)
    run = ledger.done.get(trial_id) or ledger.elsewhere.get(trial_id)
    return None if run is None else record_bytes(client, run)


def weights_in(payload: bytes) -> State:
    """The weights in a record that was probed for them.

    Raises:
        NetworkError: it has none.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.npz")
        path.write_bytes(payload)
        return read_weights(path)
