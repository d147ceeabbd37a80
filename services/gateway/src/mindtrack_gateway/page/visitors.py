"""Who looks at a page: by the cookie of their session, and nobody if there is none that holds."""

from __future__ import annotations

from fastapi import Request

from mindtrack_gateway.dependencies import Parts
from mindtrack_gateway.identity import Principal, bearer_token
from mindtrack_gateway.problems import UnauthorizedError


async def visitor(request: Request, parts: Parts) -> Principal | None:
    """Return who is signed in, or None."""
    try:
        return await parts.verifier.verify(bearer_token(request))
    except UnauthorizedError:
        return None
