"""Asks other processes for their page of metrics, briefly, all at once, and takes none at its word."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from ipaddress import ip_address

import httpx2 as httpx

from mindtrack_gateway.operations.exposition import TEXT, Samples, UnreadableError, read
from mindtrack_gateway.settings import OperationsSettings, Target

#: More would only wait for each other.
AT_A_TIME = 64
HEADERS = {"Accept": f"{TEXT};version=0.0.4", "Accept-Encoding": "identity"}


class Reason(StrEnum):
    """Why a target tells nothing."""

    #: Its name leads to no address: none runs, or the name is wrong.
    ABSENT = "absent"
    #: Its name led here, and does not any more.
    GONE = "gone"
    #: Nobody answers there, or not in HTTP.
    UNREACHABLE = "unreachable"
    #: The answer took too long.
    SLOW = "slow"
    #: The answer is too long.
    LARGE = "large"
    #: The answer has another status than 200.
    REFUSED = "refused"
    #: The answer is no page of metrics.
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one process of a service is: `address` is host and port."""

    service: str
    address: str


@dataclass(frozen=True, slots=True)
class Page:
    """What a target answered, or why it did not."""

    place: Place
    samples: Samples | None = None
    reason: Reason | None = None


class _Unanswered(Exception):  # noqa: N818 - does not leave this module
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Scraper:
    """Looks up who is behind the configured names, and asks each. A name may lead to several."""

    def __init__(self, settings: OperationsSettings) -> None:
        self._targets = settings.targets
        self._seconds = settings.timeout.total_seconds()
        self._max_bytes = settings.max_bytes
        self._client = httpx.AsyncClient(
            timeout=self._seconds,
            trust_env=False,  # a proxy leads out, and these are within
            limits=httpx.Limits(max_connections=AT_A_TIME),
        )

    async def aclose(self) -> None:
        await self._client.aclose()

    async def ask(self) -> list[Page]:
        """Return a page for each process that the names lead to, and one for each name that leads to none."""
        asked = await asyncio.gather(*map(self._ask_all, self._targets))
        pages = {page.place: page for pages in asked for page in pages}
        return list(pages.values())

    async def _ask_all(self, target: Target) -> Sequence[Page]:
        url = httpx.URL(str(target.url))
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        addresses = await self._addresses(url.host, port)
        if not addresses:
            return [Page(Place(target.service, f"{url.host}:{port}"), reason=Reason.ABSENT)]
        return await asyncio.gather(
            *(
                self._ask_one(Place(target.service, _with_port(address, port)), url, address)
                for address in addresses
            )
        )

    async def _addresses(self, host: str, port: int) -> list[str]:
        """Resolve a name. Of one with both kinds of addresses, those of IPv4: else each would count twice."""
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass
        try:
            async with asyncio.timeout(self._seconds):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, TimeoutError):
            return []
        by_family = {
            family: sorted({str(entry[4][0]) for entry in found if entry[0] == family})
            for family in (socket.AF_INET, socket.AF_INET6)
        }
        return by_family[socket.AF_INET] or by_family[socket.AF_INET6]

    async def _ask_one(self, place: Place, url: httpx.URL, address: str) -> Page:
        try:
            async with asyncio.timeout(self._seconds):
                body, content_type = await self._fetch(url, address)
            # A long page takes milliseconds, in which others want to be answered.
            return Page(place, samples=await asyncio.to_thread(read, body, content_type))
        except _Unanswered as unanswered:
            return Page(place, reason=unanswered.reason)
        except UnreadableError:
            return Page(place, reason=Reason.UNREADABLE)
        except (TimeoutError, httpx.TimeoutException):
            return Page(place, reason=Reason.SLOW)
        except httpx.HTTPError:
            return Page(place, reason=Reason.UNREACHABLE)

    async def _fetch(self, url: httpx.URL, address: str) -> tuple[bytes, str]:
        async with self._client.stream(
            "GET",
            url.copy_with(host=address),
            headers={**HEADERS, "Host": url.netloc.decode()},
            extensions={"sni_hostname": url.host},
        ) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise _Unanswered(Reason.REFUSED)
            # What was asked not to be packed has no business to be: a little may unpack to a lot.
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise _Unanswered(Reason.UNREADABLE)
            body = bytearray()
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > self._max_bytes:
                    raise _Unanswered(Reason.LARGE)
            return bytes(body), answer.headers.get("Content-Type", "")


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
