"""How sharp the loss is: its Hessian's largest eigenvalue and trace (Cheon & Paik, Supp. Fig. 21).

Of the mean cross-entropy of up to 512 training examples, in eval mode, with respect to all weights
that are trained. The Hessian is never held: its product with a vector is the gradient of
(gradient · vector), Pearlmutter 1994. Products are float32, and what is summed up over them is
float64. In bfloat16 second derivatives would be rounding errors, so networks that train in it are
measured without it.

The largest eigenvalue is that of Lanczos' method: the largest of a small tridiagonal matrix, whose
distance from an eigenvalue of the Hessian is at most the residual that comes with it. Lost
orthogonality repeats eigenvalues and moves none (Paige 1980), so vectors need not be kept. The
trace is Hutchinson's (1989): the mean of vᵀHv over vectors of random signs.
"""

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from trainables.data.splits import Split
from trainables.probes.subject import Arrays, Subject
from trainables.seeds import generator
from trainables.training.loop import Diverged, evaluation_batches

TOLERANCE = 1e-3  # of the residual, relative to the eigenvalue; the error is smaller still
ROUNDING = 1e-6  # of float32 products, relative to the Hessian's norm: no residual is below it
MOST_ITERATIONS = 100
VECTORS = 32  # of Hutchinson's

Product = Callable[[Tensor], Tensor]  # of a symmetric matrix with a float64 vector


def curvature(subject: Subject) -> Arrays:
    """The Hessian's algebraically largest eigenvalue and its trace.

    Returns:
        `eigenvalue` (), `trace` () and its standard error `trace_error` (), float32 on the CPU.

    Raises:
        Diverged: a product is not finite.
    """
    hessian = Hessian(subject.bare, subject.some_training)
    drawn = torch.randn(hessian.size, generator=generator(subject.seed, "lanczos"))
    start = drawn.double().to(hessian.device)
    trace, error = hutchinson_trace(hessian, VECTORS, generator(subject.seed, "hutchinson"))
    found = {
        "eigenvalue": largest_eigenvalue(hessian.product, start),
        "trace": trace,
        "trace_error": error,
    }
    return {name: torch.tensor(value) for name, value in found.items()}


class Hessian:
    """The Hessian of the mean cross-entropy of a split, by its products with vectors."""

    def __init__(self, network: nn.Module, split: Split) -> None:
        self.network = network.eval()
        self.split = split
        self.weights = [weight for weight in network.parameters() if weight.requires_grad]
        self.size = sum(weight.numel() for weight in self.weights)  # rows
        self.device = split.labels.device

    def product(self, vector: Tensor) -> Tensor:
        """With a vector (rows,), both float64."""
        total = torch.zeros_like(vector)
        for gradient in self.gradients():
            total += self.derivative(gradient, vector)
            del gradient  # and what it was derived from, before the next one is
        return total

    def gradients(self) -> Iterator[Tensor]:
        """Each part of the examples' share of the gradient, (rows,), which can be derived again."""
        for part in evaluation_batches(self.split):
            yield self._gradient(*self.split.taken(part))

    def _gradient(self, inputs: Tensor, labels: Tensor) -> Tensor:
        # of PyTorch's kernels for attention, this one has second derivatives
        with sdpa_kernel(SDPBackend.MATH):
            loss = F.cross_entropy(self.network(inputs), labels, reduction="sum")
        share = loss / len(self.split)
        found = torch.autograd.grad(share, self.weights, create_graph=True, materialize_grads=True)
        return torch.cat([gradient.flatten() for gradient in found])

    def derivative(self, gradient: Tensor, vector: Tensor) -> Tensor:
        """A share of the gradient, derived along a vector: (rows,) float64, as often as asked."""
        found = torch.autograd.grad(
            gradient,
            self.weights,
            vector.to(gradient.dtype),
            retain_graph=True,
            materialize_grads=True,
        )
        return torch.cat([part.flatten() for part in found]).double()


def largest_eigenvalue(product: Product, start: Tensor) -> float:
    """The algebraically largest eigenvalue of a symmetric matrix, by Lanczos' method.

    Args:
        product: of the matrix and a float64 vector.
        start: float64 (rows,), random: what is orthogonal to it is not found.

    Returns:
        the eigenvalue to `TOLERANCE`; after `MOST_ITERATIONS` the best bound from below so far.

    Raises:
        Diverged: a product is not finite.
    """
    vector, previous = start / start.norm(), torch.zeros_like(start)
    diagonal: list[float] = []
    beside: list[float] = []  # the matrix is tridiagonal
    while True:
        image = product(vector)
        diagonal.append(_finite((image @ vector).item()))
        image -= diagonal[-1] * vector + (beside[-1] * previous if beside else 0.0)
        length = image.norm().item()
        values, vectors = torch.linalg.eigh(_tridiagonal(diagonal, beside))
        largest, norm = float(values[-1]), float(values.abs().max())
        residual = length * abs(float(vectors[-1, -1]))
        converged = residual <= max(TOLERANCE * abs(largest), ROUNDING * norm)
        if converged or len(diagonal) == MOST_ITERATIONS:
            return largest
        beside.append(length)
        vector, previous = image / length, vector


def _tridiagonal(diagonal: list[float], beside: list[float]) -> Tensor:
    off = torch.tensor(beside, dtype=torch.float64)
    middle = torch.tensor(diagonal, dtype=torch.float64)
    return torch.diag(middle) + torch.diag(off, 1) + torch.diag(off, -1)


def hutchinson_trace(
    hessian: Hessian, vectors: int, random: torch.Generator
) -> tuple[float, float]:
    """The trace, from so many vectors of random signs, and the estimate's standard error."""
    samples = torch.zeros(vectors, dtype=torch.float64)
    beginning = random.get_state()
    for gradient in hessian.gradients():
        random.set_state(beginning)  # every part of the examples meets the same vectors
        for index in range(vectors):
            signs = _signs(hessian.size, random).to(hessian.device)
            samples[index] += (hessian.derivative(gradient, signs) @ signs).item()
        del gradient  # and what it was derived from, before the next one is
    error = samples.std().item() / math.sqrt(vectors)
    return _finite(samples.mean().item()), error


def _signs(count: int, random: torch.Generator) -> Tensor:
    """(count,) float64, −1 or 1 with even odds."""
    return torch.empty(count).bernoulli_(0.5, generator=random).mul_(2).sub_(1).double()


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Diverged("the loss's second derivatives are not finite")
    return value
