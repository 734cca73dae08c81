"""`warm_up`: a warm-up on random noise with random labels, of any model, in place.

The steps are those of a trial of this service (`trainables.training.steps`): the same first
weights, seed and settings end in the same bits, on one kind of device.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainables.models.fit import PassError
from trainables.models.linear import sped_up
from trainables.models.own import NetworkError
from trainables.seeds import generator, global_state
from trainables.tasks import Shape, target_shape
from trainables.training.optimizers import make_optimizer
from trainables.training.steps import step, with_random_labels
from trainables.warm_up.asked import Asked
from trainables.warm_up.checks import check_model, device_of, dtype_of
from trainables.warm_up.history import EpochMetrics, History
from trainables.warm_up.inputs import Draw, Kind, drawn, placed
from trainables.warm_up.kept import WorkingCopy, working_copy
from trainables.warm_up.like import read_recipe
from trainables.warm_up.progress import ProgressLine
from trainables.warm_up.recipe import Recipe, parse, whole

_TRIED = 2  # examples


def warm_up(
    model: nn.Module,
    *,
    num_classes: int,
    input_shape: Sequence[int] | None = None,
    kind: Kind = "classification",
    inputs: Draw | None = None,
    logits: Callable[[Any], Tensor] | None = None,
    noise: str | Mapping[str, Any] | None = None,
    examples: int | None = None,
    epochs: int | None = None,
    batch: int | None = None,
    optimizer: Mapping[str, Any] | None = None,
    train: str | None = None,
    like: str | Path | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    progress: bool = True,
) -> History:
    """Train the model for a while on fresh noise with random labels; then train it on your data.

    Only the values of its weights and buffers change. Frozen parameters, gradients, the modes of
    its modules and the global random states (Python's, NumPy's, PyTorch's on the CPU and on CUDA)
    are as before afterwards, and if it fails, the values are, too.

    Args:
        num_classes: of the model's outputs; for `language` the vocabulary.
        input_shape: of one input, without the batch: (3, 32, 32); for `language` (tokens,).
        kind: `segmentation` has a class for each pixel, `language` for each token. Logits are
            (n, num_classes, *targets), as `torch.nn.functional.cross_entropy` takes them.
        inputs: draws a batch from a generator, in place of noise of `input_shape`:
            `lambda generator, n: ...`, one tensor, or a tuple or mapping of the model's arguments.
        logits: takes them from what the model returns: `lambda output: output.logits`.
        noise: a distribution's name, or {"distribution": ..., "mean": 0.0, "std": 1.0}.
        examples, epochs, batch: `examples` in all; an epoch is floor(examples / epochs / batch)
            steps. By default 480,000, 15 and 128, as in a study.
        optimizer: {"name": "adam" | "adamw" | "sgd", "lr": ..., "weight_decay": 0.0, "momentum":
            0.0 of sgd}; by default Adam at 1e-4.
        train: `statistics` moves the running statistics of batch normalisation alone.
        like: a YAML file with these fields, a trial's `warmup` section, or a search's `best.yaml`.
            An argument that is given as well takes the place of the file's.
        device: where the model takes its inputs; needed where its parameters are on several.
        progress: a line on the terminal, if there is one.

    Returns:
        of each epoch its number, the examples so far, and loss, accuracy, mean confidence and
        expected calibration error on the noise.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument cannot be, or the model does not give what the warm-up needs. Both
            say in one line which, and the remedy.
    """
    asked_for = {
        **{"noise": noise, "examples": examples, "epochs": epochs, "batch": batch},
        **{"optimizer": optimizer, "train": train},
    }
    explicit = {field: value for field, value in asked_for.items() if value is not None}
    recipe = parse((read_recipe(like) if like is not None else {}) | explicit)
    seed, classes = whole("seed", seed, 0), whole("num_classes", num_classes, 2)
    check_model(model)
    shape, draw = drawn(recipe, kind, input_shape, classes, inputs, noise is not None)
    if logits is not None and not callable(logits):
        raise TypeError(f"logits: {logits!r} is no function; give lambda output: output.logits")
    where = device_of(model, device)
    targets = target_shape(kind, shape) if shape is not None else None
    asked = Asked(model, logits, classes, () if kind == "classification" else targets)
    with _as_before(model, where) as copy:
        place = partial(placed, device=where, dtype=dtype_of(model))
        run = _Run(asked, recipe, seed, where, lambda random, n: place(draw(random, n)))
        run.rehearse(copy)
        with ProgressLine(recipe.epochs * recipe.steps_per_epoch, progress) as line:
            history = run.train(line)
        copy.keep()
    return history


class _Run:
    def __init__(
        self, asked: Asked, recipe: Recipe, seed: int, device: torch.device, draw: Draw
    ) -> None:
        self._asked, self._recipe, self._seed = asked, recipe, seed
        self._device, self._draw = device, draw
        self._targets: Shape = ()  # of one example

    def rehearse(self, copy: WorkingCopy) -> None:
        """Look at the model in miniature, in the layout in which it will be trained.

        Raises:
            NetworkError: it is not to be warmed up.
        """
        faster = self._device.type == "cpu"
        try:
            self._rehearse(copy, channels_last=faster)
        except PassError as raised:
            if not faster:
                raise
            try:  # some models look at how their tensors lie
                self._rehearse(copy, channels_last=False)
            except PassError:
                raise raised from None

    def _rehearse(self, copy: WorkingCopy, channels_last: bool) -> None:
        random = torch.Generator(self._device).manual_seed(0)
        with global_state(self._seed, "rehearsal", self._device):
            copy.begin(channels_last)
            logits = self._asked.look(self._draw(random, _TRIED), _TRIED)
            self._targets = tuple(logits.shape[2:])
            if self._recipe.train == "all":
                ((batch, labels),) = self._batches(random, steps=1, examples=_TRIED)
                self._asked.rehearse(batch, labels.to(logits.device), _TRIED)
            copy.begin(channels_last)

    def train(self, line: ProgressLine) -> History:
        """All epochs; as an epoch of a trial, see `trainables.lifecycle.requests.Epoch.alone`."""
        recipe, model, history = self._recipe, self._asked.model, History()
        trained = list(model.parameters()) if recipe.train == "all" else []
        optimizer = make_optimizer(trained, recipe.optimizer) if trained else None
        random = generator(self._seed, "noise", self._device)
        for epoch in range(1, recipe.epochs + 1):
            metrics = EpochMetrics()
            with global_state(self._seed, f"warmup epoch {epoch}", self._device):
                model.train()
                for batch, labels in self._batches(random, recipe.steps_per_epoch, recipe.batch):
                    metrics.add(*self._step(optimizer, batch, labels))
                    line.step()
            done = epoch * recipe.steps_per_epoch * recipe.batch
            history.append({"epoch": epoch, "examples": done, **metrics.values()})
            if not torch.tensor(history[-1]["loss"]).isfinite():
                raise NetworkError(
                    f"model: its outputs are not finite after {epoch} epochs of the warm-up; lower "
                    f"optimizer.lr ({recipe.optimizer.lr:g}) or the strength of the noise"
                )
        return history

    def _step(
        self, optimizer: torch.optim.Optimizer | None, batch: Any, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        said = []  # the labels, where the logits are

        def loss(logits: Tensor) -> Tensor:
            said.append(labels.to(logits.device))
            return F.cross_entropy(logits, said[0])

        logits = step(self._asked, optimizer, batch, loss)
        return logits, said[0] if said else labels.to(logits.device)

    def _batches(
        self, random: torch.Generator, steps: int, examples: int
    ) -> Iterator[tuple[Any, Tensor]]:
        targets = (examples, *self._targets)
        draw = partial(self._draw, random, examples)
        return with_random_labels(draw, steps, self._asked.classes, targets, random)


@contextmanager
def _as_before(model: nn.Module, device: torch.device) -> Iterator[WorkingCopy]:
    """For all that is done to the model: the arithmetic of a study, and nothing is left behind."""
    with ExitStack() as stack:
        if device.type == "cuda":
            stack.enter_context(torch.cuda.device(device))  # the one that is seeded
            others = [p.device for p in model.parameters() if p.device.type == "cuda"]
            stack.enter_context(torch.random.fork_rng(list({device, *others})))
        stack.enter_context(torch.enable_grad())
        copy = stack.enter_context(working_copy(model))
        stack.enter_context(sped_up(model))
        yield copy
