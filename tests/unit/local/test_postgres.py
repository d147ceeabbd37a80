from __future__ import annotations

import os
import pwd
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from mindtrack_local import postgres
from mindtrack_local.errors import PartFailedError
from mindtrack_local.output import PartLog, Terminal
from mindtrack_local.postgres import Postgres
from mindtrack_local.process import Child
from patience import eventually


@pytest.fixture
def server(tmp_path: Path) -> Postgres:
    return Postgres(tmp_path / "postgres", durable=False)


@pytest.fixture
def log(tmp_path: Path) -> PartLog:
    return PartLog("postgres", tmp_path, Terminal(None))


def test_a_server_that_nobody_remembers_is_stopped_first(server: Postgres, log: PartLog) -> None:
    spec = server.prepare()
    forgotten = Child(spec, log)
    eventually(spec.ready)

    server.prepare()

    assert forgotten.wait() == 0
    assert "database system is shut down" in log.last_lines[-1]
    assert not spec.ready()
    log.close()


def test_stacks_that_start_at_once_add_one_user(monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[object] = []
    user = pwd.struct_passwd((postgres.SYSTEM_USER, "x", 999, 995, "", "/", "/usr/sbin/nologin"))

    def look(name: str) -> pwd.struct_passwd:
        if not added:
            raise KeyError(name)
        return user

    def add(command: list[str], **_: object) -> None:
        time.sleep(0.1)
        added.append(command)

    monkeypatch.setattr(pwd, "getpwnam", look)
    monkeypatch.setattr(subprocess, "run", add)
    with ThreadPoolExecutor() as stacks:
        found = [stacks.submit(postgres._system_user) for _ in range(4)]

    assert [each.result() for each in found] == [user] * 4
    assert len(added) == 1


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


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path: Path, log: PartLog) -> None:
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


def test_a_server_that_still_replays_is_not_ready(server: Postgres, log: PartLog, tmp_path: Path) -> None:
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
