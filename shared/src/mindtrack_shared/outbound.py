"""Where we send what others asked us to: to public addresses only, and to the very ones that were checked.

A name is resolved once for each delivery. What it resolved to is checked and then connected to, so that an
answer that changes in between (DNS rebinding) changes nothing. Addresses decide, never spellings.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from mindtrack_shared.settings import WebhookSettings

Address = IPv4Address | IPv6Address
#: From a host and a port to addresses.
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

RESOLVE_TIMEOUT = 5.0  # seconds
#: A name whose server does not answer holds a thread for longer than anybody waits: these do nothing else.
_RESOLVING = ThreadPoolExecutor(16, thread_name_prefix="resolve")
LONGEST_URL = 2048

#: IANA's special-purpose registry (RFC 6890), multicast, and where Azure answers its own machines.
#: Spelled out, since what `ipaddress` calls global differs between releases of Python.
_NOT_PUBLIC_4 = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
        ),
    )
)
#: All that is assigned to anybody. Loopback, mapped and private addresses, NAT64 and multicast lie elsewhere.
_PUBLIC_6 = ip_network("2000::/3")
#: Within it: protocols' own (Teredo among them), documentation, 6to4.
_NOT_PUBLIC_6 = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?][A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*)?",
    re.IGNORECASE | re.ASCII,
)


class ForbiddenTargetError(Exception):
    """We do not send there; the message says why, and nothing about our network."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart once."""

    secure: bool
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Target:
        """Take a URL apart.

        Raises:
            ForbiddenTargetError: it is none that we would send to, whatever it resolves to.

        """
        found = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
        if found is None:
            raise ForbiddenTargetError(
                "must be a URL such as https://example.org/hook, in ASCII, without a user or a fragment, "
                f"of at most {LONGEST_URL} characters"
            )
        secure = found["scheme"].lower() == "https"
        port = int(found["port"] or (443 if secure else 80))
        return cls(secure=secure, host=found["host"].strip("[]"), port=port)


async def system_resolver(host: str, port: int) -> list[str]:
    """Ask the operating system."""
    look = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_RESOLVING, look)
    return [str(sockaddr[0]) for *_, sockaddr in found]


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to somebody on the internet, and is no way back to us."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


class Guard:
    """Decides where we send."""

    def __init__(self, settings: WebhookSettings, resolver: Resolver = system_resolver) -> None:
        self._ports = frozenset(settings.ports)
        self._allow_loopback = settings.allow_loopback
        self._resolver = resolver

    async def addresses(self, url: str) -> list[Address]:
        """Resolve a URL's host, once, and return its addresses. Connect to these and to no other.

        Raises:
            ForbiddenTargetError: we do not send there, or the host has no address.

        """
        target = Target.of(url)
        addresses = await self._resolve(target)
        if self._allow_loopback and all(address.is_loopback for address in addresses):
            return addresses
        if not target.secure:
            raise ForbiddenTargetError("must begin with https://")
        if target.port not in self._ports:
            raise ForbiddenTargetError(f"must use port {' or '.join(map(str, sorted(self._ports)))}")
        if not all(map(is_public, addresses)):
            raise ForbiddenTargetError("must name a host that has public addresses only")
        return addresses

    async def _resolve(self, target: Target) -> list[Address]:
        try:
            async with asyncio.timeout(RESOLVE_TIMEOUT):
                found = await self._resolver(target.host, target.port)
            # A scope such as %eth0 belongs to link-local addresses, which are refused.
            addresses = [ip_address(text.partition("%")[0]) for text in found]
        except (OSError, TimeoutError, UnicodeError) as error:
            raise ForbiddenTargetError("must name a host that has public addresses only") from error
        if not addresses:
            raise ForbiddenTargetError("must name a host that has public addresses only")
        return addresses
