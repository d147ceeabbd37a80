"""Connections that leave a machine: encrypted, to who they were meant for, or none."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.queue.celery import celery_app
from mindtrack_shared.settings import DatabaseSettings, QueueSettings, StorageSettings
from mindtrack_shared.storage import StorageUnavailableError, open_store
from tls_front import Authority, fronting

NAME = "localhost"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.new(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.new(tmp_path_factory.mktemp("stranger"))


@contextmanager
def postgres(
    database: DatabaseSettings, context: ssl.SSLContext, trusted: Path
) -> Iterator[DatabaseSettings]:
    """Put TLS before the server, and return settings that lead there."""
    parts = urlsplit(database.url.get_secret_value())
    (folder,) = parse_qs(parts.query)["host"]
    with fronting(f"{folder}/.s.PGSQL.5432", context, postgres=True) as port:
        query = f"sslmode=verify-full&sslrootcert={trusted}"
        yield DatabaseSettings.model_validate(
            {"url": f"postgresql://postgres@{NAME}:{port}{parts.path}?{query}"}
        )


def answer(database: DatabaseSettings) -> int:
    engine = sync_engine(database, application_name="transport")
    try:
        with engine.connect() as connection:
            return int(connection.execute(text("select 1")).scalar_one())
    finally:
        engine.dispose()


def test_postgres_is_spoken_to_over_tls_and_by_its_name_only(
    database: DatabaseSettings, authority: Authority, stranger: Authority
) -> None:
    with postgres(database, authority.context(NAME), authority.file) as right:
        assert answer(right) == 1
    for context in (authority.context("another.example"), stranger.context(NAME)):
        with postgres(database, context, authority.file) as wrong, pytest.raises(OperationalError):
            answer(wrong)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_not_spoken(database: DatabaseSettings, authority: Authority) -> None:
    old = authority.context(NAME)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with postgres(database, old, authority.file) as settings, pytest.raises(OperationalError):
        answer(settings)


def test_valkey_is_spoken_to_over_tls_and_by_its_name_only(
    queue: QueueSettings, authority: Authority, stranger: Authority
) -> None:
    upstream = urlsplit(queue.url.get_secret_value())
    assert upstream.hostname
    assert upstream.port
    trusted = f"ssl_ca_certs={authority.file}"
    with fronting((upstream.hostname, upstream.port), authority.context(NAME)) as port:
        assert _reach(f"rediss://{NAME}:{port}/0?{trusted}") == {"redis", "celery"}
        # Trusted by nobody we know.
        assert _reach(f"rediss://{NAME}:{port}/0") == set()
    for context in (authority.context("another.example"), stranger.context(NAME)):
        with fronting((upstream.hostname, upstream.port), context) as port:
            assert _reach(f"rediss://{NAME}:{port}/0?{trusted}") == set()


def _reach(url: str) -> set[str]:
    """Say who gets through: the client of limits and wake-ups, and the one of messages."""
    settings = QueueSettings.model_validate({"url": url})
    reached = set()
    with Redis.from_url(settings.url.get_secret_value()) as redis:
        try:
            redis.ping()
            reached.add("redis")
        except RedisConnectionError:
            pass
    with celery_app("transport", settings).connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            connection.default_channel.client.ping()
            reached.add("celery")
        except (BrokerError, RedisConnectionError):
            pass
    return reached


async def test_storage_with_a_certificate_of_nobody_is_not_spoken_to(stranger: Authority) -> None:
    with fronting(("127.0.0.1", 1), stranger.context(NAME)) as port:
        settings = StorageSettings(url="s3://recordings", endpoint=f"https://{NAME}:{port}")
        with pytest.raises(StorageUnavailableError):
            await open_store(settings).size("recordings/1")
