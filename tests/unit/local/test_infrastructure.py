from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis

from mindtrack_local import infrastructure as module
from mindtrack_local.config import StackConfig
from mindtrack_local.errors import PartFailedError, VarInUseError
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_local.ports import HOST
from mindtrack_local.process import ProcessSpec
from mindtrack_shared.settings import DatabaseSettings, QueueSettings
from patience import eventually


@pytest.fixture(autouse=True)
def _no_process_left() -> None:
    """The servers outlive most tests here; their fixture looks for what they leave."""


@pytest.fixture(scope="module")
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, taken_port: int) -> Iterator[Infrastructure]:
    config = StackConfig(var=tmp_path_factory.mktemp("servers"), durable=False)
    before = set(psutil.Process().children())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "VALKEY_PORT", taken_port)
        patch.setattr("mindtrack_local.part.FIRST_DELAY", 0.1)
        with Infrastructure(config) as servers:
            yield servers
    assert set(psutil.Process().children()) <= before


def answers(database_url: str) -> bool:
    try:
        psycopg.connect(database_url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_taken_port_is_replaced_and_said(servers: Infrastructure, taken_port: int) -> None:
    with Redis.from_url(servers.queue_url) as redis:
        assert redis.ping()

    said = servers.supervisor.log_lines("stack")[0]
    assert said.startswith(f"port {taken_port} is taken; valkey listens on ")


def test_a_second_stack_is_refused_and_harms_nothing(servers: Infrastructure) -> None:
    with pytest.raises(VarInUseError), Infrastructure(servers.config):
        pass

    assert answers(servers.database_url)


def test_a_killed_postgres_comes_back(servers: Infrastructure) -> None:
    servers.process("postgres").kill()

    eventually(lambda: servers.process("postgres").restarts > 0)
    eventually(lambda: answers(servers.database_url))


def test_data_survives_a_restart(tmp_path: Path) -> None:
    config = StackConfig(var=tmp_path / "var")
    with Infrastructure(config) as servers:
        with psycopg.connect(servers.settings(DatabaseSettings).url.get_secret_value()) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with Redis.from_url(servers.settings(QueueSettings).url.get_secret_value()) as redis:
            redis.set("kept", "42")

    with Infrastructure(config) as servers:
        with psycopg.connect(servers.database_url) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        with Redis.from_url(servers.queue_url) as redis:
            assert redis.get("kept") == b"42"
            assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_failed_start_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = StackConfig(var=tmp_path / "var", durable=False)
    before = psutil.Process().children()

    def broken(*_: object, **__: object) -> ProcessSpec:
        return ProcessSpec(name="valkey", command=("false",), ready=lambda: False)

    with monkeypatch.context() as patch:
        patch.setattr("mindtrack_local.valkey.spec", broken)
        with pytest.raises(PartFailedError, match="valkey ended with exit code 1"):
            Infrastructure(config).start()
    assert set(psutil.Process().children()) <= set(before)

    with Infrastructure(config):  # neither locked nor half-made
        pass
