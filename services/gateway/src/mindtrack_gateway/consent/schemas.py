"""Invitations, grants and accesses as people and clinicians see and write them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mindtrack_gateway.access import Caller
from mindtrack_gateway.words import one_line
from mindtrack_shared.db.models import AccessEvent, Grant, Invitation
from mindtrack_shared.domain.access_events import Outcome
from mindtrack_shared.domain.grants import (
    CODE_DAYS,
    GRANT_DAYS,
    LONGEST_PURPOSE,
    MOST_CODE_DAYS,
    MOST_GRANT_DAYS,
    GrantState,
    InvitationState,
    RevokedBy,
    Scope,
    UseContext,
    Validity,
    invitation_state,
)

#: Longer than any way to write a code.
LONGEST_CODE = 64


def _each_once(scopes: list[Scope]) -> list[Scope]:
    return sorted(set(scopes))


class NewInvitation(BaseModel):
    """What a clinician shall be allowed, for what, and for how long."""

    model_config = ConfigDict(extra="forbid")

    scopes: Annotated[
        list[Scope],
        Field(min_length=1, max_length=16, description="What the grant will open."),
        AfterValidator(_each_once),
    ]
    purpose: Annotated[
        str,
        Field(
            min_length=1,
            max_length=LONGEST_PURPOSE,
            description="What it is for, in words that both sides see.",
            examples=["Weekly sessions with Dr. Nightingale"],
        ),
        AfterValidator(one_line),
    ]
    use_context: Annotated[
        UseContext, Field(description="Where it is used. `workplace` and `education` are refused.")
    ]
    grant_days: Annotated[
        int,
        Field(
            strict=True,
            ge=1,
            le=MOST_GRANT_DAYS,
            description="How long the grant will hold from when it is redeemed.",
        ),
    ] = GRANT_DAYS
    code_days: Annotated[
        int, Field(strict=True, ge=1, le=MOST_CODE_DAYS, description="How long the code can be redeemed.")
    ] = CODE_DAYS


class InvitationView(BaseModel):
    id: UUID
    state: Annotated[
        InvitationState,
        Field(
            description="`open` can be redeemed. `redeemed` became a grant. `withdrawn` and `expired` opened "
            "nothing."
        ),
    ]
    scopes: list[Scope]
    purpose: str
    use_context: UseContext
    grant_days: int
    created_at: datetime
    expires_at: Annotated[datetime, Field(description="Until then, the code can be redeemed.")]
    redeemed_at: datetime | None
    clinician_id: Annotated[UUID | None, Field(description="Who redeemed it.")]
    withdrawn_at: datetime | None

    @classmethod
    def of(cls, row: Invitation, now: datetime, purpose: str, **more: str) -> Self:
        return cls(
            id=row.id,
            state=invitation_state(
                now,
                expires_at=row.expires_at,
                redeemed=row.redeemed_at is not None,
                withdrawn=row.withdrawn_at is not None,
            ),
            scopes=[Scope(scope) for scope in row.scopes],
            purpose=purpose,
            use_context=UseContext(row.use_context),
            grant_days=row.grant_days,
            created_at=row.created_at,
            expires_at=row.expires_at,
            redeemed_at=row.redeemed_at,
            clinician_id=row.redeemed_by,
            withdrawn_at=row.withdrawn_at,
            **more,
        )


class CreatedInvitation(InvitationView):
    code: Annotated[
        str,
        Field(description="Tell it to the clinician. Shown this once.", examples=["7K3M-9QXD-2HVT-4B8N"]),
    ]


class InvitationPage(BaseModel):
    items: list[InvitationView]
    #: Pass it as `cursor` to go on; null on the last page.
    next_cursor: str | None


class Code(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: Annotated[
        str,
        Field(
            min_length=1,
            max_length=LONGEST_CODE,
            description="As it was told, in either case, with or without hyphens. O stands for 0, I and L "
            "for 1.",
            examples=["7K3M-9QXD-2HVT-4B8N"],
        ),
    ]


class GrantView(BaseModel):
    id: UUID
    #: The person.
    user_id: UUID
    clinician_id: UUID
    you_are: Annotated[Literal["person", "clinician"], Field(description="On which side of it you stand.")]
    state: Annotated[GrantState, Field(description="Only a `live` one opens anything.")]
    scopes: list[Scope]
    purpose: str
    use_context: UseContext
    granted_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: Annotated[
        RevokedBy | None,
        Field(
            description="`person`: taken back. `clinician`: given back. `replacement`: the person gave the "
            "clinician a newer one."
        ),
    ]

    @classmethod
    def of(cls, row: Grant, now: datetime, purpose: str, caller: Caller) -> Self:
        return cls(
            id=row.id,
            user_id=row.user_id,
            clinician_id=row.clinician_id,
            you_are="person" if row.user_id == caller.id else "clinician",
            state=Validity(row.granted_at, row.expires_at, row.revoked_at).state(now),
            scopes=[Scope(scope) for scope in row.scopes],
            purpose=purpose,
            use_context=UseContext(row.use_context),
            granted_at=row.granted_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            revoked_by=RevokedBy(row.revoked_by) if row.revoked_by else None,
        )


class GrantPage(BaseModel):
    items: list[GrantView]
    #: Pass it as `cursor` to go on; null on the last page.
    next_cursor: str | None


class AccessView(BaseModel):
    """One time that somebody read, or tried to read, what is yours."""

    id: UUID
    at: datetime
    clinician_id: UUID
    grant_id: Annotated[
        UUID | None,
        Field(
            description="By which it was allowed; of a refusal, the last you gave them. Null where somebody "
            "read in an emergency."
        ),
    ]
    reason: Annotated[str | None, Field(description="Why somebody read in an emergency, in their words.")]
    #: Not an enumeration: newer releases have other operations.
    action: Annotated[str, Field(description="The operation's id in this interface.", examples=["getTrends"])]
    outcome: Annotated[
        Outcome,
        Field(
            description="`refused`: the grant did not open it, or not any more; they were told that there is "
            "nothing."
        ),
    ]

    @classmethod
    def of(cls, row: AccessEvent, reason: str | None) -> Self:
        return cls(
            id=row.id,
            at=row.at,
            clinician_id=row.actor_id,
            grant_id=row.grant_id,
            reason=reason,
            action=row.action,
            outcome=Outcome(row.outcome),
        )


class AccessPage(BaseModel):
    items: list[AccessView]
    #: Pass it as `cursor` to go on; null on the last page.
    next_cursor: str | None
