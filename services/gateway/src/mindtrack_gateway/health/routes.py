"""For orchestrators and Prometheus: alive, ready, measured."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field
from sqlalchemy import text

from mindtrack_gateway.dependencies import Parts, PartsDep
from mindtrack_gateway.metrics import REGISTRY, update_backlog
from mindtrack_gateway.problems import AWAY, DependencyUnavailableError
from mindtrack_shared.db.fence import OBSERVER

router = APIRouter(tags=["health"])

#: A dependency that takes longer to say hello is not ready.
CHECK_TIMEOUT = 2.0  # seconds

State = Literal["ok", "unavailable"]


class Readiness(BaseModel):
    """Each dependency by name. The broker is reported, but a gateway without it still accepts jobs."""

    status: Annotated[State, Field(description="unavailable if the database, the storage or the issuer is.")]
    database: State
    storage: State
    broker: State
    issuer: Annotated[
        State,
        Field(description="unavailable until its keys were had once: no token can be verified before."),
    ]


@router.get("/healthz", operation_id="liveness", summary="The process runs")
async def liveness() -> dict[str, Literal["ok"]]:
    return {"status": "ok"}


@router.get(
    "/readyz",
    operation_id="readiness",
    summary="The dependencies answer",
    responses={HTTPStatus.SERVICE_UNAVAILABLE: {"model": Readiness}},
)
async def readiness(response: Response, parts: PartsDep) -> Readiness:
    database, storage, broker, issuer = await asyncio.gather(
        _state(_ping_database(parts)),
        _state(parts.store.ping()),
        _state(parts.redis.ping()),
        _state(_need_keys(parts)),
    )
    status: State = "ok" if database == storage == issuer == "ok" else "unavailable"
    if status != "ok":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Readiness(status=status, database=database, storage=storage, broker=broker, issuer=issuer)


@router.get("/metrics", operation_id="metrics", summary="Prometheus metrics", include_in_schema=False)
async def metrics(parts: PartsDep) -> Response:
    await update_backlog(parts.sessions)
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def _ping_database(parts: Parts) -> None:
    """Ask as the observer: a login that may not be one is not the gateway's own."""
    async with parts.sessions.begin(OBSERVER) as session:
        await session.execute(text("select 1"))


async def _need_keys(parts: Parts) -> None:
    if not await parts.verifier.keys.known():
        raise DependencyUnavailableError(AWAY)


async def _state(check: Awaitable[object]) -> State:
    try:
        await asyncio.wait_for(check, CHECK_TIMEOUT)
    except Exception:  # noqa: BLE001 - whatever is wrong, the answer is the same
        return "unavailable"
    return "ok"
