"""Serves the page: shells by role, and files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from mindtrack_gateway.dependencies import PartsDep
from mindtrack_gateway.identity import Principal, Role
from mindtrack_gateway.page import headers
from mindtrack_gateway.page.assets import assets
from mindtrack_gateway.page.languages import COOKIE, LANGUAGES, language_for
from mindtrack_gateway.page.shells import PAGES, Page, menu, render
from mindtrack_gateway.page.visitors import visitor
from mindtrack_gateway.problems import NotFoundError
from mindtrack_gateway.signin.outcomes import Outcome

router = APIRouter(include_in_schema=False)

FOR_GOOD = "public, max-age=31536000, immutable"
#: How long a chosen language is remembered.
A_YEAR = 365 * 24 * 3600  # seconds


def shell(page: Page) -> Callable[[Request, PartsDep], Awaitable[Response]]:
    """Make the route that answers with a page."""

    async def show(request: Request, parts: PartsDep) -> Response:
        wanted = request.query_params.get("language")
        if wanted is not None and wanted in LANGUAGES:
            return _remember(request, wanted)
        principal = await visitor(request, parts)
        if principal is None:
            return _welcome(request) if page.path == "/" else _sign_in(request)
        if page.role not in principal.roles:
            return _elsewhere(request, page, principal)
        return _html(request, "shell.html", page=page, principal=principal)

    return show


for each in PAGES:
    router.add_api_route(each.path, shell(each), name=f"page_{each.name}", methods=["GET"])


@router.get("/static/{digest}/{path:path}")
async def file(digest: str, path: str, request: Request) -> Response:
    found = assets().by_path.get(path)
    if found is None:
        raise NotFoundError("No such file.")
    # While a release is replaced, its page may ask its successor. It gets what there is, and keeps it not.
    caching = FOR_GOOD if digest == assets().digest else "no-store"
    fields = {**headers.OF_FILES, "Cache-Control": caching, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        fields["Content-Encoding"] = "gzip"
        return Response(found.compressed, media_type=found.media_type, headers=fields)
    return Response(found.body, media_type=found.media_type, headers=fields)


def _language(request: Request) -> str:
    return language_for(request.cookies.get(COOKIE), request.headers.get("accept-language", ""))


def _html(
    request: Request,
    template: str,
    *,
    page: Page | None = None,
    principal: Principal | None = None,
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    failure = request.query_params.get("sign_in")
    body = render(
        template,
        _language(request),
        page=page,
        principal=principal,
        failure=failure if failure in set(Outcome) else None,
    )
    return HTMLResponse(body, status_code=status, headers=headers.OF_SHELLS)


def _welcome(request: Request) -> Response:
    return _html(request, "welcome.html")


def _sign_in(request: Request) -> Response:
    return _away(f"/session/sign-in?{urlencode({'to': _here(request)})}")


def _elsewhere(request: Request, page: Page, principal: Principal) -> Response:
    """Lead who opens the front page to theirs, and tell who opens somebody else's."""
    own = menu(principal)
    if page.role is Role.USER and page.path == "/" and own:
        return _away(own[0].path)
    return _html(request, "not-yours.html", principal=principal, status=HTTPStatus.FORBIDDEN)


def _remember(request: Request, language: str) -> Response:
    answer = _away(_here(request))
    answer.set_cookie(COOKIE, language, max_age=A_YEAR, samesite="lax", httponly=True)
    return answer


def _here(request: Request) -> str:
    """Where somebody is, with what narrows it; without the language that they choose."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "language"]
    return f"{request.url.path}?{urlencode(kept)}" if kept else request.url.path


def _away(address: str) -> Response:
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, headers={"Cache-Control": "no-store"})
