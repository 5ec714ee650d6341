"""Part: the model that all parts of a summary are made of."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a summary: no field but its own, and none changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
