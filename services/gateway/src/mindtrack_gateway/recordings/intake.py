"""Accept a recording: store the object, then commit its row and job. The heart of the gateway.

No row without its object: the object is written first. An upload that is refused afterwards is removed again,
and so is one of a recording that the person sent before: it has its job.
When the commit fails, the object stays: the commit may have happened although its answer got lost. Such
orphans are logged, and listed by `mindtrack-scheduler verify`; an operator may remove them.
"""

from __future__ import annotations

import time
from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway import access
from mindtrack_gateway.problems import ErasedError, ProblemError
from mindtrack_gateway.recordings import uploads
from mindtrack_gateway.recordings.idempotency import (
    Accepted,
    Claim,
    Earlier,
    Keys,
    fingerprint,
    requested_key,
)
from mindtrack_gateway.recordings.metadata import CaptureMetadata
from mindtrack_gateway.recordings.objects import Objects, StoredObject
from mindtrack_gateway.recordings.readers import Readers, Submission
from mindtrack_gateway.recordings.uploads import Uploads, UploadTakenError
from mindtrack_shared.db import idempotency, jobs, users
from mindtrack_shared.db.fence import Fence, Sessions
from mindtrack_shared.db.models import Job, Recording
from mindtrack_shared.ids import new_id
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.observability.traces import UNTRACED, Attributes, JobTraces, Kind
from mindtrack_shared.settings import JobSettings


class Intake:
    def __init__(  # noqa: PLR0913 - where an upload meets everything that it goes through
        self,
        *,
        objects: Objects,
        readers: Readers,
        uploads: Uploads,
        sessions: Sessions,
        keys: Keys,
        job_settings: JobSettings,
        traces: JobTraces = UNTRACED,
    ) -> None:
        self._objects = objects
        self._readers = readers
        self._uploads = uploads
        self._sessions = sessions
        self._keys = keys
        self._max_attempts = job_settings.max_attempts
        self._traces = traces

    async def accept(self, request: Request, user_id: UUID) -> Accepted:
        """Take a recording and promise its analysis; one that was taken before keeps its job.

        Raises:
            ProblemError: the upload is not acceptable; nothing was kept.
            StorageUnavailableError: the store is away; nothing was kept.

        """
        began = time.perf_counter()
        key = requested_key(request)
        async with self._keys.used(user_id, key) as use:
            # What a key was used for before is read for its checksum alone.
            submission = Submission(self._objects.forgetting() if isinstance(use, Earlier) else self._objects)
            try:
                stored, metadata = await self._receive(request, user_id, submission)
                received = time.perf_counter()
                accepted = await self._settle(stored, metadata, submission, user_id, use, began)
            except UploadTakenError as taken:
                accepted = await self._taken(taken.upload_id, submission, user_id, use)
        job = accepted.job
        if not accepted.is_new:
            get_logger().info(events.UPLOAD_REPEATED, job_id=str(job.id), by_key=accepted.replayed)
            return accepted
        self._traces.step(job.id, "receive", since=began, until=received)
        self._traces.step(job.id, "commit", since=received)
        self._traces.step(job.id, "accept", since=began, kind=Kind.SERVER, attributes=_named(request))
        get_logger().info(events.JOB_ACCEPTED, job_id=str(job.id), size_bytes=stored.size_bytes)
        return accepted

    async def _receive(
        self, request: Request, user_id: UUID, submission: Submission
    ) -> tuple[StoredObject, CaptureMetadata]:
        """Read the request; of one that is refused, no object is left."""
        try:
            await self._readers.read(request, user_id, submission)
            return submission.recording(), submission.metadata()
        except BaseException:
            if submission.stored is not None:
                await self._discard(submission.stored, submission)
            raise

    async def _settle(  # noqa: PLR0913, PLR0917 - what a recording goes through
        self,
        stored: StoredObject,
        metadata: CaptureMetadata,
        submission: Submission,
        user_id: UUID,
        use: Claim | Earlier | None,
        began: float,
    ) -> Accepted:
        mark = fingerprint(stored.sha256, metadata, submission.fields)
        if isinstance(use, Earlier):
            try:
                return await self._keys.replay(use, mark)
            finally:
                await self._discard(stored, submission)
        accepted = await self._commit(stored, metadata, user_id, use, mark, began)
        if stored.upload_id is not None:
            await self._uploads.clear(stored.upload_id)
        return accepted

    async def _taken(
        self, upload_id: UUID, submission: Submission, user_id: UUID, use: Claim | Earlier | None
    ) -> Accepted:
        """Return the job that an upload has, as the recording that it is."""
        job = await self._uploads.job(upload_id, user_id)
        mark = fingerprint(job.recording.sha256, submission.metadata(), submission.fields)
        if isinstance(use, Earlier):
            return await self._keys.replay(use, mark)
        accepted = Accepted(job, HTTPStatus.OK)
        if use is not None:
            async with self._sessions.begin(Fence.own(user_id)) as session:
                await use.bind(session, accepted, mark)
        return accepted

    async def _discard(self, stored: StoredObject, submission: Submission) -> None:
        """Remove an object. What was copied from an upload lies in the store, even for a replay."""
        objects = submission.objects if stored.upload_id is None else self._objects
        await objects.discard(stored.key)

    async def _commit(  # noqa: PLR0913, PLR0917 - as above
        self,
        stored: StoredObject,
        metadata: CaptureMetadata,
        user_id: UUID,
        claim: Claim | None,
        mark: bytes,
        began: float,
    ) -> Accepted:
        """Make the job, or find the one that the same recording has; then the new object is removed.

        Raises:
            IdempotencyKeyInUseError: the claim is another request's by now; nothing was kept.
            UploadTakenError: another job has the upload by now; nothing was kept.
            ErasedError: the person had everything erased since the request began; nothing was kept.

        """
        try:
            async with self._sessions.begin(Fence.own(user_id)) as session:
                await _refuse_erased(session, user_id, since=began)
                accepted = await self._known_or_new(session, stored, metadata, user_id)
                if accepted.is_new:
                    access.note_own(session, user_id, action="submitRecording")
                await uploads.use(session, stored, accepted.job)
                if claim is not None:
                    await claim.bind(session, accepted, mark)
        except (ProblemError, UploadTakenError):
            await self._objects.discard(stored.key)
            raise
        except BaseException:
            get_logger().warning(events.OBJECT_ORPHANED, object_key=stored.key)
            raise
        if not accepted.is_new:
            await self._objects.discard(stored.key)
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
            device=metadata.device,
            microphone=metadata.microphone,
            app_version=metadata.app_version,
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


async def _refuse_erased(session: AsyncSession, user_id: UUID, *, since: float) -> None:
    """Refuse what began before its person had everything erased; who is at it is waited for."""
    elapsed = timedelta(seconds=time.perf_counter() - since)
    if await session.scalar(users.erased_within(user_id, elapsed)):
        raise ErasedError


def _named(request: Request) -> Attributes:
    """Name the request by its route; its path and its headers are nobody else's business."""
    return {"http.request.method": request.method, "http.route": request.scope["route"].path}
