from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from mindtrack_local.output import Terminal
from mindtrack_local.process import ProcessSpec
from mindtrack_local.supervisor import Supervisor

#: Starts in some 15 ms: no site-packages, no user site.
PYTHON = (sys.executable, "-I", "-S", "-c")

#: What every stand-in knows: `note(word)` adds a line to the journal, `FOLDER` is a place for files.
PRELUDE = """
import os, pathlib, signal, subprocess, sys, time
FOLDER = pathlib.Path(os.environ["FOLDER"])
NAME = os.environ["NAME"]
def note(word):
    with (FOLDER / "journal").open("a") as journal:
        journal.write(f"{NAME} {word}\\n")
def leave(*_):
    note("stopped")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
note("started")
"""

SLEEP = "time.sleep(600)"


class StandIn(Protocol):
    def __call__(self, name: str, body: str = SLEEP, **options: Any) -> ProcessSpec: ...  # noqa: ANN401


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    """Make a spec for a tiny process that keeps a journal of its life."""

    def make(name: str, body: str = SLEEP, **options: Any) -> ProcessSpec:  # noqa: ANN401
        return ProcessSpec(
            name=name,
            command=(*PYTHON, PRELUDE + body),
            environment={"FOLDER": str(tmp_path), "NAME": name},
            **options,
        )

    return make


@pytest.fixture
def journal(tmp_path: Path) -> Callable[[], list[str]]:
    path = tmp_path / "journal"
    return lambda: path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    logs = tmp_path / "log"
    logs.mkdir()
    supervisor = Supervisor(logs, tmp_path / "processes.json", Terminal(None))
    yield supervisor
    supervisor.stop()


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(name="alive")
def alive_fixture() -> Callable[[int], bool]:
    return alive


@pytest.fixture(autouse=True)
def _no_process_left() -> Iterator[None]:
    """Every test takes its own children down again, whatever it did."""
    this = psutil.Process(os.getpid())
    before = set(this.children())  # their own children come and go
    yield
    assert set(this.children()) <= before
