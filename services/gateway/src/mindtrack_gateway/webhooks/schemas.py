"""Webhooks as their owner sees and writes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from mindtrack_shared.db.models import WebhookDelivery, WebhookEndpoint
from mindtrack_shared.domain.webhooks import (
    AttemptError,
    DeliveryState,
    DisabledReason,
    WebhookEvent,
    WebhookStatus,
    secret_text,
)
from mindtrack_shared.outbound import LONGEST_URL

Subscribed = Literal[
    WebhookEvent.JOB_SUCCEEDED,
    WebhookEvent.JOB_REJECTED,
    WebhookEvent.JOB_FAILED,
    WebhookEvent.JOB_CANCELED,
    WebhookEvent.ALERT_OPENED,
    WebhookEvent.ALERT_ENDED,
]


def _each_once(events: list[Subscribed]) -> list[Subscribed]:
    return sorted(set(events))


Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_URL),
    Field(
        description="Where to post: https, on a host with public addresses.",
        examples=["https://example.org/hook"],
    ),
]
Events = Annotated[
    list[Subscribed],
    Field(min_length=1, max_length=16, description="What to be told."),
    AfterValidator(_each_once),
]
#: Postgres takes no NUL.
Description = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$"),
    Field(description="For yourself."),
]


Secret = Annotated[
    str,
    Field(description="Signs every message. Shown this once.", examples=["whsec_C2FVsBQIhrscChlQIM..."]),
]


class NewWebhook(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Url
    events: Events
    description: Description | None = None


class WebhookChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    #: Defaults stand for "left out" and are never read.
    url: Url = ""
    events: Events = []
    description: Description | None = None
    status: Annotated[
        WebhookStatus,
        Field(description="`disabled` gives up what waits to be delivered; `enabled` begins afresh."),
    ] = WebhookStatus.ENABLED

    def values(self) -> dict[str, Any]:
        """Return what is to be changed, by column."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class WebhookView(BaseModel):
    id: UUID
    url: str
    description: str | None
    events: list[WebhookEvent]
    status: WebhookStatus
    disabled_reason: Annotated[
        DisabledReason | None,
        Field(
            description="`owner`: by you. `gone`: it answered 410. `failing`: it took nothing for five days."
        ),
    ]
    failing_since: Annotated[
        datetime | None,
        Field(description="When the first of the attempts failed that have failed ever since."),
    ]
    previous_secret_expires_at: Annotated[
        datetime | None, Field(description="Until then, the secret before the last rotation signs as well.")
    ]
    created_at: datetime

    @classmethod
    def of(cls, row: WebhookEndpoint) -> Self:
        return cls.model_validate(row, from_attributes=True)


class WebhookList(BaseModel):
    items: list[WebhookView]


class SecretView(BaseModel):
    secret: Secret
    previous_secret_expires_at: datetime | None

    @classmethod
    def of_secret(cls, secret: bytes, previous_expires_at: datetime | None) -> Self:
        return cls(secret=secret_text(secret), previous_secret_expires_at=previous_expires_at)


class CreatedWebhook(WebhookView):
    secret: Secret

    @classmethod
    def with_secret(cls, row: WebhookEndpoint) -> Self:
        return cls(**WebhookView.of(row).model_dump(), secret=secret_text(row.secret))


class AttemptView(BaseModel):
    """One attempt. A number that is missing: we ended before we knew what came of it."""

    number: int
    at: datetime
    status_code: Annotated[int | None, Field(description="Of the answer.")]
    error: Annotated[AttemptError | None, Field(description="Why there was none.")]
    seconds: float


class DeliveryView(BaseModel):
    id: Annotated[UUID, Field(description="The message's `webhook-id`, the same in every attempt.")]
    event: WebhookEvent
    job_id: UUID | None
    alert_id: UUID | None
    state: DeliveryState
    created_at: datetime
    next_attempt_at: datetime | None
    finished_at: datetime | None
    attempts: list[AttemptView]

    @classmethod
    def of(cls, row: WebhookDelivery) -> Self:
        return cls.model_validate(row, from_attributes=True)


class DeliveryPage(BaseModel):
    items: list[DeliveryView]
    #: Pass it as `cursor` to go on; null on the last page.
    next_cursor: str | None
