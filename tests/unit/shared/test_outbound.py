"""We send to public addresses only, however they are written, and connect to what was checked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindtrack_shared.outbound import ForbiddenTargetError, Guard, Target, is_public, system_resolver
from mindtrack_shared.settings import WebhookSettings

STRICT = WebhookSettings()
EMBEDDED = WebhookSettings(allow_loopback=True)
PUBLIC = "93.184.215.14"


def resolving(*answers: Sequence[str]) -> tuple[Guard, list[str]]:
    """Make a guard whose resolver gives these answers, one after the other, and notes what it was asked."""
    asked: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    return Guard(STRICT, resolver), asked


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",  # noqa: S104 - not to listen on
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "100.64.0.1",
        "100.100.100.200",  # Alibaba's metadata
        "169.254.169.254",  # most clouds' metadata
        "168.63.129.16",  # Azure's
        "192.0.0.192",  # Oracle's
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:93.184.215.14",
        "64:ff9b::7f00:1",
        "64:ff9b::5db8:d70e",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",  # Teredo
        "2001:db8::1",
        "2002:7f00:1::1",  # 6to4
        "2002:5db8:d70e::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",  # Amazon's metadata
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
async def test_an_address_that_leads_inside_or_nowhere_is_refused(address: str) -> None:
    guard, _ = resolving([address])

    with pytest.raises(ForbiddenTargetError, match="public addresses only") as refused:
        await guard.addresses("https://hooks.example.org/")
    assert address not in str(refused.value)


@pytest.mark.parametrize(
    "address", [PUBLIC, "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"]
)
async def test_a_public_address_is_allowed(address: str) -> None:
    guard, _ = resolving([address])

    assert await guard.addresses("https://hooks.example.org/") == [ipaddress.ip_address(address)]


@given(st.ip_addresses())
def test_what_python_knows_to_be_special_is_refused(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = (
        address.is_private
        or address.is_multicast
        or address.is_reserved
        or address.is_link_local
        or address.is_loopback
        or address.is_unspecified
    )
    if special:
        assert not is_public(address)


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    guard, _ = resolving([PUBLIC, "10.0.0.1"])

    with pytest.raises(ForbiddenTargetError):
        await guard.addresses("https://hooks.example.org/")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "2130706433",  # decimal
        "017700000001",  # octal
        "0x7f000001",  # hexadecimal
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[fe80::1]",
        "10.0.0.1",
        "169.254.169.254",
        "2852039166",  # the same, decimal
        "0xa9fea9fe",
        "0251.0376.0251.0376",
    ],
)
async def test_no_spelling_of_inside_gets_past_the_real_resolver(host: str) -> None:
    with pytest.raises(ForbiddenTargetError):
        await Guard(STRICT).addresses(f"https://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https:///hook",
        "example.org/hook",
        "//example.org/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "javascript:alert(1)",
        "https://user@example.org/",
        "https://user:secret@example.org/",
        "https://example.org@10.0.0.1/",
        "https://example.org#@10.0.0.1/",
        "https://example.org/#fragment",
        "https://example.org\\@10.0.0.1/",
        "https://example.org:443:80/",
        "https://example.org:https/",
        "https://example.org:/",
        "https://example.org./",
        "https://-example.org/",
        "https://exa mple.org/",
        "https://example.org/a b",
        "https://example.org/a\r\nHost: inside",
        "https://example.org/\x00",
        "https://example.org/hook\n",
        " https://example.org/hook",
        "https://ex%61mple.org/",
        "https://bücher.example/",
        "https://①②⑦.0.0.1/",
        "https://[fe80::1%eth0]/",
        "https://[::1/",
        "https://[v1.x]/",
        f"https://example.org/{'a' * 2048}",
    ],
)
async def test_what_is_no_plain_url_is_refused_before_anybody_is_asked(url: str) -> None:
    guard, asked = resolving([PUBLIC])

    with pytest.raises(ForbiddenTargetError, match="must be a URL"):
        await guard.addresses(url)
    assert asked == []


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.org", Target(secure=True, host="example.org", port=443)),
        ("HTTPS://Example.ORG:8443/a?b=c", Target(secure=True, host="Example.ORG", port=8443)),
        ("http://127.0.0.1:80?x", Target(secure=False, host="127.0.0.1", port=80)),
        ("https://[2001:db8::1]:443/", Target(secure=True, host="2001:db8::1", port=443)),
        ("https://xn--bcher-kva.example/", Target(secure=True, host="xn--bcher-kva.example", port=443)),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    assert Target.of(url) == target


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://hooks.example.org/", "https"),
        ("https://hooks.example.org:8443/", "port 443"),
        ("https://hooks.example.org:22/", "port 443"),
    ],
)
async def test_only_https_on_its_port(url: str, complaint: str) -> None:
    guard, _ = resolving([PUBLIC])

    with pytest.raises(ForbiddenTargetError, match=complaint):
        await guard.addresses(url)


async def test_other_ports_are_a_setting() -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return [PUBLIC]

    guard = Guard(WebhookSettings(ports=(443, 8443)), resolver)

    assert await guard.addresses("https://hooks.example.org:8443/")


async def test_embedded_stacks_reach_this_machine_and_nothing_else_inside() -> None:
    guard = Guard(EMBEDDED)

    assert await guard.addresses("http://127.0.0.1:8123/hook")
    for url in ("http://10.0.0.1/", "https://10.0.0.1/", "http://93.184.215.14/", "https://169.254.169.254/"):
        with pytest.raises(ForbiddenTargetError):
            await guard.addresses(url)


async def test_a_host_that_is_nowhere_is_refused() -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "nowhere")

    for guard in (Guard(STRICT, nowhere), resolving([])[0]):
        with pytest.raises(ForbiddenTargetError):
            await guard.addresses("https://hooks.example.org/")


async def test_names_that_nobody_answers_for_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def wait(*_: object, **__: object) -> list[object]:
        over.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    looks = [asyncio.create_task(system_resolver(f"{n}.example.org", 443)) for n in range(40)]
    await asyncio.sleep(0.1)
    try:
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 5)
    finally:
        over.set()
    assert await asyncio.gather(*looks) == [[]] * 40


async def test_a_name_that_changes_its_mind_is_asked_once_and_held_to_it() -> None:
    """DNS rebinding: public when checked, inside when connected to."""
    guard, asked = resolving([PUBLIC], ["127.0.0.1"])

    assert await guard.addresses("https://hooks.example.org/") == [ipaddress.ip_address(PUBLIC)]
    assert asked == ["hooks.example.org"]
    with pytest.raises(ForbiddenTargetError):
        await guard.addresses("https://hooks.example.org/")
