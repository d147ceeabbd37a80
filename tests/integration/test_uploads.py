"""Uploads by URL, straight to S3 or through the gateway, and what may go wrong with them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from integration_support import as_role, serving
from mindtrack_gateway.app import create_app
from mindtrack_gateway.recordings import uploads
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_scheduler.sweep import sweep
from mindtrack_shared.db import roles
from mindtrack_shared.db.models import Job, Recording, Upload
from mindtrack_shared.db.uploads import GRACE
from mindtrack_shared.ids import new_id
from mindtrack_shared.sealing import DataKeys
from mindtrack_shared.settings import DatabaseSettings, StorageSettings
from mindtrack_shared.storage import RecordingStore, StorageUnavailableError, open_store
from upload_support import Place, chunks, put

WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 40
OTHER = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(reversed(range(256))) * 40
LIMIT = 2 * 1024 * 1024
SECRET = "a secret that only the tests know"  # noqa: S105 - theirs
UNKNOWN = "00000000-0000-7000-8000-000000000000"


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


@pytest.fixture(scope="module")
def folder_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"file://{tmp_path_factory.mktemp('folder')}/recordings"


def gateway_with(
    infrastructure: Infrastructure, database: DatabaseSettings, **settings: str
) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in infrastructure.environment.variables().items():
            environment.setenv(name, value)
        login = as_role(roles.GATEWAY, database)
        environment.setenv("MINDTRACK_DATABASE_URL", login.url.get_secret_value())
        environment.setenv("MINDTRACK_GATEWAY_MAX_RECORDING_BYTES", str(LIMIT))
        for name, value in settings.items():
            environment.setenv(name, value)
        with serving(create_app()) as base_url:
            environment.undo()
            yield base_url


@pytest.fixture(scope="module")
def folder_gateway(
    infrastructure: Infrastructure, database: DatabaseSettings, folder_url: str
) -> Iterator[str]:
    """A gateway over a folder, whose upload URLs lead to itself."""
    yield from gateway_with(
        infrastructure,
        database,
        MINDTRACK_STORAGE_URL=folder_url,
        MINDTRACK_GATEWAY_UPLOAD_SECRET=SECRET,
        MINDTRACK_GATEWAY_UPLOAD_IDLE="1",
    )


@pytest.fixture(params=["s3", "folder"])
def place(
    request: pytest.FixtureRequest, ada: httpx.Client, keys: DataKeys, store: RecordingStore
) -> Iterator[Place]:
    if request.param == "s3":
        yield Place(ada, store, keys, presigns=True)
        return
    yield request.getfixturevalue("folder")


@pytest.fixture
def folder(folder_gateway: str, folder_url: str, ada: httpx.Client, keys: DataKeys) -> Iterator[Place]:
    with httpx.Client(base_url=folder_gateway, headers=ada.headers, timeout=30) as client:
        yield Place(client, open_store(StorageSettings(url=folder_url)), keys, presigns=False)


def rows(engine: Engine, model: type[Job | Upload | Recording] = Job) -> int:
    with Session(engine) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def recording(engine: Engine) -> Recording:
    with Session(engine) as session:
        return session.scalars(select(Recording)).one()


def test_what_was_put_at_the_url_becomes_a_job(place: Place, engine: Engine) -> None:
    before = place.keys()
    upload = place.ask(size_bytes=len(WAV), content_type="audio/x-wav", content_digest=digest(WAV))
    assert put(upload, WAV).is_success

    response = place.submit(upload, time_zone="Asia/Tokyo", priority="bulk", microphone="headset")

    job = response.json()
    assert response.status_code == 202, job
    assert response.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["priority"], job["recording"]["time_zone"]) == ("bulk", "Asia/Tokyo")
    assert job["recording"]["microphone"] == "headset"
    kept = recording(engine)
    assert place.keys() - before == {kept.object_key}, "nothing is left at the upload's key"
    assert place.heard(kept) == WAV
    assert (kept.sha256, kept.size_bytes) == (hashlib.sha256(WAV).digest(), len(WAV))
    assert kept.content_type == "audio/wav"


def test_an_answer_says_all_that_a_client_needs(place: Place) -> None:
    upload = place.ask(content_type="audio/mp4")

    assert upload.keys() == {"id", "url", "method", "headers", "expires_at", "max_bytes"}
    assert UUID(upload["id"]).version == 7
    assert (upload["method"], upload["headers"]) == ("PUT", {"Content-Type": "audio/mp4"})
    assert upload["max_bytes"] == LIMIT
    left = datetime.fromisoformat(upload["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)
    assert ("X-Amz-Signature" in upload["url"]) == place.presigns
    assert upload["url"].startswith(str(place.client.base_url).rstrip("/")) != place.presigns


def test_nothing_need_be_declared(place: Place) -> None:
    response = place.client.post("/v1/uploads")

    assert response.status_code == 201
    assert put(response.json(), WAV).is_success
    assert place.submit(response.json()).status_code == 202


def test_an_upload_that_was_used_leads_to_its_job(place: Place, engine: Engine) -> None:
    upload = place.ask()
    put(upload, WAV)
    first = place.submit(upload)

    again = place.submit(upload, priority="bulk")

    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json()
    assert again.headers["Location"] == first.headers["Location"]
    assert rows(engine) == 1


def test_submitted_many_times_at_once_it_is_one_job(place: Place, engine: Engine) -> None:
    before = place.keys()
    upload = place.ask()
    put(upload, WAV)

    with ThreadPoolExecutor(8) as devices:
        answers = list(devices.map(lambda _: place.submit(upload), range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert place.keys() - before == {recording(engine).object_key}


def test_what_was_not_put_there_yet_cannot_be_used(place: Place, engine: Engine) -> None:
    upload = place.ask()

    early = place.submit(upload)
    put(upload, WAV)

    assert (early.status_code, early.json()["type"]) == (409, "urn:mindtrack:problem:upload-missing")
    assert early.json()["title"] == "Nothing has been uploaded yet"
    assert place.submit(upload).status_code == 202


def test_somebody_elses_upload_looks_like_an_unknown_one(
    place: Place, grace: httpx.Client, engine: Engine
) -> None:
    upload = place.ask()
    put(upload, WAV)
    with httpx.Client(base_url=place.client.base_url, headers=grace.headers) as stranger:
        foreign = stranger.post("/v1/jobs", json={"upload_id": upload["id"]})
        unknown = stranger.post("/v1/jobs", json={"upload_id": UNKNOWN})

        assert foreign.status_code == unknown.status_code == 404
        assert foreign.content == unknown.content
        assert place.submit(upload).status_code == 202
        assert stranger.post("/v1/jobs", json={"upload_id": upload["id"]}).content == unknown.content
    assert rows(engine) == 1


REFUSALS: dict[str, tuple[dict[str, Any], bytes, int, str, str]] = {
    "too large": ({}, WAV + bytes(LIMIT), 413, "recording-too-large", "at most 2097152 bytes"),
    "another size": ({"size_bytes": 5}, WAV, 422, "upload-mismatch", "Declared were 5 bytes"),
    "another type": ({"content_type": "audio/flac"}, WAV, 422, "upload-mismatch", "audio/flac"),
    "another digest": ({"content_digest": digest(OTHER)}, WAV, 422, "upload-mismatch", "digest"),
    "a text": ({}, b"Dear diary, today was fine.", 415, "unsupported-media-type", "not a WAV"),
    "nothing": ({}, b"", 422, "recording-empty", "no bytes"),
}


@pytest.mark.parametrize("case", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_is_refused_is_removed_and_the_answer_says_why(
    place: Place, engine: Engine, case: tuple[dict[str, Any], bytes, int, str, str]
) -> None:
    declared, content, status, slug, why = case
    before = place.keys()
    upload = place.ask(**declared)
    if len(content) > LIMIT and not place.presigns:
        assert put(upload, content).status_code == 413, "the gateway refuses it at once"
        asyncio.run(place.store.write(f"uploads/{upload['id']}", chunks(content)))
    else:
        assert put(upload, content).is_success

    refused = place.submit(upload)

    assert (refused.status_code, refused.json()["type"]) == (status, f"urn:mindtrack:problem:{slug}")
    assert why in refused.json()["detail"]
    assert place.keys() == before
    assert rows(engine) == 0
    assert place.submit(upload).status_code == 409, "and it is as if nothing had been put there"


def test_after_a_refusal_the_url_can_be_used_again(place: Place) -> None:
    upload = place.ask(content_digest=digest(WAV))
    put(upload, OTHER)
    assert place.submit(upload).status_code == 422

    put(upload, WAV)

    assert place.submit(upload).status_code == 202


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({}, ["upload_id"]),
        ({"upload_id": 5}, ["upload_id"]),
        ({"upload_id": "mine"}, ["upload_id"]),
        ({"upload_id": UNKNOWN, "mood": "fine"}, ["mood"]),
        ({"upload_id": UNKNOWN, "device": 5}, ["device"]),
        ({"upload_id": UNKNOWN, "time_zone": "x", "microphone": "x"}, ["time_zone", "microphone"]),
        ({"upload_id": UNKNOWN, "recorded_at": "2999-01-01T00:00:00Z"}, ["recorded_at"]),
        ([], ["body"]),
        ({"upload_id": UNKNOWN, "device": "x" * 20_000}, ["body"]),
    ],
)
def test_a_document_that_says_something_wrong_is_refused(
    ada: httpx.Client, document: object, fields: list[str]
) -> None:
    response = ada.post("/v1/jobs", json=document)

    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == fields


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 10_000, b"\xff", b'{"upload_id": "\\ud800"}'])
def test_a_document_that_is_none_is_refused(ada: httpx.Client, content: bytes) -> None:
    response = ada.post("/v1/jobs", content=content, headers={"Content-Type": "application/json"})

    assert (response.status_code, response.json()["type"]) == (400, "urn:mindtrack:problem:malformed-request")


def test_a_document_may_leave_fields_empty(place: Place) -> None:
    upload = place.ask()
    put(upload, WAV)

    response = place.client.post("/v1/jobs", json={"upload_id": upload["id"], "device": None})

    assert response.status_code == 202


@pytest.mark.parametrize(
    ("declared", "status", "field"),
    [
        ({"size_bytes": 0}, 422, "size_bytes"),
        ({"size_bytes": "5"}, 422, "size_bytes"),
        ({"size_bytes": LIMIT + 1}, 413, None),
        ({"content_type": "application/pdf"}, 422, "content_type"),
        ({"content_type": "audio/" + "x" * 255}, 422, "content_type"),
        ({"content_type": "audio/x\r\nX-Other: y"}, 422, "content_type"),
        ({"content_digest": "sha-256=:AAAA:"}, 422, "content_digest"),
        ({"mood": "fine"}, 422, "mood"),
    ],
)
def test_a_declaration_that_cannot_come_true_is_refused(
    place: Place, engine: Engine, declared: dict[str, Any], status: int, field: str | None
) -> None:
    response = place.client.post("/v1/uploads", json=declared)

    assert response.status_code == status
    assert [error["field"] for error in response.json().get("errors", [])] == ([field] if field else [])
    assert rows(engine, Upload) == 0


def test_a_declaration_that_does_not_parse_is_refused(place: Place) -> None:
    assert place.client.post("/v1/uploads", content=b"{").status_code == 400
    assert place.client.post("/v1/uploads", content=b" " * 5000).status_code == 422


def test_a_recording_stays_what_it_was_although_its_url_is_still_valid(place: Place, engine: Engine) -> None:
    before = place.keys()
    upload = place.ask()
    put(upload, WAV)
    job = place.submit(upload).json()

    again = put(upload, OTHER)

    assert again.is_success == place.presigns
    assert place.heard(recording(engine)) == WAV
    assert place.submit(upload).json()["id"] == job["id"]
    expire(engine)
    assert sweep(engine, place.store) == 1
    assert place.keys() - before == {recording(engine).object_key}


def test_bytes_exchanged_while_they_are_checked_are_never_committed(
    place: Place, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody puts another recording at the URL just when the first one has been read and found good."""
    upload = place.ask(content_digest=digest(WAV))
    put(upload, WAV)
    read = RecordingStore.stream

    async def read_and_exchange(store: RecordingStore, key: str) -> AsyncIterator[bytes]:
        async for chunk in read(store, key):
            yield chunk
        await store.write(f"uploads/{upload['id']}", chunks(OTHER))

    monkeypatch.setattr(RecordingStore, "stream", read_and_exchange)

    assert place.submit(upload).status_code == 202

    kept = recording(engine)
    assert place.heard(kept) == WAV
    assert kept.sha256 == hashlib.sha256(WAV).digest()


