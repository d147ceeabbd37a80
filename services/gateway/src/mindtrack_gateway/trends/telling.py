"""The answer to `GET /v1/users/{id}/trends`, and when the short way leads to it."""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import Response
from fastapi.routing import APIRoute
from sqlalchemy import Row, Select
from starlette.types import Scope

from mindtrack_gateway import access
from mindtrack_gateway.access import Caller
from mindtrack_gateway.dependencies import Parts
from mindtrack_gateway.limits import Kind
from mindtrack_gateway.short_way import Reply, reply_of
from mindtrack_gateway.trends.rendering import Asked, compressed
from mindtrack_shared.db.trend_sources import parameters, source
from mindtrack_shared.domain import grants
from mindtrack_shared.domain.trends import Measure, local_day

MAX_DAYS = 731  # two years
DAYS, MEASURES = 7, (Measure.STRESS_SCORE,)
PATH = "/v1/users/me/trends"
HEADERS = access.CACHING | {"Vary": "Accept-Encoding"}
GZIP = "gzip"


async def trend_of(parts: Parts, caller: Caller, asked: Asked) -> bytes:
    """Read a person's days within what is open to somebody, and return their trend as JSON, by gzip.

    Raises:
        NotFoundError: nothing is.

    """
    now = datetime.now(UTC)
    async with access.reading(
        parts, caller, asked.person, grants.Scope.TRENDS, action="getTrends"
    ) as session:
        row = (await session.execute(*_query(asked, now))).one()
    return _told(asked, now, row)


async def own_trend(parts: Parts, asked: Asked) -> bytes:
    """Read a person's days for themselves."""
    now = datetime.now(UTC)
    return _told(asked, now, await parts.sessions.read_own_row(asked.person, *_query(asked, now)))


def _query(asked: Asked, now: datetime) -> tuple[Select[str | None, str], dict[str, Any]]:
    return source(asked.measures), parameters(asked.person, days=asked.days, today=now.date())


def _told(asked: Asked, now: datetime, row: Row[str | None, str]) -> bytes:
    zone, read = row
    return compressed(asked, local_day(now, zone or "UTC"), read)


def respond(told: bytes, *, takes_gzip: bool) -> Response:
    """Answer with a trend in JSON, by gzip."""
    headers = dict(HEADERS)
    if takes_gzip:
        headers["Content-Encoding"] = GZIP
    else:
        told = gzip.decompress(told)
    return Response(told, media_type="application/json", headers=headers)


@dataclass(frozen=True, slots=True)
class OwnTrends:
    """A person's own, as the page and phones ask for it: `short_way.Usual`."""

    kind = Kind.OTHERS
    statuses = (HTTPStatus.OK,)
    route: APIRoute

    def concerns(self, path: str) -> bool:
        return path == PATH

    async def understand(
        self, parts: Parts, user_id: UUID, scope: Scope, headers: Mapping[bytes, bytes]
    ) -> Callable[[], Awaitable[Reply]] | None:
        query = _understood(scope["query_string"])
        if query is None or GZIP.encode() not in headers.get(b"accept-encoding", b""):
            return None
        return partial(_reply, parts, Asked(user_id, *query))


async def _reply(parts: Parts, asked: Asked) -> Reply:
    return reply_of(respond(await own_trend(parts, asked), takes_gzip=True))


@lru_cache(256)
def _understood(query: bytes) -> tuple[tuple[Measure, ...], int] | None:
    """Return measures and days; None where the route is to say what is wrong, or might read it otherwise."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query))
        measures = tuple(Measure(value) for name, value in pairs if name == "measure")
        days = [value for name, value in pairs if name == "days"]
        number = int(days[0]) if days else DAYS
    except ValueError:
        return None
    if (
        len(days) + len(measures) < len(pairs)
        or len(measures) > len(Measure)
        or days not in ([], [str(number)])
        or not 1 <= number <= MAX_DAYS
    ):
        return None
    return measures or MEASURES, number
