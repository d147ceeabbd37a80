"""Accept a recording: store the object, then commit its row and job. The heart of the gateway.

No row without its object: the object is written first. An upload that is refused afterwards is removed again,
and so is one of a recording that the person sent before: it has its job.
When the commit fails, the object stays: the commit may have happened although its answer got lost. Such
orphans are logged; nothing sweeps them yet.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Protocol
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from mindtrack_gateway.problems import (
    InvalidRequestError,
    ProblemError,
    RecordingEmptyError,
    RecordingTooLargeError,
    UnsupportedMediaTypeError,
)
from mindtrack_gateway.recordings import form
from mindtrack_gateway.recordings.formats import SNIFF_BYTES, is_acceptable_declaration, sniff
from mindtrack_gateway.recordings.idempotency import (
    Accepted,
    Claim,
    Earlier,
    Keys,
    Nowhere,
    fingerprint,
    requested_key,
)
from mindtrack_gateway.recordings.metadata import FIELDS, CaptureMetadata, capture_metadata
from mindtrack_shared.db import idempotency, jobs
from mindtrack_shared.db.models import Job, Recording
from mindtrack_shared.ids import new_id
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.observability.traces import UNTRACED, Attributes, JobTraces, Kind
from mindtrack_shared.settings import JobSettings
from mindtrack_shared.storage import RecordingStore, StorageUnavailableError

#: The form's own bytes around the recording.
FORM_OVERHEAD_BYTES = 64 * 1024


class Sink(Protocol):
    """Where an upload's bytes go."""

    async def write(self, key: str, chunks: AsyncIterator[bytes], /) -> None: ...

    async def delete(self, key: str, /) -> None: ...


@dataclass(frozen=True, slots=True)
class StoredObject:
    key: str
    content_type: str
    sha256: bytes
    size_bytes: int


@dataclass(slots=True)
class _Submission:
    """What has arrived of a form so far."""

    stored: StoredObject | None = None
    fields: dict[str, str] = field(default_factory=dict)

    def recording(self) -> StoredObject:
        if self.stored is None:
            raise InvalidRequestError.about("file", "must hold the recording")
        return self.stored


