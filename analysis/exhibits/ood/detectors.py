"""What the methods of out-of-distribution detection make of a trial, under either protocol.

A protocol says how a network is given the out-of-distribution images: `normalised` with the
constants of the in-distribution ones, or `raw`, as pixels in [0, 1]. The authors' releases differ
in it. A trial's logits are of its own protocol, `data.ood_normalised`; where the probe
`other_protocol` has measured the same images under the other, both are known.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from analysis.metrics import checks
from analysis.metrics.detection import Detection, tuned_detection
from analysis.metrics.ood_feature_scores import fdbd, nnguide, relative_mahalanobis, she
from analysis.metrics.ood_scores import (
    mahalanobis,
    msp,
    nearest_neighbour,
    ood_detection,
    vim,
)
from analysis.results.records import Record
from analysis.statistics.comparison import Measure

Detected = Mapping[str, Detection]  # by method's name
Pair = tuple[NDArray[np.float64], NDArray[np.float64]]  # in-, out-of-distribution scores

PROTOCOLS = ("normalised", "raw")
AUROC = Measure("auroc", "AUROC", 1)
MEASURES = (
    AUROC,
    Measure("fpr95", "FPR at 95 % TPR", -1),
    Measure("aupr_in", "AUPR, ID positive", 1),
    Measure("aupr_out", "AUPR, OOD positive", 1),
    Measure("openood_fpr95", "FPR at 95 % TPR, OOD positive (OpenOOD)", -1),
    Measure("openood_aupr_in", "AUPR-in (OpenOOD)", 1),
    Measure("openood_aupr_out", "AUPR-out (OpenOOD)", 1),
    Measure("oscr", "OSCR", 1),
)

#: As tables call the methods, in their order: the first four are the paper's.
NAMES = {
    "msp": "maximum softmax",
    "temperature": "maximum softmax, T tuned",
    "odin": "ODIN, ε and T tuned",
    "energy": "energy",
    "max_logit": "maximum logit",
    "entropy": "negative entropy",
    "gen": "GEN",
    "odin_energy": "energy of ODIN's input, ε and T tuned",
    "mahalanobis": "Mahalanobis, features",
    "nearest_neighbour": "50th nearest neighbour, features",
    "vim": "ViM, features",
    "relative_mahalanobis": "relative Mahalanobis, features",
    "she": "SHE, features",
    "fdbd": "fDBD, features",
    "nnguide": "NNGuide, features",
}
PAPERS = tuple(NAMES.values())[:4]


def own_protocol(record: Record) -> str:
    """The one that the trial's settings ask for."""
    normalised = (record.trial.get("data") or {}).get("ood_normalised", True)
    return PROTOCOLS[0] if normalised else PROTOCOLS[1]


def ood_logits(record: Record, protocol: str) -> NDArray[np.float32] | None:
    """Of the out-of-distribution images under a protocol, (n, classes); None: not measured."""
    if protocol == own_protocol(record):
        return record.logits.get("ood")
    return record.probes.get("other_protocol/logits")


def confidences(record: Record, protocol: str) -> Pair | None:
    """The maximum softmax on test and out-of-distribution images, (n,) each; None: not measured."""
    outside = ood_logits(record, protocol)
    return None if outside is None else (msp(record.logits["test"]), msp(outside))


def detections(record: Record, seed: int, protocol: str) -> Detected:
    """By method; ODIN's where the trial has probed for it, and those of features under the trial's
    own protocol, the only one for which they are kept. Empty where the protocol was not measured.
    """
    outside = ood_logits(record, protocol)
    if outside is None:
        return {}
    own = protocol == own_protocol(record)
    found = ood_detection(record.logits["test"], outside, seed, _correct(record))
    found |= _by_odin(record, seed, "odin/ood_" if own else "other_protocol/")
    if own and "features/train" in record.probes:
        found |= _by_features(record, seed)
    return {name: found[method] for method, name in NAMES.items() if method in found}


def numbers(detected: Detected) -> Mapping[tuple[str, str], float]:
    """By measure and method."""
    return {
        (measure.key, method): float(value)
        for method, found in detected.items()
        for measure in MEASURES
        if (value := getattr(found, measure.key)) is not None
    }


def _by_odin(record: Record, seed: int, outside: str) -> dict[str, Detection]:
    """ODIN at its best ε and T; outside: what the names of the OOD images' arrays begin with."""
    probed, found = record.probes, {}
    for method, kind in (("odin", "confidence"), ("odin_energy", "energy")):
        if f"odin/test_{kind}" in probed and outside + kind in probed:
            known, unknown = probed[f"odin/test_{kind}"], probed[outside + kind]
            candidates = {
                (float(epsilon), float(temperature)): (known[e, t], unknown[e, t])
                for e, epsilon in enumerate(probed["odin/epsilons"])
                for t, temperature in enumerate(probed["odin/temperatures"])
            }
            found[method] = tuned_detection(candidates, seed, _correct(record))
    return found


def _by_features(record: Record, seed: int) -> dict[str, Detection]:
    """Scores of the features that a probe has kept, against those of the training images."""
    probed = {name.removeprefix("features/"): array for name, array in record.probes.items()}
    train, labels = probed["train"], probed["labels"]
    layer = probed["weight"], probed["bias"]
    scores: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float64]]] = {
        "mahalanobis": lambda features: mahalanobis(features, train, labels),
        "nearest_neighbour": lambda features: nearest_neighbour(features, train),
        "vim": lambda features: vim(features, train, *layer),
        "relative_mahalanobis": lambda features: relative_mahalanobis(features, train, labels),
        "she": lambda features: she(features, train, labels, *layer),
        "fdbd": lambda features: fdbd(features, train, *layer),
        "nnguide": lambda features: nnguide(features, train, *layer),
    }
    found = {}
    for name, score in scores.items():
        with suppress(checks.Undefined):
            both = score(probed["test"]), score(probed["ood"])
            found[name] = tuned_detection({None: both}, seed, _correct(record))
    return found


def _correct(record: Record) -> NDArray[np.bool_]:
    """Whether each test example is classified right, (n,)."""
    right: NDArray[np.bool_] = record.logits["test"].argmax(axis=1) == record.labels["test"]
    return right
