"""Canaries go in wherever people's data do, and come out nowhere: not in logs, metrics, traces or the broker.

Allowed are ids. A line may name a person by id, and a job; it never holds a score beside a person's id, nor,
at all, a token, a file's name, what somebody typed, or audio.
"""

from __future__ import annotations

import base64
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg
import pytest
from redis import Redis

from faults_support import another, eventually
from mindtrack_client import JobStatus, MindTrack, NotFoundError
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack
from otlp_receiver import receiving
from samples import SAMPLES

#: Of a recording, long enough not to be there by chance.
AUDIO_BYTES = 24
#: Digits that tell a score from other numbers.
DIGITS = 6

PERSON = "canary-person-9f3c"
FILE = "canary-file-9f3c"
TYPED = "canary-typed-9f3c"


@dataclass(frozen=True)
class Secrets:
    #: In no line at all.
    forbidden: tuple[str, ...]
    user_ids: tuple[str, ...]
    scores: tuple[float, ...]

    def found_in(self, line: str) -> Iterator[str]:
        """Say what a line holds that it must not."""
        yield from (f"{secret!r}" for secret in self.forbidden if secret in line)
        if any(user_id in line for user_id in self.user_ids):
            yield from (f"score {score} beside a person's id" for score in self.scores if _holds(line, score))


def _holds(line: str, score: float) -> bool:
    return f"{score:.{DIGITS}f}"[:-1] in line  # whatever was rounded after


def audio(recording: bytes) -> tuple[str, ...]:
    """Return ways in which bytes of a recording could be written into a line."""
    piece = recording[len(recording) // 2 :][:AUDIO_BYTES]
    whole = base64.b64encode(recording).decode()
    return (piece.hex(), repr(piece)[2:-1], whole[len(whole) // 2 :][:AUDIO_BYTES])


# --- The checker bites ----------------------------------------------------------------------------------

PLANTED = Secrets(("token-abc", FILE), ("user-1",), (0.73125,))


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "request_failed", "authorization": "Bearer token-abc"}',
        f'{{"event": "upload_abandoned", "file": "{FILE}.wav"}}',
        '{"event": "job_succeeded", "user_id": "user-1", "stress_score": 0.73125}',
        '{"event": "job_succeeded", "user_id": "user-1", "stress_score": 0.7312500001}',
    ],
)
def test_a_leak_is_found(line: str) -> None:
    assert list(PLANTED.found_in(line))


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "job_succeeded", "job_id": "7", "processing_seconds": 0.73125}',
        '{"event": "job_claimed", "user_id": "user-1", "attempt": 1}',
    ],
)
def test_what_is_allowed_is_not(line: str) -> None:
    assert list(PLANTED.found_in(line)) == []


def test_audio_is_found_however_it_is_written() -> None:
    recording = bytes(range(256)) * 8
    for line in (recording.hex(), repr(recording), base64.b64encode(recording).decode()):
        assert any(piece in line for piece in audio(recording))


# --- The system keeps quiet -----------------------------------------------------------------------------


@pytest.mark.timeout(240)
def test_nothing_leaks(tmp_path: Path) -> None:
    good, torn = tmp_path / f"{FILE}-good.m4a", tmp_path / f"{FILE}-torn.m4a"
    good.write_bytes((SAMPLES / "day-7.m4a").read_bytes())
    torn.write_bytes((SAMPLES / "day-2.m4a").read_bytes()[:20_000])
    overrides = {
        "MINDTRACK_LOG_FORMAT": "json",
        "MINDTRACK_LOG_LEVEL": "DEBUG",
        "MINDTRACK_JOB_MAX_ATTEMPTS": "1",
    }
    with receiving() as receiver:
        overrides["MINDTRACK_TRACING_ENDPOINT"] = receiver.endpoint
        config = StackConfig(var=tmp_path / "var", durable=False, settings_overrides=overrides)
        with Stack(config) as stack:
            token = stack.token(PERSON)
            with MindTrack(stack.base_url, token) as client:
                succeeded = client.submit(good, wait=True, timeout=60)
                rejected = client.submit(torn, wait=True, timeout=60)
                client.trends(days=7)
                code = _consent(stack, client)
                failed = _lose_a_recording(stack, client, another(good, tmp_path))
            assert [succeeded.status, rejected.status] == [JobStatus.SUCCEEDED, JobStatus.REJECTED]
            _provoke(stack, token, good)
            user_ids = _user_ids(stack)
            pages = [urllib.request.urlopen(f"{stack.base_url}/metrics", timeout=5).read().decode()]  # noqa: S310
            broker = list(_broker(stack))
        # Stopped services have sent all that they had.
        traced = {span.trace_id for span in receiver.spans() if span.name == "job"}
        spans = [body.decode(errors="backslashreplace") for body in receiver.bodies]

    assert traced == {job_id.replace("-", "") for job_id in (str(succeeded.id), str(rejected.id), failed)}
    assert succeeded.analysis is not None
    scores = [share for share in succeeded.analysis.probabilities.values() if share]
    secrets = Secrets(
        forbidden=(token, token.split(".")[2], PERSON, FILE, TYPED, code, *audio(good.read_bytes())),
        user_ids=tuple(user_ids),
        scores=tuple(scores),
    )
    lines = [line for log in (tmp_path / "var/log").glob("*.log") for line in log.read_text().splitlines()]

    assert any(str(succeeded.id) in line for line in lines), "the logs are those of another run"
    assert any(str(failed) in line and "attempt_failed" in line for line in lines)
    assert list(_leaks(secrets, lines)) == []
    assert list(_leaks(Secrets((*secrets.forbidden, *user_ids), (), ()), [*pages, *broker, *spans])) == []


