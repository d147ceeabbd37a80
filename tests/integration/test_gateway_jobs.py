"""Submitting, asking, listing: the API over real sockets, Postgres and S3."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from factories import CALM, PARTIAL, QUALITY, TENSE, add_job, analysis, load_job, object_key
from integration_support import WAV, upload, work
from mindtrack_gateway.jobs.snapshots import Snapshots
from mindtrack_inference.errors import RecordingRejectedError
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db.models import Job, Recording
from mindtrack_shared.domain.analysis import IndeterminateReason
from mindtrack_shared.domain.biomarkers import DEFINITIONS, Biomarkers
from mindtrack_shared.domain.jobs import Priority, RejectionCode
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import SealedRecordings
from patience import eventually


def test_a_submission_is_a_promise_with_an_address(ada: httpx.Client) -> None:
    response = upload(ada, recorded_at="2026-03-01T18:00:00+01:00", time_zone="Europe/Berlin")

    job = response.json()
    assert response.status_code == 202
    assert response.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert int(response.headers["Retry-After"]) >= 1
    assert job["status"] == "queued"
    assert job["recording"]["recorded_at"] == "2026-03-01T17:00:00Z"
    assert job["recording"]["content_type"] == "audio/wav"
    assert UUID(job["id"]).version == 7


def test_the_object_is_stored_before_the_row_promises_it(
    ada: httpx.Client,
    engine: Engine,
    recordings: SealedRecordings,
) -> None:
    job_id = UUID(upload(ada, WAV).json()["id"])

    with Session(engine) as session:
        recording = session.scalars(select(Recording)).one()
    assert recording.object_key == object_key(engine, job_id)
    assert b"".join(recordings.read(recording.object_key, recording.user_id)) == WAV
    assert recording.sha256 == hashlib.sha256(WAV).digest()
    assert recording.size_bytes == len(WAV)


def test_fields_may_follow_the_file(ada: httpx.Client) -> None:
    boundary = "limit"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'.encode()
        + WAV
        + f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="time_zone"\r\n\r\nAsia/Tokyo'.encode()
        + f"\r\n--{boundary}--\r\n".encode()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}

    response = ada.post("/v1/jobs", content=body, headers=headers)

    assert response.json()["recording"]["time_zone"] == "Asia/Tokyo"


def test_a_job_can_be_followed_to_its_analysis(
    ada: httpx.Client,
    engine: Engine,
    recordings: SealedRecordings,
    wakeups: Wakeups,
) -> None:
    job_id = upload(ada).json()["id"]
    waiting = ada.get(f"/v1/jobs/{job_id}")
    assert waiting.json()["analysis"] is None
    assert "Retry-After" in waiting.headers

    work(engine, recordings, wakeups, job_id)
    done = ada.get(f"/v1/jobs/{job_id}")

    job = done.json()
    assert "Retry-After" not in done.headers
    assert job["status"] == "succeeded"
    found = job["analysis"]
    assert found["emotion"] == "Stressed"
    assert found["stress_score"] == pytest.approx(
        found["probabilities"]["Anxious"] + found["probabilities"]["Stressed"]
    )
    assert found["indices"] == {
        "anxiety": pytest.approx(0.3),
        "depressive": pytest.approx(0.05),
        "baseline": pytest.approx(0.15),
    }
    assert (found["unmapped_mass"], found["uncertainty"]) == (0.1, 0.6)
    assert (found["indeterminate"], found["indeterminate_reason"]) == (False, None)
    assert found["model"] == {
        "bundle_id": "test",
        "bundle_revision": "0123456789ab",
        "engine": "scripted",
        "precision": "fp32",
        "temperature": 1.4,
        "abstention_threshold": 0.9,
        "calibration_set": "four voices",
    }
    assert [window["start_seconds"] for window in found["windows"]] == [0.0, 2.0]
    assert found["windows"][0]["uncertainty"] == 0.6
    assert job["quality"] == asdict(QUALITY)


def test_biomarkers_come_with_their_units_and_deviations(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    now = datetime.now(UTC)
    for days_ago in range(20, 0, -2):
        job_id = upload(ada, recorded_at=(now - timedelta(days=days_ago)).isoformat()).json()["id"]
        work(engine, recordings, wakeups, job_id)
    job_id = upload(ada, recorded_at=now.isoformat()).json()["id"]
    unusual = analysis(TENSE, biomarkers=Biomarkers(f0_median_hz=130.0))
    work(engine, recordings, wakeups, job_id, unusual)

    found = ada.get(f"/v1/jobs/{job_id}").json()["analysis"]

    assert found["biomarkers"].keys() == DEFINITIONS.keys()
    assert found["biomarkers"]["f0_median_hz"] == {"value": 130.0, "unit": "Hz", "z": 2.0, "n": 10}
    assert found["biomarkers"]["jitter"]["value"] is None
    assert found["indices"]["anxiety"] > 0.3
    assert found["indices"]["depressive"] == pytest.approx(0.05)


def test_what_the_model_cannot_express_is_null(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    job_id = upload(ada).json()["id"]
    work(engine, recordings, wakeups, job_id, analysis(PARTIAL))

    found = ada.get(f"/v1/jobs/{job_id}").json()["analysis"]

    assert found["probabilities"] == {
        "Neutral": 0.5,
        "Happy": None,
        "Sad": 0.3,
        "Anxious": None,
        "Stressed": 0.2,
    }
    assert found["stress_score"] is None
    assert found["indices"] == {"anxiety": None, "depressive": 0.3, "baseline": None}
    assert found["windows"][0]["probabilities"]["Anxious"] is None
    assert ada.get("/v1/users/me/trends").json()["latest"] is None


def test_a_rejection_says_what_was_measured_and_needed(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    job_id = upload(ada).json()["id"]
    rejection = RecordingRejectedError(RejectionCode.TOO_NOISY, "4 dB", 4.0, 10.0, QUALITY)
    work(engine, recordings, wakeups, job_id, rejection)

    job = ada.get(f"/v1/jobs/{job_id}").json()

    assert job["status"] == "rejected"
    assert job["quality"]["snr_db"] == 25.0
    problem = {name: job["problem"][name] for name in ("code", "measured", "needed", "unit", "detail")}
    assert problem == {
        "code": "too_noisy",
        "measured": 4.0,
        "needed": 10.0,
        "unit": "dB",
        "detail": RejectionCode.TOO_NOISY.advice,
    }


def test_a_limit_has_a_unit_although_nothing_was_measured(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    job_id = upload(ada).json()["id"]
    work(
        engine, recordings, wakeups, job_id, RecordingRejectedError(RejectionCode.TOO_LONG, "", needed=300.0)
    )

    problem = ada.get(f"/v1/jobs/{job_id}").json()["problem"]

    assert (problem["measured"], problem["needed"], problem["unit"]) == (None, 300.0, "s")


def test_an_indeterminate_recording_keeps_its_numbers_and_stays_out_of_the_trend(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    work(engine, recordings, wakeups, upload(ada).json()["id"], analysis(CALM))
    unsure = upload(ada).json()["id"]
    work(engine, recordings, wakeups, unsure, analysis(TENSE, reason=IndeterminateReason.UNMAPPED))

    found = ada.get(f"/v1/jobs/{unsure}").json()["analysis"]
    trend = ada.get("/v1/users/me/trends").json()

    assert (found["indeterminate"], found["indeterminate_reason"]) == (True, "unmapped")
    assert found["stress_score"] == pytest.approx(0.8)
    assert trend["count"] == 1
    assert trend["latest"]["stress_score"] == pytest.approx(0.1)


def test_the_end_of_the_prompt_is_kept(ada: httpx.Client, engine: Engine) -> None:
    response = upload(ada, recorded_at="2026-03-01T18:00:00Z", prompt_ended_at="2026-03-01T18:00:01.5Z")

    assert response.status_code == 202
    with Session(engine) as session:
        recording = session.scalars(select(Recording)).one()
    assert recording.prompt_ended_at == datetime(2026, 3, 1, 18, 0, 1, 500_000, tzinfo=UTC)


@pytest.mark.parametrize("priority", Priority)
def test_whoever_can_wait_may_say_so(ada: httpx.Client, engine: Engine, priority: Priority) -> None:
    job = upload(ada, priority=priority.value).json()

    assert job["priority"] == priority
    assert load_job(engine, UUID(job["id"])).priority is priority
    assert ada.get(f"/v1/jobs/{job['id']}").json()["priority"] == priority


def test_who_says_nothing_is_waited_for(ada: httpx.Client) -> None:
    assert upload(ada).json()["priority"] == "interactive"


def test_a_person_sees_their_own_jobs_only(ada: httpx.Client, grace: httpx.Client) -> None:
    job_id = upload(ada).json()["id"]

    foreign = grace.get(f"/v1/jobs/{job_id}")
    unknown = grace.get("/v1/jobs/00000000-0000-7000-8000-000000000000")

    assert foreign.status_code == unknown.status_code == 404
    assert {**foreign.json(), "instance": ""} == {**unknown.json(), "instance": ""}
    assert grace.get("/v1/jobs").json()["items"] == []


def test_lists_come_newest_first_page_by_page(ada: httpx.Client, engine: Engine) -> None:
    user_id = UUID(upload(ada).json()["user_id"])
    for _ in range(6):
        add_job(engine, user_id)

    seen = [job["id"] for page in pages(ada, limit=3) for job in page]

    assert len(seen) == 7
    assert seen == sorted(seen, reverse=True)


def pages(client: httpx.Client, **query: Any) -> Iterator[list[dict[str, Any]]]:  # noqa: ANN401 - query values
    cursor: str | None = None
    while True:
        page = client.get("/v1/jobs", params={**query, **({"cursor": cursor} if cursor else {})}).json()
        yield page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def test_a_page_that_is_exactly_full_is_the_last(ada: httpx.Client) -> None:
    for _ in range(2):
        upload(ada)

    assert ada.get("/v1/jobs", params={"limit": 2}).json()["next_cursor"] is None


def test_jobs_that_arrive_meanwhile_do_not_shift_the_pages(ada: httpx.Client) -> None:
    first = [upload(ada).json()["id"] for _ in range(4)]
    page = ada.get("/v1/jobs", params={"limit": 2}).json()
    upload(ada)

    rest = ada.get("/v1/jobs", params={"limit": 2, "cursor": page["next_cursor"]}).json()

    assert [job["id"] for job in rest["items"]] == [first[1], first[0]]


def test_lists_can_be_narrowed_by_state(
    ada: httpx.Client,
    engine: Engine,
    recordings: SealedRecordings,
    wakeups: Wakeups,
) -> None:
    done = upload(ada).json()["id"]
    work(engine, recordings, wakeups, done)
    waiting = upload(ada).json()["id"]

    assert [job["id"] for job in ada.get("/v1/jobs?status=succeeded").json()["items"]] == [done]
    (listed,) = ada.get("/v1/jobs?status=queued").json()["items"]
    assert listed["id"] == waiting
    assert ada.get("/v1/jobs?status=succeeded").json()["items"][0]["analysis"]["windows"] is None


def test_a_first_visit_by_many_devices_makes_one_person(client: Callable[[str], httpx.Client]) -> None:
    somebody_new = client(f"new-{new_id()}")
    with ThreadPoolExecutor(8) as devices:
        people = set(devices.map(lambda _: upload(somebody_new).json()["user_id"], range(16)))

    assert len(people) == 1


def test_the_trend_tells_the_persons_days(
    ada: httpx.Client,
    grace: httpx.Client,
    engine: Engine,
    recordings: SealedRecordings,
    wakeups: Wakeups,
) -> None:
    now = datetime.now(UTC)
    for days_ago in (6, 2, 2):
        moment = now - timedelta(days=days_ago)
        job_id = upload(ada, recorded_at=moment.isoformat()).json()["id"]
        work(engine, recordings, wakeups, job_id)

    trend = ada.get("/v1/users/me/trends").json()

    assert [day["count"] for day in trend["days"]] == [1, 2]
    assert trend["count"] == 3
    assert trend["stress_mean"] == pytest.approx(0.8)
    assert trend["latest"]["stress_score"] == pytest.approx(0.8)
    assert "not a diagnosis" in trend["notice"]
    assert ada.get(f"/v1/users/{trend['user_id']}/trends").json() == trend
    foreign = grace.get(f"/v1/users/{trend['user_id']}/trends")
    unknown = grace.get("/v1/users/00000000-0000-7000-8000-000000000000/trends")
    assert foreign.status_code == unknown.status_code == 404


def test_a_recording_of_a_persons_tomorrow_is_in_their_trend(
    ada: httpx.Client,
    engine: Engine,
    recordings: SealedRecordings,
    wakeups: Wakeups,
) -> None:
    """On Kiritimati, 14 hours ahead, the day is often another than the server's."""
    job_id = upload(ada, time_zone="Pacific/Kiritimati").json()["id"]
    work(engine, recordings, wakeups, job_id)

    trend = ada.get("/v1/users/me/trends", params={"days": 1}).json()

    assert trend["count"] == 1


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        (None, {"emotion": "Stressed", "confidence": 0.5, "stress_score": pytest.approx(0.8)}),
        (IndeterminateReason.UNCERTAIN, {"emotion": None, "confidence": None, "stress_score": None}),
    ],
    ids=["sure", "unsure"],
)
def test_the_synchronous_endpoint_answers_in_three_fields_and_whether_they_hold(  # noqa: PLR0913, PLR0917
    ada: httpx.Client,
    engine: Engine,
    recordings: SealedRecordings,
    wakeups: Wakeups,
    reason: IndeterminateReason | None,
    answer: dict[str, Any],
) -> None:
    def worker() -> None:
        while not (waiting := queued(engine)):
            time.sleep(0.02)
        work(engine, recordings, wakeups, str(waiting[0]), analysis(TENSE, reason=reason))

    thread = threading.Thread(target=worker)
    thread.start()
    response = ada.post("/analyze-stress", files={"file": ("log.wav", WAV, "audio/wav")})
    thread.join()

    assert response.status_code == 200
    assert response.json() == answer | {"indeterminate": reason is not None}


