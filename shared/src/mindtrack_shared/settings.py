"""Settings that more than one service reads, as typed groups filled from the environment.

Every group has its own prefix (`MINDTRACK_DATABASE_URL` is `DatabaseSettings.url`). Groups are built at a
service's entry point and handed down; nothing reads the environment at import.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from mindtrack_shared import transport
from mindtrack_shared.domain.notifications import Channel

#: What the names of all variables begin with.
VARIABLE_PREFIX = "MINDTRACK_"


def group(prefix: str) -> SettingsConfigDict:
    """Configure a settings group whose fields are read from `MINDTRACK_<prefix>_<FIELD>`; empty is unset.

    What does not fit is called by that name, and not quoted: it may hold a password.
    """
    return SettingsConfigDict(
        title=f"{VARIABLE_PREFIX}{prefix}",
        env_prefix=f"{VARIABLE_PREFIX}{prefix}_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )


def variable(settings: type[BaseSettings], field: str) -> str:
    """Name the environment variable that sets a field of a group."""
    return f"{settings.model_config['env_prefix']}{field.upper()}"


def _plain_seconds(value: object) -> object:
    """Let environment variables say `90` where pydantic would insist on `PT90S`."""
    if isinstance(value, str):
        with suppress(ValueError):
            return float(value)
    return value


#: A length of time: plain seconds or ISO 8601.
Duration = Annotated[timedelta, BeforeValidator(_plain_seconds)]


#: Of a group whose connection may leave the machine.
Plaintext = Annotated[
    bool,
    Field(
        description="Lets the connection leave this machine without TLS, or without checking certificates: "
        "for a network that is nobody else's. Never where people's data is."
    ),
]


def _require_tls(group: type[BaseSettings], amiss: str | None, *, plaintext: bool) -> None:
    if amiss is not None and not plaintext:
        raise ValueError(
            f"leaves this machine without TLS: it needs {amiss}, or {variable(group, 'plaintext')}=true"
        )


class DatabaseSettings(BaseSettings):
    model_config = group("DATABASE")

    url: Annotated[
        SecretStr, Field(description="PostgreSQL URL, e.g. postgresql://user:secret@host/mindtrack.")
    ]
    pool_size: Annotated[
        int, Field(gt=0, description="Connections each process keeps open; a burst may add five.")
    ] = 5
    statement_timeout_seconds: Annotated[
        float,
        Field(gt=0, description="A statement that runs longer is canceled by the server."),
    ] = 15.0
    plaintext: Plaintext = False

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        amiss = transport.amiss_with_database(self.url.get_secret_value())
        _require_tls(type(self), amiss, plaintext=self.plaintext)
        return self


class LoginSettings(BaseSettings):
    """With what services log in to the database. The migration reads this, where it is to make the logins."""

    model_config = group("LOGIN")

    gateway_password: Annotated[
        SecretStr | None,
        Field(description="Of the role mindtrack_gateway, which the migration lets log in with it."),
    ] = None
    worker_password: Annotated[
        SecretStr | None,
        Field(description="Of the role mindtrack_worker, as above: for all services but the gateway."),
    ] = None


class StorageSettings(BaseSettings):
    model_config = group("STORAGE")

    url: Annotated[str, Field(description="Where recordings live: file:///path or s3://bucket.")]
    endpoint: Annotated[str | None, Field(description="S3 endpoint when it is not Amazon's.")] = None
    public_endpoint: Annotated[
        str | None,
        Field(description="The same as clients reach it, if they do so at another address; for upload URLs."),
    ] = None
    region: Annotated[str, Field(description="S3 region.")] = "us-east-1"
    access_key_id: Annotated[
        SecretStr | None, Field(description="S3 access key; default credentials if unset.")
    ] = None
    secret_access_key: Annotated[SecretStr | None, Field(description="S3 secret key.")] = None
    plaintext: Plaintext = False

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        for endpoint in (self.endpoint, self.public_endpoint):
            _require_tls(type(self), transport.amiss_with_endpoint(endpoint), plaintext=self.plaintext)
        return self

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> StorageSettings:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together")
        return self


class KeySettings(BaseSettings):
    """Where data keys lie, and what wraps them. Gateway, workers and scheduler must agree."""

    model_config = group("KEYS")

    url: Annotated[
        str | None,
        Field(
            description="Where wrapped data keys lie: file:///path or s3://bucket, with the endpoint and the "
            "access key of the recordings' storage, and not in their bucket. Nothing is sealed if unset."
        ),
    ] = None
    seal: Annotated[
        bool,
        Field(description="Seal what is written. False while a release runs that cannot read it."),
    ] = True
    file: Annotated[
        Path | None,
        Field(description="Key-encryption keys, a line each: a name, a space, 32 bytes in base64."),
    ] = None
    vault_url: Annotated[
        HttpUrl | None,
        Field(description="Vault or OpenBao, whose transit engine is asked instead of a file."),
    ] = None
    vault_token_file: Annotated[
        Path | None, Field(description="File with the token for it; read anew each time.")
    ] = None
    vault_mount: Annotated[str, Field(description="Where the transit engine is mounted.")] = "transit"
    vault_key: Annotated[str, Field(description="Name of its key, of type aes256-gcm96.")] = "mindtrack"

    @model_validator(mode="after")
    def _keys_are_wrapped_by_one(self) -> KeySettings:
        if self.url is not None and (self.file is None) == (self.vault_url is None):
            raise ValueError("keys are wrapped by either file or vault_url")
        if (self.vault_url is None) != (self.vault_token_file is None):
            raise ValueError("vault_url and vault_token_file go together")
        return self


class QueueSettings(BaseSettings):
    model_config = group("QUEUE")

    url: Annotated[SecretStr, Field(description="Redis or Valkey URL that carries messages and wake-ups.")]
    key_prefix: Annotated[str, Field(description="Put before every key, queue and channel.")] = "mt:"
    plaintext: Plaintext = False

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        amiss = transport.amiss_with_queue(self.url.get_secret_value())
        _require_tls(type(self), amiss, plaintext=self.plaintext)
        return self


class JobSettings(BaseSettings):
    model_config = group("JOB")

    max_attempts: Annotated[int, Field(gt=0, le=100, description="Claims before a job fails for good.")] = 3
    lease: Annotated[
        Duration,
        Field(description="How long a claim holds without a heartbeat before rescue takes the job back."),
    ] = timedelta(seconds=60)
    heartbeat: Annotated[
        Duration,
        Field(description="How often a worker renews its lease; well under a third of it."),
    ] = timedelta(seconds=15)
    ring_again_after: Annotated[
        Duration,
        Field(description="A queued job whose message brought no claim within this time is rung again."),
    ] = timedelta(seconds=60)

    @model_validator(mode="after")
    def _heartbeat_fits_lease(self) -> JobSettings:
        if self.heartbeat * 3 > self.lease:
            raise ValueError("heartbeat must be at most a third of the lease, or one late beat loses the job")
        return self


class AuditSettings(BaseSettings):
    """How it is made sure that nobody changes what was written down of accesses; for maintenance alone."""

    model_config = group("AUDIT")

    keys_file: Annotated[
        Path | None,
        Field(
            description="Keys that seal access events: a line each, of an id, a space and 64 hexadecimal "
            "digits; the first seals. Nothing is sealed if unset."
        ),
    ] = None
    anchors_url: Annotated[
        str | None,
        Field(
            description="Where anchors of the chain are kept, as `MINDTRACK_STORAGE_URL`, and reached with "
            "its credentials: better a bucket with object lock. Beside the recordings if unset."
        ),
    ] = None


class LogSettings(BaseSettings):
    model_config = group("LOG")

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Field(description="Least severe level that is written; of libraries, at least WARNING unless DEBUG."),
    ] = "INFO"
    format: Annotated[
        Literal["json", "console"], Field(description="json for machines, console for people.")
    ] = "json"


class LivenessSettings(BaseSettings):
    """How an orchestrator can tell that a process without a port is alive."""

    model_config = group("LIVENESS")

    file: Annotated[
        Path | None,
        Field(
            description="Touched every few seconds while relay, deliverer, beat or a worker comes round; for "
            "the probe `python -m mindtrack_shared.observability.liveness FILE SECONDS`."
        ),
    ] = None


class MetricsSettings(BaseSettings):
    """Where processes without an API of their own tell what they count. The gateway has `/metrics`."""

    model_config = group("METRICS")

    port: Annotated[
        int | None,
        Field(
            gt=0,
            lt=65536,
            description="Port of the metrics of a process that has no other: a worker, the relay, the "
            "deliverer, beat, maintenance. No metrics if unset.",
        ),
    ] = None
    host: Annotated[str, Field(description="Address on which they are served.")] = "0.0.0.0"  # noqa: S104 - pods


class TracingSettings(BaseSettings):
    """Where spans of jobs go (OpenTelemetry). Ids, codes and durations; nothing about people."""

    model_config = group("TRACING")

    endpoint: Annotated[
        HttpUrl | None,
        Field(
            description="OTLP/HTTP collector, e.g. http://collector:4318; nothing is traced if unset. Needs "
            "the extra `tracing` of mindtrack-shared, which images hold."
        ),
    ] = None
    sample_ratio: Annotated[
        float,
        Field(ge=0, le=1, description="Share of jobs that are traced. Every process chooses the same ones."),
    ] = 1.0


class IssuerSettings(BaseSettings):
    """Whose tokens the gateway accepts: keys come from a file or from the issuer's address."""

    model_config = group("AUTH")

    jwks_file: Annotated[
        Path | None,
        Field(description="JSON Web Key Set with the issuer's public keys; a change is read within seconds."),
    ] = None
    jwks_url: Annotated[
        HttpUrl | None,
        Field(
            description="Address at which the issuer publishes it (`jwks_uri`), instead of a file; fetched "
            "every five minutes, and when a token names a key that is not known."
        ),
    ] = None
    issuer: Annotated[str, Field(description="Expected `iss` claim.")]
    audience: Annotated[str, Field(description="Expected `aud` claim.")] = "mindtrack"
    algorithm: Annotated[
        Literal["ES256", "ES384", "RS256", "PS256", "EdDSA"],
        Field(description="The one algorithm that tokens are signed with."),
    ] = "ES256"
    local: Annotated[
        bool,
        Field(description="Accept an issuer without TLS. For one machine; never where people's data is."),
    ] = False
    longest_life: Annotated[
        Duration,
        Field(
            gt=timedelta(0),
            description="Tokens that are valid for longer, from `iat` to `exp`, are refused: none can be "
            "called back, and a session of the page lasts as long as its token.",
        ),
    ] = timedelta(hours=1)
    second_factor: Annotated[
        tuple[str, ...],
        Field(
            description="Of which `amr` or `acr` must hold one in a token of a clinician, an operator or "
            'whoever may break the glass, as a JSON list, e.g. `["mfa"]`; none unless set, as not every '
            "provider writes them there."
        ),
    ] = ()

    @model_validator(mode="after")
    def _keys_have_one_source(self) -> IssuerSettings:
        if (self.jwks_file is None) == (self.jwks_url is None):
            raise ValueError("set either jwks_file or jwks_url")
        return self

    @model_validator(mode="after")
    def _issuer_is_no_toy(self) -> IssuerSettings:
        addresses = [self.issuer, *([str(self.jwks_url)] if self.jwks_url else [])]
        if not self.local and any(not address.startswith("https://") for address in addresses):
            raise ValueError(
                "an issuer without TLS is for one machine only: set MINDTRACK_AUTH_LOCAL=true there"
            )
        return self

    @property
    def jwks_path(self) -> Path:
        """The file, where there is one.

        Raises:
            ValueError: keys come from an address.

        """
        if self.jwks_file is None:
            raise ValueError("keys come from jwks_url")
        return self.jwks_file


