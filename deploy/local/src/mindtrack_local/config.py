"""What a stack is asked to be, and where its files lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

Service = Literal["gateway", "inference", "relay", "deliver", "beat", "maintenance"]
Storage = Literal["folder", "s3"]

#: In the order in which they are started.
SERVICES: tuple[Service, ...] = get_args(Service)

GATEWAY_PORT = 8000
#: Where each service that has no port of its own tells what it counts.
METRICS_PORTS: Mapping[Service, int] = {
    "inference": 9464,
    "relay": 9465,
    "deliver": 9466,
    "beat": 9467,
    "maintenance": 9468,
}
VALKEY_PORT = 6380
S3_PORT = 9000
PROVIDER_PORT = 8090


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    #: Folder for data, logs and keys. It survives the stack; a second start finds everything again.
    var: Path
    #: Where recordings go: a plain folder, or a real S3 server over one.
    storage: Storage = "folder"
    #: Which services to start; tests often need only some.
    services: tuple[Service, ...] = SERVICES
    #: The gateway's port. `None` prefers 8000 and takes the next free one; a number is an order.
    gateway_port: int | None = None
    #: Whether people can sign in to the gateway's page, as whom they like: starts a provider beside it.
    sign_in: bool = True
    #: Environment variables for the services, laid over those that the stack computes.
    settings_overrides: Mapping[str, str] = field(default_factory=dict)
    #: The same for one service, or for "migrate"; laid over `settings_overrides`.
    service_overrides: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: False trades safety against power loss for speed: for tests that throw their data away.
    durable: bool = True


@dataclass(frozen=True)
class Layout:
    """Every path under `var`, named once."""

    var: Path

    @property
    def postgres(self) -> Path:
        return self.var / "postgres"

    @property
    def valkey(self) -> Path:
        return self.var / "valkey"

    @property
    def recordings(self) -> Path:
        return self.var / "recordings"

    @property
    def models(self) -> Path:
        return self.var / "models"

    @property
    def s3(self) -> Path:
        return self.var / "s3"

    @property
    def issuer(self) -> Path:
        return self.var / "issuer"

    @property
    def identities(self) -> Path:
        """Made-up people as whom one can sign in."""
        return self.var / "identities.json"

    @property
    def upload_secret(self) -> Path:
        return self.var / "upload-secret"

    @property
    def audit_keys(self) -> Path:
        return self.var / "audit-keys"

    @property
    def keys(self) -> Path:
        """Wrapped data keys."""
        return self.var / "keys"

    @property
    def key_file(self) -> Path:
        """What wraps them."""
        return self.var / "key-encryption-keys"

    @property
    def compose_keys(self) -> Path:
        """Files of keys for docker-compose.yml."""
        return self.var / "compose-keys"

    @property
    def logs(self) -> Path:
        return self.var / "log"

    @property
    def run(self) -> Path:
        """Files that mean something only while the stack runs."""
        return self.var / "run"

    @property
    def lock(self) -> Path:
        return self.var / "stack.lock"

    @property
    def register(self) -> Path:
        return self.run / "processes.json"

    @property
    def environment(self) -> Path:
        return self.run / "environment.json"

    def create(self) -> None:
        self.var.mkdir(mode=0o700, parents=True, exist_ok=True)  # people's voices will lie in it
        for folder in (self.logs, self.run):
            folder.mkdir(exist_ok=True)
