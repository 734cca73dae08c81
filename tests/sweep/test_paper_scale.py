"""Fig. 2d,e of the paper: at its scale, every pair's test loss and ECE fall.

Depth 6, n = 4,000, 480,000 warm-up examples, 30 epochs; 4 pairs in place of 30. Minutes: run by
`make test-slow` with REAL_IMAGES naming the folder of cifar10.npz and svhn.npz.
"""

import os
from pathlib import Path

import pytest
import yaml

from analysis.statistics.comparison import AUROC, ECE, NLL, compare
from sweep.plan.study import shipped

PAIRS = 4


@pytest.mark.slow
def test_every_pair_has_a_lower_test_loss_and_ece_with_warm_up(place):
    images = os.environ.get("REAL_IMAGES")
    if not images:
        pytest.skip("REAL_IMAGES names no folder with cifar10.npz and svhn.npz")
    study = yaml.safe_load(shipped()["noise_ablation"].read_text("utf-8"))
    study["grids"] = {"distribution": {"warmup.noise.distribution": ["gaussian"]}}
    (place.folder / "gaussian.yaml").write_text(yaml.safe_dump(study), "utf-8")
    process = place.start(
        *("gaussian.yaml", "--scale", "paper", "--replicates", str(PAIRS)),
        *("--data", f"npz:{Path(images, 'cifar10.npz').absolute()}"),
        *("--ood", f"npz:{Path(images, 'svhn.npz').absolute()}"),
        *("--set", "data.normalisation=cifar10"),
    )
    place.ended(process, seconds=3600)
    results = place.results("gaussian")
    rows = {measure.label: compare(results, "gaussian", measure) for measure in (NLL, ECE, AUROC)}
    for name, row in rows.items():
        print(name, row.without.round(4), "→", row.with_.round(4))
    assert rows["NLL"].moved == PAIRS
    assert rows["ECE"].moved == PAIRS
