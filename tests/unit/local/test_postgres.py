from __future__ import annotations

import os
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


def test_initdb_says_what_it_dislikes(server: Postgres, tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "diary.txt").touch()

    with pytest.raises(PartFailedError, match="exists but is not empty"):
        server.prepare()
