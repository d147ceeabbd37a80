"""Who may do what: the one place where roles, ownership and grants are decided.

A role opens a kind of route; ownership or a grant opens the rows behind it. Whoever lacks the role is told so
(403): that says nothing about anybody. Whoever lacks the row is told that there is none (404), in the very
words of an id that never was; so is a clinician whose grant lacks the scope, was revoked or has expired.

A clinician's grant is looked up in each request, by the database's clock, and what came of it is written to
`access_events` in the transaction that reads. So is an emergency: who broke the glass may read for an hour.
What cannot be written down is not read. Whoever changes their own, or takes it out as a file, leaves a line
in the same way (`note_own`); to read it is nobody's access, and leaves none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from asgi_correlation_id import correlation_id

from mindtrack_gateway.identity import Principal, Role
from mindtrack_gateway.problems import ForbiddenError, NotFoundError, ProblemError
from mindtrack_shared.db import access_events, users
from mindtrack_shared.db.fence import Fence
from mindtrack_shared.domain.access_events import ActorRole, Outcome
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.service_keys import KeyScope

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from mindtrack_gateway.dependencies import Parts

NO_SUCH_PERSON = "No such person."
#: For answers that a grant may open, which no cache may outlive, and for the code that leads to one.
CACHING = {"Cache-Control": "no-store"}


def require(principal: Principal, *roles: Role) -> None:
    """Let any of some roles pass.

    Raises:
        ForbiddenError: the caller has none of them.

    """
    if principal.roles.isdisjoint(roles):
        raise ForbiddenError(f"This needs the role {' or '.join(f'`{role}`' for role in roles)}.")


def require_scope(principal: Principal, scope: KeyScope) -> None:
    """Let a system pass if its key has a scope, and everybody else.

    Raises:
        ForbiddenError: it has not.

    """
    if Role.USER not in principal.roles and scope not in principal.scopes:
        raise ForbiddenError(f"This needs a key with the scope `{scope}`.")


_ACTORS = {Role.CLINICIAN: ActorRole.CLINICIAN, Role.EMERGENCY: ActorRole.EMERGENCY}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whom a role has let in, by their id."""

    id: UUID
    roles: frozenset[Role]

    def named(self, person: UUID | Literal["me"]) -> UUID:
        """Return whom an address means."""
        return self.id if person == "me" else person

    @property
    def fence(self) -> Fence:
        """What is theirs in each of their roles."""
        return Fence(people=(self.id,) if self.as_person else (), clinician=self.as_clinician)

    @property
    def as_person(self) -> UUID | None:
        """Their id, if they record."""
        return self.id if Role.USER in self.roles else None

    @property
    def as_clinician(self) -> UUID | None:
        """Their id, if they are a clinician."""
        return self.id if Role.CLINICIAN in self.roles else None

    def acts_as(self, *, reading: bool) -> frozenset[ActorRole]:
        """Return what opens others' data to them: grants and, when they read, emergencies."""
        found = {_ACTORS[role] for role in self.roles & _ACTORS.keys()}
        return frozenset(found if reading else found - {ActorRole.EMERGENCY})


@asynccontextmanager
async def reading(  # noqa: PLR0913 - who, whose, what, and how it is called
    parts: Parts,
    caller: Caller,
    person: UUID | None,
    scope: Scope,
    *,
    action: str,
    absent: str = NO_SUCH_PERSON,
    changes: bool = False,
    takes_out: bool = False,
) -> AsyncIterator[AsyncSession]:
    """Open a transaction in which a person's data may be read: by themselves, by a grant of theirs, or in an
    emergency.

    Read everything within the block: what is returned from it goes out once the line about it is committed.

    Args:
        parts: of the process.
        caller: who asks.
        person: whose data it is; None if the id that was asked for leads to nobody.
        scope: what a grant must open.
        action: the operation's id, for the line in `access_events`.
        absent: what to say where there is nothing, in the words of an id that never was.
        changes: whether something is changed by the way, which no emergency opens.
        takes_out: whether it is for a file that is taken elsewhere.

    Raises:
        NotFoundError: there is nothing for the caller; the answer does not tell why.

    """
    if person is not None and person == caller.as_person:
        async with parts.sessions.begin(Fence.own(person)) as session:
            yield session
            if takes_out:
                note_own(session, person, action=action)
        return
    by = caller.acts_as(reading=not changes)
    async with _deciding(parts, caller, person, scope, by=by, action=action, absent=absent) as session:
        yield session


@asynccontextmanager
async def attending(  # noqa: PLR0913 - as above
    parts: Parts,
    caller: Caller,
    person: UUID | None,
    scope: Scope | None,
    *,
    action: str,
    absent: str = NO_SUCH_PERSON,
    adds: bool = False,
) -> AsyncIterator[AsyncSession]:
    """As `reading`, as a clinician only: nobody is their own. Without a scope, any live grant will do.

    Whoever `adds` something about the person says so: it must not outlast the person's erasure.
    """
    by = caller.acts_as(reading=False)
    async with _deciding(
        parts, caller, person, scope, by=by, action=action, absent=absent, adds=adds
    ) as session:
        yield session


@asynccontextmanager
async def _deciding(  # noqa: PLR0913 - as above
    parts: Parts,
    caller: Caller,
    person: UUID | None,
    scope: Scope | None,
    *,
    by: frozenset[ActorRole],
    action: str,
    absent: str,
    adds: bool = False,
) -> AsyncIterator[AsyncSession]:
    asked = access_events.decide(caller.id, person, scope, by=by, action=action, request_id=request_id())
    async with parts.sessions.open(Fence(clinician=caller.id, about=person)) as session:
        if adds and person is not None:
            # Before the grant is looked up: whoever erases it waits for us, or we find it gone.
            await session.execute(users.hold(person))
        outcome = await session.scalar(asked)
        if outcome != Outcome.ALLOWED:
            await session.commit()
            raise NotFoundError(absent)
        try:
            yield session
        except ProblemError:
            # That it was asked for stays written down; what was begun does not.
            await session.rollback()
            await session.execute(asked)
            await session.commit()
            raise
        await session.commit()


def note_own(session: AsyncSession, person: UUID, *, action: str) -> None:
    """Write down, in the transaction that does it, that somebody changes or takes out what is their own."""
    session.add(access_events.own(person, action=action, request_id=request_id()))


async def note_refusal(parts: Parts, stranger: UUID, person: UUID, *, action: str) -> None:
    """Write down that somebody asked for what is a stranger's."""
    asked = access_events.decide(
        stranger, person, None, by=frozenset(), action=action, request_id=request_id()
    )
    async with parts.sessions.begin(Fence(clinician=stranger, about=person)) as session:
        await session.execute(asked)


def request_id() -> UUID | None:
    """Name the request as its answer and the log do."""
    name = correlation_id.get()
    return UUID(name) if name else None
