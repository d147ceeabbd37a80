"""Both SDKs and the command against the real thing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import wave
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx2
import pytest

from e2e.routes import skip_without
from faults.campaign.proxy import Link
from mindtrack_client import (
    AsyncMindTrack,
    ConflictError,
    GoneError,
    InvitationRedeemedError,
    Job,
    JobStatus,
    MindTrack,
    NotFoundError,
    Retry,
    Scope,
    UnauthorizedError,
    UseContext,
    UseContextProhibitedError,
    WaitTimeoutError,
)
from mindtrack_client.core import DIRECT_FROM_BYTES
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack
from samples import SAMPLES


class Heard(httpx2.HTTPTransport):
    """Sends requests as usual and remembers the answers."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[httpx2.Response] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = super().handle_request(request)
        self.answers.append(answer)
        return answer


def test_three_lines(stack: Stack) -> None:
    with MindTrack(stack.base_url, stack.token("three-lines")) as m:
        job = m.analyze(SAMPLES / "day-7.m4a")
    assert job.analysis is not None
    assert job.analysis.stress_score is not None
    assert job.analysis.stress_score > 0.5


async def test_three_lines_awaited(stack: Stack) -> None:
    async with AsyncMindTrack(stack.base_url, stack.token("three-lines-awaited")) as m:
        jobs = await asyncio.gather(*(m.analyze(SAMPLES / f"day-{day}") for day in ("1.wav", "7.m4a")))
        assert [job.status for job in jobs] == [JobStatus.SUCCEEDED] * 2
        assert [job.id async for job in m.jobs(page_size=1)] == sorted((job.id for job in jobs), reverse=True)
        trend = await m.trends()
        assert trend.count == 2
        assert await m.job(jobs[0].id) == jobs[0]


def test_consent_from_invitation_to_revocation(stack: Stack) -> None:
    """The SDK and the command, on both sides."""
    person, clinician = f"person-{uuid4()}", f"clinician-{uuid4()}"
    with (
        MindTrack(stack.base_url, stack.token(person)) as own,
        MindTrack(stack.base_url, stack.token(clinician, "clinician")) as other,
    ):
        job = own.analyze(SAMPLES / "day-7.m4a")
        invitation = own.invite([Scope.TRENDS, Scope.ANALYSES], purpose="Sessions", use_context="healthcare")
        with pytest.raises(UseContextProhibitedError):
            own.invite([Scope.TRENDS], purpose="Sessions", use_context=UseContext.WORKPLACE)
        assert invitation.code is not None
        grant = other.redeem(invitation.code)
        assert other.redeem(invitation.code) == grant
        with pytest.raises(InvitationRedeemedError):
            own.withdraw(invitation.id)

        assert other.trends(grant.user_id) == own.trends()
        (analysis,) = other.analyses(grant.user_id)
        assert analysis.job_id == job.id
        assert job.analysis is not None
        assert analysis.analysis.stress_score == job.analysis.stress_score
        assert [one.id for one in other.grants(live=True)] == [grant.id]

        assert own.revoke(grant.id).state == "revoked"
        with pytest.raises(NotFoundError):
            other.trends(grant.user_id)
        assert [(one.action, one.outcome) for one in own.accesses()] == [
            ("getTrends", "refused"),
            ("listAnalyses", "allowed"),
            ("getTrends", "allowed"),
        ]
        assert [one.state for one in own.invitations()] == ["redeemed"]


def test_what_a_clinician_works_with(stack: Stack) -> None:
    """A list, notes, days and tables, from a recording on."""
    person, clinician = f"person-{uuid4()}", f"clinician-{uuid4()}"
    with (
        MindTrack(stack.base_url, stack.token(person)) as own,
        MindTrack(stack.base_url, stack.token(clinician, "clinician")) as other,
    ):
        job = own.analyze(SAMPLES / "day-7.m4a")
        assert job.analysis is not None
        code = own.invite(list(Scope), purpose="Sessions", use_context="healthcare").code
        assert code is not None
        user_id = other.redeem(code).user_id

        other.label_patient(user_id, "Tuesdays")
        (patient,) = other.patients()
        assert (patient.user_id, patient.label) == (user_id, "Tuesdays")
        assert patient.alerts is not None
        assert other.patients_overview().persons == 1

        note = other.write_note(user_id, "Agreed: a log each evening.")
        other.change_note(user_id, note.id, "Agreed: a log each morning.")
        (told,) = own.notes()
        assert told.text == "Agreed: a log each morning."
        assert [former.text for former in own.note("me", note.id).former] == ["Agreed: a log each evening."]
        other.delete_note(user_id, note.id)
        assert list(other.notes(user_id)) == []

        (day,) = other.history(user_id)
        score = day.origins[0].values["stress_score"].value
        assert score == pytest.approx(min(0.99, job.analysis.stress_score or 0), abs=1e-6)
        table = other.export_csv(user_id).decode().splitlines()
        assert len(table) == 2
        assert str(job.id) in table[1]
        assert other.export_csv(user_id, "days") == own.export_csv(table="days")
        (observation,) = other.export_fhir(user_id)
        assert observation["valueQuantity"]["value"] == pytest.approx(job.analysis.stress_score, abs=1e-5)

        assert {access.action for access in own.accesses()} == {
            "labelPatient",
            "listPatients",
            "getPatientsOverview",
            "createNote",
            "changeNote",
            "deleteNote",
            "listNotes",
            "getHistory",
            "exportAnalyses",
            "exportHistory",
            "listObservations",
        }


