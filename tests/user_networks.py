"""Networks as users write them, for tests: `user_networks:NAME`. What must come of each is said in
the tests that name them."""

import random
from math import prod

import numpy as np
import torch
from torch import Tensor, nn


def trunk(num_classes, input_shape):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(prod(input_shape), 8), nn.ReLU(), nn.Linear(8, num_classes)
    )


class Net(nn.Module):
    """A plain one, of which the others differ in one thing."""

    def __init__(self, num_classes, input_shape):
        super().__init__()
        self.network = trunk(num_classes, input_shape)

    def forward(self, x):
        return self.network(x)


# --- what they are drawn from ------------------------------------------------------------------


def numpy_init(num_classes, input_shape):
    network = trunk(num_classes, input_shape)
    drawn = np.random.normal(0, random.random(), tuple(network[-1].weight.shape))
    network[-1].weight.data = torch.tensor(drawn, dtype=torch.float32)
    return network


def own_generator(num_classes, input_shape):
    network, free = trunk(num_classes, input_shape), torch.Generator()
    free.seed()
    nn.init.normal_(network[-1].weight, generator=free)
    return network


def numpys_generator(num_classes, input_shape):
    network = trunk(num_classes, input_shape)
    network[1].register_buffer(
        "mask", torch.tensor(np.random.default_rng().random(3)), persistent=False
    )
    return network


calls = [0]


def from_call_to_call(num_classes, input_shape):
    calls[0] += 1
    network = trunk(num_classes, input_shape)
    nn.init.constant_(network[-1].bias, calls[0])
    return network


made: list[nn.Module] = []


def always_the_same_one(num_classes, input_shape):
    if not made:
        made.append(trunk(num_classes, input_shape))
    return made[0]


def fixed_seed(num_classes, input_shape):
    torch.manual_seed(42)
    return trunk(num_classes, input_shape)


def fixed_numpy_seed(num_classes, input_shape):
    np.random.seed(0)
    network = trunk(num_classes, input_shape)
    drawn = np.random.normal(0, 0.1, tuple(network[-1].weight.shape))
    network[-1].weight.data = torch.tensor(drawn, dtype=torch.float32)
    return network


def seeded_wiring(num_classes, input_shape):
    """NumPy's seed fixes which inputs are seen; weights follow from the replicate's."""
    np.random.seed(0)
    network = trunk(num_classes, input_shape)
    network.register_buffer("seen", torch.tensor(np.random.permutation(prod(input_shape))))
    return network


def same_weights(num_classes, input_shape):
    network, fixed = trunk(num_classes, input_shape), torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, generator=fixed)
    return network


def zero_head(num_classes, input_shape):
    network = trunk(num_classes, input_shape)
    for parameter in network[-1].parameters():
        nn.init.zeros_(parameter)
    return network


class DrawsInForward(Net):
    """From all three global states, in either mode."""

    def forward(self, x):
        drawn = torch.rand(()) + float(np.random.rand()) + random.random()
        return self.network(x) * (1 + 0.1 * drawn.item())


class DrawsSeldom(Net):
    """So seldom that it makes no difference to a few examples."""

    def forward(self, x):
        return self.network(x) * (2 if random.random() < 1e-9 else 1)


class DrawsFromItsOwn(Net):
    def __init__(self, num_classes, input_shape):
        super().__init__(num_classes, input_shape)
        self.drawn = np.random.default_rng()

    def forward(self, x):
        return self.network(x) + (float(self.drawn.normal()) if self.training else 0)


# --- how they are run --------------------------------------------------------------------------


class View(nn.Module):
    def __init__(self, num_classes, input_shape):
        super().__init__()
        self.conv = nn.Conv2d(input_shape[0], 2, 3)
        self.fc = nn.Linear(2 * (input_shape[1] - 2) * (input_shape[2] - 2), num_classes)

    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(x.view(x.size(0), -1))


class ViewInTraining(View):
    def forward(self, x):
        x = torch.relu(self.conv(x))
        return self.fc(x.view(x.size(0), -1) if self.training else x.flatten(1))


class Auxiliary(Net):
    def forward(self, x):
        return (self.network(x), self.network(x)) if self.training else self.network(x)


class Squeezed(Net):
    def forward(self, x):
        return self.network(x).squeeze()


class Frozen(Net):
    def __init__(self, num_classes, input_shape):
        super().__init__(num_classes, input_shape)
        self.requires_grad_(False)


class Empty(nn.Module):
    def __init__(self, num_classes, input_shape):
        super().__init__()
        self.classes = num_classes

    def forward(self, x):
        return x.flatten(1)[:, : self.classes]


class Detached(Net):
    def forward(self, x):
        return self.network(x).detach()


class Unused(Net):
    """A part that no logit depends on."""

    def __init__(self, num_classes, input_shape):
        super().__init__(num_classes, input_shape)
        self.extra = nn.Linear(2, 2)


class ChangesItsInputs(Net):
    def forward(self, x):
        x -= 0.5
        return self.network(x)


class ReluInPlace(Net):
    def __init__(self, num_classes, input_shape):
        super().__init__(num_classes, input_shape)
        self.network = nn.Sequential(nn.ReLU(inplace=True), self.network)


class ClampsFar(Net):
    """In place, though it changes nothing of ordinary inputs."""

    def forward(self, x):
        return self.network(x.clamp_(-100, 100))


class Half(Net):
    def forward(self, x):
        return self.network(x).bfloat16()


class Double(Net):
    def forward(self, x):
        return self.network(x).double()


class KeepsItsGraph(Net):
    """Works once: the second step goes backward through the first one."""

    kept: Tensor | None = None

    def forward(self, x):
        if self.training and self.kept is None:
            self.kept = self.network[1].weight.square().mean()
        return self.network(x) * (1 if self.kept is None else self.kept)


