"""Studies whose trials' records are made by hand or of random logits, in memory and in MLflow."""

import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from analysis.results.plan import parse_plan
from analysis.results.records import Record, read_record
from analysis.results.study_results import StudyResults, TrialResult


@dataclass(frozen=True)
class Spec:
    """A synthetic study; outcomes: (condition, replicate) → what became of that trial."""

    study: str = "synthetic"
    distributions: tuple[str, ...] = ("gaussian", "uniform")
    stds: tuple[float, ...] = (0.5, 1.0, 2.0)
    replicates: int = 6
    scale: str = "smoke"
    data: str = "photos"
    ood: str | None = "photos_ood"
    commit: str = "0123456789abcdef"
    exhibits: tuple[str, ...] = ("pairs", "reliability", "curves")
    outcomes: dict[tuple[str, int], str] = field(default_factory=dict)


def one_condition(**fields: Any) -> Spec:
    """A study of one condition, and of one pair if not told otherwise."""
    return Spec(**{"distributions": ("gaussian",), "stds": (1.0,), "replicates": 1} | fields)


def std_label(std: float) -> str:
    return "gaussian" if std == 1 else f"gaussian, std {std:g}"


def make_plan(spec: Spec) -> dict[str, Any]:
    cells: dict[str, dict[str, Any]] = {
        name: {"warmup.noise.distribution": name} for name in spec.distributions
    }
    for std in spec.stds:
        cells.setdefault(std_label(std), {"warmup.noise.std": std})
    trials = []
    for replicate in range(spec.replicates):
        control = f"control{replicate}"
        common = {"replicate": replicate, "pair": control}
        trials.append(
            {"trial_id": control, "arm": "control", "condition": "", "cell": {}, **common}
        )
        for place, (condition, cell) in enumerate(cells.items()):
            trial_id = f"warm{place}x{replicate}"
            trials.append(
                {"trial_id": trial_id, "arm": "warmup", "condition": condition, "cell": cell}
                | common
            )
    return {
        "study": spec.study,
        "title": "Robustness to the noise",
        "answers": "Does it matter which noise a network is warmed up on?",
        "makes": "Supplementary Figs 10, 11",
        "scale": spec.scale,
        "data": spec.data,
        "ood": spec.ood,
        "commit": spec.commit,
        "base": {
            "model": {"name": "mlp"},
            "warmup": {"noise": {"distribution": "gaussian", "std": 1.0}},
        },
        "exhibits": list(spec.exhibits),
        "grids": {
            "distribution": list(spec.distributions),
            "std": [std_label(std) for std in spec.stds],
        },
        "trials": trials,
    }


def make_history(rng: np.random.Generator, warm: bool, ece: float) -> dict[str, np.ndarray]:
    warmups = 5 if warm else 0
    phase = ["untrained"] + ["warmup"] * warmups + ["task"] * 20
    rows = len(phase)
    step = np.cumsum([0] + [100] * warmups + [8] * 20)
    learnt = np.clip(np.arange(rows) - warmups, 0, None) / 20
    history = {
        "phase": np.array(phase),
        "epoch": np.arange(rows),
        "step": step,
        "examples": step * 64,
        "seconds": step * 0.01,
        "noise_loss": np.where(np.array(phase) == "warmup", 2.4, np.nan),
    }
    for split in ("train", "validation", "test"):
        history[f"{split}_loss"] = 2.3 - learnt + rng.normal(0, 0.03, rows)
        history[f"{split}_loss"][0] = 2.3  # untrained, the members of a pair are one network
        history[f"{split}_accuracy"] = 0.1 + 0.5 * learnt + rng.normal(0, 0.01, rows)
        history[f"{split}_confidence"] = 0.1 + 0.5 * learnt
        history[f"{split}_ece"] = np.abs(ece * learnt + rng.normal(0, 0.01, rows))
    return history


