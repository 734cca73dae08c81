"""What the sections of a trial have in common: frozen, no unknown field, numbers finite."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

Number = Annotated[float, AfterValidator(lambda x: x + 0.0)]  # −0 is 0, in the id too


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
