"""Plumbing that the integration tests share."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from sqlalchemy import URL, create_engine, text

from mindtrack_gateway.protocol import BoundedHeads
from mindtrack_shared.settings import DatabaseSettings


def execute_outside_transactions(url: URL, *statements: str) -> None:
    """Run statements such as CREATE DATABASE, which no transaction may hold."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def settings_for(url: URL) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": url.render_as_string(hide_password=False)})


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
