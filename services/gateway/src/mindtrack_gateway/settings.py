"""Settings of the gateway."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, SecretStr, field_validator
from pydantic_settings import BaseSettings

from mindtrack_shared.settings import Duration, group

KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE


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
        Field(
            gt=timedelta(0),
            description="An upload of which less than 256 bytes per second arrive for this long is refused "
            "with 408.",
        ),
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
            description="Address of page and API as clients reach it, e.g. https://api.example.org, for "
            "upload URLs that lead here and for signing in, which needs it to be https; if unset, the "
            "address that the request was sent to."
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
    runbook_url: Annotated[
        HttpUrl | None,
        Field(
            description="Where docs/runbook is published, for the links of the operators' page; if unset, it "
            "names files of the repository."
        ),
    ] = None


class SignInSettings(BaseSettings):
    """How people sign in to the page: OpenID Connect, at the issuer that `MINDTRACK_AUTH_ISSUER` names."""

    model_config = group("SIGN_IN")

    client_id: Annotated[
        str | None,
        Field(description="The page's name at the identity provider; nobody can sign in if unset."),
    ] = None
    client_secret: Annotated[
        SecretStr | None,
        Field(description="Its secret, where the provider wants one besides PKCE."),
    ] = None
    scope: Annotated[
        str, Field(description="What is asked for, with spaces between; `openid` must be among it.")
    ] = "openid"
    resource: Annotated[
        str | None,
        Field(description="Sent as `resource` (RFC 8707), for providers that choose the audience by it."),
    ] = None
    audience: Annotated[
        str | None,
        Field(description="Sent as `audience`, for providers that choose the audience by that."),
    ] = None
    discovery_url: Annotated[
        HttpUrl | None,
        Field(
            description="Where the provider describes itself; if unset, `/.well-known/openid-configuration` "
            "under `MINDTRACK_AUTH_ISSUER`."
        ),
    ] = None
    id_token_algorithm: Annotated[
        Literal["ES256", "ES384", "RS256", "PS256", "EdDSA"] | None,
        Field(description="The one algorithm of ID tokens; if unset, that of access tokens."),
    ] = None

    @field_validator("scope")
    @classmethod
    def _asks_who_it_is(cls, scope: str) -> str:
        if "openid" not in scope.split():
            raise ValueError("must name `openid`")
        return scope


class LimitSettings(BaseSettings):
    """How much one person, and one address, may ask for. 0 turns a limit off."""

    model_config = group("LIMIT")

    uploads_per_minute: Annotated[
        float, Field(ge=0, description="Uploads that one person may begin, on average; 0 is no limit.")
    ] = 30
    uploads_burst: Annotated[int, Field(gt=0, description="Uploads that may be begun at once.")] = 10
    polls_per_second: Annotated[
        float,
        Field(ge=0, description="GET /v1/jobs/... of one person, on average; 0 is no limit."),
    ] = 20
    polls_burst: Annotated[int, Field(gt=0, description="Of which this many may come at once.")] = 60
    codes_per_minute: Annotated[
        float,
        Field(
            ge=0,
            description="POST /v1/grants of one person, which redeems a code, on average; 0 is no limit.",
        ),
    ] = 6
    codes_burst: Annotated[int, Field(gt=0, description="Of which this many may come at once.")] = 10
    others_per_second: Annotated[
        float, Field(ge=0, description="All other requests of one person, on average; 0 is no limit.")
    ] = 10
    others_burst: Annotated[int, Field(gt=0, description="Of which this many may come at once.")] = 40
    address_factor: Annotated[
        float,
        Field(
            ge=0,
            description="What one public address may ask for, in multiples of one person; 0 is no limit. "
            "Private addresses are proxies and neighbours, and not limited.",
        ),
    ] = 10
    trusted_proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...],
        Field(
            description="Networks of proxies whose X-Forwarded-For is believed, as a JSON list. List every "
            "proxy with a public address: else all who come through it share one budget."
        ),
    ] = ()
    secret: Annotated[
        SecretStr | None,
        Field(
            min_length=16,
            description="Key under which subjects and addresses are hashed in Valkey, the same for all "
            "gateways; derived from MINDTRACK_QUEUE_URL if unset.",
        ),
    ] = None
    concurrent_uploads: Annotated[
        int, Field(ge=0, description="Uploads a process receives at a time; more are answered 503. 0: any.")
    ] = 64
    concurrent_uploads_per_subject: Annotated[
        int, Field(ge=0, description="Of one person, in each process; more are answered 429. 0: any.")
    ] = 4
    concurrent_streams_per_subject: Annotated[
        int,
        Field(
            ge=0, description="Event streams of one person, in each process; more are answered 429. 0: any."
        ),
    ] = 16
    concurrent_upload_bytes: Annotated[
        int,
        Field(
            ge=0,
            description="Of uploads, held by a process at a time; more are answered 503. An upload counts as "
            "its length, 5 MiB at most, and takes a quarter more. 0: any.",
        ),
    ] = 160 * MEBIBYTE
    body_bytes: Annotated[
        int,
        Field(gt=0, description="Larger bodies are refused with 413, unless they are recordings."),
    ] = 64 * KIBIBYTE
    valkey_timeout: Annotated[
        Duration,
        Field(description="A request waits this long for Valkey; then the process counts by itself."),
    ] = timedelta(milliseconds=50)


class Target(BaseModel):
    """A service, and where its processes tell what they count."""

    model_config = ConfigDict(frozen=True)

    service: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)]
    url: HttpUrl


def _named_url(value: object) -> object:
    """Read `service=url`."""
    if not isinstance(value, str):
        return value
    service, _, url = value.partition("=")
    return {"service": service, "url": url}


class OperationsSettings(BaseSettings):
    """What `GET /v1/operations` looks at."""

    model_config = group("OPERATIONS")

    targets: Annotated[
        tuple[Annotated[Target, BeforeValidator(_named_url)], ...],
        Field(
            description="Where processes tell what they count, as a JSON list of `service=url`, e.g. "
            '`["relay=http://relay:9464/metrics"]`. A name that leads to several addresses is asked at each. '
            "Services that begin with `inference` are workers; requests are those of `gateway`, if it is "
            "there, or of the gateway that answers."
        ),
    ] = ()
    interval: Annotated[
        Duration,
        Field(gt=timedelta(0), description="Targets are asked no more often than this, whoever looks."),
    ] = timedelta(seconds=3)
    timeout: Annotated[
        Duration, Field(gt=timedelta(0), description="A target that takes longer to answer is shown as down.")
    ] = timedelta(seconds=2)
    max_bytes: Annotated[int, Field(gt=0, description="A target whose page is longer is shown as down.")] = (
        MEBIBYTE
    )
