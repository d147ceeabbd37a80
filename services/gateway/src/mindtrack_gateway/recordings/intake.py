"""Accept a recording: store the object, then commit its row and job. The heart of the gateway.

No row without its object: the object is written first. An upload that is refused afterwards is removed again.
When the commit fails, the object stays: the commit may have happened although its answer got lost. Such
orphans are logged, and listed by `mindtrack-scheduler verify`; nothing removes them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from mindtrack_gateway.recordings import uploads
from mindtrack_gateway.recordings.metadata import CaptureMetadata
from mindtrack_gateway.recordings.objects import Objects, StoredObject
from mindtrack_gateway.recordings.readers import Readers, Submission
from mindtrack_gateway.recordings.uploads import Uploads, UploadTakenError
from mindtrack_shared.db import jobs
from mindtrack_shared.db.models import Job, Recording
from mindtrack_shared.ids import new_id
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.observability.traces import UNTRACED, Attributes, JobTraces, Kind
from mindtrack_shared.settings import JobSettings


@dataclass(frozen=True, slots=True)
class Accepted:
    job: Job
    #: False if the same was accepted before.
    is_new: bool = True


class Intake:
    def __init__(  # noqa: PLR0913 - where an upload meets everything that it goes through
        self,
        *,
        objects: Objects,
        readers: Readers,
        uploads: Uploads,
        sessions: async_sessionmaker[AsyncSession],
        job_settings: JobSettings,
        traces: JobTraces = UNTRACED,
    ) -> None:
        self._objects = objects
        self._readers = readers
        self._uploads = uploads
        self._sessions = sessions
        self._max_attempts = job_settings.max_attempts
        self._traces = traces

    async def accept(self, request: Request, user_id: UUID) -> Accepted:
        """Take a recording and promise its analysis.

        Raises:
            ProblemError: the upload is not acceptable; nothing was kept.
            StorageUnavailableError: the store is away; nothing was kept.

        """
        began = time.perf_counter()
        try:
            stored, metadata = await self._receive(request, user_id)
            received = time.perf_counter()
            job = await self._commit(stored, metadata, user_id)
        except UploadTakenError as taken:
            return Accepted(await self._uploads.job(taken.upload_id, user_id), is_new=False)
        if stored.upload_id is not None:
            await self._uploads.clear(stored.upload_id)
        self._traces.step(job.id, "receive", since=began, until=received)
        self._traces.step(job.id, "commit", since=received)
        self._traces.step(job.id, "accept", since=began, kind=Kind.SERVER, attributes=_named(request))
        get_logger().info(events.JOB_ACCEPTED, job_id=str(job.id), size_bytes=stored.size_bytes)
        return Accepted(job)

    async def _receive(self, request: Request, user_id: UUID) -> tuple[StoredObject, CaptureMetadata]:
        """Read the request; of one that is refused, no object is left."""
        submission = Submission()
        try:
            await self._readers.read(request, user_id, submission)
            return submission.recording(), submission.metadata()
        except BaseException:
            if submission.stored is not None:
                await self._objects.discard(submission.stored.key)
            raise

    async def _commit(self, stored: StoredObject, metadata: CaptureMetadata, user_id: UUID) -> Job:
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
        try:
            async with self._sessions.begin() as session:
                session.add(job)
                await session.flush()
                await uploads.use(session, stored, job)
                await session.execute(jobs.announce())
        except UploadTakenError:
            await self._objects.discard(stored.key)
            raise
        except BaseException:
            get_logger().warning(events.OBJECT_ORPHANED, object_key=stored.key)
            raise
        return job


def _named(request: Request) -> Attributes:
    """Name the request by its route; its path and its headers are nobody else's business."""
    return {"http.request.method": request.method, "http.route": request.scope["route"].path}
