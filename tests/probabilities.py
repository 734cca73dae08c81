"""Logits and labels that calibrations are fitted to, and the minimum that PyTorch finds."""

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from analysis.metrics.classification import softmax


def calibrated(n=4000, classes=5, seed=0):
    """Logits, and labels drawn with just the probabilities they mean."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(n, classes))
    labels = (softmax(logits).cumsum(axis=1) < generator.random((n, 1))).sum(axis=1)
    return logits, labels.clip(max=classes - 1)


@st.composite
def examples(draw):
    """Some logits, zeros and ties and certainty among them, and some labels."""
    shape = draw(st.tuples(st.integers(2, 25), st.integers(2, 4)))
    elements = st.floats(-20, 20, width=32) | st.sampled_from([0.0, 1.0, 50.0])
    logits = draw(arrays(np.float32, shape, elements=elements))
    return logits, draw(arrays(np.int64, shape[:1], elements=st.integers(0, shape[1] - 1)))


def torch_minimum(parameters, loss):
    """Where PyTorch's L-BFGS with autograd and a line search ends, from the given start."""
    exactly = {"max_iter": 500, "tolerance_grad": 1e-10, "tolerance_change": 1e-14}
    optimizer = torch.optim.LBFGS(parameters, line_search_fn="strong_wolfe", **exactly)

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    optimizer.step(closure)
    return [parameter.detach().numpy() for parameter in parameters], loss().item()


def network(n=2000, seed=0, sharpness=1.0):
    """Logits (n, 10), and labels drawn from their softmax at sharpness 1."""
    generator = np.random.default_rng(seed)
    logits = 2 * generator.normal(size=(n, 10))
    return sharpness * logits, (logits + generator.gumbel(size=(n, 10))).argmax(axis=1)
