"""What every service is told through its environment: the one place that knows the variables' names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic_settings import BaseSettings, EnvSettingsSource
from sqlalchemy import make_url

from mindtrack_local import s3
from mindtrack_local.config import Layout, Service
from mindtrack_local.files import keep_private, load_secret, new_audit_key_line, write_private
from mindtrack_local.issuer import Issuer
from mindtrack_local.ports import HOST
from mindtrack_local.provider import CLIENT_ID, DISCOVERY
from mindtrack_shared.db import roles
from mindtrack_shared.sealing.providers import new_key_line

Settings = TypeVar("Settings", bound=BaseSettings)

#: uvicorn's default lets open requests take longer than the supervisor's grace.
GATEWAY_SHUTDOWN_GRACE = "PT5S"

#: One machine is one person's, who may upload a year at once. The limits work; nobody reaches them.
UNREACHABLE_LIMITS = {
    "MINDTRACK_LIMIT_UPLOADS_PER_MINUTE": "6000000",
    "MINDTRACK_LIMIT_UPLOADS_BURST": "100000",
    "MINDTRACK_LIMIT_POLLS_PER_SECOND": "100000",
    "MINDTRACK_LIMIT_POLLS_BURST": "100000",
    "MINDTRACK_LIMIT_OTHERS_PER_SECOND": "100000",
    "MINDTRACK_LIMIT_OTHERS_BURST": "100000",
    "MINDTRACK_LIMIT_CONCURRENT_UPLOADS": "1000",
    "MINDTRACK_LIMIT_CONCURRENT_UPLOADS_PER_SUBJECT": "1000",
    "MINDTRACK_LIMIT_CONCURRENT_STREAMS_PER_SUBJECT": "1000",
}


@dataclass(frozen=True, kw_only=True)
class S3Access:
    endpoint: str
    keys: s3.Keys


@dataclass(frozen=True, kw_only=True)
class Environment:
    layout: Layout
    issuer: Issuer
    database_url: str
    queue_url: str
    s3: S3Access | None = None
    #: Laid over everything else.
    overrides: Mapping[str, str] = field(default_factory=dict)

    def variables(self, role: str | None = None) -> dict[str, str]:
        """Return what all services share, with a role's login to the database; else the owner's."""
        trusted = self.issuer.settings
        return {
            "MINDTRACK_DATABASE_URL": self._database_url(role),
            "MINDTRACK_QUEUE_URL": self.queue_url,
            **self._storage(),
            **self._keys(),
            "MINDTRACK_AUTH_JWKS_FILE": str(trusted.jwks_file),
            "MINDTRACK_AUTH_LOCAL": "true",
            "MINDTRACK_AUTH_LONGEST_LIFE": str(int(trusted.longest_life.total_seconds())),
            "MINDTRACK_AUTH_ISSUER": trusted.issuer,
            "MINDTRACK_AUTH_AUDIENCE": trusted.audience,
            "MINDTRACK_LOG_FORMAT": "console",
            **UNREACHABLE_LIMITS,
            "MINDTRACK_INFERENCE_CONCURRENCY": "1",
            "MINDTRACK_WEBHOOK_ALLOW_LOOPBACK": "true",
            "MINDTRACK_AUDIT_KEYS_FILE": str(
                keep_private(self.layout.audit_keys, new_audit_key_line("local"))
            ),
            "MINDTRACK_SCHEDULER_BEAT_FILE": str(self.layout.run / "beat-schedule"),
            **self.overrides,
        }

    def for_gateway(
        self, port: int, metrics_ports: Mapping[Service, int], provider_port: int | None = None
    ) -> dict[str, str]:
        targets = [f"{service}=http://{HOST}:{told}/metrics" for service, told in metrics_ports.items()]
        return {
            **_sign_in(provider_port),
            "MINDTRACK_GATEWAY_HOST": HOST,
            "MINDTRACK_GATEWAY_PORT": str(port),
            "MINDTRACK_GATEWAY_SHUTDOWN_GRACE": GATEWAY_SHUTDOWN_GRACE,
            "MINDTRACK_GATEWAY_UPLOAD_SECRET": load_secret(self.layout.upload_secret),
            "MINDTRACK_OPERATIONS_TARGETS": json.dumps(targets),
            **self.variables(roles.GATEWAY),
        }

    def for_inference(self, ready_file: Path) -> dict[str, str]:
        return {
            "MINDTRACK_INFERENCE_MODEL_CACHE": str(self.layout.models),
            "MINDTRACK_INFERENCE_READY_FILE": str(ready_file),
            "MINDTRACK_INFERENCE_ROLL": str(ready_file.with_suffix(".roll")),
            **self.variables(roles.WORKER),
        }

    def for_metrics(self, port: int) -> dict[str, str]:
        return {"MINDTRACK_METRICS_HOST": HOST, "MINDTRACK_METRICS_PORT": str(port)}

    def _database_url(self, role: str | None) -> str:
        if role is None:
            return self.database_url
        return make_url(self.database_url).set(username=role).render_as_string(hide_password=False)

    def _keys(self) -> dict[str, str]:
        keys_file = keep_private(self.layout.key_file, new_key_line("first"))
        place = self.layout.keys.as_uri() if self.s3 is None else f"s3://{s3.KEYS_BUCKET}"
        return {"MINDTRACK_KEYS_URL": place, "MINDTRACK_KEYS_FILE": str(keys_file)}

    def _storage(self) -> dict[str, str]:
        if self.s3 is None:
            return {"MINDTRACK_STORAGE_URL": self.layout.recordings.as_uri()}
        return {
            "MINDTRACK_STORAGE_URL": f"s3://{s3.BUCKET}",
            "MINDTRACK_STORAGE_ENDPOINT": self.s3.endpoint,
            "MINDTRACK_STORAGE_ACCESS_KEY_ID": self.s3.keys.access_key_id,
            "MINDTRACK_STORAGE_SECRET_ACCESS_KEY": self.s3.keys.secret_access_key,
        }


def _sign_in(provider_port: int | None) -> dict[str, str]:
    if provider_port is None:
        return {}
    return {
        "MINDTRACK_SIGN_IN_CLIENT_ID": CLIENT_ID,
        "MINDTRACK_SIGN_IN_DISCOVERY_URL": f"http://{HOST}:{provider_port}{DISCOVERY}",
    }


def settings_from(variables: Mapping[str, str], group: type[Settings]) -> Settings:
    """Build a settings group from variables that are not in this process's environment."""
    source = EnvSettingsSource(group)
    source.env_vars = {name.lower(): value for name, value in variables.items()}
    return group(**source())


def save(path: Path, variables: Mapping[str, str]) -> None:
    """Keep the variables of the running stack for `mindtrack-local env`."""
    write_private(path, json.dumps(dict(variables)))


def load(path: Path) -> dict[str, str] | None:
    """Return the variables of the stack that runs, or None if none does."""
    if not path.exists():
        return None
    variables: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return variables
