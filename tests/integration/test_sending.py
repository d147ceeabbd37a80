"""One webhook over real sockets: what it looks like, and what becomes of it however others behave."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook, WebhookVerificationError

from mindtrack_scheduler.sending import Answer, Message, Sender
from mindtrack_shared.domain.webhooks import AttemptError, WebhookEvent, secret_text
from mindtrack_shared.ids import new_id
from mindtrack_shared.outbound import Guard, Resolver, system_resolver
from mindtrack_shared.settings import WebhookSettings
from webhook_receiver import (
    Behaviour,
    Receiver,
    answer,
    dripping_head,
    endless_body,
    garbage,
    hang_up,
    receiving,
    silence,
)

SECRET, FORMER, OTHER = bytes(range(32)), bytes(range(1, 33)), bytes(32)
TIMEOUT = timedelta(seconds=1)
NAME = "hooks.example"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def sender(resolver: Resolver = system_resolver, tls: ssl.SSLContext | None = None) -> Sender:
    return Sender(Guard(WebhookSettings(allow_loopback=True), resolver), timeout=TIMEOUT, tls=tls)


def message() -> Message:
    return Message(
        id=new_id(),
        event=WebhookEvent.JOB_SUCCEEDED,
        at=datetime(2026, 3, 1, 18, 0, 0, 250_000, tzinfo=UTC),
        job_id=new_id(),
    )


async def send(url: str, *, by: Sender | None = None) -> Answer | AttemptError:
    said, _ = await (by or sender()).send(message(), url, [SECRET], at=datetime.now(UTC))
    return said


async def test_a_message_is_thin_and_signed_with_every_secret(receiver: Receiver) -> None:
    sent = message()

    said, seconds = await sender().send(sent, receiver.url, [SECRET, FORMER], at=datetime.now(UTC))

    (got,) = receiver.received
    assert said == Answer(204, None)
    assert 0 < seconds < TIMEOUT.total_seconds()
    assert json.loads(got.body) == {
        "type": "job.succeeded",
        "timestamp": "2026-03-01T18:00:00.250000Z",
        "data": {"job_id": str(sent.job_id)},
    }
    assert got.headers["webhook-id"] == str(sent.id)
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == receiver.url.split("/")[2]
    for secret in (SECRET, FORMER):
        Webhook(secret_text(secret)).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(OTHER)).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(SECRET)).verify(got.body + b" ", got.headers)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answer(200, b"thank you"), Answer(200, None)),
        (answer(302, Location="http://127.0.0.1:1/elsewhere"), Answer(302, None)),
        (answer(410), Answer(410, None)),
        (answer(429, Retry_After="120"), Answer(429, timedelta(seconds=120))),
        (answer(503, Retry_After="soon"), Answer(503, None)),
        (answer(503, Retry_After="-5"), Answer(503, None)),
        (answer(503, Retry_After="9" * 40), Answer(503, None)),
        (answer(503, Retry_After="Fri, 01 Jan 2021 00:00:00 GMT"), Answer(503, timedelta(0))),
        (garbage, AttemptError.PROTOCOL),
        (hang_up, AttemptError.PROTOCOL),
        (silence, AttemptError.TIMEOUT),
        (dripping_head, AttemptError.TIMEOUT),
        (endless_body, Answer(200, None)),
    ],
    ids=[
        *("ok", "redirect", "gone", "retry after", "no number", "negative", "overflow", "past"),
        *("garbage", "hang up", "silence", "dripping", "endless"),
    ],
)
async def test_whatever_the_receiver_does_an_attempt_ends_with_a_reason(
    receiver: Receiver, behaviour: Behaviour, expected: Answer | AttemptError
) -> None:
    receiver.behaves(behaviour)
    began = time.monotonic()

    assert await send(receiver.url) == expected
    assert time.monotonic() - began < TIMEOUT.total_seconds() + 0.5
    assert len(receiver.received) == 1, "nothing is followed or repeated"


async def test_a_moment_to_come_back_is_understood(receiver: Receiver) -> None:
    receiver.behaves(answer(503, Retry_After=format_datetime(datetime.now(UTC) + timedelta(minutes=5))))

    said = await send(receiver.url)

    assert isinstance(said, Answer)
    assert said.retry_after is not None
    assert timedelta(minutes=4, seconds=55) < said.retry_after <= timedelta(minutes=5)


async def test_nobody_listens() -> None:
    assert await send("http://127.0.0.1:1/hook") is AttemptError.CONNECTION


async def test_a_proxy_of_the_environment_is_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert await send(receiver.url) == Answer(204, None)


async def test_what_was_checked_is_what_is_connected_to() -> None:
    """The name leads to one server when it is checked, and to another one ever after."""
    answers: list[Sequence[str]] = [["127.0.0.1"], ["127.0.0.2"]]

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    with receiving() as checked:
        port = int(checked.url.split(":")[2].split("/")[0])
        with receiving("127.0.0.2", port) as other:
            assert await send(f"http://{NAME}:{port}/hook", by=sender(rebinding)) == Answer(204, None)

            assert [got.at for got in checked.received] == ["127.0.0.1"]
            assert checked.received[0].headers["host"] == f"{NAME}:{port}"
            assert other.received == []
    assert answers == [["127.0.0.2"]], "asked once"


@pytest.mark.parametrize("inside", ["10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "2002:a00:1::1"])
async def test_a_name_that_leads_inside_by_now_is_not_connected_to(inside: str) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return [inside]

    assert await send(f"https://{NAME}/hook", by=sender(resolver)) is AttemptError.ADDRESS


async def test_the_next_address_is_tried_where_nobody_listens(receiver: Receiver) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.3", "127.0.0.1"]

    url = receiver.url.replace("127.0.0.1", NAME)

    assert await send(url, by=sender(resolver)) == Answer(204, None)


# --- A canary inside ------------------------------------------------------------------------------------


@pytest.fixture
def canary() -> Iterator[Canary]:
    """Somebody inside who should never hear from us, on IPv4 and IPv6."""
    with Canary() as listening:
        yield listening


class Canary:
    """Counts connections, to whichever address of this machine."""

    def __init__(self) -> None:
        self.connections = 0
        self._sockets = [socket.create_server(("0.0.0.0", 0))]  # noqa: S104 - every way in is to be heard
        self.port: int = self._sockets[0].getsockname()[1]
        self._sockets.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        self._threads = [threading.Thread(target=self._count, args=(each,)) for each in self._sockets]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for each, thread in zip(self._sockets, self._threads, strict=True):
            each.shutdown(socket.SHUT_RDWR)
            thread.join()
            each.close()

    def _count(self, listening: socket.socket) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = listening.accept()
                self.connections += 1
                connection.close()


INSIDE = (
    *("127.0.0.1", "127.1", "127.0.1.1", "0", "0.0.0.0", "localhost", "LOCALHOST"),  # noqa: S104
    *("2130706433", "017700000001", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.0.0.1.nip.io"),
    *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]"),
    *("[2002:7f00:1::]", "[fe80::1]", "169.254.169.254", "10.0.0.1", "xn--lcalhost-54a.example"),
    *("user@127.0.0.1", "example.org@127.0.0.1", "127.0.0.1#@example.org", "example.org\\@127.0.0.1"),
    *("\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "loc\u0430lhost", "127.0.0.1%00.example.org"),
)


def strict(port: int, resolver: Resolver = system_resolver) -> Sender:
    """Make a sender as it is where people's data is, to which even the canary's port is open."""
    return Sender(Guard(WebhookSettings(ports=(443, port)), resolver), timeout=TIMEOUT)


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", INSIDE)
async def test_no_spelling_reaches_the_canary(canary: Canary, host: str, scheme: str) -> None:
    said = await send(f"{scheme}://{host}:{canary.port}/hook", by=strict(canary.port))

    assert said is AttemptError.ADDRESS
    assert canary.connections == 0


@pytest.mark.parametrize(
    "inside",
    ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "64:ff9b::7f00:1", "169.254.169.254"],  # noqa: S104
)
async def test_no_name_that_leads_inside_by_now_reaches_the_canary(canary: Canary, inside: str) -> None:
    """It was public when it was registered. That it is asked once, and held to its answer, is told above."""

    async def rebound(host: str, port: int) -> list[str]:
        return [inside]

    said = await send(f"https://{NAME}:{canary.port}/hook", by=strict(canary.port, rebound))

    assert said is AttemptError.ADDRESS
    assert canary.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_reaches_the_canary(canary: Canary, receiver: Receiver, status: int) -> None:
    for host in ("127.0.0.1", "[::1]", "localhost"):
        receiver.behaves(answer(status, location=f"http://{host}:{canary.port}/"))
        said = await send(receiver.url)
        assert isinstance(said, Answer)
        assert not said.is_success
    assert canary.connections == 0


async def test_the_canary_hears_who_does_connect(canary: Canary) -> None:
    """The others would pass if it were deaf."""
    for host in ("127.0.0.1", "[::1]"):
        await send(f"http://{host}:{canary.port}/hook")
    assert canary.connections == 2


# --- TLS ------------------------------------------------------------------------------------------------


async def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def certificate(folder: Path, name: str) -> Path:
    """Write a certificate that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize(
    ("issued_for", "trusted", "expected"),
    [
        (NAME, True, Answer(204, None)),
        (NAME, False, AttemptError.TLS),
        ("others.example", True, AttemptError.TLS),
    ],
)
async def test_tls_asks_for_the_name_though_the_address_is_pinned(
    tmp_path: Path,
    issued_for: str,
    trusted: bool,  # noqa: FBT001
    expected: Answer | AttemptError,
) -> None:
    pem = certificate(tmp_path, issued_for)
    asked: list[str | None] = []
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    trust = ssl.create_default_context(cafile=pem) if trusted else None

    with receiving(tls=server) as receiver:
        port = receiver.url.split(":")[2]
        assert await send(f"https://{NAME}:{port}", by=sender(here, trust)) == expected
        assert len(receiver.received) == (expected == Answer(204, None))
    assert asked == [NAME]


async def test_plain_text_where_tls_is_expected(receiver: Receiver) -> None:
    assert await send(receiver.url.replace("http:", "https:")) is AttemptError.TLS
