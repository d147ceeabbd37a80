"""Uploads past the API: a URL first, the bytes to that URL, then `POST /v1/jobs` with the upload's id.

An upload URL stays valid after its upload was submitted, so what lies there is never what is analysed. It is
read once, and the same bytes are looked at, hashed, sealed and written to a key that no URL leads to: what
was checked cannot be exchanged any more, neither between check and commit nor afterwards. At the upload's key
it lies in clear, as the client sent it. It is removed there after the commit; if it comes again through the
URL, or cannot be removed, the scheduler's sweep removes it once the URL has expired.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from mindtrack_gateway.problems import (
    NotFoundError,
    ProblemError,
    UploadMismatchError,
    UploadMissingError,
    UploadsNotConfiguredError,
    UploadStalledError,
    UploadUrlInvalidError,
    UploadUsedError,
)
from mindtrack_gateway.recordings import body
from mindtrack_gateway.recordings.digest import Comparison, ContentDigest
from mindtrack_gateway.recordings.formats import contradicts
from mindtrack_gateway.recordings.objects import Objects, StoredObject, limited, too_large
from mindtrack_gateway.recordings.signing import UrlSigner
from mindtrack_gateway.recordings.upload_schemas import UploadRequest
from mindtrack_shared.db import jobs, uploads
from mindtrack_shared.db.fence import Fence, Sessions
from mindtrack_shared.db.models import Job, Upload
from mindtrack_shared.ids import new_id
from mindtrack_shared.storage import ObjectMissingError

#: How long after its URL's end an upload may still be on its way. Then comes the sweep, and a recording that
#: arrives behind it would stay, though nothing leads to it.
LATE = uploads.GRACE / 2


class UploadTakenError(Exception):
    """Another job has the upload, or it was swept meanwhile."""

    def __init__(self, upload_id: UUID) -> None:
        super().__init__(str(upload_id))
        self.upload_id = upload_id


class Uploads:
    """Gives out upload URLs and takes what was put there.

    Args:
        objects: where recordings are kept.
        sessions: of the database.
        signer: of URLs that lead to the gateway; None if there is no secret.
        presign: let the store sign its own URLs if it can.
        expiry: how long a URL can be used.
        idle: how long a `PUT` to the gateway may be silent.

    """

    def __init__(  # noqa: PLR0913 - see above
        self,
        *,
        objects: Objects,
        sessions: Sessions,
        signer: UrlSigner | None,
        presign: bool,
        expiry: timedelta,
        idle: timedelta,
    ) -> None:
        self._objects = objects
        self._sessions = sessions
        self._signer = signer
        self._presigns = presign and objects.store.presigns
        self._expiry = expiry
        self._idle = idle

    @property
    def max_bytes(self) -> int:
        return self._objects.max_bytes

    async def declare(self, user_id: UUID, declared: UploadRequest, base_url: str) -> tuple[Upload, str]:
        """Make a place for one recording; return it and its URL, under `base_url` if it leads here.

        Raises:
            UploadsNotConfiguredError: nobody can sign a URL.
            RecordingTooLargeError: it is declared larger than a recording may be.
            StorageUnavailableError: the store's credentials cannot be had.

        """
        if declared.size_bytes is not None and declared.size_bytes > self.max_bytes:
            raise too_large(self.max_bytes)
        upload_id = new_id()
        expires = int(time.time() + self._expiry.total_seconds())
        upload = Upload(
            id=upload_id,
            user_id=user_id,
            object_key=f"uploads/{upload_id}",
            size_bytes=declared.size_bytes,
            content_type=declared.content_type,
            content_digest=declared.content_digest,
            expires_at=datetime.fromtimestamp(expires, UTC),
        )
        url = await self._url(upload, expires, base_url)
        async with self._sessions.begin(Fence.own(user_id)) as session:
            session.add(upload)
        return upload, url

    async def _url(self, upload: Upload, expires: int, base_url: str) -> str:
        if self._presigns:
            return await self._objects.store.presign(upload.object_key, expires_in=self._expiry)
        if self._signer is None:
            raise UploadsNotConfiguredError("Send the recording to POST /v1/jobs itself.")
        signature = self._signer.sign(upload.id, expires)
        return f"{base_url}/v1/uploads/{upload.id}?expires={expires}&signature={signature}"

    async def signed(self, upload_id: UUID, *, expires: int, signature: str) -> Upload:
        """Return the upload that a URL of ours leads to.

        Raises:
            UploadUrlInvalidError: the URL is not ours, or has expired.
            NotFoundError: the upload was swept.
            UploadUsedError: a job has it.

        """
        if self._signer is None or not self._signer.is_valid(upload_id, expires, signature, now=time.time()):
            raise UploadUrlInvalidError("It was changed on the way, or it has expired.")
        async with self._sessions.begin(Fence(upload=upload_id)) as session:
            upload = await session.scalar(uploads.by_id(upload_id))
        if upload is None:
            raise NotFoundError("No such upload.")
        if upload.job_id is not None:
            raise UploadUsedError("A job has this upload. Ask for another to upload another recording.")
        return upload

    async def receive(self, request: Request, upload: Upload) -> None:
        """Store what comes through a URL of ours; it is looked at when it is submitted.

        Raises:
            ProblemError: the body is not acceptable, or takes until long after the URL's end; what was there
                before is still there.
            StorageUnavailableError: the store is away; the same.

        """
        body.refuse_declared_size(request, self.max_bytes)
        content = limited(body.chunks(request, idle=self._idle), self.max_bytes)
        await self._objects.store.write(upload.object_key, _until(upload.expires_at + LATE, content))

    async def take(self, upload_id: UUID, user_id: UUID) -> StoredObject:
        """Copy what was uploaded to where no URL leads, sealed, and check it on the way.

        Raises:
            NotFoundError: there is no such upload, or it is somebody else's; the answer does not tell which.
            UploadTakenError: a job has it.
            UploadMissingError: nothing was uploaded yet.
            ProblemError: what was uploaded is not acceptable; it was removed.
            StorageUnavailableError: the store is away; the upload can be submitted again.

        """
        upload = await self._owned(upload_id, user_id)
        if upload.job_id is not None:
            raise UploadTakenError(upload_id)
        try:
            return await self._copied(upload)
        except ObjectMissingError:
            # Another request may have used it in the meantime.
            if (await self._owned(upload_id, user_id)).job_id is not None:
                raise UploadTakenError(upload_id) from None
            raise UploadMissingError("PUT the recording to the upload's URL first.") from None
        except ProblemError:
            await self._objects.discard(upload.object_key)
            raise

    async def job(self, upload_id: UUID, user_id: UUID) -> Job:
        """Return the job that has an upload.

        Raises:
            NotFoundError: there is none: the upload was swept meanwhile.

        """
        upload = await self._owned(upload_id, user_id)
        async with self._sessions.begin(Fence.own(user_id)) as session:
            found = upload.job_id and await session.scalars(jobs.owned(upload.job_id, user_id))
            job = found.unique().one_or_none() if found else None
        if job is None:
            raise NotFoundError("No such upload.")
        return job

    async def clear(self, upload_id: UUID) -> None:
        """Remove the object of an upload that a job has now."""
        await self._objects.discard(f"uploads/{upload_id}")

    async def _owned(self, upload_id: UUID, user_id: UUID) -> Upload:
        async with self._sessions.begin(Fence.own(user_id)) as session:
            upload = await session.scalar(uploads.owned(upload_id, user_id))
        if upload is None:
            raise NotFoundError("No such upload.")
        return upload

    async def _copied(self, upload: Upload) -> StoredObject:
        size = await self._objects.store.size(upload.object_key)
        if size > self.max_bytes:  # not worth a copy
            raise too_large(self.max_bytes)
        comparison = ContentDigest.parse([upload.content_digest or ""]).begin()
        content = _compared(self._objects.store.stream(upload.object_key), comparison)
        stored = await self._objects.write(upload.user_id, content)
        try:
            _compare(upload, stored, comparison)
        except BaseException:
            await self._objects.discard(stored.key)
            raise
        return replace(stored, upload_id=upload.id)


async def _compared(chunks: AsyncIterator[bytes], comparison: Comparison) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        comparison.update(chunk)
        yield chunk


def _compare(upload: Upload, stored: StoredObject, comparison: Comparison) -> None:
    """Compare what came with what was declared.

    Raises:
        UploadMismatchError: it differs.

    """
    if upload.size_bytes not in {None, stored.size_bytes}:
        raise _mismatch(f"{upload.size_bytes} bytes", f"{stored.size_bytes} bytes")
    if upload.content_type is not None and contradicts(upload.content_type, stored.content_type):
        raise _mismatch(upload.content_type, stored.content_type)
    if not comparison.holds():
        raise UploadMismatchError("It has another digest than was declared, and was removed.")


def _mismatch(declared: str, found: str) -> UploadMismatchError:
    return UploadMismatchError(f"Declared were {declared}, uploaded were {found}; it was removed.")


async def use(session: AsyncSession, stored: StoredObject, job: Job) -> None:
    """Give the upload that an object was copied from, if there is one, to its job.

    Raises:
        UploadTakenError: another job has it, or it was swept.

    """
    if stored.upload_id is None:
        return
    if await session.scalar(uploads.use(stored.upload_id, job.id)) is None:
        raise UploadTakenError(stored.upload_id)


async def _until(end: datetime, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if datetime.now(UTC) > end:
            raise UploadStalledError("The upload's URL expired long ago. Ask for another.")
        yield chunk
