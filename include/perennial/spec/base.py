"""What all parts of a spec have in common."""

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """Base of every part of a spec: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
