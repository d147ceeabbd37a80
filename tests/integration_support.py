"""Plumbing that the integration tests share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from uuid import UUID

import httpx2 as httpx
import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import URL, ClauseElement, Connection, Engine, create_engine, make_url, text

from factories import TENSE, ScriptedAnalyzer, analysis
from mindtrack_gateway.app import create_app
from mindtrack_gateway.protocol import BoundedHeads
from mindtrack_inference.runner import Runner
from mindtrack_inference.settings import InferenceSettings
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import roles
from mindtrack_shared.db.models import Base
from mindtrack_shared.domain.analysis import Analysis
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import SealedRecordings
from mindtrack_shared.settings import DatabaseSettings, JobSettings

#: What stays when a test's database is emptied: people, and who read what, which only grows.
STAYS = {
    "users",
    "service_keys",
    "emergencies",
    "access_events",
    "access_unsealed",
    "access_seals",
    "access_marks",
}
_EMPTIED = [table.name for table in Base.metadata.sorted_tables if table.name not in STAYS]
_LIST = ", ".join(_EMPTIED)
_DELETE = "; ".join(f"delete from {name}" for name in _EMPTIED)  # noqa: S608 - our own tables
#: Empties the database. Of few rows, TRUNCATE takes 20 times as long as DELETE; what has grown large is
#: truncated, so that plans do not depend on what other tests left. Both wait for whoever still writes.
EMPTY = f"""
do $$ begin
if exists (
    select from unnest(cast('{{{_LIST}}}' as regclass[])) as emptied
    where pg_relation_size(emptied) > 256 * 1024
) then
    truncate {_LIST} cascade;
else
    lock table {_LIST} in exclusive mode;
    set local session_replication_role = replica; -- no triggers: the order does not matter
    {_DELETE};
    set local session_replication_role = origin;
end if;
end $$
"""
#: Makes a client of a person by their subject and roles.
SignIn = Callable[..., httpx.Client]
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(range(256)) * 40


#: What every answer tells browsers, whatever else it says.
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
}


def unguarded(response: httpx.Response) -> set[str]:
    """Return the headers in which an answer tells browsers less than it should."""
    said = response.headers
    lacking = {name for name, value in SECURITY_HEADERS.items() if said.get_list(name) != [value]}
    policy = said.get("content-security-policy", "")
    if "frame-ancestors 'none'" not in policy or said.get("referrer-policy") not in {
        "no-referrer",
        "same-origin",
    }:
        lacking |= {"content-security-policy", "referrer-policy"}
    if said.get("cache-control") != "no-store":
        lacking.add("cache-control")
    return lacking


def upload(client: httpx.Client, content: bytes | None = None, **fields: str) -> httpx.Response:
    """Upload a recording: one like no other unless told, as the same bytes are the same recording."""
    content = content or WAV + new_id().bytes
    return client.post("/v1/jobs", files={"file": ("log.wav", content, "audio/wav")}, data=fields)


def work(
    engine: Engine,
    recordings: SealedRecordings,
    wakeups: Wakeups,
    job_id: str,
    word: Analysis | Exception | None = None,
) -> None:
    """Do what a worker would do, with a scripted model."""
    analyzer = ScriptedAnalyzer(word or analysis(TENSE))
    Runner(
        engine=engine,
        recordings=recordings,
        lanes=dict.fromkeys(Priority, analyzer),
        analyzer=analyzer,
        wakeups=wakeups,
        job_settings=JobSettings(),
        settings=InferenceSettings(),
        on_hang=lambda: None,
    ).drain(UUID(job_id))


def execute_outside_transactions(url: URL, *statements: str) -> None:
    """Run statements such as CREATE DATABASE, which no transaction may hold."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def as_role(role: str, database: DatabaseSettings) -> DatabaseSettings:
    """Log in as a service does; tests themselves are superusers, whom no policy stops."""
    return settings_for(make_url(database.url.get_secret_value()).set(username=role))


def settings_for(url: URL) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": url.render_as_string(hide_password=False)})


def plan_of(connection: Connection, statement: ClauseElement, options: str = "") -> str:
    """Return how Postgres would carry out a statement; with options of EXPLAIN, as it says more."""
    compiled = statement.compile(connection, compile_kwargs={"render_postcompile": True})
    asked = f"explain {options} {compiled}"
    return "\n".join(connection.exec_driver_sql(asked, compiled.construct_params()).scalars())


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve an application from a thread; yields its base URL."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        http=BoundedHeads,
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the application did not start")
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def serving_gateway(
    infrastructure: Infrastructure, database: DatabaseSettings, **settings: str
) -> Iterator[str]:
    """Serve a gateway from a thread; yields its base URL. Settings go by names such as `UPLOAD_IDLE`."""
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as environment:  # settings are read at start; nobody inherits these
            for name, value in infrastructure.environment.variables().items():
                environment.setenv(name, value)
            own = as_role(roles.GATEWAY, database)
            environment.setenv("MINDTRACK_DATABASE_URL", own.url.get_secret_value())
            for name, value in settings.items():
                environment.setenv(f"MINDTRACK_GATEWAY_{name}", value)
            base_url = running.enter_context(serving(create_app()))
        yield base_url
