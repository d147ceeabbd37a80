"""What every request meets before its route: limits of its rate, its size, and of uploads at a time.

The address is charged here, before anybody is known; the subject as soon as the token is verified
(`Admission.admit`, which `current_user` calls). Polls are decided without waiting for anything.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mindtrack_gateway.limits import Bucket, Kind, Limiter, Verdict
from mindtrack_gateway.limits import Scope as Whose
from mindtrack_gateway.metrics import LIMITED_REQUESTS
from mindtrack_gateway.problems import (
    OverloadedError,
    ProblemError,
    RequestTooLargeError,
    TooManyRequestsError,
    TooManyUploadsError,
    UploadStalledError,
    answer,
)
from mindtrack_shared.storage.recordings import PART_BYTES

if TYPE_CHECKING:
    from mindtrack_gateway.dependencies import Parts

#: Where a request carries its admission.
ADMISSION = "mindtrack.admission"
UPLOADS = frozenset({"/v1/jobs", "/v1/uploads", "/analyze-stress"})
#: Of these, the ones whose body may be a recording.
RECORDINGS = frozenset({"/v1/jobs", "/analyze-stress"})
#: And those that take one by PUT.
UPLOAD_URLS = "/v1/uploads/"
POLLS = "/v1/jobs/"
CODES = "/v1/grants"
#: Of orchestrators and Prometheus, which no ingress lets through.
UNLIMITED = frozenset({"/healthz", "/readyz", "/metrics"})
#: Answered from memory, a dozen per page.
FILES = "/static/"
#: Of all other methods, a route may read a body, and does before it knows who sent it.
WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
#: A small body that takes longer is not coming.
BODY_TIMEOUT = 30.0  # seconds
ADDRESSES_REMEMBERED = 10_000
#: Of `X-Forwarded-For`, in bytes: a dozen hops. What lies further from us is anybody's word.
LONGEST_FORWARDED = 512

#: Answers after which the rest of an upload is not wanted.
REFUSALS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
CLOSE = (b"connection", b"close")

Address = IPv4Address | IPv6Address
Networks = tuple[IPv4Network | IPv6Network, ...]


def kind_of(method: str, path: str) -> Kind | None:
    """Return the class of a request; None if it is not limited."""
    if path.startswith(POLLS) and method in {"GET", "HEAD"}:
        return Kind.POLLS
    if path in UPLOADS and method == "POST":
        return Kind.UPLOADS
    if path == CODES and method == "POST":
        return Kind.CODES
    return None if path in UNLIMITED or path.startswith(FILES) else Kind.OTHERS


class Admission:
    """What a request has been charged, and what it holds until it is over."""

    __slots__ = ("_holder", "_kind", "_limiter", "_size", "verdict")

    def __init__(self, limiter: Limiter, kind: Kind, *, size: int = 0) -> None:
        self._limiter = limiter
        self._kind = kind
        #: Bytes of what it uploads that lie in memory at a time.
        self._size = size
        self._holder: str | None = None
        #: The last one, for the answer's fields.
        self.verdict: Verdict | None = None

    def admit_address(self, name: str) -> None:
        """Charge an address.

        Raises:
            TooManyRequestsError: its bucket is empty.

        """
        bucket = self._limiter.bucket(self._kind, Whose.ADDRESS, name)
        if bucket is not None:
            verdict = self._limiter.decide(bucket)
            if verdict is not None:  # always: its credit is endless
                self._heed(verdict, Whose.ADDRESS)

    async def admit_both(self, address: str | None, subject: str) -> None:
        """Charge the address, if it is a client's own, and the subject; errors as for either."""
        if address is not None:
            self.admit_address(address)
        await self.admit(subject)

    async def admit(self, subject: str) -> None:
        """Charge a verified subject. Once per request; waits for Valkey at most once, and briefly.

        Raises:
            TooManyRequestsError: their bucket is empty.
            TooManyUploadsError: they have too many uploads under way.
            OverloadedError: everybody has.

        """
        bucket = self.begin(subject)
        if bucket is not None:
            self._heed(await self._limiter.ask(bucket), Whose.SUBJECT)

    def begin(self, subject: str) -> Bucket | None:
        """Do what `admit` does before it waits; return the bucket to ask Valkey about, if any."""
        if self._kind is Kind.UPLOADS:
            self.enter(subject)
        bucket = self._limiter.bucket(self._kind, Whose.SUBJECT, subject)
        if bucket is None:
            return None
        verdict = self._limiter.decide(bucket)
        if verdict is None:
            return bucket
        self._heed(verdict, Whose.SUBJECT)
        return None

    def release(self) -> None:
        """Let go of the upload's place; safe to call again."""
        if self._holder is not None:
            self._limiter.uploads.leave(self._holder, self._size)
            self._holder = None

    def fields(self) -> Iterator[tuple[bytes, bytes]]:
        if self.verdict is not None:
            yield b"ratelimit", self.verdict.told
            yield b"ratelimit-policy", self.verdict.policy.advertised

    def enter(self, holder: str) -> None:
        """Take a place among the uploads, for whom is known by a token or by an upload's URL.

        Raises:
            TooManyUploadsError: they have too many uploads under way.
            OverloadedError: everybody has.

        """
        try:
            self._limiter.uploads.enter(holder, self._size)
        except TooManyUploadsError:
            LIMITED_REQUESTS.labels(Kind.UPLOADS, Whose.SUBJECT).inc()
            raise
        except OverloadedError:
            LIMITED_REQUESTS.labels(Kind.UPLOADS, "process").inc()
            raise
        self._holder = holder

    def _heed(self, verdict: Verdict, whose: Whose) -> None:
        self.verdict = verdict
        if verdict.allowed:
            return
        LIMITED_REQUESTS.labels(self._kind, whose).inc()
        seconds = max(1, math.ceil(verdict.wait))
        raise TooManyRequestsError(
            f"At most {verdict.policy.burst} {self._kind} at once. Please wait for {seconds} s.",
            seconds=seconds,
        )


