"""The rehearsal of a restore succeeds, and notices what makes a backup worthless."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "deploy/backup"))
from archive import Archive, RestoreError
from rehearse import Rehearsal, Saved

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