def _lose_a_recording(stack: Stack, client: MindTrack, recording: Path) -> str:
    """Have a job fail with an exception in its worker: its object is gone."""
    stack.process("inference").stop()
    job = client.submit(recording)
    for path in stack.infrastructure.recordings.rglob("*"):
        if path.is_file() and path.stat().st_mtime >= job.created_at.timestamp() - 1:
            path.unlink()
    stack.process("inference").start()
    stack.process("inference").wait_ready()
    ended = client.wait(job.id, timeout=90)
    assert ended.status is JobStatus.FAILED
    return str(job.id)


def _consent(stack: Stack, client: MindTrack) -> str:
    """Have a clinician read by a grant, and be refused once it has ended; returns the code."""
    code = client.invite(["trends", "analyses", "notes"], purpose=TYPED, use_context="healthcare").code
    assert code is not None
    with MindTrack(stack.base_url, stack.token(f"{PERSON}-clinician", "clinician")) as clinician:
        grant = clinician.redeem(code)
        clinician.trends(grant.user_id)
        assert list(clinician.analyses(grant.user_id))
        clinician.label_patient(grant.user_id, TYPED)
        note = clinician.write_note(grant.user_id, f"First {TYPED}")
        clinician.change_note(grant.user_id, note.id, TYPED)
        assert [patient.label for patient in clinician.patients(sort="seven_day_z", page_size=1)] == [TYPED]
        assert [patient.label for patient in clinician.patients(search=TYPED)] == [TYPED]
        assert clinician.export_csv(grant.user_id)
        assert list(clinician.export_fhir(grant.user_id))
        client.revoke(grant.id)
        with pytest.raises(NotFoundError):
            clinician.trends(grant.user_id)
        with pytest.raises(NotFoundError):
            clinician.redeem(TYPED)
    return code


def _provoke(stack: Stack, token: str, recording: Path) -> None:
    """Send what is refused, with something of a person's in every part of it."""
    jobs, authorized = f"{stack.base_url}/v1/jobs", {"Authorization": f"Bearer {token}"}
    file = {"file": (f"{FILE}.wav", recording.read_bytes())}
    answers = [
        httpx2.get(jobs, headers={"Authorization": f"Bearer {token}x{TYPED}"}),
        httpx2.get(f"{jobs}/{TYPED}", headers=authorized),
        httpx2.get(jobs, params={"cursor": TYPED, "status": TYPED}, headers=authorized),
        httpx2.get(f"{stack.base_url}/v1/users/{TYPED}/trends", headers=authorized),
        httpx2.post(jobs, headers=authorized, files=file, data={"time_zone": TYPED}),
        httpx2.post(jobs, headers=authorized, files=file, data={"recorded_at": TYPED}),
        httpx2.post(jobs, headers=authorized, files={"file": (FILE, TYPED.encode())}),
        httpx2.post(jobs, headers=authorized, content=TYPED.encode()),
    ]
    assert [answer.status_code for answer in answers if answer.is_success] == []


def _user_ids(stack: Stack) -> list[str]:
    with psycopg.connect(stack.database_url) as connection:
        found = [str(user_id) for (user_id,) in connection.execute("select id from users")]
    assert found
    return found


def _broker(stack: Stack) -> Iterator[str]:
    with Redis.from_url(stack.queue_url) as redis:
        eventually(lambda: bool(redis.keys()), within=10, what="keys in the broker")
        for key in redis.scan_iter():
            yield f"{key!r} {redis.dump(key)!r}"


def _leaks(secrets: Secrets, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        for finding in secrets.found_in(line):
            yield f"{finding}: {line[:300]}"