class Edge:
    """ASGI middleware. Stands inside those that count requests and name them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parts: Parts = scope["app"].state.parts
        kind = kind_of(scope["method"], scope["path"])
        if kind is None:
            await self._app(scope, receive, send)
            return
        admission = Admission(parts.limiter, kind, size=_in_memory(scope))
        scope[ADMISSION] = admission

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *admission.fields()]
                if message["status"] in REFUSALS and _may_be_recording(scope):
                    message["headers"].append(CLOSE)
            await send(message)

        try:
            name = client_name(scope, parts.limits.trusted_proxies)
            if name is not None:
                admission.admit_address(name)
            if scope["method"] not in WITHOUT_BODY and not _may_be_recording(scope):
                receive = await _small_body(scope, receive, parts.limits.body_bytes)
        except ProblemError as problem:
            refusal = answer(problem.document(scope["path"]), problem.answer_headers())
            await refusal(scope, receive, tell)
            return
        try:
            await self._app(scope, receive, tell)
        finally:
            admission.release()


def client_name(scope: Scope, trusted: Networks) -> str | None:
    """Name the client's network: an IPv4 address, or the first half of an IPv6 one.

    None if that is no public address, and so not a client's own. The name stays in this process.
    """
    client = scope.get("client")
    if client is None:
        return None
    if not trusted:
        return network_of(client[0])
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    if len(forwarded) > LONGEST_FORWARDED:
        forwarded = forwarded[-LONGEST_FORWARDED:].partition(b",")[2]  # the first one left is cut
    return network_of(_untrusted(client[0], forwarded.decode("latin-1"), trusted))


@lru_cache(ADDRESSES_REMEMBERED)
def network_of(host: str) -> str | None:
    address = _parse(host)
    if address is None or not address.is_global:
        return None
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address)


@lru_cache(ADDRESSES_REMEMBERED)
def _untrusted(peer: str, forwarded: str, trusted: Networks) -> str:
    """Go from proxy to proxy, while they are trusted, to the first address that is not."""
    client = peer
    for hop in (*reversed(forwarded.split(",")), None):
        address = _parse(client)
        if address is None or not any(address in network for network in trusted):
            return client
        if hop is None or _parse(hop) is None:
            return client
        client = hop.strip()
    return client


def _parse(host: str) -> Address | None:
    try:
        address = ip_address(host.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _may_be_recording(scope: Scope) -> bool:
    path: str = scope["path"]
    if scope["method"] == "PUT":
        return path.startswith(UPLOAD_URLS)
    return path in RECORDINGS and not _header(scope, b"content-type").startswith(b"application/json")


def _in_memory(scope: Scope) -> int:
    """Return how many bytes of a recording lie in memory at a time, while it is received or copied."""
    if not _may_be_recording(scope):
        return PART_BYTES if scope["path"] in RECORDINGS else 0  # it names an upload, which is copied
    declared = _header(scope, b"content-length")
    return min(int(declared), PART_BYTES) if declared.isdigit() else PART_BYTES


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"").strip().lower()


async def _small_body(scope: Scope, receive: Receive, most: int) -> Receive:
    """Take a body that is small, and return what gives it to the route.

    Raises:
        RequestTooLargeError: it is announced to be larger, or is.
        UploadStalledError: it does not come.

    """
    too_large = RequestTooLargeError(f"Bodies other than recordings may have at most {most} bytes.")
    declared = _header(scope, b"content-length")
    if declared.isdigit() and int(declared) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return _replay(message, receive)
                body += message.get("body", b"")
                if len(body) > most:
                    raise too_large
                if not message.get("more_body", False):
                    return _replay({**message, "body": bytes(body)}, receive)
    except TimeoutError as error:
        raise UploadStalledError(f"The body did not arrive within {BODY_TIMEOUT:g} seconds.") from error


def _replay(first: Message, receive: Receive) -> Receive:
    left = [first]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again