def queued(engine: Engine) -> list[UUID]:
    with Session(engine) as session:
        return list(session.scalars(select(Job.id)))


def test_the_synchronous_endpoint_hands_over_a_job_that_takes_too_long(
    ada: httpx.Client, engine: Engine
) -> None:
    response = ada.post("/analyze-stress", files={"file": ("log.wav", WAV, "audio/wav")})

    assert response.status_code == 202
    assert response.headers["Location"] == f"/v1/jobs/{response.json()['id']}"
    assert load_job(engine, UUID(response.json()["id"])).status == "queued"


def test_a_job_that_is_deleted_meanwhile_is_gone(ada: httpx.Client, engine: Engine) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(ada.post, "/analyze-stress", files={"file": ("log.wav", WAV, "audio/wav")})
        eventually(lambda: queued(engine) != [])
        assert ada.delete(f"/v1/jobs/{queued(engine)[0]}").status_code == 200

    assert waiting.result().status_code == 410


def test_a_promise_given_is_not_taken_back_by_an_outage(
    ada: httpx.Client,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A 503 after the commit would make the client upload again, and the day count twice."""

    async def away(*_: object) -> bool:
        raise OperationalError("select", None, Exception("connection lost"))

    monkeypatch.setattr(Snapshots, "get", away)

    response = ada.post("/analyze-stress", files={"file": ("log.wav", WAV, "audio/wav")})

    assert response.status_code == 202
    assert queued(engine) == [UUID(response.json()["id"])]


def test_a_job_that_ended_with_a_code_from_the_future_can_be_read(ada: httpx.Client, engine: Engine) -> None:
    job_id = upload(ada).json()["id"]
    running = "status = 'running', attempt = 1, fence = 1, worker_id = id, lease_expires_at = now()"
    ended = (
        "status = 'rejected', worker_id = null, lease_expires_at = null, finished_at = now(), code = 'new'"
    )
    with engine.begin() as connection:
        for change in (running, ended):
            connection.execute(text(f"update jobs set {change}"))  # noqa: S608 - constants

    (job,) = ada.get("/v1/jobs").json()["items"]

    assert job["id"] == job_id
    assert job["problem"]["code"] == "new"


def test_health_names_each_dependency(gateway: str) -> None:
    assert httpx.get(f"{gateway}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{gateway}/readyz").json() == {
        "status": "ok",
        "database": "ok",
        "storage": "ok",
        "broker": "ok",
        "issuer": "ok",
    }


def test_without_broker_the_gateway_stays_ready_and_accepts(
    ada: httpx.Client,
    infrastructure: Infrastructure,
    engine: Engine,
) -> None:
    infrastructure.process("valkey").pause()
    try:
        readiness = ada.get("/readyz")
        accepted = upload(ada)
    finally:
        infrastructure.process("valkey").resume()

    assert (readiness.status_code, readiness.json()["broker"]) == (200, "unavailable")
    assert accepted.status_code == 202


def test_metrics_count_by_route_and_state_never_by_id(ada: httpx.Client, engine: Engine) -> None:
    job_id = upload(ada).json()["id"]
    ada.get(f"/v1/jobs/{job_id}")

    metrics = ada.get("/metrics").text

    assert 'mindtrack_jobs{priority="interactive",status="queued"} 1.0' in metrics
    assert 'mindtrack_queue_audio_seconds{priority="interactive"}' in metrics
    (arriving,) = re.findall(
        r'^mindtrack_arriving_audio_seconds_per_second{priority="interactive"} (.+)$', metrics, re.MULTILINE
    )
    assert float(arriving) > 0
    assert 'route="/v1/jobs/{job_id}"' in metrics
    assert job_id not in metrics


def test_an_upload_that_is_refused_leaves_no_object(
    ada: httpx.Client, infrastructure: Infrastructure, engine: Engine
) -> None:
    before = set(infrastructure.recordings.rglob("*"))

    assert upload(ada, time_zone="Mars/Olympus").status_code == 422

    assert set(infrastructure.recordings.rglob("*")) == before
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 0


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_docs_ask_nobody_else_for_anything(gateway: str, page: str) -> None:
    html = httpx.get(f"{gateway}{page}").text
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", html)

    assert loaded
    for address in loaded:
        assert address.startswith("/"), address
        assert httpx.get(f"{gateway}{address}").status_code == 200


def test_the_schema_names_every_operation_and_problem(gateway: str) -> None:
    schema = httpx.get(f"{gateway}/openapi.json").json()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]

    assert all(re.fullmatch(r"[a-z][A-Za-z]+", operation["operationId"]) for operation in operations)
    submit = schema["paths"]["/v1/jobs"]["post"]
    assert {"202", "400", "401", "413", "415", "422", "503"} <= submit["responses"].keys()
    assert "application/problem+json" in submit["responses"]["413"]["content"]
    assert submit["security"]


def test_the_schema_explains_every_biomarker_with_its_unit(gateway: str) -> None:
    schema = httpx.get(f"{gateway}/openapi.json").json()
    explained = schema["components"]["schemas"]["AnalysisView"]["properties"]["biomarkers"]["description"]

    for name, definition in DEFINITIONS.items():
        assert f"`{name}` ({definition.unit}): {definition.description}" in explained
