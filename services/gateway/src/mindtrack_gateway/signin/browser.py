"""What tells a browser with our page from other callers: a cookie, and where its requests come from.

The cookie holds the access token (decision 32). Browsers send it along with whatever request another site has
them make, so with a cookie, what changes something must come from our own page.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Request, Response

from mindtrack_gateway.problems import CrossSiteError

#: The prefix makes browsers refuse it from any other host, and without TLS (RFC 6265bis).
HOST_PREFIX = "__Host-"
SESSION = "mindtrack"
ATTEMPT = "mindtrack-sign-in"
#: As long as a provider's page may be looked at.
ATTEMPT_SECONDS = 600
#: Of a cookie with its name and attributes; browsers drop larger ones without a word.
LARGEST_COOKIE = 4096
#: Methods that change nothing (RFC 9110, section 9.2.1).
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class CookieTooLargeError(Exception):
    """No browser would keep it."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes")
        self.size = size


class Browser:
    """How our page is known and reached.

    Args:
        public_url: where browsers reach it; None for the address of each request.
        local: whether this serves one machine only, which may do without TLS.
        enabled: whether anybody can sign in; if not, no cookie means anything.

    Raises:
        ValueError: people would sign in without TLS.

    """

    def __init__(self, public_url: str | None, *, local: bool, enabled: bool) -> None:
        self._public_url = public_url.rstrip("/") if public_url else None
        #: Whether people come by https.
        self.secure = self._public_url is not None and self._public_url.startswith("https://")
        self._enabled = enabled
        if enabled and not self.secure and not local:
            raise ValueError("signing in needs the page's https address: set MINDTRACK_GATEWAY_PUBLIC_URL")
        prefix = HOST_PREFIX if self.secure else ""
        self.session_cookie = prefix + SESSION
        self.attempt_cookie = prefix + ATTEMPT

    def base_url(self, request: Request) -> str:
        """Return the address under which the page is served, without a slash at its end."""
        return self._public_url or str(request.base_url).rstrip("/")

    def home(self, request: Request) -> str:
        """Return the path of the page's front door."""
        return f"{urlsplit(self.base_url(request)).path}/"

    def token(self, cookies: str) -> str | None:
        """Return the session in a Cookie header."""
        return _value(cookies, self.session_cookie) if self._enabled and cookies else None

    def session(self, request: Request) -> str | None:
        """Return the access token that a browser brings, if it brings one.

        Raises:
            CrossSiteError: the request would change something, and is not our page's.

        """
        token = self.token(_cookies(request))
        if token is not None and request.method not in SAFE:
            self.require_own_page(request)
        return token

    def attempt(self, request: Request) -> str | None:
        return _value(_cookies(request), self.attempt_cookie)

    def require_own_page(self, request: Request) -> None:
        """Let requests of our page pass, and no other site's.

        Raises:
            CrossSiteError: the browser says that it is another's, or says nothing.

        """
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            own = site == "same-origin"
        else:  # browsers before 2023
            own = request.headers.get("origin") == self._origin(request)
        if not own:
            raise CrossSiteError("With the page's cookie, only the page itself may ask for this.")

    def open(self, response: Response, token: str, *, seconds: int) -> None:
        """Keep a session in the browser.

        Raises:
            CookieTooLargeError: the token is too large for that.

        """
        self._set(response, self.session_cookie, token, seconds)
        size = len(response.headers["set-cookie"])
        if size > LARGEST_COOKIE:
            raise CookieTooLargeError(size)

    def close(self, response: Response) -> None:
        self._set(response, self.session_cookie, "", 0)

    def begin(self, response: Response, attempt: str) -> None:
        self._set(response, self.attempt_cookie, attempt, ATTEMPT_SECONDS)

    def forget_attempt(self, response: Response) -> None:
        self._set(response, self.attempt_cookie, "", 0)

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            name, value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="lax"
        )

    def _origin(self, request: Request) -> str:
        parts = urlsplit(self.base_url(request))
        return f"{parts.scheme}://{parts.netloc}"


def _cookies(request: Request) -> str:
    return ";".join(request.headers.getlist("cookie"))  # proxies may split them (RFC 9113, section 8.2.3)


def _value(cookies: str, name: str) -> str | None:
    for pair in cookies.split(";"):
        found, _, value = pair.partition("=")
        if found.strip() == name:
            return value.strip() or None
    return None
