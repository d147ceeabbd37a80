"""Real Postgres, Valkey and S3 for the session; an empty database for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import URL, Engine, make_url, text

from factories import add_user, subject_of
from integration_support import EMPTY, SignIn, execute_outside_transactions, serving_gateway, settings_for
from mindtrack_gateway.identity import Role
from mindtrack_local.config import StackConfig
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import migrate
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.ids import new_id
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import DataKeys, KeyPlace, SealedRecordings, open_keys, open_place
from mindtrack_shared.settings import DatabaseSettings, KeySettings, QueueSettings, StorageSettings
from mindtrack_shared.storage import RecordingStore, open_store

TEMPLATE = "mindtrack_template"
DATABASE = "mindtrack_test"


@pytest.fixture(scope="session")
def infrastructure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Infrastructure]:
    config = StackConfig(var=tmp_path_factory.mktemp("var"), storage="s3", durable=False)
    with Infrastructure(config) as running:
        yield running


@pytest.fixture(scope="session")
def server_url(infrastructure: Infrastructure) -> URL:
    return make_url(infrastructure.database_url).set(drivername="postgresql+psycopg")


@pytest.fixture(scope="session")
def database(server_url: URL) -> DatabaseSettings:
    """A database cloned from a template that was migrated once."""
    execute_outside_transactions(server_url, f"CREATE DATABASE {TEMPLATE}")
    template = sync_engine(settings_for(server_url.set(database=TEMPLATE)), application_name="template")
    migrate.upgrade(template)
    template.dispose()
    execute_outside_transactions(server_url, f"CREATE DATABASE {DATABASE} TEMPLATE {TEMPLATE}")
    return settings_for(server_url.set(database=DATABASE))


@pytest.fixture(scope="session")
def session_engine(database: DatabaseSettings) -> Iterator[Engine]:
    engine = sync_engine(database, application_name="tests")
    yield engine
    engine.dispose()


@pytest.fixture
def engine(session_engine: Engine) -> Iterator[Engine]:
    """The test's database, emptied afterwards: several connections must see each other's commits.

    People stay: services remember who is who, and nobody is ever forgotten.
    """
    yield session_engine
    with session_engine.begin() as connection:
        connection.execute(text(EMPTY))


@pytest.fixture(scope="session")
def queue(infrastructure: Infrastructure) -> QueueSettings:
    return infrastructure.settings(QueueSettings)


@pytest.fixture(scope="session")
def store(infrastructure: Infrastructure) -> RecordingStore:
    return open_store(infrastructure.settings(StorageSettings))


@pytest.fixture(scope="session")
def keys(infrastructure: Infrastructure) -> DataKeys:
    found = open_keys(infrastructure.settings(KeySettings), infrastructure.settings(StorageSettings))
    assert found is not None
    return found


@pytest.fixture(scope="session")
def place(infrastructure: Infrastructure) -> KeyPlace:
    """Where data keys lie."""
    found = open_place(infrastructure.settings(KeySettings), infrastructure.settings(StorageSettings))
    assert found is not None
    return found


@pytest.fixture(scope="session")
def recordings(store: RecordingStore, keys: DataKeys) -> SealedRecordings:
    return SealedRecordings(store, keys)


@pytest.fixture
def wakeups(queue: QueueSettings) -> Iterator[Wakeups]:
    publisher = Wakeups(queue)
    yield publisher
    publisher.close()


@pytest.fixture(scope="session")
def gateway(infrastructure: Infrastructure, database: DatabaseSettings) -> Iterator[str]:
    """The base URL of a gateway that serves from a thread, over real sockets."""
    settings = {"ANALYZE_WAIT": "1.5", "UPLOAD_IDLE": "1", "MAX_RECORDING_BYTES": str(2 * 1024 * 1024)}
    with serving_gateway(infrastructure, database, **settings) as base_url:
        yield base_url


@pytest.fixture
def client(
    gateway: str, infrastructure: Infrastructure, engine: Engine
) -> Iterator[Callable[[str], httpx.Client]]:
    """Make clients by the name of the person they act for."""
    with ExitStack() as open_clients:

        def make(subject: str) -> httpx.Client:
            headers = {"Authorization": f"Bearer {infrastructure.issuer.token(subject)}"}
            return open_clients.enter_context(httpx.Client(base_url=gateway, headers=headers, timeout=30))

        yield make


@pytest.fixture
def ada(client: Callable[[str], httpx.Client]) -> httpx.Client:
    return client("ada")


@pytest.fixture
def grace(client: Callable[[str], httpx.Client]) -> httpx.Client:
    return client("grace")


@pytest.fixture
def sign_in(gateway: str, infrastructure: Infrastructure, engine: Engine) -> Iterator[SignIn]:
    """Make clients of people by their subject and roles."""
    with ExitStack() as opened:

        def make(subject: str, *roles: Role) -> httpx.Client:
            token = infrastructure.issuer.token(subject, *(role.value for role in roles))
            headers = {"Authorization": f"Bearer {token}"}
            return opened.enter_context(httpx.Client(base_url=gateway, headers=headers, timeout=30))

        yield make


@pytest.fixture
def person(engine: Engine) -> UUID:
    """Somebody whom no other test knows: it stays who read what of people."""
    return add_user(engine, f"person-{new_id()}")


@pytest.fixture
def clinician(engine: Engine) -> UUID:
    return add_user(engine, f"clinician-{new_id()}")


@pytest.fixture
def florence(sign_in: SignIn, engine: Engine, clinician: UUID) -> httpx.Client:
    return sign_in(subject_of(engine, clinician), Role.CLINICIAN)
