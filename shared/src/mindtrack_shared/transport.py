"""Which connections leave this machine in the clear, by their URLs."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit


def amiss_with_database(url: str) -> str | None:
    """Say what a PostgreSQL URL lacks, if anything. With no other mode does libpq check name and chain."""
    parts = urlsplit(url)
    asked = parse_qs(parts.query)
    hosts = [*_hosts(parts.netloc), *(host for each in asked.get("host", []) for host in each.split(","))]
    if all(map(is_here, hosts)) or asked.get("sslmode") == ["verify-full"]:
        return None
    return "sslmode=verify-full"


def amiss_with_queue(url: str) -> str | None:
    """Say the same of a Redis URL."""
    parts = urlsplit(url)
    if parts.scheme == "unix" or all(map(is_here, _hosts(parts.netloc))):
        return None
    asked = parse_qs(parts.query)
    checked = asked.get("ssl_cert_reqs", ["required"]) == ["required"]
    named = asked.get("ssl_check_hostname", ["true"])[0].lower() in {"true", "yes", "1"}
    return None if parts.scheme == "rediss" and checked and named else "rediss://, and checked certificates"


def amiss_with_endpoint(url: str | None) -> str | None:
    """Say the same of an address of HTTP; without one it is a cloud's own, with TLS."""
    if url is None or url.startswith("https://") or all(map(is_here, _hosts(urlsplit(url).netloc))):
        return None
    return "https://"


def is_here(host: str) -> bool:
    """Whether a host is this machine: by loopback, or by a socket, which is also libpq's default."""
    if host in {"", "localhost"} or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _hosts(netloc: str) -> list[str]:
    """Read the hosts of a URL, of which libpq takes several."""
    _, _, places = netloc.rpartition("@")
    return [
        place[1 : place.index("]")] if place.startswith("[") else place.partition(":")[0]
        for place in places.split(",")
    ]
