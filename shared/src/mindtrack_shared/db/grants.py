"""Statements on invitations and grants. Each function builds a query; whoever calls it runs and commits it.

Every time is the database's. Whoever redeems locks the invitation, then the person.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Update, and_, case, func, insert, literal, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.dml import ReturningInsert, ReturningUpdate

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import Grant, Invitation
from mindtrack_shared.domain.grants import RevokedBy, Scope, UseContext
from mindtrack_shared.ids import new_id


def _since(began: ColumnElement[datetime] | InstrumentedAttribute[datetime]) -> ColumnElement[datetime]:
    """Now, and not before something began, should the clock have been set back: an end must not fail."""
    return func.greatest(began, now())


# --- inviting -------------------------------------------------------------------------------------------


def _open() -> ColumnElement[bool]:
    return and_(
        Invitation.redeemed_at.is_(None), Invitation.withdrawn_at.is_(None), Invitation.expires_at > now()
    )


def count_open(user_id: UUID) -> Select[int]:
    return select(func.count()).where(Invitation.user_id == user_id, _open())


def invite(  # noqa: PLR0913 - what a row is made of
    invitation_id: UUID,
    user_id: UUID,
    code_sha256: bytes,
    *,
    scopes: Collection[Scope],
    purpose: str,
    use_context: UseContext,
    grant_days: int,
    code_days: int,
) -> ReturningInsert[Invitation]:
    return (
        insert(Invitation)
        .values(
            id=invitation_id,
            user_id=user_id,
            code_sha256=code_sha256,
            scopes=sorted(scopes),
            purpose=purpose,
            use_context=use_context,
            grant_days=grant_days,
            created_at=now(),
            expires_at=after(timedelta(days=code_days)),
        )
        .returning(Invitation)
    )


def invitations(user_id: UUID, *, limit: int, before: UUID | None = None) -> Select[Invitation, datetime]:
    """A person's invitations, newest first, older than the one `before`; each with what time it is."""
    query = (
        select(Invitation, now())
        .where(Invitation.user_id == user_id)
        .order_by(Invitation.id.desc())
        .limit(limit)
    )
    return query if before is None else query.where(Invitation.id < before)


def invitation(invitation_id: UUID, user_id: UUID) -> Select[Invitation, datetime]:
    """One invitation. A foreign one looks like an unknown one."""
    return select(Invitation, now()).where(Invitation.id == invitation_id, Invitation.user_id == user_id)


def withdraw(invitation_id: UUID, user_id: UUID) -> ReturningUpdate[UUID]:
    """Take an invitation back. No row back means that there is none, or that it is not open any more."""
    return (
        update(Invitation)
        .where(Invitation.id == invitation_id, Invitation.user_id == user_id, _open())
        .values(withdrawn_at=_since(Invitation.created_at))
        .returning(Invitation.id)
    )


def withdraw_all(user_id: UUID) -> Update:
    """Take back what is open; whoever is redeeming one of them is waited for."""
    return (
        update(Invitation)
        .where(Invitation.user_id == user_id, _open())
        .values(withdrawn_at=_since(Invitation.created_at))
    )


# --- redeeming ------------------------------------------------------------------------------------------


def redeem(code_sha256: bytes, clinician_id: UUID) -> ReturningUpdate[UUID, UUID]:
    """Use a code up; return the invitation and its person. No row back: the code opens nothing.

    Of several who come at once, one gets a row.
    """
    return (
        update(Invitation)
        .where(Invitation.code_sha256 == code_sha256, _open(), Invitation.user_id != clinician_id)
        .values(redeemed_at=_since(Invitation.created_at), redeemed_by=clinician_id)
        .returning(Invitation.id, Invitation.user_id)
    )


def replace(user_id: UUID, clinician_id: UUID) -> ReturningUpdate[UUID]:
    """End the grant whose place a new one takes, if there is one; to be run by who locked the person."""
    return (
        update(Grant)
        .where(Grant.user_id == user_id, Grant.clinician_id == clinician_id, Grant.revoked_at.is_(None))
        .values(revoked_at=_since(Grant.granted_at), revoked_by=RevokedBy.REPLACEMENT)
        .returning(Grant.id)
    )


def grant(invitation_id: UUID) -> ReturningInsert[Grant]:
    """Make the grant of an invitation that was redeemed."""
    of = Invitation
    values = {
        "id": literal(new_id()),
        "user_id": of.user_id,
        "clinician_id": of.redeemed_by,
        "invitation_id": of.id,
        "scopes": of.scopes,
        "purpose": of.purpose,
        "use_context": of.use_context,
        "granted_at": now(),
        "expires_at": now() + func.make_interval(0, 0, 0, of.grant_days),
    }
    chosen = select(*values.values()).where(of.id == invitation_id)
    return insert(Grant).from_select(list(values), chosen, include_defaults=False).returning(Grant)


def redeemed(code_sha256: bytes, clinician_id: UUID) -> Select[Grant, datetime]:
    """The live grant that a clinician got for a code: the first answer may have been lost on its way."""
    return (
        select(Grant, now())
        .join(Invitation, Invitation.id == Grant.invitation_id)
        .where(
            Invitation.code_sha256 == code_sha256,
            Invitation.redeemed_by == clinician_id,
            live(),
        )
    )


# --- granted --------------------------------------------------------------------------------------------


def live() -> ColumnElement[bool]:
    return and_(Grant.revoked_at.is_(None), Grant.expires_at > now())


def _between(person: UUID | None, clinician: UUID | None) -> ColumnElement[bool]:
    """Grants by a person, or for a clinician; an absent one stands for nobody."""
    sides = []
    if person is not None:
        sides.append(Grant.user_id == person)
    if clinician is not None:
        sides.append(Grant.clinician_id == clinician)
    return or_(False, *sides)


def grants(
    *,
    person: UUID | None,
    clinician: UUID | None,
    limit: int,
    before: UUID | None = None,
    live_only: bool = False,
) -> Select[Grant, datetime]:
    """Grants by a person and for a clinician, newest first, older than `before`; each with the time now."""
    query = select(Grant, now()).where(_between(person, clinician)).order_by(Grant.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Grant.id < before)
    return query.where(live()) if live_only else query


def one(grant_id: UUID, *, person: UUID | None, clinician: UUID | None) -> Select[Grant, datetime]:
    """One grant, for either side. A foreign one looks like an unknown one."""
    return select(Grant, now()).where(Grant.id == grant_id, _between(person, clinician))


def revoke(grant_id: UUID, *, person: UUID | None, clinician: UUID | None) -> ReturningUpdate[UUID]:
    """End a live grant, for either side. No row back: there is none, or it has ended already."""
    by = case((Grant.user_id == person, RevokedBy.PERSON.value), else_=RevokedBy.CLINICIAN.value)
    return (
        update(Grant)
        .where(Grant.id == grant_id, _between(person, clinician), live())
        .values(revoked_at=_since(Grant.granted_at), revoked_by=by)
        .returning(Grant.id)
    )


def revoke_all(user_id: UUID) -> Update:
    """End all live grants of a person's."""
    return (
        update(Grant)
        .where(Grant.user_id == user_id, live())
        .values(revoked_at=_since(Grant.granted_at), revoked_by=RevokedBy.PERSON)
    )
