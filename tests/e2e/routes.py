"""What the running server offers, by its own description."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest


def skip_without(base_url: str, method: str, path: str, header: str | None = None) -> None:
    """Skip the test unless the server has a route, and the route takes a header."""
    route: dict[str, Any] | None = (
        httpx2.get(f"{base_url}/openapi.json").json()["paths"].get(path, {}).get(method.lower())
    )
    if route is None:
        pytest.skip(f"this server has no {method} {path}")
    names = {parameter["name"].lower() for parameter in route.get("parameters", ())}
    if header is not None and header.lower() not in names:
        pytest.skip(f"this server's {method} {path} takes no {header}")
