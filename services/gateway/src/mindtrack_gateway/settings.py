"""Settings of the gateway."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, HttpUrl, SecretStr
from pydantic_settings import BaseSettings

from mindtrack_shared.settings import Duration, group

MEBIBYTE = 1024 * 1024


class GatewaySettings(BaseSettings):
    model_config = group("GATEWAY")

    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on.")] = 8000
    max_recording_bytes: Annotated[
        int,
        Field(
            gt=0,
            description="Larger recordings are refused with 413. The default holds an hour at 298 kbit/s: "
            "AAC, MP3 or Opus at usual rates, and WAV at 16 kHz, 16 bits, mono.",
        ),
    ] = 128 * MEBIBYTE
    upload_idle: Annotated[
        Duration,
        Field(description="An upload of which no byte arrives for this long is refused with 408."),
    ] = timedelta(seconds=30)
    key_lease: Annotated[
        Duration,
        Field(
            gt=timedelta(0),
            description="An `Idempotency-Key` whose gateway died is free after UPLOAD_IDLE and this.",
        ),
    ] = timedelta(minutes=2)
    keep_keys: Annotated[
        Duration,
        Field(gt=timedelta(0), description="How long an `Idempotency-Key` is remembered."),
    ] = timedelta(hours=24)
    public_url: Annotated[
        HttpUrl | None,
        Field(
            description="Address of this API as clients reach it, e.g. https://api.example.org, for upload "
            "URLs that lead here; if unset, the address that the request was sent to."
        ),
    ] = None
    presign_uploads: Annotated[
        bool,
        Field(
            description="Whether upload URLs lead straight to an S3 store; false where no client reaches it."
        ),
    ] = True
    upload_secret: Annotated[
        SecretStr | None,
        Field(
            min_length=32,
            description="Signs upload URLs that lead to the gateway, where storage cannot sign its own; the "
            "same for all gateways.",
        ),
    ] = None
    upload_expiry: Annotated[
        Duration,
        Field(
            gt=timedelta(0),
            le=timedelta(days=7),
            description="How long an upload URL can be used; S3 allows a week at most.",
        ),
    ] = timedelta(minutes=15)
    analyze_wait: Annotated[
        Duration,
        Field(description="How long POST /analyze-stress waits for its job before it answers 202."),
    ] = timedelta(seconds=25)
    shutdown_grace: Annotated[
        Duration,
        Field(description="How long open requests may take to finish after SIGTERM."),
    ] = timedelta(seconds=30)
    support_url: Annotated[
        HttpUrl | None,
        Field(
            description="Where people find somebody to talk to. Told to who answers item 9 of the PHQ-9 with "
            "more than 0; nobody is alerted."
        ),
    ] = None
