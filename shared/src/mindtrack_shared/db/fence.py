"""Whom a transaction is for: what row-level security goes by (migration 0017).

The gateway's role is shown the rows of those whom a transaction names, and what a live grant opens to the
clinician whom it names. Whoever forgets to name somebody sees nothing. What is named ends with the
transaction, so that a connection may go to somebody else afterwards, also through a pooler.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVarTuple
from uuid import UUID

from sqlalchemy import Connection, Row, Select, Text, bindparam, event, func, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from mindtrack_shared.db import roles

#: Of a connection: its `Fence`; None where each statement names somebody itself.
_OPTION = "mindtrack_fence"
_PEOPLE = bindparam("named", type_=Text())
Columns = TypeVarTuple("Columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Whose rows are shown. Ids only: they are part of a statement's text, and may end up in a log."""

    #: All that is theirs.
    people: tuple[UUID, ...] = ()
    #: What people grant them, and what they wrote themselves.
    clinician: UUID | None = None
    #: Whether there is such a person at all.
    about: UUID | None = None
    #: Of one upload, for who has its URL; of one job, for who asks whose it is.
    upload: UUID | None = None
    job: UUID | None = None
    #: Another role that the transaction takes on.
    role: str | None = None

    @classmethod
    def own(cls, person: UUID) -> Fence:
        """Show a person what is theirs."""
        return cls(people=(person,))

    def begin(self) -> str:
        """Write how the transaction begins: one message to the server, as `BEGIN` alone would be."""
        named = {
            "people": _listed(*self.people) if self.people else None,
            "clinician": self.clinician,
            "about": self.about,
            "upload": self.upload,
            "job": self.job,
        }
        told = [f"set_config('mindtrack.{name}', '{ids}', true)" for name, ids in named.items() if ids]
        words = ["BEGIN"]
        if told:
            words.append(f"SELECT {', '.join(told)}")
        if self.role is not None:
            words.append(f"SET LOCAL ROLE {self.role}")
        return "; ".join(words)


def _listed(*people: UUID) -> str:
    return f"{{{','.join(map(str, people))}}}"


NOBODY = Fence()
#: Sees of everybody's rows how many there are, in what state and since when, and nothing of whose they are.
OBSERVER = Fence(role=roles.OBSERVER)


def name_subject(subject: str) -> Select[str]:
    """Show the row of who a token is about; to be run at the beginning of a transaction."""
    return select(func.set_config("mindtrack.subject", subject, True))


def name_code(code_sha256: bytes) -> Select[str]:
    """Show the invitation of a code; to be run at the beginning of a transaction."""
    return select(func.set_config("mindtrack.code", code_sha256.hex(), True))


class Sessions:
    """Opens transactions, each within a fence.

    They end with a commit, also where nothing was written: at a rollback the driver forgets all statements
    that it had prepared, and within fences it takes longer to plan most of them than to carry them out.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        # `BEGIN` is ours to send: the driver would send its own, and the fence would take a message more.
        event.listen(engine.sync_engine, "connect", _leave_begin_to_us)
        event.listen(engine.sync_engine, "begin", _begin)
        self._engine = engine
        self._make = async_sessionmaker(engine, expire_on_commit=False)

    def open(self, fence: Fence) -> AsyncSession:
        """Open a session for who says when its transactions end; `begin` for all others."""
        return self._make(execution_options={_OPTION: fence})

    @asynccontextmanager
    async def begin(self, fence: Fence) -> AsyncIterator[AsyncSession]:
        """Open a session whose transaction is committed when the block ends."""
        async with self.open(fence) as session, session.begin():
            yield session

    async def read_own_row(
        self, person: UUID, statement: Select[*Columns], values: Mapping[str, Any]
    ) -> Row[*Columns]:
        """Read the one row of a statement of scalar subqueries, within a person's fence.

        One message to the server, where a session takes one each to begin, to ask and to commit, and steps in
        between: half of the time where the answer takes little.
        """
        async with self._engine.connect() as connection:
            return await connection.run_sync(_read_own_row, person, statement, values)


def _read_own_row(
    connection: Connection, person: UUID, statement: Select[*Columns], values: Mapping[str, Any]
) -> Row[*Columns]:
    found = connection.execution_options(**{_OPTION: None})
    return found.execute(_naming(statement), {**values, _PEOPLE.key: _listed(person)}).one()


@lru_cache(64)
def _naming(statement: Select[*Columns]) -> Select[*Columns]:
    """Have a statement name whom it is for, before its subqueries are looked at; it is a transaction itself.

    The server works out what a row is made of once it has the row: first the name, then what policies show to
    it. Were it the other way round, they would show nothing.

    Raises:
        ValueError: it reads tables other than in scalar subqueries, which might come first.

    """
    if statement.get_final_froms():
        raise ValueError("only a statement of scalar subqueries can name whom it is for")
    return statement.select_from(select(func.set_config("mindtrack.people", _PEOPLE, True)).cte("named"))


def _leave_begin_to_us(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    connection.autocommit = True


def _begin(connection: Connection) -> None:
    fence: Fence | None = connection.get_execution_options().get(_OPTION, NOBODY)
    if fence is not None:
        connection.exec_driver_sql(fence.begin())