#: Where in a template a person's address goes.
ADDRESS_PLACEHOLDER = "{address}"
#: A scheme and all up to the host's end: nothing of a person's may be there.
_UP_TO_HOST = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#{}]+[/?]", re.IGNORECASE)


def _template(url: SecretStr | None) -> SecretStr | None:
    text = url.get_secret_value() if url is not None else None
    if text is not None and (text.count(ADDRESS_PLACEHOLDER) != 1 or not _UP_TO_HOST.match(text)):
        raise ValueError("must be a URL with {address} once, behind its host")
    return url


#: A URL as Apprise has it, with a person's address in it.
UrlTemplate = Annotated[SecretStr | None, AfterValidator(_template)]


class NotificationSettings(BaseSettings):
    """How persons are notified of alerts. Gateway and deliverer must agree on `channels`."""

    model_config = group("NOTIFY")

    channels: Annotated[
        tuple[Literal["email", "push"], ...],
        Field(description="By which persons may ask to be notified, as a JSON list; none unless set."),
    ] = ()
    email_url: Annotated[
        UrlTemplate,
        Field(
            description="Apprise URL that sends e-mail, e.g. mailtos://user:secret@smtp.example.org?"
            "from=MindTrack<noreply@example.org>&to={address}; for the deliverer alone."
        ),
    ] = None
    push_url: Annotated[
        UrlTemplate,
        Field(description="Apprise URL that pushes, e.g. ntfys://user:secret@ntfy.example.org/{address}."),
    ] = None
    app_url: Annotated[
        HttpUrl | None, Field(description="Where messages lead: your app. They hold no link if unset.")
    ] = None

    @property
    def offered(self) -> tuple[Channel, ...]:
        return tuple(Channel(name) for name in dict.fromkeys(self.channels))


class WebhookSettings(BaseSettings):
    """Where webhooks may go. Gateway and deliverer must agree."""

    model_config = group("WEBHOOK")

    ports: Annotated[
        tuple[int, ...], Field(min_length=1, description="Ports that endpoints may have, as a JSON list.")
    ] = (443,)
    allow_loopback: Annotated[
        bool,
        Field(
            description="Lets endpoints be on this machine, over http and on any port: for the embedded "
            "stack and tests. Never where others may register endpoints."
        ),
    ] = False
