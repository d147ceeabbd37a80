"""Who was killed is found by who comes after, and nobody else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mindtrack_inference import roll
from mindtrack_inference.roll import Roll
from mindtrack_inference.settings import InferenceSettings
from mindtrack_shared.ids import new_id

ENTERS = """
import sys, time
from pathlib import Path
from uuid import UUID
from mindtrack_inference.roll import Roll
roll = Roll(Path(sys.argv[1]))
roll.enter(UUID(sys.argv[2]))
if sys.argv[3] == "leaves":
    roll.leave()
print("entered", flush=True)
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize(("does", "found"), [("stays", True), ("leaves", False)])
def test_who_was_killed_is_found_once(folder: Path, does: str, *, found: bool) -> None:
    worker_id = new_id()
    with subprocess.Popen(
        [sys.executable, "-c", ENTERS, str(folder), str(worker_id), does], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert Roll(folder).lost() == [], "it lives"
        process.send_signal(signal.SIGKILL)
    lost = Roll(folder).lost()
    assert lost == ([worker_id] if found else [])
    Roll(folder).strike(lost)
    assert Roll(folder).lost() == []


def test_a_number_that_came_again_is_not_taken_for_who_had_it(folder: Path) -> None:
    """As in a container that was started again, where numbers begin anew."""
    before = new_id()
    (folder / str(before)).write_text(str(os.getpid()))
    own = Roll(folder)
    assert own.lost() == [before]
    own.strike([before])
    own.enter(after := new_id())
    assert [entry.name for entry in folder.iterdir()] == [str(after)]


def test_a_worker_that_is_started_finds_all_of_the_former_one_lost(folder: Path) -> None:
    before = new_id()
    (folder / str(before)).write_text("1")  # whoever that is now
    assert Roll(folder).lost() == []
    with roll.kept(InferenceSettings(roll=folder)):
        assert Roll(folder).lost() == [before]


def test_what_is_somebody_elses_is_left_alone(folder: Path) -> None:
    for name in ("ready", "alive.txt", f"{new_id()}-copy"):
        (folder / name).write_text("999999999")
    (folder / "folder").mkdir()
    before = sorted(folder.iterdir())
    with roll.kept(InferenceSettings(roll=folder)):
        assert Roll(folder).lost() == []
    assert sorted(folder.iterdir()) == before


def test_a_folder_that_is_gone_or_full_costs_nothing(folder: Path) -> None:
    gone = Roll(folder / "gone")
    gone.enter(new_id())
    assert gone.lost() == []
    gone.strike([new_id()])
    gone.leave()


def test_without_a_folder_a_worker_has_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(roll.VARIABLE, raising=False)
    with roll.kept(InferenceSettings()):
        own = InferenceSettings().roll
        assert own is not None
        assert own.stat().st_mode & 0o077 == 0
    assert not own.exists()
    assert InferenceSettings().roll is None


def test_what_is_being_written_is_nobody_yet(folder: Path) -> None:
    (folder / str(new_id())).touch()
    assert Roll(folder).lost() == []
