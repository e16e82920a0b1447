"""Plain data that is computed once and read by pages, charts and the API."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """A record whose fields never change."""

    model_config = ConfigDict(frozen=True)
