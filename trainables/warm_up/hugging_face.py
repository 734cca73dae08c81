"""The warm-up for Hugging Face's Trainer (`pip install warmup-sweep[transformers]`).

from trainables.warm_up.hugging_face import WarmUp

Trainer(model, callbacks=[WarmUp(input_shape=(3, 32, 32), num_classes=10, examples=51_200)])
"""

import inspect
from typing import Any

from torch import Tensor
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from trainables.warm_up.history import History
from trainables.warm_up.once import warm_up_once
from trainables.warm_up.run import warm_up


class WarmUp(TrainerCallback):
    """Warms the model up before its first optimizer step.

    Not where the Trainer resumes from a checkpoint, nor where the model, or the one that it is a
    copy of, has been warmed up by such a callback. A model that was trained without one, or read
    by `from_pretrained`, does not tell: leave the callback out then.
    """

    def __init__(self, **settings: Any) -> None:
        """
        Args:
            settings: what `trainables.warm_up.warm_up` takes after the model; `logits` is by
                default the output's, with the classes of a language model's in their place.
        """
        inspect.signature(warm_up).bind(None, **settings)  # or TypeError, before anything runs
        language = settings.get("kind") == "language"
        self._settings = {"logits": _of_tokens if language else _logits} | settings
        self.history: History | None = None  # of the warm-up, once it has been made

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        if state.global_step > 0:
            return
        shows = state.is_world_process_zero and not args.disable_tqdm
        history = warm_up_once(kwargs["model"], self._settings, shows)
        self.history = history or self.history


def _logits(output: Any) -> Tensor:
    logits: Tensor = output.logits
    return logits


def _of_tokens(output: Any) -> Tensor:
    """(n, tokens, vocabulary) → (n, vocabulary, tokens), as the cross-entropy takes them."""
    return _logits(output).movedim(-1, 1)
