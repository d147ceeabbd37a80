"""The streamed bodies of a submission, which FastAPI cannot see, for OpenAPI."""

from __future__ import annotations

from typing import Any

from mindtrack_gateway.problems import (
    DependencyUnavailableError,
    DigestMismatchError,
    ErasedError,
    IdempotencyKeyInUseError,
    IdempotencyKeyReusedError,
    InvalidRequestError,
    MalformedRequestError,
    NotFoundError,
    OverloadedError,
    RecordingEmptyError,
    RecordingTooLargeError,
    TooManyUploadsError,
    UnsupportedMediaTypeError,
    UploadMismatchError,
    UploadMissingError,
    UploadStalledError,
    documented,
)
from mindtrack_gateway.recordings.idempotency import KEY_PARAMETER
from mindtrack_gateway.recordings.upload_schemas import UploadRequest
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.domain.recordings import MAX_APP_VERSION, MAX_DEVICE, Microphone

Document = dict[str, Any]

SUBMISSION_PROBLEMS = documented(
    MalformedRequestError,
    DigestMismatchError,
    NotFoundError,
    UploadStalledError,
    UploadMissingError,
    RecordingTooLargeError,
    UnsupportedMediaTypeError,
    InvalidRequestError,
    RecordingEmptyError,
    UploadMismatchError,
    ErasedError,
    IdempotencyKeyInUseError,
    IdempotencyKeyReusedError,
    TooManyUploadsError,
    OverloadedError,
    DependencyUnavailableError,
)

RECORDING: Document = {
    "type": "string",
    "format": "binary",
    "description": "WAV, FLAC, MP3, Ogg, M4A, WebM, AAC or AMR.",
}
METADATA: dict[str, Document] = {
    "recorded_at": {
        "type": "string",
        "format": "date-time",
        "description": "When the recording began: not in the future, and not more than 20 years ago. "
        "Defaults to now.",
    },
    "prompt_ended_at": {
        "type": "string",
        "format": "date-time",
        "description": "When the prompt that the person answers had ended, by the clock of `recorded_at`, "
        "which it needs. Without it, no response latency is measured.",
    },
    "time_zone": {
        "type": "string",
        "default": "UTC",
        "description": "IANA zone where the person was; decides the day it counts for.",
    },
    "priority": {
        "type": "string",
        "enum": list(Priority),
        "default": Priority.INTERACTIVE,
        "description": "`bulk` lets interactive jobs go first: for imports, and for recordings whose result "
        "nobody waits for.",
    },
    "device": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_DEVICE,
        "description": "The phone's model. No control characters.",
    },
    "microphone": {
        "type": "string",
        "enum": list(Microphone),
        "description": "What kind of microphone heard it.",
    },
    "app_version": {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_APP_VERSION,
        "description": "Version of the app that recorded it. No control characters.",
    },
}
SAID: dict[str, str] = {
    "recorded_at": "2026-03-01T18:00:00+01:00",
    "time_zone": "Europe/Berlin",
    "device": "Pixel 9",
    "microphone": Microphone.BUILT_IN,
    "app_version": "1.4.0",
}

FORM: Document = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": RECORDING, **METADATA},
    },
    "examples": {"form": {"summary": "Recording and fields", "value": {"file": "(the recording)", **SAID}}},
}
RAW: Document = {
    "schema": RECORDING,
    "examples": {
        "raw": {
            "summary": "The recording itself, and fields in the query",
            "description": "`POST /v1/jobs?time_zone=Europe%2FBerlin&microphone=built_in`",
            "value": "(the recording)",
        }
    },
}
NAMED: Document = {
    "schema": {
        "type": "object",
        "required": ["upload_id"],
        "additionalProperties": False,
        "properties": {
            "upload_id": {
                "type": "string",
                "format": "uuid",
                "description": "What `POST /v1/uploads` answered, once the recording was put there.",
            },
            **METADATA,
        },
    },
    "examples": {
        "upload": {
            "summary": "A recording that was uploaded before",
            "value": {"upload_id": "019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071", **SAID},
        }
    },
}
DIGEST: Document = {
    "name": "Content-Digest",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "Digest of the body (RFC 9530), compared while it arrives: sha-256, sha-512 or both; "
    "other algorithms are ignored.",
    "example": "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
}

RAW_TYPES = ("audio/*", "video/webm", "video/mp4", "application/ogg", "application/octet-stream")

SUBMISSION: Document = {
    "parameters": [
        KEY_PARAMETER,
        DIGEST,
        *(
            {
                "name": name,
                "in": "query",
                "required": False,
                "schema": schema,
                "description": f"With a raw body. {schema['description']}",
            }
            for name, schema in METADATA.items()
        ),
    ],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": FORM,
            **dict.fromkeys(RAW_TYPES, RAW),
            "application/json": NAMED,
        },
    },
}

UPLOAD_REQUEST: Document = {
    "requestBody": {
        "required": False,
        "content": {
            "application/json": {
                "schema": UploadRequest.model_json_schema(),
                "examples": {
                    "declared": {
                        "summary": "All that is known about it",
                        "value": {
                            "size_bytes": 480_044,
                            "content_type": "audio/mp4",
                            "content_digest": DIGEST["example"],
                        },
                    }
                },
            }
        },
    },
}
UPLOAD_CONTENT: Document = {
    "parameters": [DIGEST],
    "requestBody": {"required": True, "content": {"application/octet-stream": RAW}},
}
