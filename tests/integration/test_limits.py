"""Limits over real sockets and a real Valkey, which is shared, frozen and killed."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from statistics import median

import httpx2 as httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from integration_support import as_role, serving
from mindtrack_gateway.app import create_app
from mindtrack_gateway.dependencies import Parts
from mindtrack_local import valkey
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_local.ports import reserve
from mindtrack_shared.db import roles
from mindtrack_shared.db.models import Job
from mindtrack_shared.ids import new_id
from mindtrack_shared.settings import DatabaseSettings
from mindtrack_shared.storage.recordings import PART_BYTES
from patience import eventually

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(1024)
UNKNOWN = "/v1/jobs/00000000-0000-7000-8000-000000000000"
JSON = {"Content-Type": "application/json"}
DEFAULTS = {
    "MINDTRACK_LIMIT_UPLOADS_PER_MINUTE": "30",
    "MINDTRACK_LIMIT_UPLOADS_BURST": "10",
    "MINDTRACK_LIMIT_POLLS_PER_SECOND": "20",
    "MINDTRACK_LIMIT_POLLS_BURST": "60",
    "MINDTRACK_LIMIT_OTHERS_PER_SECOND": "10",
    "MINDTRACK_LIMIT_OTHERS_BURST": "40",
    "MINDTRACK_LIMIT_CONCURRENT_UPLOADS": "64",
    "MINDTRACK_LIMIT_CONCURRENT_UPLOADS_PER_SUBJECT": "4",
    "MINDTRACK_LIMIT_CONCURRENT_UPLOAD_BYTES": "167772160",
    "MINDTRACK_LIMIT_CONCURRENT_STREAMS_PER_SUBJECT": "16",
}

#: Classes of requests, and the time by which their settings count.
KINDS = (("uploads", "minute"), ("polls", "second"), ("others", "second"), ("codes", "minute"))

#: Starts a gateway with settings of `LimitSettings`, by their fields' names; it runs while the block does.
Gateways = Callable[..., AbstractContextManager["Gateway"]]


class Broker:
    """A Valkey of the test's own."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.url = url
        self._process = process

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Gateway:
    def __init__(self, app: FastAPI, url: str, infrastructure: Infrastructure) -> None:
        self.url = url
        self._app = app
        self._issuer = infrastructure.issuer
        self._http = httpx.Client(base_url=url, timeout=30)

    def close(self) -> None:
        self._http.close()

    def connect(self) -> socket.socket:
        host, port = self.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=10)

    def authorization(self, subject: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._issuer.token(subject)}"}

    def upload(self, subject: str = "ada", more: bytes = b"") -> httpx.Response:
        headers = self.authorization(subject)
        content = WAV + new_id().bytes + more
        return self._http.post("/v1/jobs", files={"file": ("a.wav", content, "audio/wav")}, headers=headers)

    def upload_url(self) -> str:
        url: str = self._http.post("/v1/uploads", headers=self.authorization("ada")).json()["url"]
        return url

    def poll(self, subject: str = "ada", **headers: str) -> httpx.Response:
        return self._http.get(UNKNOWN, headers=self.authorization(subject) | headers)

    def guess(self, subject: str = "florence") -> httpx.Response:
        """Try a code, as a clinician."""
        token = self._issuer.token(subject, "clinician")
        headers = {"Authorization": f"Bearer {token}"}
        return self._http.post("/v1/grants", json={"code": "0000-0000-0000-0000"}, headers=headers)

    @contextmanager
    def stream(self, subject: str = "ada") -> Iterator[httpx.Response]:
        """Listen, from the first event on."""
        with self._http.stream("GET", "/v1/events", headers=self.authorization(subject)) as answer:
            lines = answer.iter_lines()
            if answer.is_success:
                next(lines)
            yield answer

    def list(self, subject: str = "ada") -> httpx.Response:
        return self._http.get("/v1/jobs", headers=self.authorization(subject))

    def anonymous(self, forwarded: str) -> httpx.Response:
        return self._http.get("/v1/jobs", headers={"X-Forwarded-For": forwarded})

    def post(self, content: bytes | Iterator[bytes], headers: dict[str, str]) -> httpx.Response:
        return self._http.post("/v1/jobs", content=content, headers=self.authorization("ada") | headers)

    def uploads_under_way(self) -> int:
        parts: Parts = self._app.state.parts
        return parts.limiter.uploads.total

    def refused(self, kind: str, scope: str) -> float:
        page = self._http.get("/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == "mindtrack_limited_requests_total"
            and sample.labels == {"class": kind, "scope": scope}
        )


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    reservation = reserve("valkey", 6390)
    spec = valkey.spec(tmp_path / "valkey", reservation.port, durable=False)
    process = subprocess.Popen(spec.command)
    while not valkey.answers(reservation.port):
        time.sleep(0.01)
    broker = Broker(process, valkey.url(reservation.port))
    yield broker
    broker.kill()
    reservation.release()


