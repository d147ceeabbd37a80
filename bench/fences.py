"""What row-level security costs: statements of polls and trends as the gateway's login, beside the owner's.

Both sides ask one database in turns. The owner is a superuser, whom no policy concerns, and its driver sends
`BEGIN` by itself, as it did before there were fences.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import numpy as np
from sqlalchemy import Engine, make_url, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from bench.outcome import require
from bench.sides import progress, ratio, rounds_wanted
from bench.trend_rows import fill
from factories import add_grant
from mindtrack_local.config import StackConfig
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import access_events, jobs, migrate, patients, roles, trend_sources
from mindtrack_shared.db.engine import async_engine, sync_engine
from mindtrack_shared.db.fence import Fence, Sessions
from mindtrack_shared.db.models import Job, User
from mindtrack_shared.domain.access_events import ActorRole
from mindtrack_shared.domain.grants import Scope
from mindtrack_shared.domain.patients import Order, PatientSort
from mindtrack_shared.domain.trends import Measure
from mindtrack_shared.settings import DatabaseSettings

PEOPLE, ANALYSES, PATIENTS, DAYS, TOGETHER = 120, 40_000, 100, 90, 50
#: Of each thing in each round.
TIMES = 40

Open = Callable[[Fence], AbstractAsyncContextManager[AsyncSession]]
Ask = Callable[[Open, int], Awaitable[object]]


class Questions:
    """What the gateway asks for, by name."""

    def __init__(self, engine: Engine) -> None:
        with engine.connect() as connection:
            self.people = list(connection.scalars(select(User.id).order_by(User.id)))
            rows = connection.execute(select(Job.user_id, Job.id).order_by(Job.id.desc()).limit(PEOPLE)).all()
        self.jobs: list[tuple[UUID, UUID]] = [(user_id, job_id) for user_id, job_id in rows]
        self.clinician = self.people[-1]

    async def poll(self, open_session: Open, number: int) -> object:
        return await self._poll(open_session, [self.jobs[number % len(self.jobs)]])

    async def polls(self, open_session: Open, number: int) -> object:
        first = number % (len(self.jobs) - TOGETHER)
        return await self._poll(open_session, self.jobs[first : first + TOGETHER])

    async def _poll(self, open_session: Open, asked: list[tuple[UUID, UUID]]) -> object:
        async with open_session(Fence(people=tuple({person for person, _ in asked}))) as session:
            return (await session.execute(jobs.glances([job_id for _, job_id in asked]))).all()

    async def trend(self, open_session: Open, number: int) -> object:
        person = self.people[number % PATIENTS]
        async with open_session(Fence.own(person)) as session:
            return await self._trend(session, person)

    async def granted(self, open_session: Open, number: int) -> object:
        person = self.people[number % PATIENTS]
        async with open_session(Fence(clinician=self.clinician, about=person)) as session:
            asked = access_events.decide(
                self.clinician,
                person,
                Scope.TRENDS,
                by={ActorRole.CLINICIAN},
                action="getTrends",
                request_id=None,
            )
            return await session.scalar(asked), await self._trend(session, person)

    async def _trend(self, session: AsyncSession, person: UUID) -> object:
        asked = trend_sources.parameters(person, days=DAYS, today=datetime.now(UTC).date())
        return (await session.execute(trend_sources.source((Measure.STRESS_SCORE,)), asked)).one()

    async def list(self, open_session: Open, number: int) -> object:  # noqa: ARG002 - always the same
        asked = patients.Asked(self.clinician, "listPatients", None)
        page = patients.page(asked, limit=50, sort=PatientSort.STATUS, order=Order.DESCENDING)
        async with open_session(Fence(clinician=self.clinician)) as session:
            return [tuple(row) for row in await session.execute(page)]

    def all(self) -> dict[str, Ask]:
        return {
            "a poll": self.poll,
            f"{TOGETHER} polls together": self.polls,
            "a trend": self.trend,
            "a clinician's trend": self.granted,
            f"50 of {PATIENTS} patients": self.list,
        }


async def measure(servers: Infrastructure, questions: Questions, rounds: int) -> None:
    owner = servers.settings(DatabaseSettings)
    url = make_url(owner.url.get_secret_value()).set(username=roles.GATEWAY)
    login = DatabaseSettings.model_validate({"url": url.render_as_string(hide_password=False)})
    engines = [async_engine(settings, application_name="bench") for settings in (owner, login)]
    plain = async_sessionmaker(engines[0], expire_on_commit=False)
    sides: dict[str, Open] = {"owner": lambda _: plain.begin(), "fenced": Sessions(engines[1]).begin}
    for name, ask in questions.all().items():
        # Each read is a line of its own; all else is the same.
        same = [await ask(open_session, 1) for open_session in sides.values()]
        require(bool(same[0]) and same[0] == same[1], f"{name}: both see the same")
        seconds: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(rounds + 1):
            for side, open_session in sides.items():
                took = []
                for each in range(TIMES):
                    began = time.perf_counter()
                    await ask(open_session, number * TIMES + each)
                    took.append(time.perf_counter() - began)
                if number:  # the first warms up
                    seconds[side].append(float(np.median(took)))
        found = ratio(seconds["fenced"], seconds["owner"])
        milliseconds = {side: round(1000 * float(np.median(took)), 3) for side, took in seconds.items()}
        progress(f"{name}: {milliseconds} ms, ratio {found.median:.2f} ({found.low:.2f} to {found.high:.2f})")
    for engine in engines:
        await engine.dispose()


def main() -> int:
    rounds = rounds_wanted(__doc__, default=15)
    with (
        TemporaryDirectory() as folder,
        Infrastructure(StackConfig(var=Path(folder), durable=False)) as servers,
    ):
        engine = sync_engine(servers.settings(DatabaseSettings), application_name="bench")
        migrate.upgrade(engine)
        fill(engine, people=PEOPLE, analyses=ANALYSES, until=datetime.now(UTC))
        questions = Questions(engine)
        for person in questions.people[:PATIENTS]:
            add_grant(engine, person, questions.clinician)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("set statement_timeout = 0")
            connection.exec_driver_sql("vacuum analyze")
        asyncio.run(measure(servers, questions, rounds))
        engine.dispose()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
