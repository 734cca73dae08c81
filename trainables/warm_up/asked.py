"""A model as it is asked for its logits, and whether these are what a warm-up needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.imported import in_a_line
from trainables.models.fit import PassError, check_logits
from trainables.models.own import NetworkError
from trainables.models.probabilities import refuse_probabilities
from trainables.tasks import Shape

_FULL = (torch.float32, torch.float64)


@dataclass(frozen=True)
class Asked:
    model: nn.Module
    logits: Callable[[Any], Tensor] | None = None  # from what the model returns
    classes: int = 2
    targets: Shape | None = ()  # of one example; None: as the logits have them

    def __call__(self, batch: Any) -> Tensor:
        """The logits, (n, classes, *targets), in float32 at least."""
        return self.of(self.model, batch)

    def of(self, model: nn.Module, batch: Any) -> Tensor:
        """Those of a model such as this one: batch is its one argument, or a tuple or a mapping of
        its arguments."""
        if isinstance(batch, Mapping):
            output = model(**batch)
        elif isinstance(batch, tuple | list):
            output = model(*batch)
        else:
            output = model(batch)
        logits = output if self.logits is None else self.logits(output)
        if not isinstance(logits, Tensor):
            raise NetworkError(self._no_tensor(logits))
        return logits if logits.dtype in _FULL else logits.float()

    def look(self, batch: Any, examples: int) -> Tensor:
        """A pass in eval mode, without gradients.

        Raises:
            NetworkError: the model raises, or gives anything but finite logits.
        """
        self.model.eval()
        with torch.no_grad():
            logits = self._passed(batch, examples, "")
        refuse_probabilities(self.model, logits, lambda other: self.of(other, batch))
        return logits

    def rehearse(self, batch: Any, labels: Tensor, examples: int) -> None:
        """A pass and its gradients in training mode, which are not used.

        Raises:
            NetworkError: as `look`; no gradient arrives.
        """
        self.model.train()
        logits = self._passed(batch, examples, " in training mode")
        try:
            F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        except Exception as error:
            raise PassError(
                f"model: backpropagation through it raises {in_a_line(error)}"
            ) from error
        if all(parameter.grad is None for parameter in self.model.parameters()):
            raise NetworkError("model: no logit depends on a parameter that is trained")

    def _passed(self, batch: Any, examples: int, mode: str) -> Tensor:
        try:
            logits = self(batch)
        except NetworkError:
            raise
        except Exception as error:
            raise PassError(
                f"model: it raises {in_a_line(error)}{mode} on a batch of {examples}; look at "
                "input_shape, kind, inputs and logits"
            ) from error
        self._check_shape(logits, examples, mode)
        if not logits.isfinite().all():
            raise NetworkError(
                f"model: its output{mode} is not finite; look for a division by zero or a "
                "logarithm, or for noise that is too strong"
            )
        return logits

    def _check_shape(self, logits: Tensor, examples: int, mode: str) -> None:
        expected = (examples, self.classes, *self._expected_targets(logits))
        found = tuple(logits.shape)
        if found != expected and logits.ndim > 2 and found[-1] == self.classes:
            raise NetworkError(
                f"model: its output{mode} for {examples} examples is {found}, the classes last; "
                "give logits=lambda output: … .movedim(-1, 1)"
            )
        check_logits(logits, expected, mode, finite=False)

    def _expected_targets(self, logits: Tensor) -> Shape:
        return tuple(logits.shape[2:]) if self.targets is None else self.targets

    def _no_tensor(self, output: object) -> str:
        if self.logits is not None:
            return f"logits: it returns {type(output).__name__}; let it return one tensor"
        where = "output[0], or whichever has them"
        if hasattr(output, "logits"):
            where = "output.logits"
        elif isinstance(output, Mapping):
            where = f"output[…], which has {', '.join(map(repr, output))}"
        name = type(output).__name__
        return f"model: it returns {name}, not a tensor; give logits=lambda output: {where}"
