"""How often does a 95 % interval of few pairs hold the true mean? `python -m benchmarks.intervals`

Samples are drawn from laws whose mean is known, an interval is made of each, and those that hold
the mean are counted: by the bootstrap (BCa, 2,000 resamples), which is the usual choice and was
once this service's, and by Student's t, which `analysis.statistics.paired.mean_interval` gives. The
laws:

- normal: for which the theory of Student's t promises .95
- exponential, log-normal (σ = 1): skewed, with one long tail
- one in ten: 0, and 1 with a probability of .1; of few pairs most samples are all 0, whose interval
  is (0, 0) and does not hold .1

    python -m benchmarks.intervals --samples 4000
"""

import argparse
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import (  # type: ignore[attr-defined]  # SciPy does not list its exports
    bootstrap,
)

from analysis.statistics.paired import mean_interval

PAIRS = (3, 4, 6, 10, 20, 30)
RESAMPLES = 2000

Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]

#: By name: the law's true mean, and what draws from it.
LAWS: dict[str, tuple[float, Draw]] = {
    "normal": (0.0, lambda random, shape: random.normal(size=shape)),
    "exponential": (1.0, lambda random, shape: random.exponential(size=shape)),
    "log-normal": (float(np.exp(0.5)), lambda random, shape: random.lognormal(size=shape)),
    "one in ten": (0.1, lambda random, shape: (random.random(shape) < 0.1).astype(np.float64)),
}


def by_student(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """(samples, pairs) → (samples, 2), as all others here."""
    return np.array([mean_interval(sample) for sample in samples])


def by_bootstrap(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # of samples whose values are all equal
        found = bootstrap(
            (samples,), np.mean, axis=-1, n_resamples=RESAMPLES, batch=50, random_state=0
        ).confidence_interval
    ends = np.stack([found.low, found.high], axis=1)
    equal = np.isnan(ends).any(axis=1)
    ends[equal] = samples[equal, :1]
    return ends


def coverage(ends: NDArray[np.float64], mean: float) -> float:
    return float(((ends[:, 0] <= mean) & (mean <= ends[:, 1])).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=4000, help="of each law and size")
    count = parser.parse_args().samples
    print(f"95 % intervals of the mean, {count:,} samples each: share that holds it")
    print("| pairs |", " | ".join(f"{law}: BCa | {law}: t" for law in LAWS), "|")
    print("| ---: |" + " ---: |" * (2 * len(LAWS)))
    for pairs in PAIRS:
        cells = []
        for mean, draw in LAWS.values():
            samples = draw(np.random.default_rng(pairs), (count, pairs))
            cells += [coverage(by(samples), mean) for by in (by_bootstrap, by_student)]
        print(f"| {pairs} |", " | ".join(f"{cell:.3f}".lstrip("0") for cell in cells), "|")


if __name__ == "__main__":
    main()
