"""`mindtrack-gateway`: serve the API."""

from __future__ import annotations

import gc
import logging
import socket
import sys
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI

from mindtrack_gateway.app import create_app, release
from mindtrack_gateway.protocol import BoundedHeads
from mindtrack_gateway.settings import GatewaySettings
from mindtrack_shared.observability.logging import configure_logging
from mindtrack_shared.settings import LogSettings

#: What uvicorn itself exits with then.
COULD_NOT_START = 3
#: Of Python's garbage collector. By its defaults it walks through all that thousands of held requests keep
#: alive, over and over: half a second each time, in which nobody is answered. Nearly all of what we make is
#: freed without it. Few large collections of what is young do, and hardly ever one of everything.
COLLECT_AFTER = (20_000, 5, 1_000)


class Server(uvicorn.Server):
    """Answers held requests when it is told to stop, rather than wait for as long as they wished."""

    def __init__(self, config: uvicorn.Config, api: FastAPI) -> None:
        super().__init__(config)
        self._api = api

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        gc.collect()
        gc.freeze()  # what is there now stays
        gc.set_threshold(*COLLECT_AFTER)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        release(self._api)


def main() -> None:
    settings = GatewaySettings()
    configure_logging(LogSettings(), service="gateway")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # of every look at every target
    api = create_app()
    config = uvicorn.Config(
        api,
        host=settings.host,
        port=settings.port,
        http=BoundedHeads,
        log_config=None,  # our logging, which leaves people's data out
        access_log=False,  # metrics count requests; paths carry ids
        server_header=False,
        proxy_headers=False,  # MINDTRACK_LIMIT_TRUSTED_PROXIES says whom to believe
        timeout_graceful_shutdown=int(settings.shutdown_grace.total_seconds()),
    )
    server = Server(config, api)
    with suppress(KeyboardInterrupt):  # raised again once all is answered
        server.run()
    if not server.started:
        sys.exit(COULD_NOT_START)


if __name__ == "__main__":
    main()
