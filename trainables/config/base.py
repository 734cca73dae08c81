"""What the sections of a trial have in common: frozen, no unknown field, numbers finite.

Nothing here or in a section needs PyTorch: a wrong field is told of at once.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

Kind = Literal["classification", "segmentation", "language"]  # of a task
Initialisation = Literal["he", "xavier", "orthogonal", "pytorch"]  # of a network's weights
Number = Annotated[float, AfterValidator(lambda x: x + 0.0)]  # −0 is 0, in the id too


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
