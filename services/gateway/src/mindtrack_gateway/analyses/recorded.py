"""Narrow analyses down to recordings of a time."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mindtrack_gateway.moments import Moment
from mindtrack_gateway.problems import InvalidRequestError


class RecordedQuery(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    recorded_after: Annotated[
        Moment | None, Field(description="Recorded then or later; RFC 3339 with an offset from UTC.")
    ] = None
    recorded_before: Annotated[Moment | None, Field(description="Recorded earlier than that.")] = None


def check_moments(asked: RecordedQuery) -> None:
    """Refuse a time that ends before it starts.

    Raises:
        InvalidRequestError: it does.

    """
    if asked.recorded_after and asked.recorded_before and asked.recorded_before <= asked.recorded_after:
        raise InvalidRequestError.about("query.recorded_before", "must lie after `recorded_after`")
