"""ODIN's scores of test and out-of-distribution images, under both protocols.

ODIN (Liang, Li & Srikant, ICLR 2018) perturbs an input towards its predicted class before it looks
at the network's confidence. As in Cheon & Paik, Methods, in pixel space:

    x' = clip(x − ε·sign(∇ₓ CE(f(x)/T, predicted class)), 0, 1),   score = max softmax(f(x')/T)

The gradient is that of the loss of the logits *over T*, as the score is. The energy of the
perturbed input, logsumexp f(x'), is recorded beside it. Which ε and T to use is decided later.

The authors' releases differ in whether out-of-distribution images are normalised as the others are,
and Fig. 5's effect can change its sign with it: `other_protocol` measures the protocol that the
trial itself does not use, so that one training shows both.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.data.splits import Constants, Split, TaskData, per_channel
from trainables.probes.subject import Arrays, Subject
from trainables.training.loop import evaluate, evaluation_batches, finite

TEMPERATURES = (1.5, 2.0, 5.0, 10.0, 20.0)
EPSILONS = (0.001, 0.01, 0.02, 0.05)  # in pixels of [0, 1]


def odin(subject: Subject) -> Arrays:
    """Scores of test and OOD inputs, higher = more in-distribution.

    Returns:
        `epsilons` (e,), `temperatures` (t,), and `{test,ood}_{confidence,energy}` (e, t, n), all
        float32 on the CPU.
    """
    data = subject.data
    splits = {"test": (data.test, data.constants)}
    if data.ood is not None:
        splits["ood"] = (data.ood, data.ood_constants)
    scored = {
        f"{name}_{kind}": scores
        for name, (split, constants) in splits.items()
        for kind, scores in _odin_scores(subject.network, split, constants).items()
    }
    return _candidates() | scored


def other_protocol(subject: Subject) -> Arrays:
    """The OOD images under the protocol that the trial does not use.

    Pixels in [0, 1] where the trial normalises them, and normalised with the constants of the
    in-distribution images where it does not.

    Returns:
        `logits` (n, classes), and `epsilons`, `temperatures`, `confidence` and `energy` (e, t, n)
        as `odin` has them, all float32 on the CPU.

    Raises:
        Diverged: a logit is not finite.
    """
    network, data = subject.network, subject.data
    if data.ood is None:
        raise ValueError("other_protocol: the trial has no out-of-distribution images")
    split, constants = _under_other_protocol(data.ood, data)
    logits = finite(evaluate(network, split)).logits
    return {"logits": logits} | _candidates() | _odin_scores(network, split, constants)


def _under_other_protocol(ood: Split, data: TaskData) -> tuple[Split, Constants]:
    """The split as the other protocol has it, to the bit: stored images were whole 255ths."""
    mean, std = per_channel(data.ood_constants, ood.inputs)
    pixels = (ood.inputs * std + mean).mul_(255.0).round_().div_(255.0)
    raw = (0.0,) * pixels.shape[1], (1.0,) * pixels.shape[1]
    other = raw if data.ood_constants == data.constants else data.constants
    mean, std = per_channel(other, pixels)
    return replace(ood, inputs=pixels.sub_(mean).div_(std)), other


def _candidates() -> Arrays:
    return {"epsilons": torch.tensor(EPSILONS), "temperatures": torch.tensor(TEMPERATURES)}


def _odin_scores(network: nn.Module, split: Split, constants: Constants) -> Arrays:
    """`confidence` and `energy` (e, t, n) of a split that is normalised with the constants."""
    network.eval()
    parts = evaluation_batches(split)
    scored = [_scores(network, split.taken(part)[0], constants) for part in parts]
    confidence, energy = (torch.cat(kind, dim=-1) for kind in zip(*scored, strict=True))
    return {"confidence": confidence.cpu(), "energy": energy.cpu()}


def _scores(network: nn.Module, inputs: Tensor, constants: Constants) -> tuple[Tensor, Tensor]:
    """(confidence, energy) of one batch, each (e, t, batch)."""
    confidence = inputs.new_empty(len(EPSILONS), len(TEMPERATURES), len(inputs))
    energy = torch.empty_like(confidence)
    for t, temperature in enumerate(TEMPERATURES):
        gradient = _gradient(network, inputs, temperature)
        for e, epsilon in enumerate(EPSILONS):
            with torch.no_grad():
                logits = network(perturbed(inputs, gradient, epsilon, constants))
                confidence[e, t] = (logits / temperature).softmax(dim=1).amax(dim=1)
                energy[e, t] = logits.logsumexp(dim=1)
    return confidence, energy


def _gradient(network: nn.Module, inputs: Tensor, temperature: float) -> Tensor:
    """∇ₓ of each input's cross-entropy with the class it is predicted to be."""
    leaf = inputs.detach().clone().requires_grad_()
    logits = network(leaf) / temperature
    # a sum: the mean's division by the batch could underflow, and the sign is all that is used
    loss = F.cross_entropy(logits, logits.argmax(dim=1), reduction="sum")
    return torch.autograd.grad(loss, leaf)[0]


def perturbed(inputs: Tensor, gradient: Tensor, epsilon: float, constants: Constants) -> Tensor:
    """The inputs, ε against the gradient's sign in pixels, clipped to [0, 1], normalised again.

    inputs, gradient: (n, channels, height, width), both normalised. The std is positive, so the
    sign is the same in pixels.
    """
    mean, std = per_channel(constants, inputs)
    pixels = inputs * std + mean
    return ((pixels - epsilon * gradient.sign()).clamp(0.0, 1.0) - mean) / std