class NeedsGradients(Net):
    """Of its inputs, in eval mode, too."""

    def forward(self, x):
        with torch.enable_grad():
            leaf = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.network(leaf).sum(), leaf)
        return self.network(x + 0.1 * slope)


# --- what they give ----------------------------------------------------------------------------


class Softmax(Net):
    def forward(self, x):
        return self.network(x).softmax(1)


class LogSoftmax(Net):
    def forward(self, x):
        return self.network(x).log_softmax(1)


class Sigmoid(Net):
    def forward(self, x):
        return self.network(x).sigmoid()


class SoftmaxWhenMeasured(Net):
    def forward(self, x):
        return self.network(x) if self.training else self.network(x).softmax(1)


class Relu(Net):
    def forward(self, x):
        return self.network(x).relu()


class SmallPositive(Net):
    """Logits that lie between 0 and 1 at first."""

    def __init__(self, num_classes, input_shape):
        super().__init__(num_classes, input_shape)
        nn.init.normal_(self.network[-1].weight, std=1e-3)
        nn.init.uniform_(self.network[-1].bias, 0.2, 0.8)


class HeadFirst(nn.Module):
    def __init__(self, num_classes, input_shape):
        super().__init__()
        self.classifier = nn.Linear(8, num_classes)
        self.body = nn.Linear(prod(input_shape), 8)

    def forward(self, x):
        return self.classifier(torch.relu(self.body(x.flatten(1))))


class NoHead(nn.Module):
    """Its logits are products of a matrix that is no layer's."""

    def __init__(self, num_classes, input_shape):
        super().__init__()
        self.body = nn.Linear(prod(input_shape), 8)
        self.matrix = nn.Parameter(torch.randn(8, num_classes))

    def forward(self, x):
        return self.body(x.flatten(1)) @ self.matrix


# --- what they keep ----------------------------------------------------------------------------


class Cached(Net):
    kept: Tensor | None = None

    def forward(self, x):
        if self.kept is None:
            self.kept = x.new_ones(1)
        return self.network(x * self.kept) * self.kept


class Counting(Net):
    def __init__(self, num_classes, input_shape):
        super().__init__(num_classes, input_shape)
        self.calls = 0
        self.register_buffer("scale", torch.ones(()), persistent=False)

    def forward(self, x):
        if self.training:
            self.calls += 1
            self.scale = self.scale * 0.99
        return self.network(x) * self.scale + 0.001 * self.calls


class Late(Net):
    """A counter that matters only much later."""

    def __init__(self, num_classes, input_shape):
        super().__init__(num_classes, input_shape)
        self.schedule = {"steps": [0]}

    def forward(self, x):
        self.schedule["steps"][0] += self.training
        return self.network(x) * (2 if self.schedule["steps"][0] > 5 else 1)


class Averaged(Net):
    """A moving average of its weights, that is not saved and moves by little."""

    def __init__(self, num_classes, input_shape):
        super().__init__(num_classes, input_shape)
        self.register_buffer("mean", self.network[1].weight.detach().clone(), persistent=False)

    def forward(self, x):
        if self.training:
            self.mean.lerp_(self.network[1].weight.detach(), 1e-3)
        return self.network(x) + self.mean.mean()


class InAClosure(nn.Module):
    def __init__(self, num_classes, input_shape):
        super().__init__()
        self.network = trunk(num_classes, input_shape)
        seen = [0]

        def counted(x):
            seen[0] += 1
            return x * (1 + 0.1 * seen[0])

        self.counted = counted

    def forward(self, x):
        return self.counted(self.network(x))


class Saved(Net):
    """The same by the book: a counter in the extra state, a buffer in the state_dict."""

    def __init__(self, num_classes, input_shape):
        super().__init__(num_classes, input_shape)
        self.calls = 0
        self.register_buffer("scale", torch.ones(()))

    def get_extra_state(self):
        return {"calls": self.calls}

    def set_extra_state(self, state):
        self.calls = state["calls"]

    def forward(self, x):
        if self.training:
            self.calls += 1
            self.scale = self.scale * 0.99
        return self.network(x) * self.scale + 0.001 * self.calls


class SavedAsCode(Saved):
    def get_extra_state(self):
        return np.array([self.calls])

    def set_extra_state(self, state):
        self.calls = int(state[0])


class LastSeen(Net):
    """Keeps what it saw last, for a figure."""

    def forward(self, x):
        self.seen = x.detach().clone()
        return self.network(x)


class Positions(Net):
    """A table that is made anew, and so is not saved."""

    def __init__(self, num_classes, input_shape):
        super().__init__(num_classes, input_shape)
        self.register_buffer("table", torch.arange(3.0), persistent=False)
        self.plan = {"layers": [self.network[1], self.network[3]], "rng": random.Random(0)}

    def forward(self, x):
        return self.network(x) + self.table.sum()


# --- of pixels and tokens ----------------------------------------------------------------------


class PerPixel(nn.Module):
    def __init__(self, num_classes, input_shape):
        super().__init__()
        self.classifier = nn.Conv2d(4, num_classes, 1)
        self.body = nn.Conv2d(input_shape[0], 4, 3, padding=1)

    def forward(self, x):
        return self.classifier(self.body(x).relu())


class PerToken(nn.Module):
    def __init__(self, num_classes, input_shape):
        super().__init__()
        self.classifier = nn.Linear(4, num_classes)
        self.body = nn.Sequential(nn.Embedding(num_classes, 4), nn.Linear(4, 4), nn.ReLU())

    def forward(self, x):
        return self.classifier(self.body(x)).transpose(1, 2)
