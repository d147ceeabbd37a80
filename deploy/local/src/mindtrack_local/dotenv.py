"""`.env` for docker-compose.yml: every variable it reads, with secrets that were just made."""

from __future__ import annotations

import secrets
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mindtrack_local.errors import StackError
from mindtrack_local.files import new_audit_key_line, write_private
from mindtrack_local.issuer import AUDIENCE, Issuer
from mindtrack_shared.sealing.providers import new_key_line

#: Of a secret; as hexadecimal digits it needs no quoting in a URL.
SECRET_BYTES = 24
WIDTH = 110


@dataclass(frozen=True)
class Variable:
    name: str
    about: str
    #: What compose takes when the variable is not set; none for what must be set.
    default: str | None = None


VARIABLES = (
    Variable("POSTGRES_PASSWORD", "Of the database's owner, `mindtrack`; read when the volume is new."),
    Variable("GATEWAY_DATABASE_PASSWORD", "Of the database's role for the gateway; the migration sets it."),
    Variable("WORKER_DATABASE_PASSWORD", "Of the database's role for all other services; the same."),
    Variable("VALKEY_PASSWORD", "Of the queue."),
    Variable("S3_ACCESS_KEY_ID", "Of the object storage."),
    Variable("S3_SECRET_ACCESS_KEY", "Of the object storage."),
    Variable("UPLOAD_SECRET", "Signs upload URLs that lead to the gateway."),
    Variable(
        "KEY_ENCRYPTION_KEYS_FILE",
        "What wraps the keys that recordings and words are sealed with (docs/runbook/keys.md): keep a copy "
        "elsewhere, or nobody opens any of them again. Containers must be able to read it.",
    ),
    Variable(
        "AUDIT_KEYS_FILE",
        "What seals who read what (docs/audit.md): keep a copy elsewhere. Containers must read it.",
    ),
    Variable("GRAFANA_PASSWORD", "Of Grafana's user `admin`; only the profile `observability` needs it."),
    Variable("MINDTRACK_AUTH_LOCAL", "Whether an issuer without TLS will do: true on one machine."),
    Variable("MINDTRACK_AUTH_ISSUER", "Whose tokens the gateway accepts: the `iss` claim of your issuer's."),
    Variable(
        "MINDTRACK_AUTH_LONGEST_LIFE",
        "Seconds that a token may be valid for; 900 where people's data is, whatever suits elsewhere.",
    ),
    Variable(
        "JWKS_FILE", "The issuer's public keys, a JSON Web Key Set; containers must be able to read it."
    ),
    Variable("MINDTRACK_AUTH_AUDIENCE", "The `aud` claim of tokens for this service.", AUDIENCE),
    Variable("MINDTRACK_AUTH_ALGORITHM", "What tokens are signed with: ES256 unless set.", ""),
    Variable(
        "MINDTRACK_AUTH_SECOND_FACTOR",
        "Which `amr` or `acr` clinicians' and operators' tokens must have, a JSON list such as [\"mfa\"].",
        "",
    ),
    Variable("MINDTRACK_ADDRESS", "Where the gateway listens. Put a proxy with TLS before it.", "127.0.0.1"),
    Variable(
        "MINDTRACK_LIMIT_TRUSTED_PROXIES",
        'That proxy\'s networks, a JSON list such as ["172.16.0.0/12"]; else addresses are not limited.',
        "",
    ),
    Variable("MINDTRACK_PORT", "The gateway's port.", "8000"),
    Variable(
        "MINDTRACK_GATEWAY_PUBLIC_URL",
        "Address of the proxy, for upload URLs and for signing in; without it, that of each request.",
        "",
    ),
    Variable(
        "MINDTRACK_SIGN_IN_CLIENT_ID",
        "The page's name at your identity provider (docs/sign-in.md); without it, nobody can sign in there.",
        "",
    ),
    Variable("MINDTRACK_SIGN_IN_CLIENT_SECRET", "Its secret, if the provider gave one.", ""),
    Variable(
        "MINDTRACK_SIGN_IN_SCOPE", "What is asked for; some providers want a scope of the API.", "openid"
    ),
    Variable("MINDTRACK_SIGN_IN_RESOURCE", "The parameter `resource`, if the provider wants one.", ""),
    Variable("MINDTRACK_SIGN_IN_AUDIENCE", "The parameter `audience`, if the provider wants one.", ""),
    Variable(
        "MINDTRACK_SIGN_IN_DISCOVERY_URL",
        "Where the provider describes itself, if not under the issuer's address.",
        "",
    ),
    Variable("MINDTRACK_SIGN_IN_ID_TOKEN_ALGORITHM", "Of ID tokens, if other than of access tokens.", ""),
    Variable(
        "MINDTRACK_GATEWAY_SUPPORT_URL", "Where people find somebody to talk to (docs/feedback.md).", ""
    ),
    Variable(
        "MINDTRACK_GATEWAY_RUNBOOK_URL",
        "Where docs/runbook is published, for links of the operators' page.",
        "",
    ),
    Variable("MINDTRACK_WEBHOOK_PORTS", "Ports of webhooks, a JSON list: [443] unless set.", ""),
    Variable(
        "MINDTRACK_KEYS_SEAL",
        "false while a release runs that cannot read what is sealed (docs/runbook/upgrade.md).",
        "",
    ),
    Variable(
        "MINDTRACK_AUDIT_ANCHORS_URL", "Another bucket for the audit chain's anchors (docs/audit.md).", ""
    ),
    *(
        Variable(
            f"MINDTRACK_RETENTION_{each.upper()}",
            f"Of {each}: for how long to keep them, as P30D or in seconds (docs/retention.md).",
            "",
        )
        for each in ("audio", "deliveries", "notifications", "invitations", "accesses")
    ),
    Variable("GRAFANA_PORT", "Grafana's port, at the same address.", "3000"),
    Variable(
        "MINDTRACK_INFERENCE_BUNDLE", "Id of a packaged bundle, or a path in the image.", "demo-synthetic"
    ),
    Variable(
        "MINDTRACK_TRACING_ENDPOINT",
        "Where traces of jobs go (OTLP/HTTP): http://jaeger:4318 is the profile observability's.",
        "",
    ),
    Variable(
        "MINDTRACK_NOTIFY_CHANNELS",
        'By which people may be notified of alerts, a JSON list: ["email"], ["push"] or both.',
        "",
    ),
    Variable(
        "MINDTRACK_NOTIFY_EMAIL_URL",
        "What sends the e-mail (docs/alerts.md): mailtos://user:secret@smtp.example.org?from=...&to={address}",
        "",
    ),
    Variable("MINDTRACK_NOTIFY_PUSH_URL", "What pushes: ntfys://user:secret@ntfy.example.org/{address}", ""),
    Variable("MINDTRACK_NOTIFY_APP_URL", "Where these messages lead: your app.", ""),
    Variable("MINDTRACK_VERSION", "Tag of our images.", "0.1.0"),
    Variable("MINDTRACK_REVISION", "What images that are built here say they were built from.", "unknown"),
    Variable(
        "PYTHON_IMAGE", "What our images are built on; better a digest.", "python:3.11.14-slim-bookworm"
    ),
    Variable("PIP_INDEX_URL", "Where their dependencies come from, unless from Python's own index.", ""),
    Variable("POSTGRES_IMAGE", "PostgreSQL 18; better a digest.", "postgres:18.1-bookworm"),
    Variable("VALKEY_IMAGE", "Valkey 9; better a digest.", "valkey/valkey:9.0.1-bookworm"),
    Variable("STORAGE_IMAGE", "SeaweedFS 4; better a digest.", "chrislusf/seaweedfs:4.47"),
    Variable("PROMETHEUS_IMAGE", "Prometheus 3; better a digest.", "prom/prometheus:v3.13.2"),
    Variable("GRAFANA_IMAGE", "Grafana 13; better a digest.", "grafana/grafana:13.1.1"),
    Variable("JAEGER_IMAGE", "Jaeger 2; better a digest.", "jaegertracing/jaeger:2.21.0"),
)


