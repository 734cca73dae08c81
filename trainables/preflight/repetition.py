"""Whether a user's network follows from its seed, and goes on from its state_dict.

Made twice from one seed it must be the same, for so the two members of a pair are made; trained
twice from there, too. Whether its state_dict is all that it goes on from is seen by reading that
into a new network on the way. One that has state besides is right as long as it is trained in one
go: its trials are not taken up from a checkpoint, share no warm-up and are not stacked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

from trainables.config.model import Own
from trainables.config.trial import Trial
from trainables.models.build import State
from trainables.models.hidden import lost_on_the_way
from trainables.models.own import NetworkError, own
from trainables.preflight.rehearsal import Rehearsal, in_a_format, with_facts, with_head
from trainables.seeds import global_positions, global_state
from trainables.storage.serialization import pack, unpack

# of outputs, in relation to their size; on GPUs sums are taken in any order
ROUNDING = {"cpu": 1e-3, "cuda": 5e-2}


@dataclass(frozen=True)
class Tried:
    trial: Trial  # with what was found out in its network's facts
    notes: tuple[str, ...] = ()  # what the user should know, in sentences


def rehearse(trial: Trial, device: torch.device, weights: State | None = None) -> Tried:
    """Try the trial's network.

    Args:
        device: of the run, where it is here.

    Raises:
        NetworkError: it cannot be what the trial needs.
    """
    if not isinstance(trial.model, Own):
        Rehearsal(trial, torch.device("cpu"), weights).begin()
        return Tried(trial)
    notes = _look_at_seeds(trial, trial.model, device)
    trial, run = in_a_format(trial, weights)
    trial = with_head(run)
    if device.type != "cpu":
        run = Rehearsal(trial, device, weights)
        run.begin()
    lost = _look_at_state(run)
    if lost:
        trial = with_facts(trial, stateful=True)
        _refuse_what_is_kept(trial, lost)
        notes.append(
            f"{trial.model.name} has state that its state_dict does not hold ({lost}): its trials "
            "begin anew where they are interrupted, share no warm-up, and are not stacked"
        )
    return Tried(trial, tuple(notes))


def _refuse_what_is_kept(trial: Trial, lost: str) -> None:
    """A warm-up of which a part is kept goes back to the untrained state."""
    if trial.warmup is not None and trial.warmup.keep is not None:
        raise NetworkError(
            f"warmup.keep: {trial.warmup.keep} needs the untrained network again, and "
            f"{trial.model.name} has state that its state_dict does not hold ({lost}); register "
            "it as buffers, or give get_extra_state and set_extra_state"
        )


def _look_at_seeds(trial: Trial, model: Own, device: torch.device) -> list[str]:
    """Sentences on what follows from the seed.

    Raises:
        NetworkError: less or more than should.
    """
    one, seeded = _made(trial, model, trial.seed, device)
    two, _ = _made(trial, model, trial.seed, device)
    for name, value in _tensors(one).items():
        if not _equal(value, _tensors(two).get(name)):
            raise _not_seeded(model.name, f"its {name} differs")
    other, seeded_otherwise = _made(trial, model, trial.seed + 1, device)
    drawn = {n: p for n, p in one.named_parameters() if p.numel() and p.min() < p.max()}
    others = dict(other.named_parameters())
    alike = [name for name, value in drawn.items() if _equal(value, others.get(name))]
    sources = [source for source, at in seeded.items() if seeded_otherwise[source] == at]
    if alike and sources:
        raise NetworkError(
            f"model: {model.name} seeds {' and '.join(sources)} itself, so that its {alike[0]} "
            "would be the same in all replicates; leave that to the service, which seeds every "
            "replicate before it calls the factory"
        )
    if alike and len(alike) == len(drawn) and model.weights is None:
        return [
            f"{model.name} starts from the same weights in every replicate, whatever its seed: "
            "replicates differ in their data, the order of mini-batches and the noise alone"
        ]
    return []


def _made(
    trial: Trial, model: Own, seed: int, device: torch.device
) -> tuple[nn.Module, dict[str, bytes]]:
    """The network as the factory makes it, and where it leaves the global random states."""
    with global_state(seed, "construction", device):
        network = own(model.name, trial.facts.shape, trial.facts.classes, model.arguments)
        return network, global_positions()


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return dict(chain(network.named_parameters(), network.named_buffers()))


def _equal(one: Tensor, two: Tensor | None) -> bool:
    return (
        two is not None
        and one.shape == two.shape
        and bool(((one == two) | ((one != one) & (two != two))).all())
    )


def _not_seeded(name: str, differs: str) -> NetworkError:
    return NetworkError(
        f"model: {name} gives another network when made again from the same seed ({differs}): "
        "it draws from a generator of its own, or keeps something from call to call; let it draw "
        "from the global ones of PyTorch, NumPy or random, which are seeded for it"
    )


def _look_at_state(run: Rehearsal) -> str:
    """What a network that is read from its state_dict would lack, in words; "": nothing.

    Args:
        run: at its first step.

    Raises:
        NetworkError: trained again from the same seed, it comes to something else.
    """
    trial, device = run.trial, run.device

    def new() -> Rehearsal:
        return Rehearsal(trial, device, run.weights)

    run.step()  # only from the second step on is a network another than it was made
    saved = _saved(run)
    run.step()
    again = new()
    again.begin()
    again.step()
    again.step()
    if not _near(run.said, again.said, device):
        raise _not_seeded(trial.model.name, "its outputs differ")
    if isinstance(saved, str):
        return saved
    read = new()
    try:
        state = unpack(saved, device)
        read.network.load_state_dict(state["network"])
        read.optimizer.load_state_dict(state["optimizer"])
    except Exception as error:  # of what a user's module saves, anything
        return f"it cannot be read again, {type(error).__name__}"
    read.said = run.said[:-2]  # so that it takes the same step next
    read.step()
    if lost_on_the_way(run.network, run.network, read.network):  # at least not to the bit
        names = lost_on_the_way(new().network, run.network, read.network)
        if names:
            return ", ".join(names)
    return "" if _near(run.said, read.said, device) else "its outputs differ"


def _saved(run: Rehearsal) -> bytes | str:
    """The network's and its optimizer's state, or why it has none that can be saved."""
    try:
        state = {"network": run.network.state_dict(), "optimizer": run.optimizer.state_dict()}
        payload = pack(state)
        unpack(payload, run.device)
    except Exception as error:  # of what a user's module saves, anything
        return f"it cannot be saved as plain values, {type(error).__name__}"
    return payload


def _near(some: Sequence[Tensor], others: Sequence[Tensor], device: torch.device) -> bool:
    """Whether the outputs are the same but for rounding. One that is not finite says nothing."""
    pairs = [(a.double(), b.double()) for a, b in zip(some, others, strict=True)]
    return all(
        bool(((a - b).abs() <= ROUNDING[device.type] * a.abs().max()).all())
        for a, b in pairs
        if a.isfinite().all() and b.isfinite().all()
    )
