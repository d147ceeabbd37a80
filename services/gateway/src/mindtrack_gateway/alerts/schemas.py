"""A person's alerts as the API tells them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from mindtrack_gateway.trends.schemas import NOTICE
from mindtrack_shared.db.models import Alert
from mindtrack_shared.domain.trends import End, Measure, Message, Reader, ended, opened

#: Where the rule is explained, with how often it is wrong about simulated people.
ABOUT = "docs/trends.md"


class MessageView(BaseModel):
    """Words for whoever reads it: calm, and without a diagnosis."""

    title: str
    body: str
    meaning: Annotated[str, Field(description="What it does not mean. Show it with the rest.")]

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(title=message.title, body=message.body, meaning=message.meaning)


class ReasonView(BaseModel):
    """Why an alert opened: what was compared, with what, and by which rule."""

    rule: str
    rule_version: str
    method: str
    method_version: str
    bundle_revision: Annotated[str, Field(description="Of the model. Days of other models are not compared.")]
    values: Annotated[
        dict[str, float],
        Field(
            description="What was found, in the person's own standard deviations: `ewma` the moving average, "
            "`recent_z` the mean of the last seven days; or in days."
        ),
    ]
    thresholds: Annotated[
        dict[str, float], Field(description="What each of them had to reach, by the same names.")
    ]
    recordings: Annotated[int, Field(description="Of the days from `first_day` to `last_day`.")]
    recording_days: int
    first_day: date
    last_day: date
    since: Annotated[date, Field(description="Since when the moving average has been raised.")]
    baseline_days: Annotated[int, Field(description="Recording days that the usual range came from.")]
    baseline_first_day: date
    baseline_last_day: date


class AlertView(BaseModel):
    """A sustained rise beside the person's own usual range: while it lasts, and afterwards."""

    id: UUID
    measure: Measure
    open: bool
    opened_at: datetime
    opened_on: Annotated[date, Field(description="The day where the person was, as are all days here.")]
    opening: Annotated[MessageView | None, Field(description="Null where the reason is.")]
    reason: Annotated[
        ReasonView | None, Field(description="Null once recordings that it came from were deleted.")
    ]
    acknowledged_at: Annotated[datetime | None, Field(description="When somebody said that they saw it.")]
    acknowledged_by: Reader | None
    ended_at: datetime | None
    ended_on: date | None
    ended_why: Annotated[
        End | None,
        Field(
            description="`settled`: within the usual range again. `silent`: no recordings for two weeks. "
            "`nothing_to_compare`: another model, or the recordings were deleted."
        ),
    ]
    ending: MessageView | None
    about: Annotated[str, Field(description="What is known of how often the rule is wrong.")] = ABOUT
    notice: str = NOTICE

    @classmethod
    def of(cls, row: Alert, reader: Reader) -> Self:
        reason = None if row.reason is None else ReasonView.model_validate(row.reason)
        measure, why = Measure(row.measure), None if row.ended_why is None else End(row.ended_why)
        said = (
            None if reason is None else opened(measure, since=reason.since, on=row.opened_on, reader=reader)
        )
        return cls(
            id=row.id,
            measure=measure,
            open=row.ended_at is None,
            opened_at=row.opened_at,
            opened_on=row.opened_on,
            opening=None if said is None else MessageView.of(said),
            reason=reason,
            acknowledged_at=row.acknowledged_at,
            acknowledged_by=_seen_by(row),
            ended_at=row.ended_at,
            ended_on=row.ended_on,
            ended_why=why,
            ending=None if why is None else MessageView.of(ended(why, reader=reader)),
        )


def _seen_by(row: Alert) -> Reader | None:
    if row.acknowledged_by is None:
        return None
    return Reader.PERSON if row.acknowledged_by == row.user_id else Reader.CLINICIAN


class AlertPage(BaseModel):
    items: list[AlertView]
    next_cursor: Annotated[
        str | None, Field(description="Pass it as `cursor` to go on; null on the last page.")
    ]
