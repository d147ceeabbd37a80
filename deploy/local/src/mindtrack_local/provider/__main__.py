"""`python -m mindtrack_local.provider`: serve the provider, to this machine."""

from __future__ import annotations

import argparse
from pathlib import Path

import uvicorn

from mindtrack_local.config import Layout
from mindtrack_local.issuer import Issuer
from mindtrack_local.ports import HOST
from mindtrack_local.provider.app import Client, Provider


def main() -> None:
    """Listen on the loopback interface. There is no option for another: anybody can be anybody here."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--var", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--gateway-port", type=int, required=True)
    options = parser.parse_args()
    layout = Layout(options.var)
    provider = Provider(
        Issuer(layout.issuer),
        Client.of(options.gateway_port),
        layout.identities,
        f"http://{HOST}:{options.port}",
    )
    # Its log would hold codes: they are part of addresses.
    uvicorn.run(
        provider.app(),
        host=HOST,
        port=options.port,
        access_log=False,
        log_level="warning",
        server_header=False,
    )


if __name__ == "__main__":
    main()
