"""How many examples a trial asks for, held against how many there are.

A refusal names every field that asks for too much at once, with values that would be accepted
together: what is held out for validation is not there for training, and the classes of a balanced
subset are as large as the rarest.
"""

from dataclasses import dataclass

import torch

from sweep.errors import InputError
from trainables.config.trial import Data
from trainables.data.examples import Source
from trainables.data.splits import available_labels, of_classes


def check_amounts(data: Data, source: Source, ood: Source | None) -> None:
    """That there is as much of everything as the trial asks for.

    Args:
        source, ood: as they were loaded, with all their classes.

    Raises:
        InputError: there is not; it says what would be accepted.
    """
    there = _There(data, of_classes(source, data.classes), ood)
    possible = there.possible()
    short = {field: most for field, most in possible.items() if most < getattr(data, field)}
    if not short:
        return
    if len(short) == 1:
        field, most = next(iter(short.items()))
        raise InputError(
            f"data.{field}: {getattr(data, field)} asked for{there.why(field)}; give at most {most}"
        )
    asked = ", ".join(f"data.{field} {getattr(data, field)}" for field in short)
    remedy = " ".join(f"--set data.{field}={most}" for field, most in short.items())
    raise InputError(f"{asked}: {there.described()}; this much is there: {remedy}")


@dataclass(frozen=True)
class _There:
    data: Data
    source: Source  # its classes
    ood: Source | None

    def possible(self) -> dict[str, int]:
        """Field → what is accepted in place of what is asked for; fields left open are not in it.

        Raises:
            InputError: there is not enough for any value.
        """
        validation = self._validation()
        possible = {"validation": validation, "examples": self._examples(validation)}
        if self.data.test is not None:
            possible["test"] = min(self.data.test, len(self.source.test))
        if self.ood is not None and self.data.ood_examples is not None:
            possible["ood_examples"] = min(self.data.ood_examples, len(self.ood.test))
        return possible

    def _validation(self) -> int:
        """As it is asked for where it takes no more than half, and all but the examples to train on
        where these do; else its share of all that was asked for."""
        data, training = self.data, len(self.source.train)
        if self.source.validation is not None:
            self._at_least(1, len(self.source.validation), "validation")
            return min(data.validation, len(self.source.validation))
        self._at_least(3, training, "training")  # one is held out, two are trained on
        if data.validation + data.examples <= training or 2 * data.validation <= training:
            return data.validation
        if 2 * data.examples <= training:
            return min(data.validation, training - data.examples)
        share = round(training * data.validation / (data.validation + data.examples))
        return min(max(share, 1), training - 2, data.validation)

    def _examples(self, validation: int) -> int:
        labels = available_labels(self.source, validation)
        self._at_least(2, len(labels), "training")
        self._at_least(1, len(self.source.test), "test")
        if not (self.data.balanced and self.source.kind == "classification"):
            return min(self.data.examples, len(labels))
        counts = torch.bincount(labels, minlength=self.source.classes)
        if not counts.min():
            raise InputError(
                f"data.balanced: of {self._name}, class {self.source.class_names[counts.argmin()]} "
                "has no example to train on; leave it out, or give more examples of that class"
            )
        return min(self.data.examples, int(counts.min()) * self.source.classes)

    def _at_least(self, least: int, there: int, split: str) -> None:
        if there < least:
            raise InputError(
                f"data.source: {self._name} has {there} {split} examples; give at least {least}"
            )

    def why(self, field: str) -> str:
        """What there is for the one field that asks for too much."""
        if field == "ood_examples":
            return f", {self.data.ood} has {len(self.ood.test) if self.ood else 0}"
        if field == "test":
            return f", {self._name} has {len(self.source.test)}"
        if field == "validation" and self.source.validation is not None:
            return f", {self._name} has {len(self.source.validation)}"
        labels = available_labels(self.source, self._validation())
        if field == "examples" and self.data.examples <= len(labels):  # balanced ones
            rarest = int(torch.bincount(labels, minlength=self.source.classes).min())
            return (
                f" with data.balanced, the rarest class of {self._name} has {rarest} "
                f"of {len(labels)}"
            )
        if field == "examples":
            return f", {self._name} has {len(labels)}"
        return (
            f", {self._name} has {len(self.source.train)} to train on, "
            f"of which {self.data.examples} are asked for"
        )

    def described(self) -> str:
        splits = {
            "training": len(self.source.train),
            "validation": None if self.source.validation is None else len(self.source.validation),
            "test": len(self.source.test),
        }
        counts = [f"{count} {split}" for split, count in splits.items() if count is not None]
        text = f"{self._name} has {', '.join(counts)} examples"
        if self.ood is not None:
            text += f", {self.data.ood} {len(self.ood.test)}"
        return text

    @property
    def _name(self) -> str:
        whole = self.data.classes is None
        return self.data.source if whole else f"{self.data.source} of {self.data.classes} classes"
