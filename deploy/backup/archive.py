"""A backup of everything that is precious, and the way back to any moment of it.

Programs are PostgreSQL's own; with a server of yours, run them as docs/runbook/backup.md has them.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gaps import first_gap

SLOT = "mindtrack_archive"
SWITCH_WITHIN = 30.0  # seconds
POLL = 0.1  # seconds


class RestoreError(Exception):
    """The archive does not lead to where it should."""


@dataclass(frozen=True)
class Archive:
    """A folder with a base backup, the log of all changes since, and recordings."""

    folder: Path
    #: Where PostgreSQL's programs are.
    binaries: Path
    #: Folder of the server's socket, or a host.
    host: str

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def log(self) -> Path:
        return self.folder / "wal"

    @property
    def objects(self) -> Path:
        return self.folder / "recordings"

    @contextmanager
    def following(self) -> Iterator[None]:
        """Receive the log as it is written; the slot makes the server keep what was not received yet."""
        self.log.mkdir(parents=True)
        receive = [self._program("pg_receivewal"), *self._server(), "--slot", SLOT]
        subprocess.run([*receive, "--create-slot"], check=True, capture_output=True)
        process = subprocess.Popen(
            [*receive, "--directory", str(self.log), "--synchronous"], stderr=subprocess.DEVNULL
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait()

    def back_up(self) -> None:
        """Copy the cluster while it works, and check the copy against its manifest.

        Raises:
            RestoreError: a file is missing or not what the manifest says.

        """
        backup = [self._program("pg_basebackup"), *self._server(), "--pgdata", str(self.base)]
        options = ["--checkpoint=fast", "--wal-method=stream", "--manifest-checksums=SHA256"]
        subprocess.run([*backup, *options], check=True, capture_output=True)
        self.check()

    def check(self) -> None:
        """Do what `pg_verifybackup` does with files; the wheel's crashes. Errors as for `back_up`."""
        manifest = json.loads((self.base / "backup_manifest").read_text(encoding="utf-8"))
        for file in manifest["Files"]:
            path = self.base / file["Path"]
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != file["Checksum"]:
                raise RestoreError(f"the base backup's {file['Path']} is not what its manifest says")

    def copy_objects(self, recordings: Path) -> None:
        """Copy what is new. After the database, so that every row that was backed up finds its object."""
        shutil.copytree(recordings, self.objects, dirs_exist_ok=True)

    def wait_for(self, segment: str) -> None:
        """Wait until a segment of the log has been received whole.

        Raises:
            RestoreError: it was not in time.

        """
        deadline = time.monotonic() + SWITCH_WITHIN
        while not (self.log / segment).exists():
            if time.monotonic() > deadline:
                raise RestoreError(f"the log's segment {segment} was not received")
            time.sleep(POLL)

    def restore(self, data: Path, moment: datetime | None, owner: tuple[int, int]) -> None:
        """Write a cluster that, when it is started, goes on from the base backup to a moment and no further.

        Where the log ends before that moment, the server refuses to start. Without a moment it goes on to the
        log's end, and would take a gap for it.

        Raises:
            RestoreError: the base backup is damaged, or there is no moment and the log has a gap.

        """
        self.check()
        if moment is None and (missing := first_gap(self.base, self.log)):
            raise RestoreError(f"the log's segment {missing} is missing; name a moment before it")
        shutil.copytree(self.base, data)
        (data / "recovery.signal").touch()
        settings = {
            # What was still being written when the server was lost is there as a partial segment.
            "restore_command": f'cp "{self.log}/%f" "%p" || cp "{self.log}/%f.partial" "%p"',
        }
        if moment is not None:
            settings |= {"recovery_target_time": moment.isoformat(), "recovery_target_action": "promote"}
        with (data / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        data.chmod(0o700)
        for path in (data, *data.rglob("*"), self.folder, self.log, *self.log.iterdir()):
            os.chown(path, *owner)

    def restore_objects(self, recordings: Path) -> None:
        shutil.copytree(self.objects, recordings, dirs_exist_ok=True)

    def megabytes(self) -> float:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / 1e6

    def _program(self, name: str) -> str:
        return str(self.binaries / name)

    def _server(self) -> list[str]:
        return ["--host", self.host, "--username", "postgres", "--no-password"]
