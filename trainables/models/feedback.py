"""Feedback alignment (Lillicrap et al. 2016, doi 10.1038/ncomms13276; the paper's Supp. Fig. 6).

Backpropagation carries the error δ from a layer's outputs to its inputs by the layer's own
weights, δ W; here fixed random weights B do it, δ B, and W has to come into line with them. The
gradients of weights and biases are as usual, given the error that arrives.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from trainables.models.linear import Linear, linear


class FeedbackLinear(Linear):
    """A linear layer that is trained by feedback alignment.

    In eval mode it is an ordinary one with the true gradient: what measures a network by a
    gradient, such as ODIN, looks at the network and not at how it learns.
    """

    feedback: Tensor  # (out_features, in_features), never trained

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self.register_buffer("feedback", torch.empty_like(self.weight, requires_grad=False))
        self.draw_feedback()

    def draw_feedback(self, random: torch.Generator | None = None) -> None:
        """From N(0, 2 / fan_in), the law of the paper's weights."""
        self.feedback.normal_(0.0, math.sqrt(2.0 / self.in_features), generator=random)

    def forward(self, inputs: Tensor) -> Tensor:  # (n, in_features) → (n, out_features)
        if not self.training:
            return super().forward(inputs)
        outputs = linear(inputs.detach(), self.weight, self.bias)
        carried: Tensor = _CarryBack.apply(outputs, inputs, self.feedback)
        return carried


def draw_feedback(network: nn.Module, random: torch.Generator) -> None:
    """Draw all feedback weights of a network anew, layer by layer, from a CPU generator."""
    for layer in network.modules():
        if isinstance(layer, FeedbackLinear):
            layer.draw_feedback(random)


class _CarryBack(torch.autograd.Function):
    """The identity on a layer's outputs, whose error it also carries back to the layer's inputs."""

    generate_vmap_rule = True

    @staticmethod
    def forward(outputs: Tensor, inputs: Tensor, feedback: Tensor) -> Tensor:
        return outputs.view_as(outputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[2])

    @staticmethod
    def backward(ctx: Any, error: Tensor) -> tuple[Tensor, Tensor | None, None]:
        if not ctx.needs_input_grad[1]:  # the first layer's inputs are data
            return error, None, None
        (feedback,) = ctx.saved_tensors
        return error, linear(error, feedback.t().to(error.dtype)), None  # bfloat16 in autocast
