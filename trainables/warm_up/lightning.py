"""The warm-up for Lightning (`pip install warmup-sweep[lightning]`).

from trainables.warm_up.lightning import WarmUp

Trainer(callbacks=[WarmUp(input_shape=(3, 32, 32), num_classes=10, examples=51_200)])
"""

import inspect
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from trainables.warm_up.history import History
from trainables.warm_up.once import warm_up_once
from trainables.warm_up.run import warm_up


class WarmUp(Callback):
    """Warms the module up before its first optimizer step.

    Not where the Trainer resumes from a checkpoint or has made a step, nor where the module, or
    the one that it is a copy of, has been warmed up by such a callback. A module that was trained
    without one, or read by `load_from_checkpoint`, does not tell: leave the callback out then.
    """

    def __init__(
        self, *, network: Callable[[LightningModule], nn.Module] | None = None, **settings: Any
    ) -> None:
        """
        Args:
            network: the part of the module that maps inputs to logits, where its `forward` does
                not: `lambda module: module.net`.
            settings: what `trainables.warm_up.warm_up` takes after the model.
        """
        inspect.signature(warm_up).bind(None, **settings)  # or TypeError, before anything runs
        self._network, self._settings = network, settings
        self.history: History | None = None  # of the warm-up, once it has been made

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.ckpt_path is not None or trainer.global_step > 0:
            return
        network = pl_module if self._network is None else self._network(pl_module)
        history = warm_up_once(network, self._settings, trainer.is_global_zero)
        self.history = history or self.history
