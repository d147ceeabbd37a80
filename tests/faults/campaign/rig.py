"""The system under test: real processes, which reach their servers through links that can break."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import psutil
from sqlalchemy import Engine, make_url, text

from faults.campaign import history
from faults.campaign.proxy import HOST, Address, Link
from faults_support import FaultyStack
from mindtrack_local import services
from mindtrack_local.config import GATEWAY_PORT, Service, StackConfig
from mindtrack_local.part import Part
from mindtrack_local.postgres import SOCKET_NAME
from mindtrack_local.process import ProcessSpec
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.settings import DatabaseSettings

Server = Literal["database", "broker", "storage"]
Client = Literal["gateway", "inference", "relay", "maintenance"]

SERVERS: tuple[Server, ...] = ("database", "broker", "storage")
CLIENTS: tuple[Client, ...] = ("gateway", "inference", "relay", "maintenance")
#: Which variable leads to a server.
VARIABLES: Mapping[Server, str] = {
    "database": "MINDTRACK_DATABASE_URL",
    "broker": "MINDTRACK_QUEUE_URL",
    "storage": "MINDTRACK_STORAGE_ENDPOINT",
}

#: What a deployment has; the figures of recovery are asked for these.
DEPLOYED = {
    "MINDTRACK_JOB_LEASE": "60",
    "MINDTRACK_JOB_HEARTBEAT": "15",
    "MINDTRACK_JOB_RING_AGAIN_AFTER": "60",
    "MINDTRACK_SCHEDULER_RESCUE_EVERY": "15",
}
#: The same machinery, about ten times as fast; where processors are few, a heartbeat may be seconds late.
QUICK = {
    "MINDTRACK_JOB_LEASE": "6",
    "MINDTRACK_JOB_HEARTBEAT": "1",
    "MINDTRACK_JOB_RING_AGAIN_AFTER": "5",
    "MINDTRACK_SCHEDULER_RESCUE_EVERY": "1",
}
#: Small workers: many of them share few cores.
SMALL = {
    "MINDTRACK_INFERENCE_THREADS": "1",
    "MINDTRACK_INFERENCE_TOGETHER": "false",
    "MINDTRACK_GATEWAY_KEY_LEASE": "2",
    "MINDTRACK_GATEWAY_UPLOAD_IDLE": "3",
}
#: Between two looks at whether something has happened.
LOOK_EVERY = 0.05  # seconds
#: How long to wait for what comes in a second or two, on whatever machine.
PATIENCE = 180.0  # seconds
ALL_BUT_WORKERS: tuple[Service, ...] = ("gateway", "relay", "deliver", "beat", "maintenance")
WORKERS = ("inference", "second")
#: `oom_score_adj` of a decoding child in its cage.
CAGED = "1000"


class Rig(FaultyStack):
    """A stack with two workers, and a link for each way from a process to a server."""

    def __init__(self, var: Path, pace: Mapping[str, str]) -> None:
        super().__init__(
            StackConfig(
                var=var,
                storage="s3",
                services=ALL_BUT_WORKERS,
                sign_in=False,
                settings_overrides={**SMALL, **pace},
            )
        )
        self.pace = pace
        self.links: dict[tuple[Client, Server], Link] = {}
        self._opened = ExitStack()
        self._engine: Engine | None = None

    @property
    def lease(self) -> float:
        return float(self.pace["MINDTRACK_JOB_LEASE"])

    @property
    def tick(self) -> float:
        return float(self.pace["MINDTRACK_SCHEDULER_RESCUE_EVERY"])

    @property
    def engine(self) -> Engine:
        """The database, directly: no link between."""
        if self._engine is None:
            settings = self.infrastructure.settings(DatabaseSettings)
            self._engine = sync_engine(settings, application_name="campaign")
        return self._engine

    def link(self, client: Client, server: Server) -> Link:
        return self.links[client, server]

    def to(self, server: Server) -> list[Link]:
        """Every way to a server."""
        return [self.links[client, server] for client in CLIENTS]

    def upstream(self, server: Server) -> Address:
        if server == "database":
            folder = make_url(self.infrastructure.database_url).query["host"]
            return f"{unquote(str(folder))}/{SOCKET_NAME}"
        url = make_url(self.infrastructure.environment.variables()[VARIABLES[server]])
        assert url.port is not None
        return HOST, url.port

    def start(self) -> None:
        super().start()
        history.record(self.engine)
        for name in WORKERS:
            self.add_inference(name)

    def _start_services(self) -> None:
        for client in CLIENTS:
            for server in SERVERS:
                link = Link(self.upstream(server))
                self.links[client, server] = self._opened.enter_context(link.serving())
        super()._start_services()

    def _spec(self, service: Service) -> ProcessSpec:
        spec = super()._spec(service)
        client: Client = "gateway" if service == "gateway" else "maintenance"
        spec = replace(spec, ready_within=PATIENCE)
        return detoured(spec, self._addresses("relay" if service == "relay" else client))

    def _inference(self, name: str, overrides: Mapping[str, str]) -> ProcessSpec:
        spec = super()._inference(name, overrides)
        return detoured(replace(spec, grace=60.0, ready_within=PATIENCE), self._addresses("inference"))

    def _addresses(self, client: Client) -> dict[Server, tuple[str, int]]:
        return {server: (HOST, self.links[client, server].port) for server in SERVERS}

    def add_gateway(self, name: str, overrides: Mapping[str, str]) -> str:
        """Start one more gateway, told something else; return its base URL."""
        port = self.infrastructure.reserve(name, GATEWAY_PORT)
        told = self.infrastructure.environment.for_gateway(port, {}, None)
        spec = replace(services.gateway({**told, **overrides}, port), name=name, ready_within=PATIENCE)
        spec = detoured(spec, self._addresses("gateway"))
        self.infrastructure.supervisor.start(spec, same_tier=True)
        return f"http://{HOST}:{port}"

    def add_worker(
        self,
        name: str,
        overrides: Mapping[str, str] | None = None,
        *,
        prefix: Sequence[str] = (),
        addresses: Mapping[Server, tuple[str, int]] | None = None,
    ) -> Part:
        """Start one more worker, under another program and with other ways to its servers, if told so."""
        spec = self._inference(name, overrides or {})
        spec = detoured(replace(spec, command=(*prefix, *spec.command)), addresses or {})
        self.infrastructure.supervisor.start(spec, same_tier=True)
        return self.process(name)

    def workers(self) -> list[Part]:
        return [self.process(name) for name in WORKERS]

    @contextmanager
    def without_workers(self) -> Iterator[None]:
        """Have nobody take jobs."""
        for worker in self.workers():
            worker.stop()
        try:
            yield
        finally:
            for worker in self.workers():
                worker.start()
            for worker in self.workers():
                worker.wait_ready()

    @contextmanager
    def more_workers(self, count: int) -> Iterator[list[Part]]:
        """Have that many more workers."""
        names = [f"extra-{number}" for number in range(count)]
        known = self.infrastructure.supervisor.parts
        specs = [self._inference(name, {}) for name in names if name not in known]
        if specs:
            self.infrastructure.supervisor.start(*specs, same_tier=True)
        extra = [self.process(name) for name in names]
        for part in extra:
            if part.name in known:
                part.start()
                part.wait_ready()
        try:
            yield extra
        finally:
            for part in extra:
                part.ask_to_stop()
            for part in extra:
                part.stop()

    def working_child(self, worker: Part) -> psutil.Process:
        """Find the child of a worker that holds its model."""
        children = psutil.Process(worker.pid).children()
        return max(children, key=lambda child: child.memory_info().rss)

    def held(self, worker: Part, running: Mapping[str, str] | None = None) -> list[str]:
        """Which of the jobs that run, or just did, are a worker's, by the ids that its log has."""
        running = self.running() if running is None else running
        said = self.log(worker.name) if running else ""
        return [job for job, holder in running.items() if holder in said]

    def running(self) -> dict[str, str]:
        """Jobs that run, with the worker that holds each."""
        return dict(self.rows("select id::text, worker_id::text from jobs where status = 'running'"))

    def log(self, part: str) -> str:
        path = self.infrastructure.layout.logs / f"{part}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def rows(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def number(self, statement: str, **values: object) -> int:
        ((value,),) = self.rows(statement, **values)
        return int(value)

    def objects(self) -> dict[str, timedelta]:
        """Every recording's key in object storage, and its age."""
        folder, now = self.infrastructure.recordings, time.time()
        return {
            str(path.relative_to(folder)): timedelta(seconds=now - path.stat().st_mtime)
            for path in folder.rglob("*")
            if path.is_file()
        }

    def heal(self) -> None:
        for link in self.links.values():
            link.heal()

    def stop(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        super().stop()
        self._opened.close()


def detoured(spec: ProcessSpec, addresses: Mapping[Server, tuple[str, int]]) -> ProcessSpec:
    """Lead a process to its servers by other ways; whoever it is there stays the same."""
    told = dict(spec.environment)
    for server, (host, port) in addresses.items():
        if (given := told.get(VARIABLES[server])) is None:
            continue
        url = make_url(given).set(host=host, port=port)
        if server == "database":
            url = url.difference_update_query(["host"])
        told[VARIABLES[server]] = url.render_as_string(hide_password=False)
    return replace(spec, environment=told)


def until(condition: Callable[[], bool], *, within: float, what: str) -> float:
    """Wait until a condition holds; return for how many seconds it did not.

    Raises:
        AssertionError: it did not in time.

    """
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > within:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(LOOK_EVERY)
    return time.monotonic() - began
