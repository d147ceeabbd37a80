"""How the installation does, for those who run it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from mindtrack_gateway import access
from mindtrack_gateway.dependencies import CurrentOperator, PartsDep, documented_bearer
from mindtrack_gateway.operations.schemas import OperationsView
from mindtrack_gateway.problems import documented

router = APIRouter(prefix="/v1/operations", tags=["operations"], dependencies=[documented_bearer])


@router.get(
    "",
    operation_id="getOperations",
    summary="See how queues and workers do",
    responses=documented(),
)
async def operations(response: Response, parts: PartsDep, _: CurrentOperator) -> OperationsView:
    """Return queues, backlogs, counts and workers, as of a few seconds ago; however many ask, it is one look.

    One gateway answers, and asks all others; what is away is told as such, and the rest is told.
    """
    response.headers.update(access.CACHING)
    return OperationsView.of(await parts.operations.look(), parts.settings.runbook_url)