def make_record(
    trial_id: str,
    *,
    sharpness: float = 1.0,
    status: str = "finished",
    warm: bool = False,
    ood: bool = True,
    examples: int = 400,
    **meta: Any,
) -> bytes:
    """A record's bytes; a sharper network is as often right and surer of it."""
    rng = np.random.default_rng(zlib.crc32(trial_id.encode()))
    head = {
        "format": 1,
        "trial_id": trial_id,
        "status": status,
        "trial": {"warmup": {"noise": {"std": 1.0}}},
        "device": "cpu",
        "versions": {"torch": "2.14", "numpy": "2.4"},
        "commit": "0123456789abcdef",
        "finished_at": 1.8e9,
        "examples": {"warmup": 1000 * warm, "task": 500},
        "seconds": {"warmup": 1.0, "task": 2.0, "total": 3.0},
    } | meta
    arrays: dict[str, np.ndarray] = {"meta": np.array(json.dumps(head))}
    if status == "finished":
        for split in ("validation", "test"):
            labels = rng.integers(0, 10, examples)
            logits = rng.normal(0, 1, (examples, 10))
            logits[np.arange(examples), labels] += 1.6
            arrays[f"{split}/logits"] = (logits * sharpness).astype(np.float32)
            arrays[f"{split}/labels"] = labels
        if ood:
            noise = rng.normal(0, 1, (examples, 10)) * sharpness
            arrays["ood/logits"] = noise.astype(np.float32)
    history = make_history(rng, warm, 0.1 * sharpness)
    arrays |= {f"history/{name}": column for name, column in history.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def record_bytes(spec: Spec, trial: dict[str, Any], status: str = "finished") -> bytes:
    warm = trial["arm"] != "control"
    shift = 0.05 * trial["replicate"]
    sharpness = (1.5 if warm else 2.6) + shift + 0.01 * len(trial["condition"])
    return make_record(
        trial["trial_id"], sharpness=sharpness, status=status, warm=warm, ood=spec.ood is not None
    )


def make_results(spec: Spec) -> StudyResults:
    """The study as it would be read back, without MLflow."""
    plan = make_plan(spec)
    trials = []
    for trial in plan["trials"]:
        outcome = spec.outcomes.get((trial["condition"], trial["replicate"]), "finished")
        kept = {k: v for k, v in trial.items() if k != "cell"}
        record = None
        if outcome in ("finished", "diverged"):
            record = read_record(record_bytes(spec, trial, outcome))
        trials.append(TrialResult(**kept, outcome=outcome, record=record))
    return StudyResults(parse_plan(json.dumps(plan)), tuple(trials), "parent", "2026-11-24")


def change_records(
    results: StudyResults, fields: Callable[[TrialResult, bool], dict[str, Any]]
) -> StudyResults:
    """The study, of each of whose records (trial, warmed up) gives some fields."""
    trials = [
        trial
        if trial.record is None
        else replace(trial, record=replace(trial.record, **fields(trial, trial.arm != "control")))
        for trial in results.trials
    ]
    return StudyResults(results.plan, tuple(trials), results.parent_run_id)


def record_of(**fields: Any) -> Record:
    """What a finished trial left, of which nothing is known but these fields."""
    nothing = {"trial_id": "", "status": "finished", "device": "cpu", "finished_at": 0.0}
    nothing |= {"trial": {}, "versions": {}, "examples": {}, "seconds": {}, "probes": {}}
    nothing |= {"logits": {}, "labels": {}, "columns": pd.DataFrame(), "commit": "0123456"}
    return Record(**nothing | fields)


def sure_record(
    right: int, ece: Mapping[str, float], predictions: int = 1000, classes: int = 2, **fields: Any
) -> Record:
    """Of a network that is right in so many predictions and equally sure of all.

    ece: split → how much surer than right.
    """
    logits, labels = {}, (np.arange(predictions) >= right).astype(np.int64)
    for split, error in ece.items():
        confidence = right / predictions + error
        assert 1 / classes < confidence < 1
        logits[split] = np.zeros((predictions, classes), np.float32)
        logits[split][:, 0] = np.log(confidence * (classes - 1) / (1 - confidence))
    return record_of(logits=logits, labels=dict.fromkeys(ece, labels), **fields)


def make_study(
    cells: Mapping[str, Mapping[str, Any]],
    replicates: int | Mapping[str, Iterable[int]],
    record: Callable[[str, bool, int], Record],
    outcomes: Mapping[tuple[str, int], str] | None = None,
    control_of: Callable[[str], str] = lambda condition: "",
    **plan: Any,
) -> StudyResults:
    """In every condition and replicate a network with warm-up, and its control.

    Args:
        cells: condition → its levels by dotted field; a control has those not of the warm-up.
        replicates: their number, or which ones a condition has.
        record: (condition, warmed up, replicate) → what the trial left; "" is the control of all.
        outcomes: (name, replicate) → the fate of what did not finish. A warmed-up network's name is
            its condition, a control's is "control" and its condition, if it has one.
        control_of: condition → that of its controls; without it all conditions share theirs.
        plan: the plan's fields.
    """
    planned, trials = {}, []
    of_each = dict.fromkeys(cells, range(replicates)) if isinstance(replicates, int) else replicates
    for condition, replicate in [(c, r) for c in cells for r in of_each[c]]:
        cell = cells[condition]
        of = control_of(condition)
        plain = {name: level for name, level in cell.items() if not name.startswith("warmup")}
        control = f"control {of}".strip()
        for arm, name, where, levels in (
            ("control", control, of, plain if of else {}),
            ("warmup", condition, condition, cell),
        ):
            place = {"trial_id": f"{name} #{replicate}", "arm": arm, "condition": where}
            place |= {"replicate": replicate, "pair": f"{control} #{replicate}"}
            if place["trial_id"] in planned:
                continue
            planned[place["trial_id"]] = place | {"cell": levels}
            outcome, kept = (outcomes or {}).get((name, replicate), "finished"), None
            if outcome == "finished":
                kept = record(condition if of else where, arm == "warmup", replicate)
            trials.append(TrialResult(**place, outcome=outcome, record=kept))
    fields = {"study": "s", "scale": "laptop", "data": "photos", "base": {"model": {"name": "mlp"}}}
    fields |= {"commit": "0123456", "exhibits": [], "trials": list(planned.values())}
    return StudyResults(parse_plan(json.dumps(fields | plan)), tuple(trials), "parent")


def make_pairs(
    fields: Callable[[int, bool], dict[str, Any]], replicates: int, **changes: Any
) -> StudyResults:
    """Pairs of one condition whose records have the fields that (replicate, warmed up) gives."""
    spec = Spec(distributions=("gaussian",), stds=(), replicates=replicates, **changes)
    return change_records(make_results(spec), lambda trial, warm: fields(trial.replicate, warm))


def publish(client: MlflowClient, spec: Spec, folder: Path, launched_at: str = "2026") -> str:
    """Writes the study into MLflow as the sweep does; the parent's run id."""
    plan = make_plan(spec)
    found = client.get_experiment_by_name(spec.study)
    experiment = found.experiment_id if found else client.create_experiment(spec.study)
    tags = {"kind": "study", "scale": spec.scale, "data": spec.data, "launched_at": launched_at}
    parent = client.create_run(experiment, tags=tags | {"study": spec.study}).info.run_id
    client.log_dict(parent, plan, "plan.json")
    for trial in plan["trials"]:
        outcome = spec.outcomes.get((trial["condition"], trial["replicate"]), "finished")
        if outcome != "missing":
            _publish_trial(client, spec, parent, experiment, trial, outcome, folder)
    client.set_terminated(parent)
    return parent


def _publish_trial(
    client: MlflowClient,
    spec: Spec,
    parent: str,
    experiment: str,
    trial: dict[str, Any],
    outcome: str,
    folder: Path,
) -> None:
    tags = {"mlflow.parentRunId": parent, "kind": "trial", "outcome": outcome}
    tags |= {key: trial[key] for key in ("trial_id", "arm", "pair", "condition")}
    run_id = client.create_run(experiment, tags=tags).info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric("test_accuracy", 0.5, 0, 0)],
        params=[Param("seed", str(trial["replicate"]))],
        tags=[RunTag("commit", spec.commit)],
    )
    if outcome in ("finished", "diverged"):
        file = folder / "record.npz"
        file.write_bytes(record_bytes(spec, trial, outcome))
        client.log_artifact(run_id, str(file))
        client.set_tag(run_id, "record_sha256", hashlib.sha256(file.read_bytes()).hexdigest())
    client.set_terminated(run_id, "FAILED" if outcome == "failed" else "FINISHED")
