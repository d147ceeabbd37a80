"""What a person wants to be notified of, as they write and read it."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from mindtrack_gateway.moments import NO_ZONE, is_zone
from mindtrack_shared.db.models import NotificationAddress, NotificationPreferences
from mindtrack_shared.domain.notifications import (
    LONGEST_ADDRESS,
    MOST_ADDRESSES,
    QUIET_BEGIN,
    QUIET_END,
    Channel,
    amiss,
)

CLOCK = "%H:%M"


def _known(zone: str) -> str:
    if not is_zone(zone):
        raise PydanticCustomError("time_zone", NO_ZONE)
    return zone


Clock = Annotated[
    str,
    StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$"),
    Field(description="By the person's clock.", examples=["21:00"]),
]


class QuietHoursView(BaseModel):
    """When nothing is sent. They may pass midnight; equal times mean that no hour is quiet."""

    model_config = ConfigDict(extra="forbid")

    begin: Clock = QUIET_BEGIN.strftime(CLOCK)
    end: Clock = QUIET_END.strftime(CLOCK)

    @classmethod
    def of(cls, row: NotificationPreferences) -> Self:
        return cls(begin=row.quiet_begin.strftime(CLOCK), end=row.quiet_end.strftime(CLOCK))

    @property
    def times(self) -> tuple[time, time]:
        return time.fromisoformat(self.begin), time.fromisoformat(self.end)


class AddressView(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channel: Channel
    address: Annotated[
        str,
        StringConstraints(min_length=1, max_length=LONGEST_ADDRESS),
        Field(
            description="An e-mail address; or, for `push`, the topic that your app listens to: 16 to 64 "
            "letters, digits, hyphens or underscores. Whoever knows it can listen, so let it be random.",
            examples=["ada@example.org"],
        ),
    ]

    @classmethod
    def of(cls, row: NotificationAddress) -> Self:
        return cls(channel=Channel(row.channel), address=row.address)

    @model_validator(mode="after")
    def _is_one_of_its_channel(self) -> Self:
        if why := amiss(self.channel, self.address):
            raise PydanticCustomError("address", why)
        return self


class NotificationWishes(BaseModel):
    """All of what a person wants: what is left out goes back to how it was at first."""

    model_config = ConfigDict(extra="forbid")

    enabled: Annotated[bool, Field(description="Nobody is notified who did not ask for it.")] = False
    addresses: Annotated[list[AddressView], Field(max_length=MOST_ADDRESSES)] = []
    quiet_hours: QuietHoursView = QuietHoursView()
    time_zone: Annotated[
        str | None,
        StringConstraints(max_length=64),
        Field(description="Of the quiet hours. Null: that of your newest recording."),
        AfterValidator(lambda zone: zone if zone is None else _known(zone)),
    ] = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if self.enabled and not self.addresses:
            raise PydanticCustomError("addresses", "`enabled` needs at least one address")
        return self

    @property
    def each(self) -> list[tuple[Channel, str]]:
        """Addresses, each once, in the order in which they came."""
        return list(dict.fromkeys((known.channel, known.address) for known in self.addresses))


class NotificationsView(BaseModel):
    enabled: bool
    addresses: list[AddressView]
    quiet_hours: QuietHoursView
    time_zone: str | None
    channels: Annotated[list[Channel], Field(description="By which this installation notifies.")]

    @classmethod
    def of(cls, row: NotificationPreferences | None, channels: tuple[Channel, ...]) -> Self:
        """Tell what a person wants; of who never said, nothing."""
        if row is None:
            return cls(
                enabled=False,
                addresses=[],
                quiet_hours=QuietHoursView(),
                time_zone=None,
                channels=list(channels),
            )
        return cls(
            enabled=row.enabled,
            addresses=[AddressView.of(each) for each in row.addresses],
            quiet_hours=QuietHoursView.of(row),
            time_zone=row.time_zone,
            channels=list(channels),
        )


class TestView(BaseModel):
    """A message on its way to one address."""

    id: UUID
    channel: Channel
    address: str


class TestList(BaseModel):
    items: list[TestView]
