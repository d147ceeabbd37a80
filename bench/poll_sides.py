"""What `bench.poll` compares the gateway with: each is served as the gateway is, by one uvicorn process."""

import os
import pickle
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import jwt
from celery import Celery
from celery.result import AsyncResult
from fastapi import Depends, FastAPI, Header, HTTPException
from jwt import PyJWKSet
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload
from starlette.types import Receive, Scope, Send

from mindtrack_gateway.jobs.schemas import JobView
from mindtrack_shared.db.models import AnalysisRecord, Job, User

#: Answers by path, as the gateway gave them: headers and body.
Answers = dict[str, tuple[list[tuple[bytes, bytes]], bytes]]


def bare() -> object:
    """An ASGI application that does nothing but send the gateway's bytes."""
    answers: Answers = pickle.loads(Path(os.environ["BENCH_ANSWERS"]).read_bytes())  # noqa: S301 - the bench's own

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        headers, body = answers[scope["path"]]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def plain() -> FastAPI:
    """The usual: a token decoded, a session opened and a task's state asked for with every request."""
    keys = PyJWKSet.from_json(Path(os.environ["MINDTRACK_AUTH_JWKS_FILE"]).read_text())
    url = os.environ["MINDTRACK_DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://", 1)
    sessions = async_sessionmaker(
        create_async_engine(url, pool_size=10, connect_args={"options": "-c timezone=UTC"})
    )
    celery = Celery("plain", backend=os.environ["MINDTRACK_QUEUE_URL"])
    app = FastAPI()

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    def subject(authorization: Annotated[str, Header()]) -> str:
        token = authorization.removeprefix("Bearer ")
        key = keys[jwt.get_unverified_header(token)["kid"]]
        claims = jwt.decode(
            token,
            key,
            algorithms=["ES256"],
            audience=os.environ.get("MINDTRACK_AUTH_AUDIENCE", "mindtrack"),
            issuer=os.environ["MINDTRACK_AUTH_ISSUER"],
        )
        return str(claims["sub"])

    @app.get("/v1/jobs/{job_id}")
    async def get(
        job_id: UUID,
        caller: Annotated[str, Depends(subject)],
        opened: Annotated[AsyncSession, Depends(session)],
    ) -> JobView:
        query = (
            select(Job)
            .join(User, User.id == Job.user_id)
            .where(Job.id == job_id, User.subject == caller)
            .options(joinedload(Job.recording), joinedload(Job.analysis).selectinload(AnalysisRecord.windows))
        )
        job = (await opened.scalars(query)).unique().one_or_none()
        if job is None:
            raise HTTPException(404)
        if AsyncResult(str(job_id), app=celery).state == "REVOKED":
            raise HTTPException(410)
        return JobView.of(job, windows=True)

    return app