@pytest.fixture
def gateways(
    infrastructure: Infrastructure, database: DatabaseSettings, broker: Broker, engine: Engine
) -> Gateways:
    @contextmanager
    def start(**limits: object) -> Iterator[Gateway]:
        with ExitStack() as running:
            with pytest.MonkeyPatch.context() as environment:
                for name, value in infrastructure.environment.variables().items():
                    environment.setenv(name, value)
                for name, value in DEFAULTS.items():
                    environment.setenv(name, value)
                for name, limit in limits.items():
                    environment.setenv(f"MINDTRACK_LIMIT_{name.upper()}", str(limit))
                login = as_role(roles.GATEWAY, database)
                environment.setenv("MINDTRACK_DATABASE_URL", login.url.get_secret_value())
                environment.setenv("MINDTRACK_QUEUE_URL", broker.url)
                app = create_app()
                gateway = Gateway(app, running.enter_context(serving(app)), infrastructure)
            running.callback(gateway.close)
            yield gateway

    return start


def jobs(engine: Engine) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def timed(request: Callable[[], httpx.Response]) -> tuple[int, float]:
    started = time.monotonic()
    return request().status_code, time.monotonic() - started


def test_answers_say_how_the_budget_stands(gateways: Gateways) -> None:
    with gateways() as gateway:
        poll, upload = gateway.poll(), gateway.upload()

    assert poll.status_code == 404
    assert poll.headers["RateLimit-Policy"] == '"polls";q=60;w=3'
    assert poll.headers["RateLimit"] == '"polls";r=59;t=1'
    assert upload.headers["RateLimit-Policy"] == '"uploads";q=10;w=20'
    assert upload.headers["RateLimit"] == '"uploads";r=9;t=2'


def test_two_gateways_share_a_persons_uploads(gateways: Gateways, engine: Engine) -> None:
    slow = {"uploads_burst": 4, "uploads_per_minute": 1}
    with gateways(**slow) as one, gateways(**slow) as other:
        before = one.refused("uploads", "subject")
        answers = [gateway.upload() for gateway in (one, other) * 3]
        somebody_else = other.upload("grace")
        refused = one.refused("uploads", "subject") - before

    assert [answer.status_code for answer in answers] == [202] * 4 + [429] * 2
    assert jobs(engine) == 5
    refusal = answers[-1]
    assert refusal.headers["Content-Type"] == "application/problem+json"
    assert refusal.json()["type"] == "urn:mindtrack:problem:too-many-requests"
    pause = refusal.headers["Retry-After"]
    assert 30 <= int(pause) <= 60
    assert refusal.headers["RateLimit"] == f'"uploads";r=0;t={pause}'
    assert somebody_else.status_code == 202
    assert refused == 2, "both gateways of this process count in one registry"


