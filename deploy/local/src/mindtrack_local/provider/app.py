"""The provider's pages and endpoints: OpenID Connect's code flow, discovery, and RP-initiated logout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from mindtrack_local.identities import Identity, offered
from mindtrack_local.issuer import ALGORITHM, ISSUER, LIFE, Issuer
from mindtrack_local.provider import CLIENT_ID, DISCOVERY
from mindtrack_local.provider.codes import Codes, Grant

#: Names of this machine; what claims another name comes from a page that has it resolve to here.
HOSTS = ("127.0.0.1", "localhost")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, kw_only=True)
class Client:
    """Our page.

    Raises:
        ValueError: it is on another machine, whose people these identities would pass for.

    """

    #: Where it may be sent with a code, and after signing out.
    redirect_uris: tuple[str, ...]
    after_sign_out: tuple[str, ...]

    def __post_init__(self) -> None:
        for uri in (*self.redirect_uris, *self.after_sign_out):
            if urlsplit(uri).hostname not in HOSTS:
                raise ValueError(f"{uri} is not on this machine")

    @property
    def origins(self) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys("{0.scheme}://{0.netloc}".format(urlsplit(uri)) for uri in self.redirect_uris)
        )

    @classmethod
    def of(cls, gateway_port: int) -> Client:
        pages = [f"http://{host}:{gateway_port}" for host in HOSTS]
        return cls(
            redirect_uris=tuple(f"{page}/session/callback" for page in pages),
            after_sign_out=tuple(f"{page}/" for page in pages),
        )


class Provider:
    """Answers for one issuer.

    Args:
        issuer: signs.
        client: our page; nobody else's.
        identities: the file that names made-up people; it may be missing.
        base_url: of this provider.
        codes: that it gives out.

    """

    def __init__(
        self, issuer: Issuer, client: Client, identities: Path, base_url: str, codes: Codes | None = None
    ) -> None:
        self._issuer = issuer
        self._client = client
        self._identities = identities
        self._base_url = base_url
        self._codes = codes or Codes()
        self._templates = Environment(
            loader=PackageLoader("mindtrack_local.provider"), autoescape=True, undefined=StrictUndefined
        )

    def app(self) -> Starlette:
        routes = [
            Route(DISCOVERY, self.describe),
            Route("/jwks.json", self.keys),
            Route("/authorize", self.ask),
            Route("/authorize", self.answer, methods=["POST"]),
            Route("/token", self.token, methods=["POST"]),
            Route("/end_session", self.end),
            Route("/style.css", self.style),
        ]
        return Starlette(
            routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))]
        )

    async def describe(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": ISSUER,
                "authorization_endpoint": f"{self._base_url}/authorize",
                "token_endpoint": f"{self._base_url}/token",
                "end_session_endpoint": f"{self._base_url}/end_session",
                "jwks_uri": f"{self._base_url}/jwks.json",
                "scopes_supported": ["openid"],
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
                "token_endpoint_auth_methods_supported": ["none"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def keys(self, _request: Request) -> Response:
        return Response(self._issuer.settings.jwks_path.read_bytes(), media_type="application/jwk-set+json")

    async def style(self, _request: Request) -> Response:
        return FileResponse(str(files("mindtrack_local.provider") / "templates" / "style.css"))

    async def ask(self, request: Request) -> Response:
        """Show who can be chosen."""
        asked = dict(request.query_params)
        refusal = self._refusal(asked)
        if refusal is not None:
            return refusal
        if asked.get("prompt") == "none":
            return self._back(asked, error="login_required")  # nobody stays signed in here
        return self._page("authorize.html", asked=asked, identities=offered(self._identities))

    async def answer(self, request: Request) -> Response:
        """Send the browser back, with a code for whom was chosen."""
        asked = await _form(request)
        chosen = asked.pop("choice", "")
        refusal = self._refusal(asked)
        if refusal is not None:
            return refusal
        if chosen not in {identity.subject for identity in offered(self._identities)}:
            return self._back(asked, error="access_denied")
        grant = Grant(
            subject=chosen,
            client_id=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            challenge=asked["code_challenge"],
            nonce=asked.get("nonce"),
        )
        return self._back(asked, code=self._codes.give(grant))

    async def token(self, request: Request) -> Response:
        """Redeem a code."""
        form = await _form(request)
        if form.get("grant_type") != "authorization_code":
            return _refused("unsupported_grant_type")
        if form.get("client_id") != CLIENT_ID:
            return _refused("invalid_client", HTTPStatus.UNAUTHORIZED)
        grant = self._codes.redeem(
            form.get("code", ""),
            client_id=CLIENT_ID,
            redirect_uri=form.get("redirect_uri", ""),
            verifier=form.get("code_verifier", ""),
        )
        identity = self._identity(grant.subject) if grant is not None else None
        if grant is None or identity is None:
            return _refused("invalid_grant")
        access_token = self._issuer.token(identity.subject, *identity.roles)
        return JSONResponse(
            {
                "access_token": access_token,
                "token_type": "Bearer",
                "expires_in": int(LIFE.total_seconds()),
                "scope": "openid",
                "id_token": self._issuer.id_token(
                    identity.subject, CLIENT_ID, nonce=grant.nonce, access_token=access_token
                ),
            },
            headers=_NO_STORE,
        )

    async def end(self, request: Request) -> Response:
        """Lead back to the page: nobody stays signed in here."""
        after = request.query_params.get("post_logout_redirect_uri")
        if after in self._client.after_sign_out:
            state = request.query_params.get("state")
            return RedirectResponse(_with(after, {"state": state} if state else {}), HTTPStatus.SEE_OTHER)
        return self._page(
            "refused.html", status=HTTPStatus.BAD_REQUEST, reason="This address is not registered."
        )

    def _identity(self, subject: str) -> Identity | None:
        return next((one for one in offered(self._identities) if one.subject == subject), None)

    def _refusal(self, asked: Mapping[str, str]) -> Response | None:
        """Check a request. What names no page of ours is not sent anywhere (RFC 6749, section 4.1.2.1)."""
        if asked.get("client_id") != CLIENT_ID:
            return self._page(
                "refused.html", status=HTTPStatus.BAD_REQUEST, reason="This client is not registered."
            )
        if asked.get("redirect_uri") not in self._client.redirect_uris:
            return self._page(
                "refused.html", status=HTTPStatus.BAD_REQUEST, reason="This address is not registered."
            )
        if asked.get("response_type") != "code":
            return self._back(asked, error="unsupported_response_type")
        if "openid" not in asked.get("scope", "").split():
            return self._back(asked, error="invalid_scope")
        if asked.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(
            asked.get("code_challenge", "")
        ):
            return self._back(asked, error="invalid_request")
        return None

    def _back(self, asked: Mapping[str, str], **said: str) -> Response:
        state = {"state": asked["state"]} if "state" in asked else {}
        answer = _with(asked["redirect_uri"], {**said, **state, "iss": ISSUER})
        return RedirectResponse(answer, HTTPStatus.SEE_OTHER, headers=_NO_STORE)

    def _page(self, template: str, status: HTTPStatus = HTTPStatus.OK, **values: object) -> Response:
        # A browser holds the way back from a form to its action's rule, too.
        allowed = " ".join(self._client.origins)
        policy = (
            f"default-src 'none'; style-src 'self'; form-action 'self' {allowed}; base-uri 'none';"
            " frame-ancestors 'none'"
        )
        headers = {
            **_NO_STORE,
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        html = self._templates.get_template(template).render(values)
        return Response(html, status, headers=headers, media_type="text/html")


async def _form(request: Request) -> dict[str, str]:
    """Read a form as browsers send it; these are small."""
    return dict(parse_qsl((await request.body()).decode("latin-1"), keep_blank_values=True))


def _with(uri: str, said: Mapping[str, str]) -> str:
    return f"{uri}?{urlencode(said)}" if said else uri


def _refused(error: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> Response:
    return JSONResponse({"error": error}, status, headers=_NO_STORE)
