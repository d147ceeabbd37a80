"""Fills the stack with made-up people and their histories: to look around, for pages, for benchmarks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, exists, select
from sqlalchemy.orm import Session

from mindtrack_local.histories import Pattern, Person, Take
from mindtrack_local.identities import Identity
from mindtrack_shared.db import analyses, day_values, grants, users
from mindtrack_shared.db.models import Job, Recording
from mindtrack_shared.domain.grants import Scope, UseContext, code_digest, new_code
from mindtrack_shared.domain.indices import Indices, indices
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.ids import first_id, new_id
from mindtrack_shared.storage import RecordingStore

#: Whom everybody grants everything.
CLINICIAN = "seed-clinician"
PURPOSE = "Made-up people to look around with"
#: The first of these can be chosen on the page.
SHOWN = {
    Pattern.STEADY: "Made up: 120 days that stay as they are.",
    Pattern.RISING: "Made up: 120 days in which stress rises, and stays.",
}
#: How long after it was made a recording's job ended.
LATER = timedelta(seconds=20)


def shown(people: Iterable[Person]) -> tuple[Identity, ...]:
    """Choose as whom of them one can sign in to the page; their clinician is one."""
    first: dict[Pattern, Person] = {}
    for person in people:
        first.setdefault(person.pattern, person)
    return (
        *(Identity(first[pattern].subject, ("user",), about) for pattern, about in SHOWN.items()),
        Identity(CLINICIAN, ("clinician",), "The clinician whom all made-up people granted everything."),
    )


def fill(engine: Engine, store: RecordingStore, people: list[Person]) -> Iterator[tuple[Person, int]]:
    """Add people with their histories and grants, and tell each with the number of recordings.

    Who is there already with a recording is left alone, and told with 0.
    """
    clinician = _person(engine, CLINICIAN)
    for person in people:
        user_id = _person(engine, person.subject)
        with Session(engine) as session:
            known = session.scalar(select(exists().where(Recording.user_id == user_id)))
        yield person, 0 if known else _add(engine, store, user_id, clinician, person)


def _person(engine: Engine, subject: str) -> UUID:
    with Session(engine) as session, session.begin():
        session.execute(users.ensure(subject))
        return session.scalars(users.by_subject(subject)).one()


def _add(engine: Engine, store: RecordingStore, user_id: UUID, clinician: UUID, person: Person) -> int:
    now = datetime.now(UTC)
    yesterday = now.astimezone(ZoneInfo(person.time_zone)).date() - timedelta(days=1)
    takes = list(person.takes(yesterday))
    contents = {f"recordings/{new_id()}": _noise(person, number) for number in range(len(takes))}
    asyncio.run(_store(store, contents))  # no row without its object
    with Session(engine) as session, session.begin():
        for take, (key, content) in zip(takes, contents.items(), strict=True):
            _add_take(session, user_id, person, take, key, content)
        session.flush()
        for statement in day_values.renewal(user_id):
            session.execute(statement)
        _grant(session, user_id, clinician)
    return len(takes)


def _add_take(  # noqa: PLR0913, PLR0917 - what rows are made of
    session: Session, user_id: UUID, person: Person, take: Take, key: str, content: bytes
) -> None:
    made, ended = take.recorded_at, take.recorded_at + LATER
    job = Job(
        id=_id_of(made),
        user_id=user_id,
        status=JobStatus.SUCCEEDED,
        attempt=1,
        max_attempts=3,
        fence=1,
        quality=asdict(take.analysis.quality),
        created_at=made,
        started_at=made,
        finished_at=ended,
        recording=Recording(
            user_id=user_id,
            object_key=key,
            sha256=hashlib.sha256(content).digest(),
            size_bytes=len(content),
            content_type=take.content_type,
            recorded_at=made,
            recorded_on=take.recorded_on,
            time_zone=person.time_zone,
            microphone=take.microphone,
            created_at=made,
        ),
    )
    session.add(job)
    found: Indices = indices(take.analysis.probabilities, {})
    session.add(
        analyses.record(take.analysis, found, job_id=job.id, user_id=user_id, attempt=1, recorded_at=made)
    )
    stress = take.analysis.countable_stress
    if stress is not None:
        session.flush()
        session.execute(analyses.add_to_day(user_id, take.recorded_on, stress, found))


def _id_of(moment: datetime) -> UUID:
    """Make an id that sorts where it belongs: UUIDv7 of then, its other bits by chance."""
    return UUID(int=first_id(moment).int | (new_id().int & ((1 << 80) - 1)))


def _noise(person: Person, number: int) -> bytes:
    """Stand in for audio that nobody recorded: bytes that are no audio, and nobody's."""
    return hashlib.shake_256(f"{person.subject} {number}".encode()).digest(256)


async def _store(store: RecordingStore, contents: dict[str, bytes]) -> None:
    async def chunk(content: bytes) -> AsyncIterator[bytes]:
        yield content

    for key, content in contents.items():
        await store.write(key, chunk(content))


def _grant(session: Session, user_id: UUID, clinician: UUID) -> None:
    digest = code_digest(new_code())
    assert digest is not None  # noqa: S101 - it is ours
    session.execute(
        grants.invite(
            new_id(),
            user_id,
            digest,
            scopes=list(Scope),
            purpose=PURPOSE,
            use_context=UseContext.SELF_SUPPORT,
            grant_days=366,
            code_days=1,
        )
    )
    invitation_id, _ = session.execute(grants.redeem(digest, clinician)).one()
    session.execute(grants.grant(invitation_id))