def test_after_retry_after_there_is_room_again(gateways: Gateways) -> None:
    with gateways(uploads_burst=1, uploads_per_minute=60) as gateway:
        gateway.upload()
        pause = int(gateway.upload().headers["Retry-After"])
        time.sleep(pause)

        assert gateway.upload().status_code == 202


def test_two_gateways_share_a_persons_polls(gateways: Gateways) -> None:
    slow = {"polls_burst": 40, "polls_per_second": 0.01}
    with gateways(**slow) as one, gateways(**slow) as other:
        statuses = [gateway.poll().status_code for gateway in (one, other) * 40]

    assert 40 <= statuses.count(404) <= 40 + 2 * 5
    assert statuses.count(429) == 80 - statuses.count(404)


def test_an_address_has_a_budget_of_its_own(gateways: Gateways) -> None:
    limits = {
        "address_factor": 0.5,
        "others_burst": 6,
        "others_per_second": 0.01,
        "trusted_proxies": '["127.0.0.0/8"]',
    }
    with gateways(**limits) as gateway:
        flood = [gateway.anonymous("6.6.6.6, 8.8.8.8") for _ in range(5)]
        neighbour = gateway.anonymous("8.8.8.8, 9.9.9.9")
        polls = gateway.poll("ada", **{"X-Forwarded-For": "8.8.8.8"})

    assert [answer.status_code for answer in flood] == [401] * 3 + [429] * 2
    assert flood[0].headers["RateLimit-Policy"] == '"others-address";q=3;w=600'
    assert int(flood[-1].headers["Retry-After"]) > 100
    assert flood[-1].json()["instance"] == "/v1/jobs"
    assert flood[-1].headers["X-Request-ID"]
    assert neighbour.status_code == 401
    assert polls.status_code == 404


def test_nobody_is_believed_unless_told_to(gateways: Gateways) -> None:
    with gateways(address_factor=0.1, others_burst=10, others_per_second=0.01) as gateway:
        answers = [gateway.anonymous("8.8.8.8").status_code for _ in range(5)]

    assert answers == [401] * 5


def test_valkey_learns_no_names(gateways: Gateways, broker: Broker) -> None:
    slow = {"polls_per_second": 0.1, "uploads_per_minute": 6, "address_factor": 1}
    with gateways(trusted_proxies='["127.0.0.0/8"]', **slow) as gateway, Redis.from_url(broker.url) as redis:
        gateway.poll("ada-lovelace", **{"X-Forwarded-For": "8.8.8.8"})
        gateway.upload("ada-lovelace")
        eventually(lambda: len(redis.keys("mt:limit:*")) == 3)
        keys = redis.keys("mt:limit:*")
        lives = [redis.pttl(key) for key in keys]

    assert sorted(key.split(b":")[2] for key in keys) == [b"polls", b"polls", b"uploads"]
    assert not [key for key in keys if b"ada" in key or b"8.8" in key]
    assert all(5_000 < life <= 10_000 for life in lives), "and forgets them"


def test_probes_and_metrics_are_not_limited(gateways: Gateways) -> None:
    with gateways() as gateway:
        answer = httpx.get(f"{gateway.url}/healthz")

    assert answer.status_code == 200
    assert "RateLimit" not in answer.headers


def uploading(gateway: Gateway, subject: str, length: int = 100_000) -> socket.socket:
    """Begin an upload and leave it there."""
    connection = gateway.connect()
    lines = [
        "POST /v1/jobs HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: {gateway.authorization(subject)['Authorization']}",
        "Content-Type: multipart/form-data; boundary=x",
        f"Content-Length: {length}",
    ]
    connection.sendall(("\r\n".join(lines) + "\r\n\r\n--x\r\n").encode())
    return connection


