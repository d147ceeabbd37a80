"""`mindtrack invite`, `redeem`, `grants`, `revoke` and `accesses`: who may read what, and who did."""

from __future__ import annotations

from itertools import islice
from typing import Annotated
from uuid import UUID

import typer

from mindtrack_client import render
from mindtrack_client.commands.data import PAGE_SIZE
from mindtrack_client.invocation import invocation
from mindtrack_client.models import Scope, UseContext
from mindtrack_client.options import AsJson

Limit = Annotated[int, typer.Option(min=1, help="How many at most.")]


def invite(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    *,
    scope: Annotated[list[Scope], typer.Option(help="What to open; may be given several times.")],
    purpose: Annotated[str, typer.Option(help="What it is for, in words that both of you see.")],
    use_context: Annotated[
        UseContext, typer.Option("--context", help="Where it is used. The law refuses work and education.")
    ] = UseContext.HEALTHCARE,
    days: Annotated[int | None, typer.Option(min=1, help="How long the grant will hold.")] = None,
    code_days: Annotated[int | None, typer.Option(min=1, help="How long the code can be redeemed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a code with which a clinician can read what you open to them."""
    with invocation(context, as_json=as_json) as run:
        invitation = run.mindtrack.invite(
            scope, purpose=purpose, use_context=use_context, grant_days=days, code_days=code_days
        )
        if run.as_json:
            run.print_json(invitation)
        else:
            run.out.print(f"{invitation.code}", soft_wrap=True)
            run.err.print(
                f"Tell it to the clinician by {invitation.expires_at:%Y-%m-%d %H:%M %z}; it works once, and "
                f"is not shown again. Withdraw it with: mindtrack withdraw {invitation.id}",
                soft_wrap=True,
            )


def invitations(context: typer.Context, *, limit: Limit = 20, as_json: AsJson = False) -> None:
    """List your invitations, newest first."""
    with invocation(context, as_json=as_json) as run:
        found = islice(run.mindtrack.invitations(min(limit, PAGE_SIZE)), limit)
        if run.as_json:
            for invitation in found:
                run.print_json(invitation)
        else:
            render.print_invitations(run.out, found)


def withdraw(
    context: typer.Context,
    *,
    invitation_id: Annotated[UUID, typer.Argument(metavar="INVITATION_ID")],
    as_json: AsJson = False,
) -> None:
    """Make an invitation's code worthless."""
    with invocation(context, as_json=as_json) as run:
        invitation = run.mindtrack.withdraw(invitation_id)
        if run.as_json:
            run.print_json(invitation)
        else:
            run.out.print(f"The invitation is {invitation.state}.")


def redeem(
    context: typer.Context,
    *,
    code: Annotated[str, typer.Argument(metavar="CODE", help="As the person told it.")],
    as_json: AsJson = False,
) -> None:
    """Turn a person's code into a grant, as a clinician."""
    with invocation(context, as_json=as_json) as run:
        grant = run.mindtrack.redeem(code)
        if run.as_json:
            run.print_json(grant)
        else:
            run.out.print(
                f"You may read {', '.join(grant.scopes)} of {grant.user_id} until "
                f"{grant.expires_at:%Y-%m-%d %H:%M %z}.",
                soft_wrap=True,
            )


def grants(
    context: typer.Context,
    *,
    live: Annotated[bool, typer.Option("--live", help="Only those that open something.")] = False,
    limit: Limit = 20,
    as_json: AsJson = False,
) -> None:
    """List grants that you gave, or were given as a clinician, newest first."""
    with invocation(context, as_json=as_json) as run:
        found = islice(run.mindtrack.grants(live=live, page_size=min(limit, PAGE_SIZE)), limit)
        if run.as_json:
            for grant in found:
                run.print_json(grant)
        else:
            render.print_grants(run.out, found)


def revoke(
    context: typer.Context,
    *,
    grant_id: Annotated[UUID, typer.Argument(metavar="GRANT_ID")],
    as_json: AsJson = False,
) -> None:
    """End a grant at once: take it back, or give it back as a clinician."""
    with invocation(context, as_json=as_json) as run:
        grant = run.mindtrack.revoke(grant_id)
        if run.as_json:
            run.print_json(grant)
        else:
            run.out.print(f"The grant is {grant.state}; it opens nothing any more.")


def accesses(context: typer.Context, *, limit: Limit = 20, as_json: AsJson = False) -> None:
    """Show who read, or tried to read, what of yours, newest first."""
    with invocation(context, as_json=as_json) as run:
        found = islice(run.mindtrack.accesses(min(limit, PAGE_SIZE)), limit)
        if run.as_json:
            for access in found:
                run.print_json(access)
        else:
            render.print_accesses(run.out, found)
