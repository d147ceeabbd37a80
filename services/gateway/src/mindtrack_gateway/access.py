"""Who may do what: the one place where roles and ownership are decided.

A role opens a kind of route; ownership, and later grants, open the rows behind it. Whoever lacks the role is
told so (403): that says nothing about anybody. Whoever lacks the row is told that there is none (404), in the
very words of an id that never was.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from mindtrack_gateway.identity import Principal, Role
from mindtrack_gateway.problems import ForbiddenError, NotFoundError


def require(principal: Principal, *roles: Role) -> None:
    """Let any of some roles pass.

    Raises:
        ForbiddenError: the caller has none of them.

    """
    if principal.roles.isdisjoint(roles):
        raise ForbiddenError(f"This needs the role {' or '.join(f'`{role}`' for role in roles)}.")


def readable_person(asked_for: UUID | None, caller: UUID) -> UUID:
    """Decide whose history may be read: one's own. `None` stands for "me".

    Raises:
        NotFoundError: it is somebody else's, or nobody's; the answer does not tell which.

    """
    if asked_for is not None and asked_for != caller:
        raise NotFoundError("No such person.")
    return caller


def rated_people(roles: Collection[Role], caller: UUID) -> frozenset[UUID]:
    """Return on whose recordings feedback may be given and read in these roles.

    As somebody who records: on one's own. As a clinician: on those of who granted it. No way leads to a grant
    in this release, so every job looks to a clinician like one that never was.
    """
    return frozenset({caller}) if Role.USER in roles else frozenset()
