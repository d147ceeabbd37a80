"""Which pages there are, and the HTML that each begins as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from mindtrack_gateway.identity import Principal, Role
from mindtrack_gateway.page.assets import assets
from mindtrack_gateway.page.languages import LANGUAGES, texts


@dataclass(frozen=True, slots=True)
class Page:
    path: str
    #: Of its module `pages/<name>.js`, its title `<name>.title` and its entry `<name>.menu` in the catalogue.
    name: str
    role: Role
    #: The catalogue that its module reads besides `common`.
    area: str
    styles: tuple[str, ...] = ()
    in_menu: bool = True

    @property
    def scripts(self) -> tuple[str, ...]:
        """Classic scripts that its modules find in the global scope."""
        return CHART_SCRIPTS if CHART_STYLES[0] in self.styles else ()


CHART_SCRIPTS = ("vendor/uplot.js",)
CHART_STYLES = ("vendor/uplot.css", "styles/chart.css")


def _sheets(*names: str) -> tuple[str, ...]:
    return tuple(f"styles/{name}.css" for name in names)


PAGES: tuple[Page, ...] = (
    Page("/", "home", Role.USER, "person", (*CHART_STYLES, *_sheets("trends", "record", "jobs"))),
    Page("/results/{job_id}", "result", Role.USER, "person", _sheets("result", "jobs"), in_menu=False),
    Page("/history", "history", Role.USER, "person", (*CHART_STYLES, *_sheets("trends", "history"))),
    Page("/sharing", "sharing", Role.USER, "person", _sheets("sharing")),
    Page("/settings", "settings", Role.USER, "person", _sheets("settings")),
    Page("/patients", "patients", Role.CLINICIAN, "clinician", _sheets("patients")),
    Page(
        "/patients/{user_id}",
        "patient",
        Role.CLINICIAN,
        "clinician",
        (*CHART_STYLES, *_sheets("trends", "patient")),
        in_menu=False,
    ),
    Page("/operations", "operations", Role.OPERATOR, "operator", (*CHART_STYLES, *_sheets("operator"))),
)


def menu(principal: Principal) -> Sequence[Page]:
    """List where somebody can go, by their roles."""
    return [page for page in PAGES if page.in_menu and page.role in principal.roles]


def render(
    template: str,
    language: str,
    *,
    page: Page | None = None,
    principal: Principal | None = None,
    failure: str | None = None,
) -> str:
    """Write a page's HTML.

    Args:
        template: its file.
        language: a key of `LANGUAGES`.
        page: whose module fills it; None if it is complete.
        principal: who is signed in.
        failure: how signing in ended, if it did not succeed.

    """
    common = texts(language, "common")
    return (
        _templates()
        .get_template(template)
        .render(
            t=common,
            language=language,
            languages=LANGUAGES,
            page=page,
            principal=principal,
            menu=menu(principal) if principal else (),
            modules=assets().imported(f"pages/{page.name}.js") if page else (),
            failure=failure,
        )
    )


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("mindtrack_gateway.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = assets().address
    return environment
