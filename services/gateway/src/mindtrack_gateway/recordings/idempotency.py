"""The same request twice is one job: `Idempotency-Key`, after draft-ietf-httpapi-idempotency-key-header.

A key is claimed before the body is read, so that a second request learns at once that a first is under way.
The claim is a lease, renewed while the upload goes on, and bound in the job's own commit; every end without a
job frees it. Keys are a person's own, and never logged.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway.problems import (
    DEPENDENCY_ERRORS,
    IdempotencyKeyInUseError,
    IdempotencyKeyReusedError,
    MalformedRequestError,
)
from mindtrack_gateway.recordings.metadata import CaptureMetadata
from mindtrack_shared.db import idempotency as keys
from mindtrack_shared.db import jobs
from mindtrack_shared.db.fence import Fence, Sessions
from mindtrack_shared.db.models import Job
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
MAX_KEY = 255
#: A string (RFC 9651, section 3.3.3) without spaces; `\\` and `"` are escaped.
_QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])+)"')
#: What many clients send instead: a token's characters (section 3.3.4), in any place, and base64's `=`.
_BARE = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~:/=-]+")
#: Renewals in the time of one lease.
_BEATS = 3

#: The header, for OpenAPI; requests are read by `requested_key`.
KEY_PARAMETER: dict[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "Your name for this request: 1 to 255 visible ASCII characters, as a structured-field "
    "string in quotes or bare; best a new UUID for each recording. The same request under the same key gets "
    f"the same job, with `{REPLAYED_HEADER}: true`, for a day. A key of a refused request is free again.",
    "schema": {"type": "string", "minLength": 1},
    "examples": {
        "string": {
            "summary": "A structured-field string",
            "value": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
        },
        "bare": {"summary": "The same key, bare", "value": "8e03978e-40d5-43dd-bc93-6894a57f9324"},
    },
}


def parse_key(value: str) -> str:
    """Return the key that a header's value names; quoted or bare, it is the same.

    Raises:
        MalformedRequestError: it names none.

    """
    value = value.strip(" \t")
    if quoted := _QUOTED.fullmatch(value):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(value):
        key = value
    else:
        raise MalformedRequestError(
            f"{HEADER} must be a string in quotes, of visible ASCII characters without spaces."
        )
    if len(key) > MAX_KEY:
        raise MalformedRequestError(f"{HEADER} may have at most {MAX_KEY} characters.")
    return key


def requested_key(request: Request) -> str | None:
    """Return the request's key, if it has one.

    Raises:
        MalformedRequestError: the header is not a key, or there are several.

    """
    values = request.headers.getlist(HEADER)
    if len(values) > 1:
        raise MalformedRequestError(f"{HEADER} must be sent once.")
    return parse_key(values[0]) if values else None


def fingerprint(sha256: bytes, metadata: CaptureMetadata, given: Mapping[str, str]) -> bytes:
    """Return the SHA-256 over a recording's and its metadata, by meaning: two spellings of a moment are one.

    A moment that was not `given` is not the server's clock's: the same request is the same tomorrow.
    """
    recorded_at = metadata.recorded_at.isoformat() if "recorded_at" in given else None
    prompt_ended_at = metadata.prompt_ended_at.isoformat() if metadata.prompt_ended_at else None
    canonical = {
        "recording": sha256.hex(),
        "recorded_at": recorded_at,
        "prompt_ended_at": prompt_ended_at,
        "time_zone": metadata.time_zone,
        "priority": metadata.priority,
        "device": metadata.device,
        "microphone": metadata.microphone,
        "app_version": metadata.app_version,
    }
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that stands for a request, and how to say so."""

    job: Job
    #: 202 for a new job, 200 for one that the same recording had already; a replay says what was said first.
    status: HTTPStatus = HTTPStatus.ACCEPTED
    replayed: bool = False

    @property
    def is_new(self) -> bool:
        return self.status is HTTPStatus.ACCEPTED and not self.replayed

    def put_headers(self, response: Response) -> None:
        response.headers.update(self.headers)

    @property
    def headers(self) -> dict[str, str]:
        replayed = {REPLAYED_HEADER: "true"} if self.replayed else {}
        return {"Location": f"/v1/jobs/{self.job.id}", **replayed}


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that is ours until its request has ended. `since` is the fence."""

    user_id: UUID
    key: str
    since: datetime
    keep: timedelta

    async def bind(self, session: AsyncSession, accepted: Accepted, mark: bytes) -> None:
        """Tie the key to its job, in the transaction that makes it.

        Raises:
            IdempotencyKeyInUseError: the lease lapsed, and another request has the key.

        """
        bound = keys.bind(
            self.user_id, self.key, self.since, accepted.job.id, mark, accepted.status, keep=self.keep
        )
        if await session.scalar(bound) is None:
            raise IdempotencyKeyInUseError


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a key was used for before."""

    user_id: UUID
    job_id: UUID
    fingerprint: bytes
    status: HTTPStatus