def test_uploads_at_a_time_are_few(gateways: Gateways) -> None:
    with gateways(concurrent_uploads=2, concurrent_uploads_per_subject=1) as gateway:
        with uploading(gateway, "ada"), uploading(gateway, "grace"):
            eventually(lambda: gateway.uploads_under_way() == 2)
            one_too_many, everybody = gateway.upload("ada"), gateway.upload("linus")
        eventually(lambda: gateway.uploads_under_way() == 0)
        afterwards = gateway.upload("ada")

    assert one_too_many.status_code == 429
    assert one_too_many.json()["type"] == "urn:mindtrack:problem:too-many-uploads"
    assert everybody.status_code == 503
    assert everybody.json()["type"] == "urn:mindtrack:problem:overloaded"
    assert min(int(answer.headers["Retry-After"]) for answer in (one_too_many, everybody)) > 0
    assert afterwards.status_code == 202


def test_large_uploads_take_the_room_of_many_small_ones(gateways: Gateways) -> None:
    half_a_part = PART_BYTES // 2
    with gateways(concurrent_upload_bytes=PART_BYTES + half_a_part) as gateway:
        with uploading(gateway, "ada", 100_000_000), uploading(gateway, "grace", half_a_part - 2_000):
            eventually(lambda: gateway.uploads_under_way() == 2)
            no_room, room = gateway.upload("linus", b"x" * 4_000), gateway.upload("linus")
        eventually(lambda: gateway.uploads_under_way() == 0)
        afterwards = gateway.upload("linus", b"x" * 4_000)

    assert no_room.status_code == 503
    assert no_room.json()["type"] == "urn:mindtrack:problem:overloaded"
    assert (room.status_code, afterwards.status_code) == (202, 202)