# --- URLs that lead to the gateway ----------------------------------------------------------------------


def forged(url: str, change: Callable[[str], str]) -> str:
    assert change(url) != url
    return change(url)


FORGERIES: dict[str, Callable[[str], str]] = {
    "another upload": lambda url: re.sub(r"/uploads/[^?]*", f"/uploads/{UNKNOWN}", url),
    "a later end": lambda url: re.sub(r"expires=(\d+)", lambda found: f"expires={int(found[1]) + 1}", url),
    "an endless one": lambda url: re.sub(r"expires=\d+", "expires=" + "9" * 400, url),
    "an earlier end": lambda url: re.sub(r"expires=\d+", "expires=0", url),
    "a changed signature": lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
    "a cut signature": lambda url: url[:-1],
    "an empty signature": lambda url: re.sub(r"signature=.*", "signature=", url),
    "a signature in no ASCII": lambda url: re.sub(r"signature=.*", "signature=%C3%A9", url),
}


@pytest.mark.parametrize("change", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_url_is_refused(folder: Place, change: Callable[[str], str]) -> None:
    before = folder.keys()
    upload = folder.ask()

    response = put({**upload, "url": forged(upload["url"], change)}, WAV)

    assert (response.status_code, response.json()["type"]) == (
        403,
        "urn:mindtrack:problem:upload-url-invalid",
    )
    assert folder.keys() == before


@pytest.mark.parametrize("left_out", ["expires", "signature"])
def test_a_url_without_all_its_parts_is_refused(folder: Place, left_out: str) -> None:
    upload = folder.ask()
    url = re.sub(rf"{left_out}=[^&]*&?", "", upload["url"])

    assert put({**upload, "url": url}, WAV).status_code == 422


def test_the_signature_of_one_upload_is_no_others(folder: Place) -> None:
    one, other = folder.ask(), folder.ask()
    query = one["url"].partition("?")[2]

    assert put({**other, "url": f"{other['url'].partition('?')[0]}?{query}"}, WAV).status_code == 403
    with httpx.Client() as anybody:
        token = folder.client.headers["Authorization"]
        bare = other["url"].partition("?")[0] + "?expires=99999999999&signature=0"
        response = anybody.put(bare, content=WAV, headers={"Authorization": token})
    assert response.status_code == 403, "a token is no signature"


def test_a_url_expires(
    infrastructure: Infrastructure, database: DatabaseSettings, folder: Place, folder_url: str
) -> None:
    for base_url in gateway_with(
        infrastructure,
        database,
        MINDTRACK_STORAGE_URL=folder_url,
        MINDTRACK_GATEWAY_UPLOAD_SECRET=SECRET,
        MINDTRACK_GATEWAY_UPLOAD_EXPIRY="2",
        MINDTRACK_GATEWAY_PUBLIC_URL="https://api.example.org/mindtrack/",
    ):
        upload = httpx.post(f"{base_url}/v1/uploads", headers=folder.client.headers).json()
        assert upload["url"].startswith("https://api.example.org/mindtrack/v1/uploads/")
        here = {**upload, "url": upload["url"].replace("https://api.example.org/mindtrack", base_url)}
        assert put(here, WAV).status_code == 204
        time.sleep(2)
        assert put(here, OTHER).status_code == 403
        assert folder.read(f"uploads/{upload['id']}") == WAV
        assert folder.submit(upload).status_code == 202, "what came in time counts"


def test_what_arrives_when_its_url_is_long_gone_is_not_kept(
    folder: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep was there already: it would stay for ever."""
    before = folder.keys()
    upload = folder.ask()
    monkeypatch.setattr(uploads, "LATE", timedelta(days=-1))

    late = put(upload, WAV)

    assert late.status_code == 408
    assert late.json()["type"] == "urn:mindtrack:problem:upload-stalled"
    assert folder.keys() == before


def test_s3_lets_no_url_expire_late(
    infrastructure: Infrastructure, database: DatabaseSettings, ada: httpx.Client
) -> None:
    for base_url in gateway_with(infrastructure, database, MINDTRACK_GATEWAY_UPLOAD_EXPIRY="2"):
        upload = httpx.post(f"{base_url}/v1/uploads", headers=ada.headers).json()
        assert "X-Amz-Expires=2&" in upload["url"] + "&"


def test_without_secret_and_signing_storage_there_are_no_urls(
    infrastructure: Infrastructure,
    database: DatabaseSettings,
    ada: httpx.Client,
    folder_url: str,
    engine: Engine,
) -> None:
    for settings in (
        {"MINDTRACK_STORAGE_URL": folder_url},
        {"MINDTRACK_GATEWAY_PRESIGN_UPLOADS": "false"},
    ):
        for base_url in gateway_with(infrastructure, database, **settings):
            response = httpx.post(f"{base_url}/v1/uploads", headers=ada.headers)
            problem = response.json()
            assert (response.status_code, problem["status"]) == (501, 501)
            assert problem["type"] == "urn:mindtrack:problem:uploads-not-configured"
            unsigned = f"{base_url}/v1/uploads/{new_id()}?expires=99999999999&signature=0"
            assert httpx.put(unsigned, content=WAV).status_code == 403
    assert rows(engine, Upload) == 0


def test_where_clients_cannot_reach_s3_they_come_to_the_gateway(
    infrastructure: Infrastructure,
    database: DatabaseSettings,
    ada: httpx.Client,
    keys: DataKeys,
    store: RecordingStore,
) -> None:
    settings = {
        "MINDTRACK_GATEWAY_PRESIGN_UPLOADS": "false",
        "MINDTRACK_GATEWAY_UPLOAD_SECRET": SECRET,
    }
    for base_url in gateway_with(infrastructure, database, **settings):
        with httpx.Client(base_url=base_url, headers=ada.headers) as client:
            place = Place(client, store, keys, presigns=False)
            upload = place.ask()
            assert upload["url"].startswith(base_url)
            assert put(upload, WAV).status_code == 204
            assert place.submit(upload).status_code == 202


def test_clients_may_know_s3_by_another_name(infrastructure: Infrastructure) -> None:
    settings = infrastructure.settings(StorageSettings)
    assert settings.endpoint is not None
    elsewhere = open_store(settings.model_copy(update={"public_endpoint": "https://s3.example.org"}))

    async def url() -> str:
        await elsewhere.ping()  # still at the endpoint itself
        return await elsewhere.presign("uploads/1", expires_in=timedelta(minutes=1))

    assert asyncio.run(url()).startswith("https://s3.example.org/mindtrack/uploads/1?")


def test_the_gateway_compares_what_comes_through_its_url(folder: Place) -> None:
    upload = folder.ask()
    assert put(upload, WAV, **{"Content-Digest": digest(WAV)}).status_code == 204

    changed = put(upload, OTHER, **{"Content-Digest": digest(WAV)})
    malformed = put(upload, OTHER, **{"Content-Digest": "sha-256"})

    assert (changed.status_code, malformed.status_code) == (400, 400)
    assert changed.json()["type"] == "urn:mindtrack:problem:digest-mismatch"
    assert folder.read(f"uploads/{upload['id']}") == WAV, "what was there before is still there"


def test_a_used_upload_takes_nothing_more(folder: Place) -> None:
    upload = folder.ask()
    put(upload, WAV)
    folder.submit(upload)

    response = put(upload, OTHER)

    assert (response.status_code, response.json()["type"]) == (409, "urn:mindtrack:problem:upload-used")


# --- The sweep ------------------------------------------------------------------------------------------


def expire(engine: Engine, ago: timedelta = GRACE + timedelta(minutes=1)) -> None:
    with engine.begin() as connection:
        connection.execute(text("update uploads set expires_at = now() - :ago"), {"ago": ago})


def test_the_sweep_removes_what_expired_long_ago_and_nothing_else(place: Place, engine: Engine) -> None:
    before = place.keys()
    abandoned, empty = place.ask(), place.ask()
    put(abandoned, WAV)
    expire(engine)
    fresh = place.ask()
    put(fresh, WAV)

    assert sweep(engine, place.store) == 2
    assert place.keys() - before == {f"uploads/{fresh['id']}"}
    assert sweep(engine, place.store) == 0, "safe to run twice"
    assert rows(engine, Upload) == 1
    assert [place.submit(upload).status_code for upload in (abandoned, empty, fresh)] == [404, 404, 202]
    if not place.presigns:
        assert put(abandoned, WAV).status_code == 404


def test_what_expired_just_now_may_still_be_submitted(place: Place, engine: Engine) -> None:
    upload = place.ask()
    put(upload, WAV)
    expire(engine, GRACE - timedelta(minutes=1))

    assert sweep(engine, place.store) == 0
    assert place.submit(upload).status_code == 202


def test_the_sweep_forgets_used_uploads_and_keeps_their_recordings(place: Place, engine: Engine) -> None:
    upload = place.ask()
    put(upload, WAV)
    job = place.submit(upload).json()
    expire(engine)

    assert sweep(engine, place.store) == 1
    assert place.heard(recording(engine)) == WAV
    assert place.client.get(f"/v1/jobs/{job['id']}").status_code == 200


def test_sweeps_at_once_share_the_work(place: Place, engine: Engine) -> None:
    before = place.keys()
    for _ in range(12):
        put(place.ask(), WAV)
    expire(engine)

    with ThreadPoolExecutor(4) as pool:
        swept = list(pool.map(lambda _: sweep(engine, place.store), range(4)))

    assert sum(swept) == 12
    assert rows(engine, Upload) == 0
    assert place.keys() == before


def test_a_sweep_without_storage_forgets_nothing(
    engine: Engine, ada: httpx.Client, keys: DataKeys, store: RecordingStore
) -> None:
    place = Place(ada, store, keys, presigns=True)
    put(place.ask(), WAV)
    expire(engine)
    nowhere = open_store(
        StorageSettings.model_validate(
            {
                "url": "s3://mindtrack",
                "endpoint": "http://127.0.0.1:1",
                "access_key_id": "x",
                "secret_access_key": "y",
            }
        )
    )

    with pytest.raises(StorageUnavailableError):
        sweep(engine, nowhere)

    assert rows(engine, Upload) == 1
    assert sweep(engine, store) == 1


def test_a_job_that_goes_leaves_its_upload_to_the_sweep(place: Place, engine: Engine) -> None:
    upload = place.ask()
    put(upload, WAV)
    place.submit(upload)
    with engine.begin() as connection:
        connection.execute(text("delete from jobs"))

    assert rows(engine, Upload) == 1
    assert place.submit(upload).status_code == 409
