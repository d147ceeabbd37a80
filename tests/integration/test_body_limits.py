"""How much, and how slowly, a body may come: every framing at the cap and a byte beyond it."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest

from integration_support import WAV
from mindtrack_gateway import protocol
from mindtrack_shared.ids import new_id

#: Of the gateway that tests share.
CAP = 2 * 1024 * 1024
AUDIO = {"Content-Type": "audio/wav"}
BOUNDARY = "x"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def recording(size: int) -> bytes:
    start = WAV[:64] + new_id().bytes
    return start + bytes(size - len(start))


def form(content: bytes, *fields: tuple[str, bytes]) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value + b"\r\n"
        for name, value in fields
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
    file = (head + "Content-Type: audio/wav\r\n\r\n").encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return b"".join(parts) + file


def chunked(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), 65_536):
        yield content[start : start + 65_536]


@pytest.mark.parametrize(("size", "status"), [(CAP, 202), (CAP + 1, 413)])
@pytest.mark.parametrize("framing", ["length", "chunks", "form", "form in chunks"])
def test_a_byte_more_is_too_much_however_it_comes(
    ada: httpx.Client, framing: str, size: int, status: int
) -> None:
    content = recording(size)
    body = form(content) if "form" in framing else content
    response = ada.post(
        "/v1/jobs",
        content=chunked(body) if "chunks" in framing else body,
        headers=FORM if "form" in framing else AUDIO,
    )
    assert response.status_code == status
    if status == 413:
        assert response.json()["type"] == "urn:mindtrack:problem:recording-too-large"
        assert ada.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize(
    "fields",
    [[("device", bytes(4 * 1024 * 1024))], [(f"field{number}", b"x") for number in range(10_000)]],
    ids=["a huge field", "ten thousand fields"],
)
def test_a_forms_fields_are_few_and_short(ada: httpx.Client, fields: list[tuple[str, bytes]]) -> None:
    response = ada.post("/v1/jobs", content=chunked(form(recording(1000), *fields)), headers=FORM)
    assert response.status_code == 422
    assert len(response.content) < 2000


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "POST", "PUT"])
def test_nobody_sends_without_end_whatever_the_method(gateway: str, method: str) -> None:
    sent: list[bytes] = []

    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            sent.append(bytes(65_536))
            yield sent[-1]

    with suppress(httpx.TransportError):
        response = httpx.request(method, f"{gateway}/v1/users/me", content=endless())
        assert response.status_code in {405, 413}
    assert len(sent) < 1000


def test_what_is_packed_is_not_unpacked(ada: httpx.Client) -> None:
    packed = gzip.compress(recording(CAP))
    response = ada.post("/v1/jobs", content=packed, headers=AUDIO | {"Content-Encoding": "gzip"})
    assert response.status_code == 415


def exchange(gateway: str, client: httpx.Client, headers: str, body: bytes, *, end: bool = False) -> bytes:
    """Send a request as it stands, and return what comes back until the server hangs up or falls silent."""
    address = urlsplit(gateway)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as connection:
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: {client.headers['Authorization']}\r\n"
        connection.sendall(f"{head}Content-Type: audio/wav\r\n{headers}\r\n".encode() + body)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(TimeoutError, ConnectionError):
            while b"\r\n\r\n" not in answer:
                received = connection.recv(65_536)
                if not received:
                    break
                answer += received
        return answer


@pytest.mark.parametrize("length", ["-1", "+5", "0x10", "5, 5", "5 5", "", "9" * 30])
def test_a_length_that_is_none_is_refused(gateway: str, ada: httpx.Client, length: str) -> None:
    answer = exchange(gateway, ada, f"Content-Length: {length}\r\n", recording(1000))
    assert answer.startswith(b"HTTP/1.1 4")
    assert ada.get("/v1/jobs").json()["items"] == []


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: 1000\r\nContent-Length: 2000\r\n",
        "Content-Length: 1000\r\nContent-Length: 1000\r\n",
        "Content-Length: 1000\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: gzip\r\n",
    ],
)
def test_a_body_with_two_ends_is_refused(gateway: str, ada: httpx.Client, headers: str) -> None:
    """What two readers measure differently smuggles a request past one of them."""
    answer = exchange(gateway, ada, headers, recording(1000))
    assert answer.startswith(b"HTTP/1.1 4")
    assert ada.get("/v1/jobs").json()["items"] == []


def test_a_body_that_ends_before_it_said_is_no_recording(gateway: str, ada: httpx.Client) -> None:
    exchange(gateway, ada, "Content-Length: 5000\r\n", recording(1000), end=True)
    assert ada.get("/v1/jobs").json()["items"] == []


def test_a_body_that_goes_on_after_its_end_is_refused(gateway: str, ada: httpx.Client) -> None:
    answer = exchange(gateway, ada, "Content-Length: 1000\r\n", recording(3000))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert ada.get("/v1/jobs").json()["items"] == []


def test_who_asks_first_is_refused_before_sending(gateway: str, ada: httpx.Client) -> None:
    headers = f"Content-Length: {CAP + 1}\r\nExpect: 100-continue\r\n"
    assert exchange(gateway, ada, headers, b"").startswith(b"HTTP/1.1 413 ")
    assert exchange(gateway, ada, "Content-Length: 1000\r\nExpect: 100-continue\r\n", b"").startswith(
        b"HTTP/1.1 100 "
    )


@pytest.mark.parametrize("framing", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_sender_that_drips_is_cut(gateway: str, ada: httpx.Client, framing: str) -> None:
    """A byte each tenth of a second never is silence; this gateway waits a second for its 256 bytes."""
    address = urlsplit(gateway)
    piece = b"1\r\na\r\n" if "chunked" in framing else b"a"
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=0.1) as connection:
        head = f"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: {ada.headers['Authorization']}\r\n"
        connection.sendall(f"{head}Content-Type: audio/wav\r\n{framing}\r\n\r\n".encode())
        answer, since = b"", time.monotonic()
        while not answer and time.monotonic() - since < 20:
            connection.sendall(piece)
            with suppress(TimeoutError):
                answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "])
def test_a_head_that_does_not_come_is_not_waited_for(
    gateway: str, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT", 0.5)
    address = urlsplit(gateway)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        connection.sendall(sent)
        assert connection.recv(4096) == b"", "hung up"
