"""Who read, wrote or was refused what, and how that is sealed; emergencies; keys of services."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from mindtrack_shared.db.models.base import SHA256_BYTES, Base, one_of, quoted
from mindtrack_shared.domain.access_events import LONGEST_ACTION, ActorRole, MarkKind, Outcome
from mindtrack_shared.domain.emergencies import LASTS, LONGEST_REASON, SHORTEST_REASON
from mindtrack_shared.domain.service_keys import ID_LENGTH, LONGEST_SERVICE, MOST_KEY_DAYS, KeyScope
from mindtrack_shared.ids import new_id


class AccessEvent(Base):
    """Who read, or tried to read, what is somebody else's, and who changed or took out their own.

    Rows are added, and nothing else.

    Its ids are no foreign keys: a log neither keeps rows from being deleted nor goes with them.
    """

    __tablename__ = "access_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    actor_id: Mapped[UUID]
    #: `ActorRole`.
    actor_role: Mapped[str]
    #: Whose it is; null where there is no such person.
    subject_id: Mapped[UUID | None]
    #: By which it was allowed; of what was refused, the last that there was, if any.
    grant_id: Mapped[UUID | None]
    #: Instead of a grant, by which it was allowed.
    emergency_id: Mapped[UUID | None]
    #: The operation's id in the interface.
    action: Mapped[str]
    #: `Outcome`.
    outcome: Mapped[str]
    #: As in the log and the answer.
    request_id: Mapped[UUID | None]

    __table_args__ = (
        one_of("actor_role", ActorRole),
        one_of("outcome", Outcome),
        # A name: there is no room for anything else.
        CheckConstraint(f"action ~ '^[a-zA-Z]{{1,{LONGEST_ACTION}}}$'", name="action_is_a_name"),
        # Whoever reads a list of their own names nobody; each person who is in it has a line of their own.
        CheckConstraint(
            "outcome = 'refused' or grant_id is not null or emergency_id is not null or subject_id is null"
            " or (actor_role = 'self' and subject_id = actor_id)",
            name="allowed_by_a_grant",
        ),
        CheckConstraint("grant_id is null or subject_id is not null", name="grant_of_a_person"),
        # What a person is told.
        Index(
            "ix_access_events_told",
            "subject_id",
            "id",
            postgresql_where=text("grant_id is not null or emergency_id is not null"),
        ),
    )


class AccessUnsealed(Base):
    """That an access event is not in the chain yet. A trigger adds the row, in the event's transaction."""

    __tablename__ = "access_unsealed"

    event_id: Mapped[UUID] = mapped_column(primary_key=True)


class AccessSeal(Base):
    """A link of the chain over access events. Rows are added, and removed by retention alone.

    `mac` is over the link before and all columns of the event, by a key that the database does not know.
    """

    __tablename__ = "access_seals"

    #: From 1 on, without gaps.
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[UUID] = mapped_column(unique=True)
    sealed_at: Mapped[datetime]
    key_id: Mapped[str]
    mac: Mapped[bytes]

    __table_args__ = (
        CheckConstraint("seq > 0", name="seq_positive"),
        CheckConstraint(f"octet_length(mac) = {SHA256_BYTES}", name="mac_length"),
    )


class AccessMark(Base):
    """Something that was rightly done to the chain as a whole, under its own mac. Rows are added."""

    __tablename__ = "access_marks"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    #: `MarkKind`.
    kind: Mapped[str]
    at: Mapped[datetime]
    #: The last link that was forgotten, or that was there after a restore; and its mac.
    seq: Mapped[int] = mapped_column(BigInteger)
    seal: Mapped[bytes]
    key_id: Mapped[str]
    mac: Mapped[bytes]

    __table_args__ = (
        one_of("kind", MarkKind),
        CheckConstraint("seq >= 0", name="seq_not_negative"),
        CheckConstraint(f"octet_length(mac) = {SHA256_BYTES}", name="mac_length"),
    )


class Emergency(Base):
    """That somebody opened a person's data without a grant, and why. Rows are added, and nothing else.

    As in `AccessEvent`, ids are no foreign keys.
    """

    __tablename__ = "emergencies"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    actor_id: Mapped[UUID]
    #: Whose data.
    user_id: Mapped[UUID]
    #: In the actor's words. The person is told.
    reason: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    expires_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("actor_id <> user_id", name="of_another"),
        CheckConstraint(
            f"length(reason) between {SHORTEST_REASON} and {LONGEST_REASON} and reason !~ '[[:cntrl:]]'",
            name="reason_bounded",
        ),
        CheckConstraint(
            f"expires_at > opened_at and expires_at - opened_at <= interval '{LASTS.seconds} seconds'",
            name="expires_soon",
        ),
        Index("ix_emergencies_actor_id_user_id_id", "actor_id", "user_id", "id"),
    )


class ServiceKey(Base):
    """A key by which a system calls us. Never deleted: rows say which keys there were, and until when."""

    __tablename__ = "service_keys"

    #: Random, and no secret.
    id: Mapped[str] = mapped_column(primary_key=True)
    #: The system that has it.
    service: Mapped[str]
    secret_sha256: Mapped[bytes]
    #: Values of `KeyScope`.
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(server_default=func.statement_timestamp())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    #: To the minute.
    last_used_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(f"id ~ '^[0-9a-f]{{{ID_LENGTH}}}$'", name="id_form"),
        CheckConstraint(f"service ~ '^[a-z][a-z0-9-]{{0,{LONGEST_SERVICE - 1}}}$'", name="service_form"),
        CheckConstraint(f"octet_length(secret_sha256) = {SHA256_BYTES}", name="secret_sha256_length"),
        CheckConstraint(
            f"cardinality(scopes) > 0 and scopes <@ array[{quoted(KeyScope)}]", name="scopes_known"
        ),
        CheckConstraint(
            f"expires_at > created_at and expires_at - created_at <= interval '{MOST_KEY_DAYS} days'",
            name="expires_in_time",
        ),
        Index("ix_service_keys_service", "service"),
    )
