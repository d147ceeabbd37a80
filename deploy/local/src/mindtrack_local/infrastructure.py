"""Everything below the services: Postgres, Valkey, object storage and the token issuer."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from mindtrack_local import register, s3, valkey
from mindtrack_local.config import S3_PORT, VALKEY_PORT, Layout, StackConfig
from mindtrack_local.environment import Environment, S3Access, Settings, settings_from
from mindtrack_local.issuer import Issuer
from mindtrack_local.lock import VarLock
from mindtrack_local.output import Terminal
from mindtrack_local.part import Part
from mindtrack_local.ports import Reservation, reserve
from mindtrack_local.postgres import Postgres
from mindtrack_local.process import ProcessSpec
from mindtrack_local.supervisor import Supervisor


class Infrastructure:
    """The servers that services need, running while the `with` block does.

    Args:
        config: what to start.
        terminal: where to show the parts' logs, by default nowhere; they go to `var/log` in any case.

    Raises:
        StackError: on start; nothing is left running then.

    """

    environment: Environment
    issuer: Issuer

    def __init__(self, config: StackConfig, *, terminal: Terminal | None = None) -> None:
        self.config = config
        self.layout = Layout(config.var.resolve())
        self._terminal = terminal or Terminal(None)
        self._lock: VarLock | None = None
        self._supervisor: Supervisor | None = None
        self._reservations: list[Reservation] = []

    @property
    def claimed(self) -> bool:
        """Whether the folder is ours."""
        return self._lock is not None

    @property
    def supervisor(self) -> Supervisor:
        if self._supervisor is None:
            raise RuntimeError("the stack has not been started")
        return self._supervisor

    @property
    def database_url(self) -> str:
        return self.environment.database_url

    @property
    def queue_url(self) -> str:
        return self.environment.queue_url

    @property
    def recordings(self) -> Path:
        """The folder in which recordings lie, whichever way they are reached."""
        return self.layout.recordings if self.config.storage == "folder" else self.layout.s3 / s3.BUCKET

    @property
    def keys(self) -> Path:
        """The folder in which data keys lie, whichever way they are reached."""
        return self.layout.keys if self.config.storage == "folder" else self.layout.s3 / s3.KEYS_BUCKET

    def settings(self, group: type[Settings]) -> Settings:
        """Build a settings group as a service would, e.g. `settings(DatabaseSettings)`."""
        return settings_from(self.environment.variables(), group)

    def process(self, name: str) -> Part:
        """Return a part by name: "postgres", "valkey", "s3", or a service's.

        Raises:
            KeyError: it was not started.

        """
        return self.supervisor.parts[name]

    def start(self) -> None:
        try:
            self.claim()
            self.start_servers()
        except BaseException:
            self.stop()
            raise

    def claim(self) -> None:
        """Make the folder ours, and stop what an earlier stack may have left running in it."""
        self.layout.create()
        self._lock = VarLock(self.layout.lock)
        self._supervisor = Supervisor(self.layout.logs, self.layout.register, self._terminal)
        for record in register.sweep(self.layout.register):
            self.supervisor.announce(f"stopped {record.part}, left running by an earlier stack")

    def start_servers(self) -> None:
        self.issuer = Issuer(self.layout.issuer)
        postgres = Postgres(self.layout.postgres, durable=self.config.durable)
        specs = [postgres.prepare()]
        valkey_port = self.reserve("valkey", VALKEY_PORT)
        specs.append(valkey.spec(self.layout.valkey, valkey_port, durable=self.config.durable))
        access = self._s3(specs) if self.config.storage == "s3" else None
        self.supervisor.start(*specs)
        postgres.create_database()
        postgres.let_services_in()
        self.environment = Environment(
            layout=self.layout,
            issuer=self.issuer,
            database_url=postgres.url(),
            queue_url=valkey.url(valkey_port),
            s3=access,
            overrides=self.config.settings_overrides,
        )

    def _s3(self, specs: list[ProcessSpec]) -> S3Access:
        port = self.reserve("s3", S3_PORT)
        keys = s3.load_keys(self.layout.var / "s3-keys.json")
        specs.append(s3.spec(self.layout.s3, port, keys))
        return S3Access(endpoint=s3.endpoint(port), keys=keys)

    def reserve(self, part: str, preferred: int, *, strict: bool = False) -> int:
        """Return a port that is ours until `stop`; say so if it is not the preferred one."""
        reservation = reserve(part, preferred, strict=strict)
        self._reservations.append(reservation)
        if reservation.port != preferred:
            self.supervisor.announce(f"port {preferred} is taken; {part} listens on {reservation.port}")
        return reservation.port

    def hurry(self) -> None:
        """Make a `stop` under way kill what still runs instead of waiting for it."""
        if self._supervisor:
            self._supervisor.hurry()

    def stop(self) -> None:
        """Stop what runs, last started first. Safe to call again."""
        if self._supervisor:
            self._supervisor.stop()
        while self._reservations:
            self._reservations.pop().release()
        if self._lock:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
