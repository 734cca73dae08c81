"""What an earlier study has left: the network that another one starts from, `study:NAME`.

It is that study's first control at the same scale, with the probe `weights`: taken from storage,
else from the MLflow run it was published with.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

from sweep.errors import NotYet
from sweep.plan.plan import make_plan
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
    trial_id = plan.trials[0].trial_id
    payload = storage.get(record_key(trial_id))
    if payload is None:
        # late: MLflow takes a second to import
        from sweep.tracking.client import connect_if_there
        from sweep.tracking.ledger import read_ledger, record_bytes

        client = connect_if_there()
        run = read_ledger(client, plan).done.get(trial_id) if client else None
        if client is None or run is None:
            raise NotYet(
                f"model.weights: study {name} has left no network at scale {plan.scale} yet; "
                f"launch it first, or name it under `after:`"
            )
        payload = record_bytes(client, run)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "record.npz")
        path.write_bytes(payload)
        return read_weights(path)