class Intake:
    def __init__(  # noqa: PLR0913 - where an upload meets everything that it goes through
        self,
        *,
        store: RecordingStore,
        sessions: async_sessionmaker[AsyncSession],
        keys: Keys,
        job_settings: JobSettings,
        max_bytes: int,
        idle: timedelta,
        traces: JobTraces = UNTRACED,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._keys = keys
        self._max_attempts = job_settings.max_attempts
        self._max_bytes = max_bytes
        self._idle = idle
        self._traces = traces

    async def accept(self, request: Request, user_id: UUID) -> Accepted:
        """Take a multipart upload and promise its analysis; one that was taken before keeps its job.

        Raises:
            ProblemError: the upload is not acceptable; nothing was kept.
            StorageUnavailableError: the store is away; nothing was kept.

        """
        key = requested_key(request)
        self._refuse_declared_size(request)
        async with self._keys.used(user_id, key) as use:
            return await self._accept(request, user_id, use)

    async def _accept(self, request: Request, user_id: UUID, use: Claim | Earlier | None) -> Accepted:
        began = time.perf_counter()
        submission = _Submission()
        sink: Sink = Nowhere() if isinstance(use, Earlier) else self._store
        try:
            await self._receive(request, submission, sink)
            stored = submission.recording()
            metadata = capture_metadata(submission.fields, now=datetime.now(UTC))
        except BaseException:
            if submission.stored is not None:
                await self._discard(submission.stored.key, sink)
            raise
        received = time.perf_counter()
        mark = fingerprint(stored.sha256, metadata, submission.fields)
        if isinstance(use, Earlier):
            accepted = await self._keys.replay(use, mark)
        else:
            accepted = await self._commit(stored, metadata, user_id, use, mark)
        job = accepted.job
        if not accepted.is_new:
            get_logger().info(events.UPLOAD_REPEATED, job_id=str(job.id), by_key=accepted.replayed)
            return accepted
        self._traces.step(job.id, "receive", since=began, until=received)
        self._traces.step(job.id, "commit", since=received)
        self._traces.step(job.id, "accept", since=began, kind=Kind.SERVER, attributes=_named(request))
        get_logger().info(events.JOB_ACCEPTED, job_id=str(job.id), size_bytes=stored.size_bytes)
        return accepted

    def _refuse_declared_size(self, request: Request) -> None:
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > self._max_bytes + FORM_OVERHEAD_BYTES:
            raise self._too_large()

    async def _receive(self, request: Request, submission: _Submission, sink: Sink) -> None:
        """Read the form to its end, streaming the recording into the sink on the way."""
        async for part in form.parts(request, idle=self._idle):
            if part.name == "file" and submission.stored is None:
                submission.stored = await self._write(part, sink)
            elif part.name in FIELDS and part.name not in submission.fields:
                submission.fields[part.name] = await part.text()
            else:
                known = ", ".join(sorted(FIELDS | {"file"}))
                raise InvalidRequestError.about(part.name, f"must be one of {known}, each at most once")

    async def _write(self, part: form.Part, sink: Sink) -> StoredObject:
        if not is_acceptable_declaration(part.content_type):
            raise UnsupportedMediaTypeError(
                f"The part `file` is declared as {part.content_type}, not as audio."
            )
        key = f"recordings/{new_id()}"
        upload = _Upload(part.chunks, max_bytes=self._max_bytes, too_large=self._too_large())
        await sink.write(key, upload.checked())
        return StoredObject(key, upload.content_type, upload.sha256.digest(), upload.size_bytes)

    async def _commit(
        self,
        stored: StoredObject,
        metadata: CaptureMetadata,
        user_id: UUID,
        claim: Claim | None,
        mark: bytes,
    ) -> Accepted:
        """Make the job, or find the one that the same recording has; then the new object is removed.

        Raises:
            IdempotencyKeyInUseError: the claim is another request's by now; nothing was kept.

        """
        try:
            async with self._sessions.begin() as session:
                accepted = await self._known_or_new(session, stored, metadata, user_id)
                if claim is not None:
                    await claim.bind(session, accepted, mark)
        except ProblemError:
            await self._discard(stored.key, self._store)
            raise
        except BaseException:
            get_logger().warning(events.OBJECT_ORPHANED, object_key=stored.key)
            raise
        if not accepted.is_new:
            await self._discard(stored.key, self._store)
        return accepted

    async def _known_or_new(
        self, session: AsyncSession, stored: StoredObject, metadata: CaptureMetadata, user_id: UUID
    ) -> Accepted:
        await session.execute(idempotency.one_at_a_time(user_id, stored.sha256))
        known = await session.scalar(idempotency.same_recording(user_id, stored.sha256))
        if known is not None:
            return Accepted(known, HTTPStatus.OK)
        recording = Recording(
            id=new_id(),
            user_id=user_id,
            object_key=stored.key,
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            content_type=stored.content_type,
            recorded_at=metadata.recorded_at,
            recorded_on=metadata.recorded_on,
            prompt_ended_at=metadata.prompt_ended_at,
            time_zone=metadata.time_zone,
        )
        job = Job(
            user_id=user_id,
            recording=recording,
            priority=metadata.priority,
            max_attempts=self._max_attempts,
            analysis=None,
        )
        session.add(job)
        await session.flush()
        await session.execute(jobs.announce())
        return Accepted(job)

    async def _discard(self, key: str, sink: Sink) -> None:
        try:
            await sink.delete(key)
        except StorageUnavailableError:
            get_logger().warning(events.OBJECT_ORPHANED, object_key=key)

    def _too_large(self) -> RecordingTooLargeError:
        return RecordingTooLargeError(f"A recording may have at most {self._max_bytes} bytes.")


def _named(request: Request) -> Attributes:
    """Name the request by its route; its path and its headers are nobody else's business."""
    return {"http.request.method": request.method, "http.route": request.scope["route"].path}


class _Upload:
    """A recording on its way to the store: recognised, counted and hashed as it passes."""

    def __init__(
        self, chunks: AsyncIterator[bytes], *, max_bytes: int, too_large: RecordingTooLargeError
    ) -> None:
        self._chunks = chunks
        self._max_bytes = max_bytes
        self._too_large = too_large
        self.content_type = ""
        self.sha256 = hashlib.sha256()
        self.size_bytes = 0

    async def checked(self) -> AsyncIterator[bytes]:
        """Yield the content.

        Raises:
            RecordingEmptyError: there is none.
            UnsupportedMediaTypeError: it does not start like any recording we know.
            RecordingTooLargeError: it goes on for too long.

        """
        head = b""
        async for chunk in self._chunks:
            self.size_bytes += len(chunk)
            if self.size_bytes > self._max_bytes:
                raise self._too_large
            self.sha256.update(chunk)
            if self.content_type:
                yield chunk
                continue
            head += chunk
            if len(head) >= SNIFF_BYTES:
                self._recognise(head)
                yield head
        if not self.content_type:
            self._recognise(head)
            yield head

    def _recognise(self, head: bytes) -> None:
        if not head:
            raise RecordingEmptyError("The part `file` holds no bytes.")
        content_type = sniff(head)
        if content_type is None:
            raise UnsupportedMediaTypeError(
                "The part `file` is not a WAV, FLAC, MP3, Ogg, MP4/M4A, WebM, AAC or AMR recording.",
            )
        self.content_type = content_type
