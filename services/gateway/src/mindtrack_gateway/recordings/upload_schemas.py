"""What is said about an upload beforehand, and what is answered."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mindtrack_gateway.problems import MalformedRequestError
from mindtrack_gateway.recordings.digest import MAX_FIELD, ContentDigest
from mindtrack_gateway.recordings.formats import is_acceptable_declaration
from mindtrack_shared.db.models import Upload

#: What storage takes an object for of which nothing was said.
UNTYPED = "application/octet-stream"


class UploadRequest(BaseModel):
    """What is known about the recording; all of it is checked when the upload is submitted."""

    model_config = ConfigDict(extra="forbid")

    size_bytes: Annotated[
        int | None, Field(gt=0, strict=True, description="Its exact size.", examples=[480_044])
    ] = None
    content_type: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=255,
            pattern=r"^[!-~ ]+$",
            description="Its type.",
            examples=["audio/mp4"],
        ),
    ] = None
    content_digest: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_FIELD,
            description="Its digest as in the header `Content-Digest` (RFC 9530): sha-256 or sha-512.",
            examples=["sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"],
        ),
    ] = None

    @field_validator("content_type")
    @classmethod
    def _is_a_recordings(cls, declared: str | None) -> str | None:
        if not is_acceptable_declaration(declared):
            raise ValueError("must be a type of audio, video/webm, video/mp4 or application/ogg")
        return declared

    @field_validator("content_digest")
    @classmethod
    def _is_known(cls, field: str | None) -> str | None:
        if field is None:
            return None
        try:
            digest = ContentDigest.parse([field])
        except MalformedRequestError as error:
            raise ValueError(error.detail) from error
        return str(digest) or None


class UploadView(BaseModel):
    """Where to put the recording. Submit it with `POST /v1/jobs {"upload_id": id}` afterwards."""

    id: UUID
    url: Annotated[str, Field(description="Needs no token; keep it secret until it has expired.")]
    method: Literal["PUT"] = "PUT"
    headers: Annotated[dict[str, str], Field(description="Send these with it.")]
    expires_at: Annotated[datetime, Field(description="When the URL ceases to work.")]
    max_bytes: Annotated[int, Field(description="Larger recordings are refused.")]

    @classmethod
    def of(cls, upload: Upload, url: str, *, max_bytes: int) -> Self:
        return cls(
            id=upload.id,
            url=url,
            headers={"Content-Type": upload.content_type or UNTYPED},
            expires_at=upload.expires_at,
            max_bytes=max_bytes,
        )