def test_what_comes_through_urls_is_counted_as_well(
    gateways: Gateways, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINDTRACK_GATEWAY_PRESIGN_UPLOADS", "false")
    monkeypatch.setenv("MINDTRACK_GATEWAY_UPLOAD_SECRET", "a secret that only this test knows")
    with gateways(concurrent_uploads_per_subject=1) as gateway:
        one, other = gateway.upload_url(), gateway.upload_url()
        with gateway.connect() as slow:
            path = one.removeprefix(gateway.url)
            slow.sendall(f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n".encode())
            eventually(lambda: gateway.uploads_under_way() == 1)
            refused = httpx.put(other, content=WAV)
            slow.sendall(b"RIFF-Wave")
            taken = slow.recv(12)
        eventually(lambda: gateway.uploads_under_way() == 0)
        afterwards = httpx.put(other, content=WAV)

    assert refused.status_code == 429
    assert refused.json()["type"] == "urn:mindtrack:problem:too-many-uploads"
    assert refused.headers["Connection"] == "close"
    assert taken == b"HTTP/1.1 204"
    assert afterwards.status_code == 204


def test_waiting_for_a_result_is_no_upload(gateways: Gateways, engine: Engine) -> None:
    with gateways(concurrent_uploads_per_subject=1) as gateway, uploading_whole(gateway) as waiting:
        eventually(lambda: jobs(engine) == 1 and gateway.uploads_under_way() == 0)
        other = gateway.upload()
        waiting.setblocking(False)
        with pytest.raises(BlockingIOError):  # no answer yet
            waiting.recv(1)

    assert other.status_code == 202


def uploading_whole(gateway: Gateway) -> socket.socket:
    """Send all of an upload to /analyze-stress, whose job nobody does."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'
        b"Content-Type: audio/wav\r\n\r\n" + WAV + new_id().bytes + b"\r\n--x--\r\n"
    )
    connection = gateway.connect()
    lines = [
        "POST /analyze-stress HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: {gateway.authorization('ada')['Authorization']}",
        "Content-Type: multipart/form-data; boundary=x",
        f"Content-Length: {len(body)}",
    ]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return connection


def test_a_body_that_is_no_recording_is_small(gateways: Gateways) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b" " * 1000

    with gateways() as gateway:
        declared = gateway.post(b" " * 65_537, JSON)
        chunked = gateway.post(endless(), JSON)
        fits = gateway.post(b" " * 65_536, JSON)

    for answer in (declared, chunked):
        assert answer.status_code == 413
        assert answer.json()["type"] == "urn:mindtrack:problem:request-too-large"
    assert fits.status_code != 413


@pytest.mark.parametrize("piece", [b"X-Long: " + bytes(range(97, 123)) * 20, b"a" * 500])
def test_headers_come_to_an_end(gateways: Gateways, piece: bytes) -> None:
    with gateways() as gateway, gateway.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Start: ")
        answer = b""
        try:
            for _ in range(400):
                connection.sendall(piece + (b"\r\n" if b":" in piece else b""))
                time.sleep(0.0005)
            answer = connection.recv(4096)
        except ConnectionError:
            answer = answer or connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("outage", ["freeze", "kill"])
def test_uploads_are_accepted_and_still_limited_while_valkey_is_away(
    gateways: Gateways, broker: Broker, outage: str
) -> None:
    with gateways(uploads_burst=5, uploads_per_minute=1) as gateway:
        assert gateway.upload().status_code == 202
        getattr(broker, outage)()
        answers = [timed(gateway.upload) for _ in range(6)]
        polls = [timed(gateway.poll) for _ in range(20)]
        broker.thaw() if outage == "freeze" else None

    assert [status for status, _ in answers] == [202] * 4 + [429] * 2
    assert max(seconds for _, seconds in answers) < 1
    assert {status for status, _ in polls} == {404}
    assert median(seconds for _, seconds in polls) < 0.05


def test_every_class_of_requests_stays_limited_when_valkey_is_killed_midway(
    gateways: Gateways, broker: Broker
) -> None:
    """Neither open nor closed: each process goes on by its own count, and two give twice at most."""
    bursts = {"uploads_burst": 4, "polls_burst": 16, "others_burst": 16, "codes_burst": 3}
    slow = {f"{kind}_per_{unit}": 0.001 for kind, unit in KINDS}
    with gateways(**bursts, **slow) as one, gateways(**bursts, **slow) as other:
        assert (one.upload().status_code, other.poll().status_code) == (202, 404)
        broker.kill()
        uploads = [each.upload().status_code for _ in range(6) for each in (one, other)]
        polls = [each.poll().status_code for _ in range(20) for each in (one, other)]
        codes = [each.guess().status_code for _ in range(5) for each in (one, other)]
        listed = [each.list().status_code for _ in range(20) for each in (one, other)]

    for answers, status, burst in ((uploads, 202, 4), (polls, 404, 16), (codes, 404, 3), (listed, 200, 16)):
        assert set(answers) == {status, 429}
        assert burst - 1 <= answers.count(status) <= 2 * burst


def test_a_gateway_starts_without_valkey(gateways: Gateways, broker: Broker) -> None:
    broker.kill()
    with gateways() as gateway:
        answers = [timed(gateway.upload) for _ in range(3)]

    assert [status for status, _ in answers] == [202] * 3
    assert max(seconds for _, seconds in answers) < 1


def test_when_valkey_thaws_budgets_are_shared_again(gateways: Gateways, broker: Broker) -> None:
    slow = {"uploads_burst": 3, "uploads_per_minute": 0.1}
    with gateways(**slow) as one, gateways(**slow) as other:
        assert other.upload("grace").status_code == 202
        broker.freeze()
        spent = [one.upload().status_code for _ in range(3)]
        broker.thaw()
        time.sleep(2.5)  # each looks once a second
        elsewhere = other.upload().status_code

    assert spent == [202] * 3
    assert elsewhere == 429


def test_a_person_has_so_many_streams_at_a_time(gateways: Gateways) -> None:
    with gateways(concurrent_streams_per_subject=2) as gateway:
        with ExitStack() as open_streams:
            statuses = [open_streams.enter_context(gateway.stream()).status_code for _ in range(3)]
            with gateway.stream("grace") as hers:
                assert hers.status_code == 200
        assert statuses == [200, 200, 429]

        def has_room() -> bool:
            with gateway.stream() as again:
                return again.status_code == 200

        eventually(has_room)
