from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from mindtrack_local import postgres
from mindtrack_local.errors import PartFailedError
from mindtrack_local.output import PartLog, Terminal
from mindtrack_local.postgres import Postgres
from mindtrack_local.process import Child

Eventually = Callable[[Callable[[], bool]], None]


@pytest.fixture
def server(tmp_path: Path) -> Postgres:
    return Postgres(tmp_path / "postgres", durable=False)


@pytest.fixture
def log(tmp_path: Path) -> PartLog:
    return PartLog("postgres", tmp_path, Terminal(None))


def test_a_server_that_nobody_remembers_is_stopped_first(
    server: Postgres, log: PartLog, eventually: Eventually
) -> None:
    spec = server.prepare()
    forgotten = Child(spec, log)
    eventually(spec.ready)

    server.prepare()

    assert forgotten.wait() == 0
    assert "database system is shut down" in log.last_lines[-1]
    assert not spec.ready()
    log.close()


def test_what_a_killed_server_left_is_removed_and_its_pids_new_owner_spared(
    server: Postgres, tmp_path: Path
) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").touch()  # counts as initialised
    spec = server.prepare()
    (tmp_path / "postgres" / postgres.PID_FILE).write_text(f"{os.getpid()}\n" + "\n" * 6 + "ready   \n")
    assert spec.ready()

    server.prepare()

    assert not spec.ready()


def test_a_path_too_long_for_a_socket_is_no_obstacle(
    tmp_path: Path, log: PartLog, eventually: Eventually
) -> None:
    server = Postgres(tmp_path / ("long" * 30) / "postgres", durable=False)
    spec = server.prepare()
    child = Child(spec, log)
    eventually(spec.ready)

    server.create_database("people")
    server.create_database("people")
    with psycopg.connect(server.url("people")) as connection:
        assert connection.info.dbname == "people"

    child.signal(spec.stop_signal)
    assert child.wait() == 0
    log.close()


def test_a_server_that_still_replays_is_not_ready(
    server: Postgres, log: PartLog, tmp_path: Path, eventually: Eventually
) -> None:
    """As after a restore: it would let itself be read, at a moment before the one that was asked for."""
    server.prepare()
    folder = tmp_path / "postgres"
    with (folder / "postgresql.auto.conf").open("a") as settings:
        settings.write("restore_command = 'false'\n")
    (folder / "standby.signal").touch()
    spec = server.prepare()
    child = Child(spec, log)
    eventually(lambda: any("consistent recovery state reached" in line for line in log.last_lines))

    for _ in range(20):
        assert not spec.ready()
        time.sleep(0.05)

    child.signal(spec.stop_signal)
    assert child.wait() == 0
    log.close()


def test_initdb_says_what_it_dislikes(server: Postgres, tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "diary.txt").touch()

    with pytest.raises(PartFailedError, match="exists but is not empty"):
        server.prepare()
