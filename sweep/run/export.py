"""The weights of one of a study's networks, as a file that `load_state_dict` takes.

A file holds every entry of the network's state dict under its own name, batch normalisation's
statistics too; weights that two layers share are there by both names. Its metadata say what made
it, and with which constants its inputs were normalised.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor

from analysis.results.records import read_record
from sweep.errors import InputError
from sweep.inputs.pretrained import record_of, weights_in
from sweep.inputs.resolve import Resolver
from sweep.plan.plan import PlannedTrial, StudyPlan
from sweep.tracking.commit import code_commit
from trainables.data.splits import Constants, prepare
from trainables.errors import choices
from trainables.lifecycle.start import at_start, device_of_warmup
from trainables.storage.storage import Storage
from trainables.training.loop import Diverged

Moment = Literal["start", "end"]


@dataclass(frozen=True)
class Asked:
    """Which network: of a condition's trial, or of its control."""

    condition: str | None  # None: the only one
    replicate: int
    arm: Literal["control", "warmup"]
    at: Moment


def export(plan: StudyPlan, resolver: Resolver, storage: Storage, asked: Asked, to: Path) -> str:
    """Write the network's weights; what was written, in a sentence.

    Raises:
        InputError: there is no such network, or it has not been kept.
    """
    planned = chosen(plan, asked)
    state, made = (_start if asked.at == "start" else _end)(plan, planned, resolver, storage)
    tensors = {name: _whole(name, value) for name, value in state.items()}
    inputs = resolver.inputs.of(planned.trial)
    data = prepare(planned.trial, inputs.source, inputs.ood, torch.device("cpu"))
    metadata = _about(plan, planned, asked, data.constants) | made
    unfinished = to.with_name(f".unfinished-{to.name}")
    try:
        safetensors.torch.save_file(tensors, unfinished, metadata)
        os.replace(unfinished, to)
    except OSError as error:
        raise InputError(f"-o {to}: cannot be written ({error.strerror}); give another") from error
    finally:
        unfinished.unlink(missing_ok=True)
    count = sum(tensor.numel() for tensor in tensors.values())
    return f"{to}: {len(tensors)} tensors, {count:,} numbers, of {planned.name} at the {asked.at}"


def chosen(plan: StudyPlan, asked: Asked) -> PlannedTrial:
    """The trial whose network it is."""
    warmed = [p for p in plan.trials if p.trial.arm == "warmup"] or list(plan.trials)
    conditions = list(dict.fromkeys(planned.condition for planned in warmed))
    condition = conditions[0] if len(conditions) == 1 else asked.condition
    if condition is None:
        raise InputError(f"--condition: must be given; there is {', '.join(conditions)}")
    if asked.condition not in (None, *conditions):
        raise InputError(
            f"--condition {asked.condition}: study {plan.study.name} has none; "
            f"{choices(str(asked.condition), conditions)}"
        )
    of_it = {p.replicate: p for p in warmed if p.condition == condition}
    if asked.replicate not in of_it:
        raise InputError(
            f"--replicate {asked.replicate}: {condition} has {', '.join(map(str, of_it))}; "
            "give --replicates for more"
        )
    found = of_it[asked.replicate]
    return found if asked.arm == "warmup" else plan.by_id[found.pair]


def _start(
    plan: StudyPlan, planned: PlannedTrial, resolver: Resolver, storage: Storage
) -> tuple[Mapping[str, Any], dict[str, str]]:
    trial = planned.trial
    kind = device_of_warmup(trial, storage)
    if kind == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"--at start: the warm-up of {planned.name} was made on a GPU, which draws other noise "
            "than a CPU; export it on a machine with one"
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a worker, for the same numbers
    try:
        network = at_start(trial, resolver.inputs.of(trial), storage, torch.device(kind))
    except Diverged as error:
        raise InputError(f"--at start: the warm-up of {planned.name} diverged: {error}") from error
    finally:
        torch.set_num_threads(threads)
    return network.state_dict(), {"commit": code_commit(), "device": kind}


def _end(
    plan: StudyPlan, planned: PlannedTrial, resolver: Resolver, storage: Storage
) -> tuple[Mapping[str, Any], dict[str, str]]:
    probed = "weights" in planned.trial.probes
    payload = record_of(planned.trial_id, plan, storage) if probed else None
    if payload is None:
        what = "has not been run" if probed else "is run without keeping its last weights"
        raise InputError(
            f"--at end: {planned.name} of {plan.study.name} {what}; launch the study with "
            "--set 'probes=[weights]', and export with the same options"
        )
    record = read_record(payload)
    if record.status != "finished":
        raise InputError(f"--at end: {planned.name} has {record.status}; it has left no weights")
    return weights_in(payload), {"commit": record.commit, "device": record.device}


def _about(
    plan: StudyPlan, planned: PlannedTrial, asked: Asked, constants: Constants
) -> dict[str, str]:
    trial = planned.trial
    facts = trial.facts
    return {
        "format": "pt",
        "study": plan.study.name,
        "scale": plan.scale,
        "trial_id": planned.trial_id,
        "arm": trial.arm,
        "at": asked.at,
        "condition": planned.condition,
        "replicate": str(planned.replicate),
        "seed": str(trial.seed),
        "model": trial.model.model_dump_json(),
        "warmup": "null" if trial.warmup is None else trial.warmup.model_dump_json(),
        "data": trial.data.source,
        "data_digest": facts.digest,
        "input_shape": _json(facts.shape),
        "num_classes": str(facts.classes),
        "mean": _json(constants[0]),  # of pixels in [0, 1]
        "std": _json(constants[1]),
        "torch": str(torch.__version__),
    }


def _json(value: object) -> str:
    return json.dumps(value)


def _whole(name: str, value: Any) -> Tensor:
    """A tensor of its own: those that two names share are written under both."""
    if not isinstance(value, Tensor):
        raise InputError(
            f"{name} of the network's state is {type(value).__name__} and no tensor; a "
            ".safetensors file holds tensors alone"
        )
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)
