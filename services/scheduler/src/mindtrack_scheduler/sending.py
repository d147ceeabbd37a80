"""Sends one webhook: signed, to the addresses that were checked, and with an end to everything.

On httpcore rather than a client above it: nothing follows a redirect or asks the environment for a proxy, and
the backend that connects is ours to give.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from uuid import UUID

import httpcore2
from standardwebhooks import Webhook

from mindtrack_shared.domain.webhooks import AttemptError, WebhookEvent
from mindtrack_shared.outbound import Address, ForbiddenTargetError, Guard

#: Bytes of an answer that are read, so that whoever sends it can finish; nobody looks at them.
MOST_ANSWER = 64 * 1024
USER_AGENT = f"MindTrack-Webhooks/{version('mindtrack-scheduler')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is delivered; the same in every attempt."""

    #: `webhook-id`.
    id: UUID
    event: WebhookEvent
    #: When the event happened.
    at: datetime
    #: What it happened to; a ping has neither.
    job_id: UUID | None = None
    alert_id: UUID | None = None

    @property
    def body(self) -> str:
        """Say that something happened, and to what: whoever wants to know more asks, with a token."""
        timestamp = self.at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        about = {"job_id": self.job_id, "alert_id": self.alert_id}
        data = {name: str(each) for name, each in about.items() if each is not None}
        return json.dumps({"type": self.event, "timestamp": timestamp, "data": data}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Answer:
    status_code: int
    retry_after: timedelta | None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300  # noqa: PLR2004 - HTTP's


def signed(message: Message, secrets: Iterable[bytes], *, at: datetime) -> dict[bytes | str, bytes | str]:
    """Return a request's headers, with a signature by each secret."""
    signatures = (
        Webhook(secret).sign(msg_id=str(message.id), timestamp=at, data=message.body) for secret in secrets
    )
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": str(message.id),
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to given addresses, whatever name it is told. TLS still asks for the name."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._inner = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - must not be resolved again
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        *others, last = self._addresses
        for address in others:
            with suppress(httpcore2.ConnectError):
                return await self._inner.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
        return await self._inner.connect_tcp(str(last), port, timeout, local_address, socket_options)


class Sender:
    """Posts messages.

    Args:
        guard: decides where to.
        timeout: of an attempt as a whole, names and all.
        tls: whom to trust; by default, whom the system does.

    """

    def __init__(self, guard: Guard, *, timeout: timedelta, tls: ssl.SSLContext | None = None) -> None:
        self._guard = guard
        self._timeout = timeout.total_seconds()
        self._tls = tls or httpcore2.default_ssl_context()

    async def send(
        self, message: Message, url: str, secrets: Iterable[bytes], *, at: datetime
    ) -> tuple[Answer | AttemptError, float]:
        """Post a message once. Return what came of it, and after how many seconds.

        An answer counts from its head on; a body that never ends, or is none, changes nothing.
        """
        since = time.perf_counter()
        answer: Answer | AttemptError | None = None
        try:
            async with asyncio.timeout(self._timeout):
                addresses = await self._guard.addresses(url)
                async with (
                    self._connections(addresses) as pool,
                    pool.stream(
                        "POST",
                        url,
                        headers=signed(message, secrets, at=at),
                        content=message.body.encode(),
                    ) as response,
                ):
                    answer = Answer(response.status, _retry_after(response.headers))
                    await _discard(response)
        except Exception as error:
            answer = answer or _reason(error)
            if answer is None:
                raise
        return answer, time.perf_counter() - since

    def _connections(self, addresses: Sequence[Address]) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._tls,
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=PinnedBackend(addresses),
        )


def _reason(error: Exception) -> AttemptError | None:
    """Return why there was no answer; None for what must not happen."""
    match error:
        case ForbiddenTargetError():
            return AttemptError.ADDRESS
        case TimeoutError() | httpcore2.TimeoutException():
            return AttemptError.TIMEOUT
        case httpcore2.ConnectError() if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
            return AttemptError.TLS
        case httpcore2.NetworkError():
            return AttemptError.CONNECTION
        case httpcore2.ProtocolError():
            return AttemptError.PROTOCOL
        case _:
            return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__  # httpcore raises "from None"


async def _discard(response: httpcore2.Response) -> None:
    read = 0
    async for chunk in response.aiter_stream():
        read += len(chunk)
        if read >= MOST_ANSWER:
            return


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> timedelta | None:
    """Read `Retry-After`: seconds, or a moment; None for anything else."""
    text = next((value.decode("latin-1") for name, value in headers if name.lower() == b"retry-after"), "")
    with suppress(ValueError, OverflowError):
        if text.strip().isdecimal():
            return timedelta(seconds=int(text))
        moment = parsedate_to_datetime(text)
        return max(moment.astimezone(UTC) - datetime.now(UTC), timedelta(0))
    return None