def test_the_server_holds_the_answer_until_there_is_one(stack: Stack) -> None:
    heard = Heard()
    with MindTrack(stack.base_url, stack.token("held"), transport=heard) as m:
        started = time.monotonic()
        job = m.analyze(SAMPLES / "day-2.m4a")
        took = time.monotonic() - started
    assert job.status is JobStatus.SUCCEEDED
    _, *polls = heard.answers
    assert 1 <= len(polls) <= 1 + took // 25
    assert [poll.headers["preference-applied"] for poll in polls] == ["wait=25"] * len(polls)


def test_a_token_is_renewed_when_it_expires(stack: Stack) -> None:
    expired = stack.token("renewed", life=timedelta(seconds=-3600))
    tokens = iter([expired, stack.token("renewed")])
    with MindTrack(stack.base_url, lambda: next(tokens)) as m:
        assert m.submit(SAMPLES / "day-3.webm", wait=True).status is JobStatus.SUCCEEDED
    with MindTrack(stack.base_url, expired) as m, pytest.raises(UnauthorizedError):
        m.trends()


def test_errors_carry_what_the_server_said(stack: Stack) -> None:
    with MindTrack(stack.base_url, stack.token("errors")) as m, pytest.raises(NotFoundError) as caught:
        m.job(uuid4())
    assert caught.value.type == "urn:mindtrack:problem:not-found"
    assert caught.value.status == 404
    assert caught.value.request_id


@pytest.mark.timeout(240)
def test_a_wait_that_is_over_can_be_resumed(tmp_path: Path) -> None:
    with Stack(StackConfig(var=tmp_path / "var", durable=False)) as stack:
        stack.process("inference").stop()
        heard = Heard()
        with MindTrack(stack.base_url, stack.token("ada"), transport=heard) as m:
            started = time.monotonic()
            with pytest.raises(WaitTimeoutError) as caught:
                m.analyze(SAMPLES / "day-1.wav", timeout=3)
            assert 2.5 < time.monotonic() - started < 6
            assert len(heard.answers) <= 4, "the server waited, not the client"
            assert caught.value.job.status is JobStatus.QUEUED
            assert caught.value.job.queue is not None

            job_id = caught.value.job_id
            quick = httpx2.get(
                f"{stack.base_url}/v1/jobs/{job_id}",
                headers={"Authorization": f"Bearer {stack.token('ada')}"},
            )
            known = {"If-None-Match": quick.headers["etag"], **quick.request.headers}
            assert httpx2.get(str(quick.url), headers=known).status_code == 304

            with pytest.raises(WaitTimeoutError):
                asyncio.run(_wait(stack, job_id, timeout=1))
            stack.add_inference("inference-2")
            assert m.wait(job_id, timeout=60).status is JobStatus.SUCCEEDED
            assert asyncio.run(_wait(stack, job_id, timeout=60)).analysis is not None


async def _wait(stack: Stack, job_id: UUID, *, timeout: float) -> Job:  # noqa: ASYNC109 - the client's own
    async with AsyncMindTrack(stack.base_url, stack.token("ada")) as m:
        return await m.wait(job_id, timeout)


@contextmanager
def losing_two_answers(base_url: str) -> Iterator[tuple[str, Link]]:
    """Lead to a server whose first two answers get lost, after it did what it was asked."""
    there = urlsplit(base_url)
    assert there.hostname is not None
    assert there.port is not None
    with Link((there.hostname, there.port)).serving() as link:
        link.cut_at(b"HTTP/1.1 ", times=2)
        yield f"http://127.0.0.1:{link.port}", link


@pytest.mark.parametrize("asynchronous", [False, True])
def test_reading_survives_lost_answers(stack: Stack, *, asynchronous: bool) -> None:
    token = stack.token("lossy")

    async def read(url: str) -> int:
        async with AsyncMindTrack(url, token, retry=Retry(first_seconds=0.05)) as m:
            return (await m.trends()).count

    with losing_two_answers(stack.base_url) as (url, link):
        if asynchronous:
            assert asyncio.run(read(url)) == 0
        else:
            with MindTrack(url, token, retry=Retry(first_seconds=0.05)) as m:
                assert m.trends().count == 0
    assert link.cut == 2


