"""`mindtrack-audit`: look whether anybody changed what was written down of accesses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.observability.logging import configure_logging
from mindtrack_shared.settings import AuditSettings, DatabaseSettings, LogSettings, StorageSettings

if TYPE_CHECKING:
    from mindtrack_scheduler.audit.chain import Keys

#: Something is wrong with the chain; it could not be verified.
FOUND, UNKNOWN = 1, 2

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)


@app.command()
def verify() -> None:
    """Verify every link of the chain; exit with 1 if anything is wrong, with 2 if that is not known."""
    from collections import Counter

    from rich.console import Console
    from rich.progress import Progress
    from sqlalchemy.exc import SQLAlchemyError

    from mindtrack_scheduler.audit import verifying
    from mindtrack_scheduler.audit.verifying import Verdict
    from mindtrack_shared.storage import StorageUnavailableError, open_anchors

    configure_logging(LogSettings(), service="audit")
    keys = _keys()
    engine = sync_engine(DatabaseSettings(), application_name="mindtrack-audit")
    anchors = open_anchors(StorageSettings(), AuditSettings().anchors_url)
    found = Counter[Verdict]()
    try:
        with Progress(console=Console(stderr=True), transient=True) as bars:
            bar = bars.add_task("Links", total=verifying.count(engine))
            for verdict, about in verifying.verify(engine, keys, anchors.all()):
                found[verdict] += 1
                bars.advance(bar)
                if verdict is not Verdict.SOUND:
                    typer.echo(f"{verdict}\t{about}")
    except (SQLAlchemyError, StorageUnavailableError) as error:
        typer.echo(f"not verified: {type(error).__name__}", err=True)
        raise typer.Exit(UNKNOWN) from error
    wrong = found.total() - found[Verdict.SOUND]
    typer.echo(f"{found[Verdict.SOUND]} links are sound; {wrong or 'no'} findings", err=True)
    raise typer.Exit(FOUND if wrong else 0)


@app.command()
def restored() -> None:
    """Note that the database was restored from a backup: what was sealed after it is known to be lost."""
    from mindtrack_scheduler.audit.marking import note_restored

    configure_logging(LogSettings(), service="audit")
    engine = sync_engine(DatabaseSettings(), application_name="mindtrack-audit")
    typer.echo(f"the chain ends with link {note_restored(engine, _keys())}, by a restore", err=True)


def _keys() -> Keys:
    from mindtrack_scheduler.audit.chain import Keys, KeysUnusableError

    file = AuditSettings().keys_file
    if file is None:
        typer.echo("MINDTRACK_AUDIT_KEYS_FILE is not set", err=True)
        raise typer.Exit(UNKNOWN)
    try:
        return Keys.read(file)
    except KeysUnusableError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(UNKNOWN) from error


if __name__ == "__main__":
    app()
