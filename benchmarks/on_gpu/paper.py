"""The paper's ResNet-18 (Fig. 2g,h): pairs with and without warm-up, as many as there is time for.

2.5 million examples of the task on 49,000 images of CIFAR-10, or as many as the file holds; 0.25
million of the warm-up; SGD, cosine, crops and mirrors, as `sweep/studies/resnet_data.yaml` has it,
in bfloat16 and channels_last.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.on_gpu.cases import lacking
from benchmarks.on_gpu.clock import Clock, Table, within
from benchmarks.on_gpu.lives import live
from trainables.config.trial import (
    Augmentation,
    Compute,
    Data,
    DataFacts,
    Optimizer,
    Task,
    Trial,
    Warmup,
)
from trainables.data.examples import Examples, Source, stated_normalisation
from trainables.lifecycle.context import TrialInputs

EXAMPLES, WARMUP = 2_500_000, 250_000
VALIDATION = 1000
PAIRS = 10
TABLE = Table(
    "Pair", "Seconds", "Accuracy without, with", "ECE without, with", "Examples/s of the task"
)


def run(clock: Clock, device: torch.device, images: Path | None, tiny: bool) -> None:
    if images is None:
        print("left out: give --images FILE.npz, with x_train, y_train, x_test, y_test as Keras's")
        return
    if lacking("resnet18"):
        print("left out: it needs torchvision; see the head of benchmarks/gpu")
        return
    trial, inputs = trial_on(_source(images), tiny)
    train, test = len(inputs.source.train), len(inputs.source.test)
    print(f"{trial.task_examples:,} examples of {trial.data.examples:,} among {train:,} images; ")
    print(f"tested on {test:,}\n")
    rows = [(str(s), partial(_pair, trial, inputs, device, s)) for s in range(1 if tiny else PAIRS)]
    within(clock, TABLE, rows)


def trial_on(source: Source, tiny: bool) -> tuple[Trial, TrialInputs]:
    available = len(source.train) - min(VALIDATION, len(source.train) // 10)
    examples, total, noise = (16, 32, 32) if tiny else (min(49_000, available), EXAMPLES, WARMUP)
    batch = 8 if tiny else 256
    mean, std = stated_normalisation("cifar10") or ((0.5,) * 3, (0.25,) * 3)
    facts = DataFacts(
        digest=source.digest,
        ood_digest=None,
        shape=source.shape,
        classes=source.classes,
        mean=mean,
        std=std,
    )
    sgd = Optimizer(name="sgd", lr=0.1, momentum=0.9, weight_decay=1e-4)
    epochs = max(1, round(total / examples))
    trial = Trial(
        model={"name": "resnet18"},
        data=Data(
            source="cifar10",
            ood=None,
            examples=examples,
            validation=len(source.train) - available,
            facts=facts,
        ),
        warmup=Warmup(examples=noise, epochs=1 if tiny else 5, batch=batch, optimizer=sgd),
        task=Task(
            epochs=epochs,
            batch=batch,
            optimizer=sgd,
            schedule="cosine",
            augmentation=Augmentation(crop=4, flip=True),
        ),
        compute=Compute(bfloat16=True, channels_last=True),
    )
    return trial, TrialInputs(source)


def _source(path: Path) -> Source:
    with np.load(path, allow_pickle=False) as archive:
        train, test = (
            Examples(
                torch.from_numpy(archive[f"x_{split}"]).movedim(-1, 1).contiguous(),
                torch.from_numpy(archive[f"y_{split}"].astype(np.int64).reshape(-1)),
            )
            for split in ("train", "test")
        )
    classes = int(train.labels.max()) + 1
    return Source("cifar10", train, None, test, tuple(map(str, range(classes))))


def _pair(trial: Trial, inputs: TrialInputs, device: torch.device, seed: int) -> list[str]:
    started = time.perf_counter()
    warmed = trial.model_copy(update={"seed": seed})
    without, with_ = (live(one, inputs, device) for one in (warmed.control(), warmed))
    return [
        f"{time.perf_counter() - started:.0f}",
        f"{without.accuracy:.4f}, {with_.accuracy:.4f}",
        f"{without.ece:.4f}, {with_.ece:.4f}",
        f"{trial.task_examples / without.seconds['task']:,.0f}",
    ]
