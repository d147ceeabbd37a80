"""What every answer tells browsers to refuse: to guess, to frame, to tell others, to keep.

The page's own answers say more precisely what theirs need (`page.headers`); what an answer says itself stays.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Header = tuple[bytes, bytes]

_ALL: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"microphone=(self), camera=(), geolocation=(), payment=(), usb=()"),
    # Nearly all of it is health data, or tells of it.
    (b"cache-control", b"no-store"),
)
_OF_DATA: Header = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
#: The pages of /docs bring scripts of their own.
_OF_DOCUMENTS: Header = (b"content-security-policy", b"frame-ancestors 'none'; base-uri 'none'")
#: Two years; what else is served under the same domain is not ours to decide about.
_OVER_TLS: Header = (b"strict-transport-security", b"max-age=63072000")


class SecurityHeaders:
    """ASGI middleware; outside all others, so that no answer goes past it.

    Asks the parts of the process whether clients come by https: TLS ends before us.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                _complete(message, secure=scope["app"].state.parts.browser.secure)
            await send(message)

        await self._app(scope, receive, tell)


def _complete(message: Message, *, secure: bool) -> None:
    headers: list[Header] = list(message.get("headers", ()))
    said = {name.lower(): value for name, value in headers}
    headers += [header for header in _ALL if header[0] not in said]
    if _OF_DATA[0] not in said:
        html = said.get(b"content-type", b"").startswith(b"text/html")
        headers.append(_OF_DOCUMENTS if html else _OF_DATA)
    if secure:
        headers.append(_OVER_TLS)
    message["headers"] = headers
