"""What will happen to a network, tried in miniature before anything is trained.

Passes in eval mode, with two examples and with one; a step of training by the trial's own
optimizer; all in the memory format of the run, and a user's network on its device, too. Of that it
is seen, besides, whether it follows from its seed, see `trainables.preflight.repetition`. What
cannot be right is refused in one line. What can, if others know of it, goes into the network's
facts.
"""

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from trainables.config.model import Own
from trainables.config.trial import Trial
from trainables.imported import in_a_line
from trainables.models.build import State, build
from trainables.models.fit import PassError, check_logits, check_untouched, fits, random_inputs
from trainables.models.head import found_head, named_head
from trainables.models.own import NetworkError
from trainables.seeds import global_state
from trainables.tasks import target_shape
from trainables.training.optimizers import make_optimizer

ELEMENTS = 8 * 3 * 32 * 32  # of a step's inputs: 8 images of 32×32; of large ones 2

CPU = torch.device("cpu")


@dataclass
class Rehearsal:
    """A network of its own, on its way through the steps that are tried."""

    trial: Trial
    device: torch.device
    weights: State | None = None
    said: list[Tensor] = field(default_factory=list)  # logits of every step so far, and after it
    head: str | None = None  # the layer that was seen to make them

    def __post_init__(self) -> None:
        self.network = build(self.trial, self.device, self.weights)
        if not any(parameter.requires_grad for parameter in self.network.parameters()):
            raise NetworkError(
                f"model: {self.trial.model.name} has no parameter that is trained "
                "(requires_grad); let it have some"
            )
        self.optimizer = make_optimizer(self.network.parameters(), self.trial.task.optimizer)

    def begin(self) -> None:
        """Passes in eval mode, and the first step."""
        facts = self.trial.facts
        kind, shape, classes = facts.kind, facts.shape, facts.classes
        with global_state(self.trial.seed, "rehearsal", self.device):
            fits(self.network, kind, shape, classes, self.device)
            if isinstance(self.trial.model, Own):
                self.network.eval()
                inputs = random_inputs(kind, shape, classes, 2, self.device)
                self.head = found_head(self.network, inputs, classes)
        self.step()

    def step(self) -> None:
        """A step of training, and a pass in eval mode after it."""
        with global_state(self.trial.seed, f"rehearsal {len(self.said)}", self.device):
            self.said.append(self._trained())
            self.network.eval()
            with torch.no_grad():
                self.said.append(self.network(self._inputs(len(self.said))).detach())

    def _trained(self) -> Tensor:
        facts, inputs = self.trial.facts, self._inputs(len(self.said))
        given, expected = inputs.clone(), target_shape(facts.kind, facts.shape)
        labels = torch.arange(len(inputs) * math.prod(expected), device=self.device)
        labels = (labels % facts.classes).view(-1, *expected)
        self.network.train()
        self.optimizer.zero_grad()
        try:
            logits = self.network(given)
        except Exception as error:
            raise self._raises(error) from error
        check_untouched(given, inputs)
        # a step may have made it diverge: no fault of the network's
        finite = not self.said
        found = check_logits(
            logits, (len(inputs), facts.classes, *expected), " in training mode", finite
        )
        try:
            F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        except Exception as error:
            raise self._raises(error) from error
        return found.clone()

    def _raises(self, error: Exception) -> PassError:
        return PassError(
            f"model: in training mode it raises {in_a_line(error)} in a step on "
            f"{self._examples} examples of {self.trial.facts.shape}; so it would in the task"
        )

    def _inputs(self, number: int) -> Tensor:
        facts = self.trial.facts
        return random_inputs(
            facts.kind, facts.shape, facts.classes, self._examples, self.device, number
        )

    @property
    def _examples(self) -> int:
        if not isinstance(self.trial.model, Own):  # the service's own are known to work
            return 2
        fit = ELEMENTS // math.prod(self.trial.facts.shape)
        return min(self.trial.task.batch, max(fit, 2))


def in_a_format(trial: Trial, weights: State | None) -> tuple[Trial, Rehearsal]:
    """The trial, in the memory format that its network can be run in on the CPU, and the beginning
    of its rehearsal there. The format is the same on every device, for it is tried here.

    Raises:
        NetworkError: it can be run in none, or should not be.
    """
    try:
        run = Rehearsal(trial, CPU, weights)
        run.begin()
        return trial, run
    except PassError as raised:
        other = with_facts(trial, contiguous=True)
        try:
            run = Rehearsal(other, CPU, weights)
            run.begin()
        except PassError:
            raise raised from None
        return other, run


def with_head(run: Rehearsal) -> Trial:
    """The trial, with the name of the layer that makes the logits where another is registered last.

    Raises:
        NetworkError: there is none, and the trial needs to know which it is.
    """
    trial = run.trial
    if run.head is None and trial.uses_head:
        raise NetworkError(
            f"model: none of the Linear and Conv2d layers of {trial.model.name} makes its logits, "
            "so it has no head to be drawn anew or trained alone; let its last layer be one"
        )
    if run.head is None or run.head == named_head(run.network)[0]:
        return trial
    name = run.head.removeprefix("network.") if trial.compute.bfloat16 else run.head
    return with_facts(trial, head=name)


def with_facts(trial: Trial, **found: object) -> Trial:
    """The trial, with so much more known of its network."""
    facts = trial.model.facts.model_copy(update=found)
    return trial.model_copy(update={"model": trial.model.model_copy(update={"facts": facts})})
