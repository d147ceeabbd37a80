from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from mindtrack_local import register
from mindtrack_local.guardian import Guardian
from mindtrack_local.register import Record, Register
from patience import eventually

Alive = Callable[[int], bool]
Journal = Callable[[], list[str]]
Spawn = Callable[..., subprocess.Popen[bytes]]

LAUNCHER = """
import sys, time
from pathlib import Path
from mindtrack_local.output import Terminal
from mindtrack_local.process import ProcessSpec
from mindtrack_local.supervisor import Supervisor

folder = Path(sys.argv[1])
supervisor = Supervisor(folder, folder / "processes.json", Terminal(None))
(folder / "journal").touch()
for name in ("first", "second"):
    supervisor.start(
        ProcessSpec(
            name=name,
            command=tuple(sys.argv[2:]),
            environment={"FOLDER": str(folder), "NAME": name},
            ready=lambda: f"{name} started" in (folder / "journal").read_text(),
        )
    )
(folder / "up").touch()
time.sleep(600)
"""

CHILD = """
import os, pathlib, signal, subprocess, sys, time
def note(word):
    with (pathlib.Path(os.environ["FOLDER"]) / "journal").open("a") as journal:
        journal.write(f"{os.environ['NAME']} {word}\\n")
def leave(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
subprocess.Popen(["sleep", "600"])
note("started")
time.sleep(600)
"""


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    children: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(command, start_new_session=True)
        children.append(child)
        return child

    yield start
    for child in children:
        child.kill()
        child.wait()


def test_a_killed_launcher_leaves_nothing_running(
    tmp_path: Path, spawn: Spawn, journal: Journal, alive: Alive
) -> None:
    launcher = spawn(sys.executable, "-c", LAUNCHER, str(tmp_path), sys.executable, "-I", "-S", "-c", CHILD)
    eventually((tmp_path / "up").exists)
    family = [process.pid for process in psutil.Process(launcher.pid).children(recursive=True)]
    assert len(family) == 5  # two parts, a child of each, and the guardian

    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    eventually(lambda: not any(alive(pid) for pid in family))

    # Not merely killed: they were asked to stop, as in an orderly end.
    assert sorted(journal()[2:]) == ["first stopped", "second stopped"]


def test_the_next_start_stops_what_is_left(tmp_path: Path, spawn: Spawn) -> None:
    path = tmp_path / "processes.json"
    left = spawn("sleep", "600")
    Register(path).add("worker", left.pid, signal.SIGTERM)

    stopped = register.sweep(path)

    assert [record.part for record in stopped] == ["worker"]
    assert left.wait(5) == -signal.SIGTERM


def test_a_leftover_that_does_not_listen_is_killed(tmp_path: Path, spawn: Spawn) -> None:
    path = tmp_path / "processes.json"
    deaf = spawn("sh", "-c", f"trap '' TERM; touch {tmp_path}/deaf; sleep 600 & wait")
    while not (tmp_path / "deaf").exists():
        pass
    Register(path).add("worker", deaf.pid, signal.SIGTERM)

    register.sweep(path, grace=0.2)

    assert deaf.wait(5) == -signal.SIGKILL


def test_another_process_with_a_pid_of_ours_is_left_alone(tmp_path: Path, spawn: Spawn) -> None:
    path = tmp_path / "processes.json"
    stranger = spawn("sleep", "600")
    started = psutil.Process(stranger.pid).create_time()
    record = Record("worker", stranger.pid, started - 3600, signal.SIGKILL)
    path.write_text(json.dumps([record.__dict__]))

    assert register.sweep(path) == []
    assert stranger.poll() is None


def test_a_stopped_process_is_forgotten(tmp_path: Path, spawn: Spawn) -> None:
    path = tmp_path / "processes.json"
    kept, gone = spawn("sleep", "600"), spawn("sleep", "600")
    processes = Register(path)
    processes.add("kept", kept.pid, signal.SIGTERM)
    processes.add("gone", gone.pid, signal.SIGTERM)

    processes.remove(gone.pid)

    assert [record.part for record in register.read(path)] == ["kept"]


def test_no_register_means_nothing_to_do(tmp_path: Path) -> None:
    assert register.sweep(tmp_path / "none.json") == []


def test_this_process_can_be_told_from_its_predecessors() -> None:
    me = psutil.Process(os.getpid())
    assert Record("me", me.pid, me.create_time(), 0).runs()
    assert not Record("me", me.pid, me.create_time() - 60, 0).runs()


def test_a_guardian_that_ended_early_is_noticed(tmp_path: Path, alive: Alive) -> None:
    before = set(psutil.Process().children())
    guardian = Guardian(tmp_path / "processes.json")
    (process,) = set(psutil.Process().children()) - before
    process.kill()
    eventually(lambda: not alive(process.pid))

    assert guardian.dismiss() == -signal.SIGKILL


def test_a_dismissed_guardian_is_gone(tmp_path: Path) -> None:
    before = set(psutil.Process().children())
    assert Guardian(tmp_path / "processes.json").dismiss() == 0
    assert set(psutil.Process().children()) <= before
