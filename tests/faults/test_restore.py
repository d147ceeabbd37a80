"""The rehearsal of a restore succeeds, and notices what makes a backup worthless."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "deploy/backup"))
from archive import Archive, RestoreError
from rehearse import Rehearsal, Saved

from mindtrack_local.config import Layout

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Rehearsal:
    return Rehearsal(tmp_path_factory.mktemp("rehearsal"))


@pytest.fixture(scope="module")
def saved(rehearsal: Rehearsal) -> Saved:
    return rehearsal.save()


@pytest.fixture
def lost(rehearsal: Rehearsal, saved: Saved, tmp_path: Path) -> Saved:
    """A copy of the archive, and nothing else left."""
    rehearsal.lose_everything()
    shutil.copytree(saved.archive.folder, tmp_path / "archive")
    for folder in (tmp_path, *tmp_path.parents[:2]):  # under root, the server runs as a user of its own
        folder.chmod(0o755)
    return replace(saved, archive=replace(saved.archive, folder=tmp_path / "archive"))


def test_everything_is_there_again(rehearsal: Rehearsal, lost: Saved) -> None:
    rehearsal.restore(lost)

    assert {table: len(rows) for table, rows in lost.rows.items()}["analyses"] == 4


def lose_the_log(archive: Archive) -> None:
    for segment in archive.log.iterdir():
        segment.unlink()


def lose_a_recording(archive: Archive) -> None:
    next(path for path in sorted(archive.objects.rglob("*")) if path.is_file()).unlink()


def damage_a_recording(archive: Archive) -> None:
    path = next(path for path in sorted(archive.objects.rglob("*")) if path.is_file())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def damage_the_base(archive: Archive) -> None:
    (archive.base / "PG_VERSION").write_text("17\n")


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (lose_the_log, "recovery ended before configured recovery target"),
        (lose_a_recording, "recordings missing: recordings/"),
        (damage_a_recording, "recordings damaged: recordings/"),
        (damage_the_base, "PG_VERSION is not what its manifest says"),
    ],
)
def test_a_worthless_backup_is_noticed(
    rehearsal: Rehearsal, lost: Saved, harm: Callable[[Archive], None], complaint: str
) -> None:
    harm(lost.archive)

    with pytest.raises(RestoreError, match=complaint):
        rehearsal.restore(lost)


def test_a_restore_to_another_moment_is_noticed(rehearsal: Rehearsal, lost: Saved) -> None:
    """Without this, comparing might be comparing nothing."""
    later = replace(lost, rows={**lost.rows, "jobs": lost.rows["jobs"][1:]})

    with pytest.raises(RestoreError, match="differs from what was there: jobs"):
        rehearsal.restore(later)


def test_without_a_moment_all_that_was_received_is_there(rehearsal: Rehearsal, lost: Saved) -> None:
    """The mistake, too."""
    layout = Layout(rehearsal.var)
    lost.archive.restore(layout.postgres, None, lost.owner)

    with rehearsal._stack(services=()) as stack, psycopg.connect(stack.database_url) as connection:
        counts = "select (select count(*) from jobs), (select count(*) from analyses)"
        assert connection.execute(counts).fetchone() == (len(lost.rows["jobs"]) + 1, 0)


def test_without_a_moment_a_gap_in_the_log_is_refused(lost: Saved, tmp_path: Path) -> None:
    """The server would take it for the end of the log, and lose what comes after it."""
    brought = {path.name for path in (lost.archive.base / "pg_wal").iterdir()}
    *_, middle, _ = sorted(path for path in lost.archive.log.iterdir() if path.name not in brought)
    middle.unlink()

    with pytest.raises(RestoreError, match=f"segment {middle.name} is missing"):
        lost.archive.restore(tmp_path / "data", None, lost.owner)

    assert not (tmp_path / "data").exists()


def test_without_a_moment_a_lost_log_is_refused(lost: Saved, tmp_path: Path) -> None:
    lose_the_log(lost.archive)

    with pytest.raises(RestoreError, match=r"segment 0000000100000000000000.. is missing"):
        lost.archive.restore(tmp_path / "data", None, lost.owner)
