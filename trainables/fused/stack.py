"""Networks of one structure, trained and evaluated as one.

Their parameters and buffers lie in tensors with a leading axis of networks, of which each network's
own are views: what is done to all is done to each, and the other way round. A pass is PyTorch's
`vmap` of the network's forward; losses are summed over the networks, so that gradients do not mix,
and optimizers work element by element. Batch normalisation has statistics of each network.

A small network on a GPU is bound by the launches of kernels, of which a stack needs as many
whatever the number of its networks: 2.2 to 2.4 times those of one MLP. On a CPU there is nothing to
be gained: stacked products, and above all what lies between them, take longer than the networks one
after another (0.4 to 0.9 times the examples/s for MLPs and convolutions, see `benchmarks.fused`).
"""

import copy
from collections.abc import Callable, Sequence
from itertools import chain

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from trainables.config.loss import Loss
from trainables.config.trial import Optimizer
from trainables.data.splits import Split
from trainables.lifecycle.requests import Epoch, Predictions, Request
from trainables.seeds import global_positions
from trainables.tasks import NO_CLASS
from trainables.training.data_parallel import Pairs
from trainables.training.loop import Outputs, outputs_of, prediction_batches
from trainables.training.losses import loss_of
from trainables.training.optimizers import make_optimizer
from trainables.training.steps import middle, predictions

State = dict[str, Tensor]


class Stack:
    def __init__(self, networks: Sequence[nn.Module]) -> None:
        """networks: whose tensors become views of the stack's."""
        self._networks = tuple(networks)
        self._template = copy.deepcopy(networks[0]).to("meta")  # of the forward pass alone
        self._parameters = _joined([dict(network.named_parameters()) for network in networks])
        self._buffers = _joined([dict(network.named_buffers()) for network in networks])
        self._optimizer: _StackedOptimizer | None = None

    def make(self, passes: Sequence[Request]) -> list[Outputs]:
        epochs = [one for one in passes if isinstance(one, Epoch)]
        return (
            self._train(epochs)
            if epochs
            else self._predict([one for one in passes if isinstance(one, Predictions)])
        )

    def _train(self, epochs: Sequence[Epoch]) -> list[Outputs]:
        """An epoch of each network, step by step together; as `Epoch.alone` of each."""
        self._set_mode(training=True)
        optimizer = self._optimizer_of(epochs)
        forward = vmap(self._forward, randomness="error")
        steps: list[Pairs] = [[] for _ in epochs]
        for drawn in zip(*(epoch.batches for epoch in epochs), strict=True):
            inputs, labels = (torch.stack(parts) for parts in zip(*drawn, strict=True))
            with torch.set_grad_enabled(optimizer is not None):
                logits = forward(self._parameters, self._buffers, inputs)
            if optimizer is not None:
                optimizer.step(_losses(logits, labels, epochs[0].loss))
            for pairs, epoch, said, wanted in zip(
                steps, epochs, logits.detach(), labels, strict=True
            ):
                pairs.append(predictions(said, wanted, middle(wanted)))
                epoch.tick(len(wanted))
        if optimizer is not None:
            optimizer.tell()
        return [outputs_of(pairs) for pairs in steps]

    @torch.no_grad()
    def _predict(self, asked: Sequence[Predictions]) -> list[Outputs]:
        """Predictions of each network for its split; as `Predictions.alone` of each."""
        self._set_mode(training=False)
        splits = [one.split for one in asked]
        shared = all(split is splits[0] for split in splits)
        forward = vmap(self._forward, in_dims=(0, 0, None if shared else 0), randomness="error")
        parts: list[Pairs] = [[] for _ in asked]
        for part in prediction_batches(splits[0]):
            taken = [split.taken(part) for split in (splits[:1] if shared else splits)]
            inputs = taken[0][0] if shared else torch.stack([inputs for inputs, _ in taken])
            logits = forward(self._parameters, self._buffers, inputs)
            for k, (pairs, split) in enumerate(zip(parts, splits, strict=True)):
                positions = None if split.positions is None else split.positions[part]
                pairs.append(predictions(logits[k], taken[0 if shared else k][1], positions))
        return [outputs_of(pairs) for pairs in parts]

    def _forward(self, parameters: State, buffers: State, inputs: Tensor) -> Tensor:
        logits: Tensor = functional_call(self._template, (parameters, buffers), (inputs,))
        return logits

    def _set_mode(self, training: bool) -> None:
        self._template.train(training)
        for module in self._template.modules():
            if isinstance(module, nn.Dropout) and not module.p:
                module.eval()  # it draws, if to no end, and `vmap` lets nobody draw

    def _optimizer_of(self, epochs: Sequence[Epoch]) -> "_StackedOptimizer | None":
        """That which takes the place of the networks' own; it stays for a whole phase."""
        for name, parameter in self._networks[0].named_parameters():
            self._parameters[name].requires_grad_(parameter.requires_grad)
        if epochs[0].optimizer is None:
            return None
        if self._optimizer is None or not self._optimizer.takes_the_place_of(epochs):
            leaves = {
                id(parameter): self._parameters[name]
                for name, parameter in self._networks[0].named_parameters()
            }
            trained = epochs[0].optimizer.param_groups[0]["params"]
            self._optimizer = _StackedOptimizer([leaves[id(p)] for p in trained], epochs)
        self._optimizer.learn_at(epochs[0].optimizer.param_groups[0]["lr"])
        return self._optimizer


