"""`make rehearse-restore`: back up, go on working, lose everything, restore a moment, compare.

Runs the embedded stack with a real PostgreSQL in a folder of its own. Ends with 1 if a single row, recording
or trend differs from what was there at that moment, or if a job that was queued then does not get done.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg
from archive import Archive, RestoreError
from psycopg import sql
from rich.console import Console
from rich.table import Table

from mindtrack_client import JobStatus, MindTrack
from mindtrack_local.config import SERVICES, Layout, Service, StackConfig
from mindtrack_local.demo import samples_folder
from mindtrack_local.errors import PartFailedError
from mindtrack_local.postgres import binaries
from mindtrack_local.stack import Stack
from mindtrack_scheduler.verify import Verdict, verify
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.sealing import SealedRecordings, open_keys
from mindtrack_shared.settings import DatabaseSettings, KeySettings, StorageSettings
from mindtrack_shared.storage import open_store

TABLES = (
    "users",
    "data_keys",
    "recordings",
    "jobs",
    "analyses",
    "analysis_windows",
    "day_rollups",
    "day_values",
    "feedback",
    "invitations",
    "grants",
    "access_events",
    "notes",
    "note_revisions",
    "patient_labels",
    "alembic_version",
)
PEOPLE = ("ada", "grace")
DONE_WITHIN = 60.0  # seconds
LOG_LINES = 20
LOST = (Verdict.MISSING, Verdict.DAMAGED)
#: A job that had been rung for is rung for again, as the doorbell was lost: after a minute by default.
RING_AGAIN_SOON = {"MINDTRACK_JOB_RING_AGAIN_AFTER": "5", "MINDTRACK_SCHEDULER_RESCUE_EVERY": "2"}

console = Console(highlight=False)


@dataclass(frozen=True)
class Saved:
    """What was backed up, and what must be there again."""

    archive: Archive
    moment: datetime
    owner: tuple[int, int]
    rows: dict[str, list[str]]
    trends: list[str]
    #: A job that had not been done at that moment.
    queued: str


@dataclass(frozen=True)
class Rehearsal:
    folder: Path
    times: dict[str, float] = field(default_factory=dict)

    @property
    def var(self) -> Path:
        return self.folder / "var"

    def save(self) -> Saved:
        """Work, back up meanwhile, work on, make a mistake."""
        with self._stack() as stack:
            archive = Archive(self.folder / "archive", binaries(), _socket(stack))
            archive.folder.mkdir()
            with archive.following():
                _record(stack, "ada", "day-1.wav", "day-2.m4a")
                with self._timed("base backup, verified"):
                    archive.back_up()
                _record(stack, "ada", "day-5.ogg")
                _switch(stack)  # the way to the moment leads through more than one segment
                _record(stack, "grace", "day-7.m4a")
                stack.process("inference").stop()
                queued = _submit(stack, "grace", "day-4.mp3")
                moment, rows = _moment(stack)
                trends = _trends(stack)
                _submit(stack, "ada", "day-6.flac")
                _make_a_mistake(stack)
                archive.wait_for(_switch(stack))
            with self._timed("recordings copied"):
                archive.copy_objects(stack.infrastructure.recordings)
        found = Layout(self.var).postgres.stat()
        return Saved(archive, moment, (found.st_uid, found.st_gid), rows, trends, queued)

    def lose_everything(self) -> None:
        layout = Layout(self.var)
        for folder in (layout.postgres, layout.recordings, layout.valkey):  # nobody backs a doorbell up
            shutil.rmtree(folder, ignore_errors=True)

    def restore(self, saved: Saved) -> None:
        """Go back to the moment and compare.

        Raises:
            RestoreError: what was restored is not what was there.

        """
        layout = Layout(self.var)
        with self._timed("files restored"):
            saved.archive.restore(layout.postgres, saved.moment, saved.owner)
            saved.archive.restore_objects(layout.recordings)
        began = time.monotonic()
        with self._stack(services=()) as stack:
            self.times["server started, log replayed"] = time.monotonic() - began
            found = _everything(stack)
            differing = [table for table in TABLES if found[table] != saved.rows[table]]
            if differing:
                raise RestoreError(f"differs from what was there: {', '.join(differing)}")
            with self._timed("recordings verified"):
                _verify(stack)
        with self._stack() as stack:
            if _trends(stack) != saved.trends:
                raise RestoreError("trends differ")
            with MindTrack(stack.base_url, stack.token("grace")) as client:
                job = client.wait(saved.queued, timeout=DONE_WITHIN)
            if job.status is not JobStatus.SUCCEEDED:
                raise RestoreError(f"the job that was queued ended as {job.status}")

    @contextmanager
    def _stack(self, services: tuple[Service, ...] = SERVICES) -> Iterator[Stack]:
        config = StackConfig(var=self.var, services=services, settings_overrides=RING_AGAIN_SOON)
        try:
            with Stack(config) as stack:
                yield stack
        except (PartFailedError, psycopg.OperationalError) as error:
            log = (Layout(self.var).logs / "postgres.log").read_text(encoding="utf-8")
            raise RestoreError("\n".join([str(error), *log.splitlines()[-LOG_LINES:]])) from error

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        with console.status(what):
            yield
        self.times[what] = time.monotonic() - began


def _record(stack: Stack, subject: str, *samples: str) -> None:
    with MindTrack(stack.base_url, stack.token(subject)) as client:
        for sample in samples:
            client.wait(_submit(stack, subject, sample), timeout=DONE_WITHIN)


def _submit(stack: Stack, subject: str, sample: str) -> str:
    with MindTrack(stack.base_url, stack.token(subject)) as client, samples_folder() as samples:
        return str(client.submit(samples / sample).id)


def _trends(stack: Stack) -> list[str]:
    trends = []
    for subject in PEOPLE:
        with MindTrack(stack.base_url, stack.token(subject)) as client:
            trends.append(client.trends(days=7).model_dump_json())
    return trends


def _everything(stack: Stack) -> dict[str, list[str]]:
    """Return all rows of all tables, as text, in an order that does not depend on where they lie."""
    rows = sql.SQL("select to_jsonb({table})::text from {table} order by 1")
    with psycopg.connect(stack.database_url) as connection:
        return {
            table: [row for (row,) in connection.execute(rows.format(table=sql.Identifier(table)))]
            for table in TABLES
        }


def _moment(stack: Stack) -> tuple[datetime, dict[str, list[str]]]:
    """Return a moment after all that was committed and before all that comes, and what was there.

    The relay may still be stamping the job that was queued, so a moment counts if nothing changed around it.
    """
    while True:
        rows = _everything(stack)
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            row = connection.execute("select clock_timestamp()").fetchone()
            connection.execute("select pg_sleep(0.5)")
        assert row is not None  # noqa: S101 - a select of one row
        if _everything(stack) == rows:
            return row[0], rows


def _make_a_mistake(stack: Stack) -> None:
    """Delete what must not be deleted."""
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("delete from analyses")


def _switch(stack: Stack) -> str:
    """End the segment of the log that is written to; return its name."""
    with psycopg.connect(stack.database_url) as connection:
        row = connection.execute("select pg_walfile_name(pg_switch_wal())").fetchone()
    assert row is not None  # noqa: S101 - a select of one row
    return str(row[0])


def _socket(stack: Stack) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(stack.database_url)["host"])


def _verify(stack: Stack) -> None:
    engine = sync_engine(stack.infrastructure.settings(DatabaseSettings), application_name="mindtrack-verify")
    storage = stack.infrastructure.settings(StorageSettings)
    keys = open_keys(stack.infrastructure.settings(KeySettings), storage)
    recordings = SealedRecordings(open_store(storage), keys)
    try:
        found = [
            f"{verdict}: {key}"
            for key, verdict in verify(engine, recordings, checksums=True)
            if verdict in LOST
        ]
    finally:
        engine.dispose()
    if found:
        raise RestoreError(f"recordings {', '.join(found)}")


def _report(times: dict[str, float], saved: Saved) -> None:
    table = Table("Step", "s", title="Restored to a moment, everything equal")
    for what, seconds in times.items():
        table.add_row(what, f"{seconds:.1f}")
    console.print(table)
    counts = ", ".join(f"{len(saved.rows[name])} {name}" for name in TABLES[:-1])
    console.print(f"Archive: {saved.archive.megabytes():.0f} MB. Rows compared: {counts}.")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mindtrack-rehearsal-") as folder:
        Path(folder).chmod(0o755)  # under root, the server runs as a user of its own
        try:
            rehearsal = Rehearsal(Path(folder))
            saved = rehearsal.save()
            rehearsal.lose_everything()
            rehearsal.restore(saved)
            _report(rehearsal.times, saved)
        except RestoreError as error:
            console.print(f"rehearse-restore: {error}", style="red", markup=False)
            sys.exit(1)


if __name__ == "__main__":
    main()
