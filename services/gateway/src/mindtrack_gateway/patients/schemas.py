"""A clinician's persons, as far as each of them granted it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import Row

from mindtrack_gateway.trends.schemas import NOTICE
from mindtrack_gateway.words import one_line
from mindtrack_shared.domain.notes import LONGEST_LABEL
from mindtrack_shared.domain.patients import RECENT_DAYS
from mindtrack_shared.domain.trends import Direction, Status


class OpenAlertsView(BaseModel):
    count: int
    oldest_since: Annotated[datetime | None, Field(description="When the first of them opened.")]


class PatientView(BaseModel):
    """A person who granted something. What their grant does not open is null."""

    user_id: UUID
    label: Annotated[str | None, Field(description="Your own word for them.")]
    #: Not the enumerations: newer releases may know others.
    status: Annotated[
        str | None,
        Field(
            description=f"Of the stress score, by `trends`: {', '.join(f'`{each}`' for each in Status)}. "
            "Null with a grant of `trends`: nobody has looked yet."
        ),
    ]
    direction: Annotated[
        str | None, Field(description=f"By `trends`: {', '.join(f'`{each}`' for each in Direction)}.")
    ]
    seven_day_z: Annotated[
        float | None,
        Field(
            description="By `trends`: mean of the last seven days, in the person's own standard deviations."
        ),
    ]
    as_of: Annotated[date | None, Field(description="By `trends`: the person's day that this is of.")]
    recent: Annotated[
        list[float | None] | None,
        Field(
            min_length=RECENT_DAYS,
            max_length=RECENT_DAYS,
            description=f"By `trends`: the stress score of each of the last {RECENT_DAYS} days up to "
            "`as_of`, oldest first, in the person's own standard deviations from their usual. Null for a day "
            "without a recording that could be judged. All of it is null until somebody has looked.",
        ),
    ]
    last_recorded_at: Annotated[
        datetime | None, Field(description="By `trends`: the newest recording that counts.")
    ]
    alerts: Annotated[OpenAlertsView | None, Field(description="By `alerts`: those that are open.")]
    grant_id: UUID
    scopes: list[str]
    expires_at: Annotated[datetime, Field(description="When the grant ends.")]

    @classmethod
    def of(cls, row: Row[Any], label: str | None) -> Self:
        alerts = row.alerts
        return cls(
            user_id=row.user_id,
            label=label,
            status=row.status,
            direction=row.direction,
            seven_day_z=row.seven_day_z,
            as_of=row.as_of,
            recent=row.recent,
            last_recorded_at=row.last_recorded_at,
            alerts=None if alerts is None else OpenAlertsView(count=alerts, oldest_since=row.oldest_alert),
            grant_id=row.grant_id,
            scopes=row.scopes,
            expires_at=row.expires_at,
        )


class PatientPage(BaseModel):
    items: list[PatientView]
    #: Pass it as `cursor` to go on; null on the last page.
    next_cursor: str | None
    notice: str = NOTICE


class OverviewAlerts(BaseModel):
    persons: Annotated[int, Field(description="Who have at least one open alert.")]
    open: Annotated[int, Field(description="Open alerts, of all of them together.")]
    oldest_since: datetime | None
    not_granted: Annotated[int, Field(description="Persons whose alerts you may not see.")]


class OverviewView(BaseModel):
    persons: Annotated[int, Field(description="Of whom you have a live grant.")]
    by_status: dict[str, int]
    by_direction: dict[str, int]
    not_evaluated: Annotated[int, Field(description="Whose trend nobody has looked at yet.")]
    trends_not_granted: Annotated[
        int, Field(description="Whose trends you may not see: in none of the counts above, nor in `silent`.")
    ]
    silent: Annotated[int, Field(description="Without a recording that counts in the last `silent_days`.")]
    silent_days: int
    alerts: OverviewAlerts
    notice: str = NOTICE

    @classmethod
    def of(cls, row: Row[Any], *, silent_days: int) -> Self:
        counted = row._mapping  # noqa: SLF001 - SQLAlchemy's, and public
        return cls(
            persons=row.persons,
            by_status={status.value: counted[status.value] for status in Status},
            by_direction={direction.value: counted[direction.value] for direction in Direction},
            not_evaluated=row.not_evaluated,
            trends_not_granted=row.trends_not_granted,
            silent=row.silent,
            silent_days=silent_days,
            alerts=OverviewAlerts(
                persons=row.with_open_alerts,
                open=row.open_alerts,
                oldest_since=row.oldest_alert,
                not_granted=row.alerts_not_granted,
            ),
        )


class Label(BaseModel):
    """A clinician's own word for a person."""

    model_config = ConfigDict(extra="forbid")

    label: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=LONGEST_LABEL,
            description="Null takes it away. Shown to nobody but you; no place for findings.",
            examples=["Tuesdays, 10:30"],
        ),
        AfterValidator(one_line),
    ]


class LabelView(BaseModel):
    user_id: UUID
    label: str | None
