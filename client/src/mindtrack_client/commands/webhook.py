"""`mindtrack webhook`: look at what was delivered."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mindtrack_client import webhooks
from mindtrack_client.invocation import local
from mindtrack_client.options import AsJson

app = typer.Typer(no_args_is_help=True, help="Check webhooks that were received.")


@app.command()
def verify(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    *,
    body: Annotated[Path, typer.Argument(metavar="BODY", help="A file with the body; `-` is stdin.")] = Path(
        "-"
    ),
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="NAME: VALUE", help="As curl has them.")
    ] = None,
    headers: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A file of such lines; others are passed over."),
    ] = None,
    secret: Annotated[
        str,
        typer.Option(envvar="MINDTRACK_WEBHOOK_SECRET", help="whsec_...; the variable keeps it out of `ps`."),
    ],
    tolerance: Annotated[
        float, typer.Option(min=0, help="Seconds that clocks may lie apart.")
    ] = webhooks.TOLERANCE,
    as_json: AsJson = False,
) -> None:
    """Tell whether a webhook is from your MindTrack server, after Standard Webhooks.

    The body must be what was received, byte for byte. Ends with 1 if it does not verify.
    """
    with local(context, as_json=as_json) as run:
        lines = (headers.read_text().splitlines() if headers else []) + (header or [])
        content = sys.stdin.buffer.read() if str(body) == "-" else body.read_bytes()
        event = webhooks.verify(content, _headers(lines), secret, tolerance)
        if run.as_json:
            run.print_json(event)
        else:
            run.out.print(
                f"Verified: {event.type}, {event.id}, {event.timestamp.isoformat()}", soft_wrap=True
            )


def _headers(lines: list[str]) -> dict[str, str]:
    split = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, colon, value in split if colon}
