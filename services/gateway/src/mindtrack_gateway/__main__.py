"""`mindtrack-gateway`: serve the API."""

from __future__ import annotations

import uvicorn

from mindtrack_gateway.protocol import BoundedHeads
from mindtrack_gateway.settings import GatewaySettings
from mindtrack_shared.observability.logging import configure_logging
from mindtrack_shared.settings import LogSettings


def main() -> None:
    settings = GatewaySettings()
    configure_logging(LogSettings(), service="gateway")
    uvicorn.run(
        "mindtrack_gateway.app:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        http=BoundedHeads,
        log_config=None,  # our logging, which leaves people's data out
        access_log=False,  # metrics count requests; paths carry ids
        server_header=False,
        proxy_headers=False,  # MINDTRACK_LIMIT_TRUSTED_PROXIES says whom to believe
        timeout_graceful_shutdown=int(settings.shutdown_grace.total_seconds()),
    )


if __name__ == "__main__":
    main()