class Keys:
    """Claims keys. A claim not renewed for `lease` may be taken over; what is bound is kept for `keep`."""

    def __init__(self, sessions: Sessions, *, lease: timedelta, keep: timedelta) -> None:
        self._sessions = sessions
        self._lease = lease
        self._keep = keep

    @asynccontextmanager
    async def used(self, user_id: UUID, key: str | None) -> AsyncIterator[Claim | Earlier | None]:
        """Hold a key for as long as the block runs, and free it if that raises; None for no key.

        Raises:
            IdempotencyKeyInUseError: another request holds it.

        """
        found = await self._claim(user_id, key) if key is not None else None
        if not isinstance(found, Claim):
            yield found
            return
        renewing = asyncio.create_task(self._renew(found), name="renew-key")
        try:
            yield found
        except BaseException:
            await self._free(found)
            raise
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def replay(self, earlier: Earlier, mark: bytes) -> Accepted:
        """Return what the key's first request was answered.

        Raises:
            IdempotencyKeyReusedError: this is another request.
            IdempotencyKeyInUseError: its job was deleted just now, and the key with it.

        """
        if mark != earlier.fingerprint:
            raise IdempotencyKeyReusedError
        async with self._sessions.begin(Fence.own(earlier.user_id)) as session:
            query = jobs.owned(earlier.job_id, earlier.user_id)
            job = (await session.scalars(query)).unique().one_or_none()
        if job is None:
            raise IdempotencyKeyInUseError
        return Accepted(job, earlier.status, replayed=True)

    async def _claim(self, user_id: UUID, key: str) -> Claim | Earlier:
        async with self._sessions.begin(Fence.own(user_id)) as session:
            since = await session.scalar(keys.claim(user_id, key, lease=self._lease))
            if since is not None:
                return Claim(user_id, key, since, self._keep)
            found = await session.scalar(keys.found(user_id, key))
        # Without a row it was freed between the two statements: whoever comes back gets it.
        if found is None or found.job_id is None or found.fingerprint is None or found.status is None:
            raise IdempotencyKeyInUseError
        return Earlier(user_id, found.job_id, found.fingerprint, HTTPStatus(found.status))

    async def _renew(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / _BEATS)
            with suppress(*DEPENDENCY_ERRORS):  # the next one may come through
                async with self._sessions.begin(Fence.own(claim.user_id)) as session:
                    await session.execute(
                        keys.renew(claim.user_id, claim.key, claim.since, lease=self._lease)
                    )

    async def _free(self, claim: Claim) -> None:
        try:
            async with self._sessions.begin(Fence.own(claim.user_id)) as session:
                await session.execute(keys.free(claim.user_id, claim.key, claim.since))
        except DEPENDENCY_ERRORS as error:
            get_logger().warning(events.KEY_NOT_FREED, error=type(error).__name__)