class DotenvExistsError(StackError):
    """The file is there; new secrets would lock its volumes."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists, and what it opens was made with its secrets; remove it first")


def write(path: Path, issuer: Issuer, keys: Path) -> None:
    """Write a `.env` with new secrets, and this machine's issuer; and files of keys in a folder.

    Keys that are there stay: with others, nothing that was sealed would open.

    Raises:
        DotenvExistsError: there is one already.

    """
    if path.exists():
        raise DotenvExistsError(path)
    trusted = issuer.settings
    ours = {
        "MINDTRACK_AUTH_ISSUER": trusted.issuer,
        "JWKS_FILE": str(trusted.jwks_path.resolve()),
        "KEY_ENCRYPTION_KEYS_FILE": _keys(keys / "key-encryption-keys", new_key_line("first")),
        "AUDIT_KEYS_FILE": _keys(keys / "audit-keys", new_audit_key_line("first")),
        "MINDTRACK_AUTH_LOCAL": "true",
        "MINDTRACK_AUTH_LONGEST_LIFE": str(int(trusted.longest_life.total_seconds())),
    }
    required = (variable.name for variable in VARIABLES if variable.default is None)
    values = {name: ours.get(name) or secrets.token_hex(SECRET_BYTES) for name in required}
    write_private(path, render(values))


def _keys(path: Path, new: str) -> str:
    """Make a file that containers can read, in a folder that nobody else on this machine gets into."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        write_private(path, new)
        path.chmod(0o444)
    return str(path.resolve())


def render(values: Mapping[str, str]) -> str:
    """Write every variable with what it means: what has a value in full, defaults as comments."""
    lines = ["# What docker-compose.yml reads. Written by `make env`; who has this file has everything.", ""]
    for variable in VARIABLES:
        lines += textwrap.wrap(variable.about, WIDTH, initial_indent="# ", subsequent_indent="# ")
        if variable.default is None:
            lines.append(f"{variable.name}={values.get(variable.name, '')}")
        else:
            lines.append(f"#{variable.name}={variable.default}")
    return "\n".join([*lines, ""])