class _StackedOptimizer:
    """One optimizer in the place of the K networks' own, whose states are views of its state."""

    def __init__(self, leaves: list[Tensor], epochs: Sequence[Epoch]) -> None:
        settings = epochs[0].settings
        assert settings is not None
        self._leaves = leaves  # (K, *shape of a parameter)
        self._own = [epoch.optimizer for epoch in epochs if epoch.optimizer is not None]
        self._optimizer = make_optimizer(leaves, settings)
        for leaf, parameters in zip(leaves, self._parameters(), strict=True):
            states = [own.state.get(p, {}) for own, p in zip(self._own, parameters, strict=True)]
            moments = _joined([{k: v for k, v in s.items() if k != "step"} for s in states])
            count = {"step": states[0]["step"].clone()} if "step" in states[0] else {}
            if moments:
                self._optimizer.state[leaf] = moments | count

    def takes_the_place_of(self, epochs: Sequence[Epoch]) -> bool:
        return self._own == [epoch.optimizer for epoch in epochs]

    def learn_at(self, rate: float) -> None:
        self._optimizer.param_groups[0]["lr"] = rate

    def step(self, losses: Tensor) -> None:
        self._optimizer.zero_grad()
        losses.sum().backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()

    def tell(self) -> None:
        """Let the networks' own optimizers have the state. Each has its own count of steps, for it
        may go on alone."""
        state = self._optimizer.state
        found = [leaf for leaf in self._leaves if "step" in state.get(leaf, {})]
        counts = torch.stack([state[leaf]["step"] for leaf in found]) if found else torch.empty(0)
        each = dict(zip(map(id, found), counts.repeat(len(self._own), 1).T, strict=True))
        for leaf, parameters in zip(self._leaves, self._parameters(), strict=True):
            for name, value in state.get(leaf, {}).items():
                values = each[id(leaf)] if name == "step" else value
                for own, parameter, its in zip(self._own, parameters, values, strict=True):
                    own.state[parameter][name] = its

    def _parameters(self) -> list[tuple[nn.Parameter, ...]]:
        """Of each leaf, the K networks' own."""
        return list(zip(*(own.param_groups[0]["params"] for own in self._own), strict=True))


def _losses(logits: Tensor, labels: Tensor, settings: Loss | None) -> Tensor:
    """Each network's mean loss, (K,). Of the loss itself `vmap` makes 30 operations.

    logits: (K, n, classes, *targets); labels: (K, n, *targets).
    """
    every = loss_of(logits.flatten(0, 1), labels.flatten(0, 1), settings, "none")
    known = (labels != NO_CLASS).flatten(1).sum(1)
    return every.view(labels.shape).flatten(1).sum(1) / known


def _joined(states: Sequence[State]) -> State:
    """(K, …) of each tensor, of which the K tensors become views."""
    joined = {}
    for name in states[0]:
        tensors = [state[name] for state in states]
        joined[name] = torch.stack([tensor.detach() for tensor in tensors])
        for tensor, own in zip(tensors, joined[name], strict=True):
            tensor.data = own
    return joined


def stackable(
    networks: Sequence[nn.Module], batches: Sequence[tuple[Tensor, Tensor]], device: torch.device
) -> bool:
    """Whether the networks come to the same in a stack as each by itself, tried by a step of
    training and by predictions. `vmap` itself refuses what a network draws at random from PyTorch,
    and what Python decides by the values it sees.

    Args:
        networks: changed by it; of float64, so that rounding is told from difference.
        batches: (inputs, labels) for each network.
    """
    try:
        stacked = copy.deepcopy(list(networks))
        wanted = _tried(networks, batches, device, lambda passes: [one.alone() for one in passes])
        before = global_positions()
        found = _tried(stacked, batches, device, Stack(stacked).make)
        if global_positions() != before:  # by NumPy or `random`, which `vmap` does not see
            return False
        pairs = zip(wanted, found, strict=True)
        return all(torch.allclose(a.double(), b.double(), 1e-5, 1e-6) for a, b in pairs)
    except Exception:  # anything that a network in `vmap` can raise
        return False


def _tried(
    networks: Sequence[nn.Module],
    batches: Sequence[tuple[Tensor, Tensor]],
    device: torch.device,
    make: Callable[[Sequence[Request]], list[Outputs]],
) -> list[Tensor]:
    """The logits of a step and of predictions after it, and the networks' state then."""
    sgd = Optimizer(name="sgd", lr=0.1)
    epochs, looks = [], []
    for network, (inputs, labels) in zip(networks, batches, strict=True):
        epochs.append(
            Epoch(
                network=network,
                optimizer=make_optimizer(network.parameters(), sgd),
                settings=sgd,
                batches=iter([(inputs, labels)]),
                device=device,
            )
        )
        positions = None if labels.ndim == 1 else torch.zeros_like(labels.flatten(1)[:, :1])
        looks.append(Predictions(network, Split(inputs, labels, inputs.shape[1:], positions)))
    said = make(epochs) + make(looks)
    held = (chain(network.parameters(), network.buffers()) for network in networks)
    return [outputs.logits for outputs in said] + list(chain.from_iterable(held))
