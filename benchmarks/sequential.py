"""What does stopping early save, and does it err? `python -m benchmarks.sequential`

Studies are drawn whose true mean difference is known, in units of its standard deviation, and
carried out by `analysis.statistics.sequential`: looks at 6, 10, 16 and 30 pairs, until the interval
leaves out zero or its half-width is at most the precision. Beside them stands the fixed design, 30
pairs and Student's interval once, and the same interval looked at four times, as one must not. The
laws:

- normal: for which the theory of Student's t makes its promise
- exponential, shifted to the mean: skewed, skewness 2, a long tail on one side
- gamma of shape 8: slightly skewed, skewness 0.7

    python -m benchmarks.sequential --studies 10000
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.paired import mean_interval
from analysis.statistics.sequential import Design, Look, take_look

LOOKS = (6, 10, 16, 30)
EFFECTS = (0.0, 0.5, 1.0, 1.5)  # true means, in standard deviations
PRECISIONS = (0.1, 0.75)  # the first is never reached

Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]

#: By name: what draws from a law of mean 0 and standard deviation 1.
LAWS: dict[str, Draw] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "gamma": lambda random, shape: (random.gamma(8, size=shape) - 8) / 8**0.5,
    "exponential": lambda random, shape: random.exponential(size=shape) - 1,
}


@dataclass(frozen=True)
class Rates:
    """Shares of the studies, and means over them."""

    clear: float  # that zero was left out: false where there is no effect, else the power
    wrong_way: float  # zero was left out on the wrong side
    coverage: float  # of the last interval
    pairs: float  # used
    mean: float  # found
    fixed_clear: float  # of the fixed design
    naive_clear: float  # of its interval, looked at as often


def study(design: Design, differences: NDArray[np.float64]) -> list[Look]:
    """Carried out to its end; differences: (pairs,), as many as the last look has."""
    looks: list[Look] = []
    while not looks or looks[-1].outcome == "open":
        looks.append(take_look(design, looks, differences[: design.looks[len(looks)]]))
    return looks


def rates(draw: Draw, effect: float, precision: float, studies: int, seed: int = 0) -> Rates:
    design = Design(LOOKS, precision)
    samples = draw(np.random.default_rng(seed), (studies, LOOKS[-1])) + effect
    last = [study(design, sample)[-1] for sample in samples]
    low, high = np.array([look.interval for look in last]).T
    usual = np.array([[mean_interval(sample[:n]) for n in LOOKS] for sample in samples])
    beyond = (usual[..., 0] > 0) | (usual[..., 1] < 0)  # (studies, looks)
    return Rates(
        clear=float(((low > 0) | (high < 0)).mean()),
        wrong_way=float((high < 0).mean()) if effect else float("nan"),
        coverage=float(((low <= effect) & (effect <= high)).mean()),
        pairs=float(np.mean([look.planned for look in last])),
        mean=float(np.mean([look.mean for look in last])),
        fixed_clear=float(beyond[:, -1].mean()),
        naive_clear=float(beyond.any(axis=1).mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--studies", type=int, default=10_000, help="of each row")
    count = parser.parse_args().studies
    print(f"Looks at {', '.join(map(str, LOOKS))} pairs, {count:,} studies a row; s.d. 1")
    print(
        "| law | effect | precision | zero left out | wrong way | coverage | mean found | pairs "
        "| saved of 30 | fixed 30: zero left out | usual interval four times |"
    )
    print("| :--- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for law, draw in LAWS.items():
        for precision in PRECISIONS:
            for effect in EFFECTS:
                row = rates(draw, effect, precision, count)
                saved = 1 - row.pairs / LOOKS[-1]
                wrong = f"{row.wrong_way:.4f}" if effect else "—"
                print(
                    f"| {law} | {effect:g} | {precision:g} | {row.clear:.4f} | {wrong} "
                    f"| {row.coverage:.4f} | {row.mean:.2f} | {row.pairs:.1f} | {saved:.0%} "
                    f"| {row.fixed_clear:.4f} | {row.naive_clear:.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
