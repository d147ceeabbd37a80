"""Lists page by page: from where, how much, and what follows. `docs/lists.md` tells clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from mindtrack_gateway.jobs.cursor import decode, encode

MAX_PAGE = 100
LONGEST_CURSOR = 64

Row = TypeVar("Row")

#: For OpenAPI.
LINK: dict[str, Any] = {
    "Link": {
        "schema": {"type": "string"},
        "description": "The next page (RFC 8288), relative, with the same filters; absent on the last.",
    }
}


class PageQuery(BaseModel):
    """How much of a list. What is not known is refused: a misspelt filter would let everything pass."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 20
    cursor: Annotated[
        str | None,
        Field(
            max_length=LONGEST_CURSOR,
            description="`next_cursor` of the page before. It is a place in the list, and holds with other "
            "filters, too.",
        ),
    ] = None

    @property
    def enough(self) -> int:
        """Rows to ask for: one more than the page has tells whether another follows."""
        return self.limit + 1

    @property
    def before(self) -> UUID | None:
        """The id that ended the page before.

        Raises:
            InvalidRequestError: the cursor is none of ours.

        """
        return decode(self.cursor) if self.cursor else None

    def cut(self, rows: Sequence[Row]) -> tuple[Sequence[Row], Row | None]:
        """Return the page's rows, and its last one if another page follows."""
        if len(rows) <= self.limit:
            return rows, None
        return rows[: self.limit], rows[self.limit - 1]


def lead_on(request: Request, response: Response, last: UUID | None) -> str | None:
    """Link to the page after a row, if there is one, and return its cursor."""
    return None if last is None else link(request, response, encode(last))


def link(request: Request, response: Response, cursor: str) -> str:
    response.headers["Link"] = f'<{following(request, cursor)}>; rel="next"'
    return cursor


def following(request: Request, cursor: str) -> str:
    """Return the next page's path and query, with the same filters."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    return f"{request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"
