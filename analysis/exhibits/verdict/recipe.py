"""What a verdict recommends, as lines of Python that can be pasted into a training script."""

from collections.abc import Mapping
from typing import Any

from analysis.exhibits.verdict.remedies import (
    FOCAL,
    NOTHING,
    SHRUNK,
    SMOOTHING,
    STATISTICS,
    TEMPERATURE,
    WARM_UP,
    Remedy,
)
from analysis.results.records import Record

_TEMPERATURE = """\
from scipy.optimize import minimize_scalar

# logits and labels: of examples that the model was not trained on
nll = lambda t: float(F.cross_entropy(logits / t, labels))
temperature = minimize_scalar(nll, bounds=(0.01, 100), method="bounded").x
probabilities = (new_logits / temperature).softmax(dim=1)"""

_FOCAL = """\
def focal_loss(logits, labels, gamma={gamma:g}):
    log_p = logits.log_softmax(dim=1).gather(1, labels[:, None]).squeeze(1)
    return -((1 - log_p.exp()) ** gamma * log_p).mean()"""

_SHRUNK = """\
with torch.no_grad():  # before training; head: the layer that makes the logits
    model.head.weight.mul_({factor:.3g})
    model.head.bias.mul_({factor:.3g})"""


def recipe(remedy: Remedy | None, record: Record | None, factor: float | None) -> str:
    """Lines of code; empty where there is nothing to do, or it is not known how.

    record: of a network with the remedy, whose settings are told; factor: by which a warm-up
    changes the spread of the first logits.
    """
    if remedy is None or remedy is NOTHING or record is None:
        return ""
    if remedy is TEMPERATURE:
        return _TEMPERATURE
    loss = record.trial["task"].get("loss") or {}
    if remedy is SMOOTHING:
        return f"loss = F.cross_entropy(logits, labels, label_smoothing={loss['amount']:g})"
    if remedy is FOCAL:
        return _FOCAL.format(gamma=loss["gamma"])
    if remedy is SHRUNK:
        return "" if factor is None else _SHRUNK.format(factor=factor)
    assert remedy in (STATISTICS, WARM_UP)
    return _warm_up(record.trial)


def _warm_up(trial: Mapping[str, Any]) -> str:
    warmup, facts = trial["warmup"], trial["data"]["facts"]
    noise, optimizer = warmup["noise"], warmup["optimizer"]
    plain = {name: noise[name] for name in ("distribution", "mean", "std")}
    arguments = {
        "input_shape": tuple(facts["shape"]),
        "num_classes": facts["classes"],
        "noise": plain["distribution"] if (plain["mean"], plain["std"]) == (0, 1) else plain,
        **{name: warmup[name] for name in ("examples", "epochs", "batch")},
        "optimizer": {name: value for name, value in optimizer.items() if value},
    }
    if facts["kind"] != "classification":
        arguments["kind"] = facts["kind"]
    if warmup["train"] != "all":
        arguments["train"] = warmup["train"]
    lines = "".join(f"    {name}={value!r},\n" for name, value in arguments.items())
    return (
        "from trainables.warm_up import warm_up\n\n"
        f"warm_up(  # before training, in place\n    model,\n{lines})"
    )
