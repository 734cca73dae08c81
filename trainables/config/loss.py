"""The loss that the task is trained with, where it is not cross-entropy.

| name              | of a target with probability p       | source                              |
|-------------------|--------------------------------------|-------------------------------------|
| `label_smoothing` | cross-entropy with (1 − a)·y + a / K | Szegedy et al. 2016, amount a = 0.1 |
| `focal`           | −(1 − p)^γ · log p                   | Lin et al. 2017; for calibration    |
|                   |                                      | Mukhoti et al. 2020, γ = 3          |

y is the target's one-hot vector of K classes. `loss: focal` is short for `loss: {name: focal}`,
with the source's number.
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from trainables.config.base import Frozen, Number

_NUMBERS = {"label_smoothing": ("amount", 0.1), "focal": ("gamma", 3.0)}


class Loss(Frozen):
    name: Literal["label_smoothing", "focal"]
    amount: Number | None = Field(None, ge=0, lt=1)  # of label_smoothing
    gamma: Number | None = Field(None, ge=0)  # of focal

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        known = _NUMBERS.get(value["name"]) if _is_named(value) else None
        if known is not None and value.get(known[0]) is None:
            value = value | {known[0]: known[1]}
        return value

    @model_validator(mode="after")
    def _its_own_number(self) -> Self:
        own, _ = _NUMBERS[self.name]
        for other in {"amount", "gamma"} - {own}:
            if getattr(self, other) is not None:
                raise ValueError(f"{other}: {self.name} has none; leave it out, or give {own}")
        return self


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)
