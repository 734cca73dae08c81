"""A warm-up in one's own training script: `python -m benchmarks.take_home [HOW]`

Test accuracy and ECE (10 bins) of 1,000 photographs without and with `trainables.warm_up`, for a
network trained on 500 in plain PyTorch (the MLP of depth 6), in Lightning (the same) and by Hugging
Face's Trainer (a small vision transformer of random weights). Pairs differ in the warm-up alone.
"""

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from lightning.pytorch import Trainer as LightningTrainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import (
    PrinterCallback,
    Trainer,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
)

from analysis.metrics.calibration import expected_calibration_error
from analysis.metrics.classification import accuracy, confidence_and_correct
from trainables.data.photos import photos
from trainables.models.initialisation import initialise
from trainables.models.mlp import mlp
from trainables.warm_up import hugging_face, lightning, warm_up

SHAPE, CLASSES, EXAMPLES, BATCH = (3, 32, 32), 10, 500, 128
MLP_EPOCHS, VIT_EPOCHS = 30, 15


class Recipe(TypedDict):
    """What `warm_up` is given, beside the network and the seed."""

    input_shape: tuple[int, ...]
    num_classes: int
    examples: int
    epochs: int
    optimizer: NotRequired[dict[str, Any]]


RECIPE: Recipe = {
    "input_shape": SHAPE,
    "num_classes": CLASSES,
    "examples": 51_200,
    "epochs": 5,
}
VIT_RECIPE: Recipe = {**RECIPE, "examples": 12_800, "optimizer": {"name": "adam", "lr": 1e-3}}

Split = tuple[Tensor, Tensor]  # (n, 3, 32, 32) normalised, (n,)


class Module(LightningModule):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        return F.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return adam(self)


def adam(network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(network.parameters(), lr=1e-4, weight_decay=1e-3, fused=True)


def untrained_mlp(seed: int) -> nn.Module:
    network = mlp(SHAPE, CLASSES, depth=6, width=256)
    initialise(network, "he", torch.Generator().manual_seed(seed))
    return network


def in_plain_pytorch(seed: int, train: Split, warm: bool) -> Callable[[Tensor], Tensor]:
    network = untrained_mlp(seed)
    if warm:
        warm_up(network, **RECIPE, seed=seed)
    optimizer, order = adam(network), torch.Generator().manual_seed(seed)
    for _ in range(MLP_EPOCHS):
        for chosen in torch.split(torch.randperm(EXAMPLES, generator=order), BATCH):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(train[0][chosen]), train[1][chosen])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network.eval()


def in_lightning(seed: int, train: Split, warm: bool) -> Callable[[Tensor], Tensor]:
    module, order = Module(untrained_mlp(seed)), torch.Generator().manual_seed(seed)
    trainer = LightningTrainer(
        max_epochs=MLP_EPOCHS,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[lightning.WarmUp(**RECIPE, seed=seed)] if warm else [],
    )
    trainer.fit(module, DataLoader(TensorDataset(*train), BATCH, shuffle=True, generator=order))
    return module.eval()


def by_hugging_face(seed: int, train: Split, warm: bool) -> Callable[[Tensor], Tensor]:
    torch.manual_seed(seed)
    model = ViTForImageClassification(
        ViTConfig(  # type: ignore[call-arg]  # num_labels is not among what it declares
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            image_size=32,
            patch_size=8,
            num_labels=CLASSES,
        )
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=VIT_EPOCHS,
            per_device_train_batch_size=32,
            learning_rate=1e-3,
            seed=seed,
            use_cpu=True,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
        )
        trainer = Trainer(
            model,
            arguments,
            train_dataset=[
                {"pixel_values": image, "labels": label}
                for image, label in zip(*train, strict=True)
            ],
            callbacks=[hugging_face.WarmUp(**VIT_RECIPE, seed=seed)] if warm else [],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    model.eval()  # type: ignore[no-untyped-call]
    return lambda images: model(images).logits


HOW = {"plain": in_plain_pytorch, "lightning": in_lightning, "hugging_face": by_hugging_face}


def splits(seed: int) -> tuple[Split, Split]:
    """500 training examples of the seed's own, and the first 1,000 of the test split."""
    source = photos()
    order = torch.randperm(len(source.train.labels), generator=torch.Generator().manual_seed(seed))
    images = source.train.inputs[order[:EXAMPLES]].float()
    mean, std = images.mean((0, 2, 3), keepdim=True), images.std((0, 2, 3), keepdim=True)
    test = source.test.inputs[:1000].float()
    return (
        ((images - mean) / std, source.train.labels[order[:EXAMPLES]]),
        ((test - mean) / std, source.test.labels[:1000]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("how", nargs="?", choices=list(HOW), help="one alone")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    print("| in | warm-up | accuracy, % | ECE, % | s |\n|:---|:---|---:|---:|---:|")
    for how in [options.how] if options.how else HOW:
        for warm in (False, True):
            started, measured = time.perf_counter(), []
            for seed in range(options.seeds):
                train, (images, labels) = splits(seed)
                predict = HOW[how](seed, train, warm)
                with torch.no_grad():
                    logits = predict(images).numpy()
                ece = expected_calibration_error(*confidence_and_correct(logits, labels.numpy()))
                measured.append((100 * accuracy(logits, labels.numpy()), 100 * ece))
            (right, ece), (right_sd, ece_sd) = np.mean(measured, 0), np.std(measured, 0, ddof=1)
            seconds = (time.perf_counter() - started) / options.seeds
            word = "with" if warm else "without"
            print(
                f"| {how} | {word} | {right:.1f} ± {right_sd:.1f} | {ece:.1f} ± {ece_sd:.1f} "
                f"| {seconds:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
