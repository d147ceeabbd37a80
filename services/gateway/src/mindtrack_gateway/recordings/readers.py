"""The three ways in which a recording reaches `POST /v1/jobs`, told apart by the body's type.

A form holds the recording and what is said about it. A raw body is the recording alone; what is said about it
stands in the query. A JSON document names an upload that is in storage already.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from fastapi import Request
from pydantic_core import from_json

from mindtrack_gateway.problems import (
    InvalidRequestError,
    MalformedRequestError,
    UnsupportedMediaTypeError,
)
from mindtrack_gateway.recordings import body, form
from mindtrack_gateway.recordings.formats import is_acceptable_declaration, media_type
from mindtrack_gateway.recordings.metadata import FIELDS, CaptureMetadata, capture_metadata
from mindtrack_gateway.recordings.objects import Objects, StoredObject
from mindtrack_gateway.recordings.uploads import Uploads

#: The form's own bytes around the recording.
FORM_OVERHEAD_BYTES = 64 * 1024
#: All fields at their longest take less.
MAX_DOCUMENT_BYTES = 16 * 1024


@dataclass(slots=True)
class Submission:
    """What has arrived so far. An object in it is its reader's caller's to remove, should the rest fail."""

    #: Where it goes.
    objects: Objects
    stored: StoredObject | None = None
    fields: dict[str, str] = field(default_factory=dict)

    def recording(self) -> StoredObject:
        if self.stored is None:
            raise InvalidRequestError.about("file", "must hold the recording")
        return self.stored

    def metadata(self) -> CaptureMetadata:
        return capture_metadata(self.fields, now=datetime.now(UTC))

    def add(self, name: str, value: str, *, known: Iterable[str]) -> None:
        """Note a field.

        Raises:
            InvalidRequestError: there is no such field, or it came before.

        """
        if name not in FIELDS or name in self.fields:
            raise unknown(name, known)
        self.fields[name] = value


def unknown(name: str, known: Iterable[str]) -> InvalidRequestError:
    names = ", ".join(sorted(known))
    return InvalidRequestError.about(name, f"must be one of {names}, each at most once")


class Readers:
    def __init__(self, uploads: Uploads, *, idle: timedelta) -> None:
        self._uploads = uploads
        self._idle = idle

    async def read(self, request: Request, user_id: UUID, submission: Submission) -> None:
        """Read the body to its end, streaming a recording into the store on the way.

        Raises:
            ProblemError: the body is not acceptable.
            UploadTakenError: it names an upload that a job has.
            StorageUnavailableError: the store is away.

        """
        declared = request.headers.get("content-type", "")
        chunks = body.chunks(request, idle=self._idle)
        match media_type(declared):
            case "multipart/form-data":
                body.refuse_declared_size(request, submission.objects.max_bytes, slack=FORM_OVERHEAD_BYTES)
                await self._form(form.parts(chunks, form.boundary_of(declared)), user_id, submission)
            case "application/json":
                await self._document(chunks, user_id, submission)
            case raw if raw and is_acceptable_declaration(raw):
                body.refuse_declared_size(request, submission.objects.max_bytes)
                await self._raw(request, chunks, user_id, submission)
            case _:
                raise UnsupportedMediaTypeError(
                    "Send the recording as multipart/form-data or as itself (audio/*), or name an upload in "
                    "application/json."
                )

    async def _form(self, parts: AsyncIterator[form.Part], user_id: UUID, submission: Submission) -> None:
        known = FIELDS | {"file"}
        async for part in parts:
            if part.name == "file" and submission.stored is None:
                if not is_acceptable_declaration(part.content_type):
                    raise UnsupportedMediaTypeError(
                        f"The part `file` is declared as {part.content_type}, not as audio."
                    )
                submission.stored = await submission.objects.write(user_id, part.chunks)
            elif part.name in FIELDS:
                submission.add(part.name, await part.text(), known=known)
            else:
                raise unknown(part.name, known)

    async def _raw(
        self, request: Request, chunks: AsyncIterator[bytes], user_id: UUID, submission: Submission
    ) -> None:
        for name, value in request.query_params.multi_items():
            submission.add(name, value, known=FIELDS)
        submission.metadata()  # refused before anything is read
        submission.stored = await submission.objects.write(user_id, chunks)

    async def _document(self, chunks: AsyncIterator[bytes], user_id: UUID, submission: Submission) -> None:
        document = _parsed(await body.short(chunks, most=MAX_DOCUMENT_BYTES))
        upload_id = _upload_id(document.pop("upload_id", None))
        for name, value in document.items():
            if value is None:
                continue
            if not isinstance(value, str):
                raise InvalidRequestError.about(name, "must be a string")
            submission.add(name, value, known=FIELDS | {"upload_id"})
        submission.metadata()  # refused before anything is copied
        submission.stored = await self._uploads.take(upload_id, user_id)


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        document = from_json(content)
    except ValueError as error:
        raise MalformedRequestError("The body is no JSON document.") from error
    if not isinstance(document, dict):
        raise InvalidRequestError.about("body", "must be an object")
    return document


def _upload_id(value: object) -> UUID:
    try:
        return UUID(value) if isinstance(value, str) else UUID("")
    except ValueError as error:
        raise InvalidRequestError.about("upload_id", "must be the id of an upload") from error
