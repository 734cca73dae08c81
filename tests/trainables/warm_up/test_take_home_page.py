"""Every block of docs/take-home.md runs, and does what the page says."""

import re

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from support import ROOT
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from trainables.warm_up import lightning
from trainables.warm_up.recipe import parse

PAGE = (ROOT / "docs" / "take-home.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


class Module(LightningModule):
    """The reader's own."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(12, 4)

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, index):
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_the_blocks_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (recipe,) = [text for language, text in BLOCKS if language == "yaml"]
    (tmp_path / "recipe.yaml").write_text(recipe, "utf-8")
    plain, trainers = [text for language, text in BLOCKS if language == "python"]

    steps = parse({"examples": 51_200}).steps_per_epoch
    there = {}
    exec(plain, there)
    assert there["history"][-1]["examples"] == 15 * steps * 128
    assert torch.isfinite(there["model"][1].weight).all()

    there["data"] = [{"input_ids": torch.arange(16), "labels": i % 3} for i in range(8)]
    there["module"] = Module()
    there["loader"] = DataLoader(TensorDataset(torch.randn(8, 12), torch.arange(8) % 4), 4)
    exec(trainers, there)
    callback = there["callback"]
    assert isinstance(callback, lightning.WarmUp)
    assert callback.history[-1]["examples"] == 15 * 3 * 128
    assert (tmp_path / "out").exists()
