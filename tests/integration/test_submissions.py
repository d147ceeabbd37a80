"""The bodies that `POST /v1/jobs` takes, their digests, and what may be said about a recording."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from factories import add_job, add_user
from mindtrack_gateway.app import create_app
from mindtrack_shared.db.models import Job, Recording
from mindtrack_shared.storage import RecordingStore
from upload_support import put

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 40
SAID = {
    "recorded_at": "2026-03-01T18:00:00+01:00",
    "time_zone": "Europe/Berlin",
    "priority": "bulk",
    "device": "Pixel 9",
    "microphone": "bluetooth",
    "app_version": "1.4.0",
}
Submit = Callable[..., httpx.Response]


def digest(content: bytes, algorithm: str = "sha-256") -> str:
    hashed = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(hashed).decode()}:"


def raw(client: httpx.Client, content: Any = WAV, query: Any = (), **headers: str) -> httpx.Response:  # noqa: ANN401
    return client.post(
        "/v1/jobs", content=content, params=query, headers={"Content-Type": "audio/wav", **headers}
    )


def form(client: httpx.Client, fields: dict[str, str]) -> httpx.Response:
    return client.post("/v1/jobs", files={"file": ("log.wav", WAV, "audio/wav")}, data=fields)


def named(client: httpx.Client, fields: dict[str, str]) -> httpx.Response:
    upload = client.post("/v1/uploads").json()
    put(upload, WAV)
    return client.post("/v1/jobs", json={"upload_id": upload["id"], **fields})


WAYS = {"form": form, "raw": lambda client, fields: raw(client, query=fields), "upload": named}


def jobs(engine: Engine) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


@pytest.fixture
def nothing_is_kept(engine: Engine, store: RecordingStore) -> Iterator[None]:
    before = set(store.objects())
    yield
    assert set(store.objects()) == before
    assert jobs(engine) == 0


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_all_ways_lead_to_the_same_job(ada: httpx.Client, engine: Engine, way: Submit) -> None:
    response = way(ada, SAID)

    assert response.status_code == 202, response.text
    job = response.json()
    seen = {name: job["recording"][name] for name in SAID if name != "priority"}
    assert seen == {name: SAID[name] for name in seen} | {"recorded_at": "2026-03-01T17:00:00Z"}
    assert job["priority"] == "bulk"
    assert ada.get(f"/v1/jobs/{job['id']}").json()["recording"] == job["recording"]
    with Session(engine) as session:
        row = session.scalars(select(Recording)).one()
    assert (row.device, row.microphone, row.app_version) == ("Pixel 9", "bluetooth", "1.4.0")
    assert (row.sha256, row.size_bytes) == (hashlib.sha256(WAV).digest(), len(WAV))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_what_is_not_said_is_not_known(ada: httpx.Client, engine: Engine, way: Submit) -> None:
    found = way(ada, {}).json()["recording"]

    assert (found["device"], found["microphone"], found["app_version"]) == (None, None, None)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("device", "x" * 65),
        ("device", "a\tb"),
        ("microphone", "gramophone"),
        ("app_version", "1" * 33),
        ("recorded_at", "2999-01-01T00:00:00Z"),
        ("recorded_at", "1999-01-01T00:00:00Z"),
        ("mood", "fine"),
    ],
)
def test_what_cannot_be_is_refused(
    ada: httpx.Client, engine: Engine, way: Submit, field: str, value: str
) -> None:
    response = way(ada, {field: value})

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert jobs(engine) == 0


@pytest.mark.parametrize(
    "content_type",
    [
        "audio/wav",
        "audio/x-unheard-of",
        "video/webm",
        "video/mp4",
        "application/ogg",
        "application/octet-stream",
    ],
)
def test_a_recording_may_be_the_body(ada: httpx.Client, engine: Engine, content_type: str) -> None:
    response = ada.post("/v1/jobs", content=WAV, headers={"Content-Type": content_type})

    assert response.status_code == 202
    assert response.json()["recording"]["content_type"] == "audio/wav", "what it is, not what it is called"


def test_a_recording_may_come_in_pieces(ada: httpx.Client, engine: Engine) -> None:
    assert raw(ada, (WAV[start : start + 7] for start in range(0, len(WAV), 7))).status_code == 202


@pytest.mark.parametrize(
    ("content", "query", "status", "slug"),
    [
        (b"", {}, 422, "recording-empty"),
        (b"Dear diary, today was fine.", {}, 415, "unsupported-media-type"),
        (WAV + bytes(2 * 1024 * 1024), {}, 413, "recording-too-large"),
        (lambda: iter([WAV] * 300), {}, 413, "recording-too-large"),
        (WAV, [("device", "a"), ("device", "b")], 422, "invalid-request"),
        (WAV, {"upload_id": "x"}, 422, "invalid-request"),
    ],
)
@pytest.mark.usefixtures("nothing_is_kept")
def test_a_body_that_is_no_recording_is_refused(
    ada: httpx.Client,
    content: Any,  # noqa: ANN401 - whatever httpx takes
    query: Any,  # noqa: ANN401
    status: int,
    slug: str,
) -> None:
    response = raw(ada, content() if callable(content) else content, query)

    assert (response.status_code, response.json()["type"]) == (status, f"urn:mindtrack:problem:{slug}")


@pytest.mark.usefixtures("nothing_is_kept")
@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /v1/jobs?microphone=gramophone HTTP/1.1\r\n", 422),
        ("POST /v1/jobs HTTP/1.1\r\nContent-Digest: nonsense\r\n", 400),
        ("POST /v1/jobs?device=Pixel HTTP/1.1\r\nContent-Digest: sha-256\r\n", 400),
    ],
)
def test_what_is_said_is_looked_at_before_the_body_is_sent(
    gateway: str, ada: httpx.Client, head: str, status: int
) -> None:
    """None of the body is ever sent here, and silence would be answered with 408."""
    host, port = gateway.removeprefix("http://").split(":")
    token = ada.headers["Authorization"]
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        rest = (
            f"Host: {host}\r\nAuthorization: {token}\r\nContent-Type: audio/wav\r\nContent-Length: 9\r\n\r\n"
        )
        connection.sendall((head + rest).encode())
        answer = connection.recv(4096)

    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_a_body_with_the_digest_it_should_have_is_taken(
    ada: httpx.Client, engine: Engine, algorithm: str
) -> None:
    assert raw(ada, **{"Content-Digest": digest(WAV, algorithm)}).status_code == 202


def test_algorithms_that_nobody_knows_are_ignored(ada: httpx.Client, engine: Engine) -> None:
    assert raw(ada, **{"Content-Digest": "md5=:AAAA:, sha-3=:AAAA:"}).status_code == 202


def encoded(client: httpx.Client, content: bytes = WAV) -> httpx.Request:
    request = client.build_request("POST", "/v1/jobs", files={"file": ("a.wav", content, "audio/wav")})
    request.read()
    return request


def test_the_digest_of_a_form_is_that_of_the_whole_form(ada: httpx.Client, engine: Engine) -> None:
    request = encoded(ada)
    request.headers["Content-Digest"] = digest(request.content)

    assert ada.send(request).status_code == 202


@pytest.mark.usefixtures("nothing_is_kept")
def test_a_form_with_another_digest_is_refused(ada: httpx.Client) -> None:
    request = encoded(ada)
    request.headers["Content-Digest"] = digest(WAV)

    response = ada.send(request)

    assert (response.status_code, response.json()["type"]) == (400, "urn:mindtrack:problem:digest-mismatch")


@pytest.mark.usefixtures("nothing_is_kept")
@pytest.mark.parametrize("size", [0, 1_000_000])
@pytest.mark.parametrize(
    ("field", "slug"),
    [
        (digest(b"else"), "digest-mismatch"),
        (f"{digest(b'else')}, {digest(b'else', 'sha-512')}", "digest-mismatch"),
        ("sha-256=:AAAA:", "malformed-request"),
        ("nonsense", "malformed-request"),
    ],
)
def test_a_body_with_another_digest_is_refused(ada: httpx.Client, field: str, slug: str, size: int) -> None:
    response = raw(ada, WAV + bytes(size), **{"Content-Digest": field})

    assert (response.status_code, response.json()["type"]) == (400, f"urn:mindtrack:problem:{slug}")


def test_a_document_has_a_digest_too(ada: httpx.Client, engine: Engine) -> None:
    upload = ada.post("/v1/uploads").json()
    put(upload, WAV)
    request = ada.build_request("POST", "/v1/jobs", json={"upload_id": upload["id"]})
    request.headers["Content-Digest"] = digest(WAV)

    assert ada.send(request).status_code == 400
    request.headers["Content-Digest"] = digest(request.content)
    assert ada.send(request).status_code == 202


def test_the_synchronous_endpoint_takes_them_too(ada: httpx.Client, engine: Engine) -> None:
    response = ada.post(
        "/analyze-stress?device=Pixel", content=WAV, headers={"Content-Type": "application/octet-stream"}
    )

    assert response.status_code == 202, "nobody works here"
    assert response.json()["recording"]["device"] == "Pixel"


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("device = ''", "device_bounded"),
        ("device = repeat('x', 65)", "device_bounded"),
        ("device = E'a\\nb'", "device_bounded"),
        ("microphone = 'gramophone'", "microphone_known"),
        ("app_version = repeat('x', 33)", "app_version_bounded"),
        ("app_version = E'\\x07'", "app_version_bounded"),
    ],
)
def test_postgres_refuses_it_itself(engine: Engine, change: str, constraint: str) -> None:
    add_job(engine, add_user(engine))

    with pytest.raises(IntegrityError, match=constraint), engine.begin() as connection:
        connection.execute(text(f"update recordings set {change}"))  # noqa: S608


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("size_bytes = 0", "size_positive"),
        ("content_type = ''", "content_type_bounded"),
        ("content_digest = repeat('x', 256)", "content_digest_bounded"),
    ],
)
def test_postgres_refuses_impossible_uploads(
    ada: httpx.Client, engine: Engine, change: str, constraint: str
) -> None:
    ada.post("/v1/uploads")

    with pytest.raises(IntegrityError, match=constraint), engine.begin() as connection:
        connection.execute(text(f"update uploads set {change}"))  # noqa: S608


def test_an_upload_belongs_to_the_person_whose_job_it_is(ada: httpx.Client, engine: Engine) -> None:
    ada.post("/v1/uploads")
    job_id = add_job(engine, add_user(engine, "grace"))

    with pytest.raises(IntegrityError, match="fk_uploads_job_id_user_id"), engine.begin() as connection:
        connection.execute(text("update uploads set job_id = :job_id"), {"job_id": job_id})


def test_all_bodies_and_answers_are_documented() -> None:
    paths = create_app().openapi()["paths"]
    submit, ask, write = (
        paths["/v1/jobs"]["post"],
        paths["/v1/uploads"]["post"],
        paths["/v1/uploads/{upload_id}"]["put"],
    )

    bodies = submit["requestBody"]["content"]
    assert {"multipart/form-data", "application/json", "audio/*", "application/octet-stream"} <= bodies.keys()
    assert all(body["examples"] for body in bodies.values())
    for name in SAID:
        assert name in bodies["multipart/form-data"]["schema"]["properties"]
        assert name in bodies["application/json"]["schema"]["properties"]
        assert name in {parameter["name"] for parameter in submit["parameters"]}
    assert statuses(submit) == "200 202 400 401 403 404 408 409 413 415 422 429 503"
    assert statuses(ask) == "201 400 401 403 408 413 422 429 501 503"
    assert statuses(write) == "204 400 403 404 408 409 413 422 429 503"
    assert "security" in submit
    assert "security" in ask
    assert "security" not in write, "the URL is the permission"
    assert ask["requestBody"]["content"]["application/json"]["examples"]
    assert {"expires", "signature", "Content-Digest"} <= {each["name"] for each in write["parameters"]}


def statuses(operation: dict[str, Any]) -> str:
    return " ".join(sorted(operation["responses"]))
