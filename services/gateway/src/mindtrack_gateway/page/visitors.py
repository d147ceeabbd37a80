"""Who looks at a page: by the cookie of their session, and nobody if there is none that holds."""

from __future__ import annotations

from fastapi import Request

from mindtrack_gateway.dependencies import Parts, access_token
from mindtrack_gateway.identity import Principal
from mindtrack_gateway.problems import UnauthorizedError


async def visitor(request: Request, parts: Parts) -> Principal | None:
    """Return who is signed in, or None."""
    try:
        return await parts.verifier.verify(access_token(request, parts.browser))
    except UnauthorizedError:
        return None