def test_a_submission_whose_answer_was_lost_is_one_job(stack: Stack) -> None:
    skip_without(stack.base_url, "POST", "/v1/jobs", header="Idempotency-Key")
    token = stack.token(f"lost-{uuid4()}")
    with (
        losing_two_answers(stack.base_url) as (url, link),
        MindTrack(url, token, retry=Retry(first_seconds=0.05)) as m,
    ):
        job = m.submit(SAMPLES / "day-4.mp3")
        assert link.cut == 2
        assert [found.id for found in m.jobs()] == [job.id]
        assert m.wait(job.id, timeout=60).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_recording_goes_to_storage_directly(stack: Stack, *, asynchronous: bool) -> None:
    skip_without(stack.base_url, "POST", "/v1/uploads")
    token, seen = stack.token(f"direct-{uuid4()}"), list[tuple[int, int]]()
    sample = SAMPLES / ("day-5.ogg" if asynchronous else "day-6.flac")
    options: dict[str, Any] = {"direct": True, "on_upload_progress": lambda *step: seen.append(step)}

    async def direct() -> Job:
        async with AsyncMindTrack(stack.base_url, token) as m:
            return await m.analyze(sample, **options)

    if asynchronous:
        job = asyncio.run(direct())
    else:
        heard = Heard()
        with MindTrack(stack.base_url, token, transport=heard) as m:
            job = m.analyze(sample, **options)
        (put,) = (answer.request for answer in heard.answers if answer.request.method == "PUT")
        assert "authorization" not in put.headers
        assert [answer.request.method for answer in heard.answers[:3]] == ["POST", "PUT", "POST"]
    assert job.status is JobStatus.SUCCEEDED
    size = sample.stat().st_size
    assert seen[-1] == (size, size)
    assert job.recording.size_bytes == size


def test_a_large_recording_goes_to_storage_by_itself(stack: Stack, tmp_path: Path) -> None:
    skip_without(stack.base_url, "POST", "/v1/uploads")
    path, heard = tmp_path / "long.wav", Heard()
    with wave.open(str(SAMPLES / "day-1.wav")) as sample, wave.open(str(path), "wb") as long:
        long.setparams(sample.getparams())
        samples = sample.readframes(sample.getnframes())
        for _ in range(DIRECT_FROM_BYTES // len(samples) + 1):
            long.writeframesraw(samples)
    with MindTrack(stack.base_url, stack.token(f"large-{uuid4()}"), transport=heard) as m:
        job = m.submit(path)
        assert [answer.request.method for answer in heard.answers] == ["POST", "PUT", "POST"]
        assert job.recording.size_bytes == path.stat().st_size > DIRECT_FROM_BYTES
        m.delete(job.id)  # spares the worker a quarter of an hour of speech


def test_cancel_and_delete(stack: Stack, sign_in: Callable[[str], MindTrack]) -> None:
    skip_without(stack.base_url, "POST", "/v1/jobs/{job_id}/cancel")
    skip_without(stack.base_url, "DELETE", "/v1/jobs/{job_id}")
    m = sign_in(f"deletes-{uuid4()}")
    job = m.analyze(SAMPLES / "day-1.wav")
    with pytest.raises(ConflictError):
        m.cancel(job.id)
    receipt = m.delete(job.id)
    assert receipt.job_id == job.id
    assert receipt.audio_deleted_at is not None
    assert m.delete(job.id) == receipt
    assert m.trends().days == ()
    with pytest.raises(GoneError):
        m.job(job.id)


def test_how_several_jobs_stand(stack: Stack, sign_in: Callable[[str], MindTrack]) -> None:
    skip_without(stack.base_url, "POST", "/v1/jobs/status")
    m, unknown = sign_in(f"statuses-{uuid4()}"), uuid4()
    job = m.analyze(SAMPLES / "day-1.wav")
    assert m.statuses([job.id, unknown]) == {job.id: JobStatus.SUCCEEDED, unknown: None}


def test_history_and_export_on_the_command_line(stack: Stack, tmp_path: Path) -> None:
    subject = f"keeps-{uuid4()}"
    environment = os.environ | {"MINDTRACK_URL": stack.base_url, "MINDTRACK_TOKEN": stack.token(subject)}

    def mindtrack(*arguments: str) -> str:
        command = [str(Path(sys.executable).with_name("mindtrack")), *arguments]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    with MindTrack(stack.base_url, stack.token(subject)) as m:
        jobs = [m.analyze(SAMPLES / name) for name in ("day-1.wav", "day-7.m4a")]
        whole = [m.document(job.id) for job in reversed(jobs)]
    today = datetime.now(UTC).date()
    tomorrow = today + timedelta(days=1)
    assert len(mindtrack("history").splitlines()) == 4
    lines = mindtrack("history", "--json", "--since", str(today), "--time-zone", "UTC").splitlines()
    assert [json.loads(line)["id"] for line in lines] == [job["id"] for job in whole]
    assert mindtrack("history", "--since", str(tomorrow), "--time-zone", "UTC") == "No recordings.\n"

    target = tmp_path / "mine.zip"
    assert mindtrack("export", str(target)).startswith("2 jobs, 2 analyses")
    with zipfile.ZipFile(target) as archive:
        exported = [json.loads(line) for line in archive.read("jobs.jsonl").splitlines()]
        assert json.loads(archive.read("manifest.json"))["by_status"] == {"succeeded": 2}
    assert exported == whole
    assert all(job["analysis"]["windows"] for job in exported)
