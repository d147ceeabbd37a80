"""Keys of systems, from the command that makes them to the last request that they open."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, event, text

from factories import add_service_key
from integration_support import upload
from mindtrack_gateway.identity import Role
from mindtrack_gateway.problems import UnauthorizedError
from mindtrack_gateway.service_keys import READ_EVERY, READS_AT_ONCE, ServiceKeys
from mindtrack_scheduler.service_keys import TooManyKeysError, make
from mindtrack_shared.db.engine import async_engine
from mindtrack_shared.db.fence import Sessions
from mindtrack_shared.domain.service_keys import MOST_LIVE_KEYS, KeyScope, ServiceKey
from mindtrack_shared.ids import new_id
from mindtrack_shared.settings import DatabaseSettings

Command = Callable[..., subprocess.CompletedProcess[str]]
OF_JOBS = frozenset({KeyScope.JOBS})


@pytest.fixture
def command(database: DatabaseSettings) -> Command:
    environment = os.environ | {"MINDTRACK_DATABASE_URL": database.url.get_secret_value()}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "mindtrack_scheduler", "service-key", *arguments]
        return subprocess.run(program, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def service() -> str:
    return f"s{new_id()}"


def system(gateway: str, key: str) -> httpx.Client:
    return httpx.Client(base_url=gateway, headers={"Authorization": f"Bearer {key}"}, timeout=30)


def test_a_key_is_shown_once_and_opens_what_it_should(
    gateway: str, command: Command, engine: Engine, service: str
) -> None:
    made = command("make", service, "--scope", "recordings", "--scope", "jobs")
    key = made.stdout.strip()
    assert re.fullmatch(r"mt_live_[0-9a-f]{16}_[A-Za-z0-9_-]{43}", key)

    with system(gateway, key) as caller:
        job = upload(caller).json()
        assert caller.get(f"/v1/jobs/{job['id']}").json()["id"] == job["id"]
        assert caller.get("/v1/webhooks").status_code == 403
        assert caller.get("/v1/users/me/trends").status_code == 403

    listed = command("list").stdout
    (line,) = [line for line in listed.splitlines() if service in line]
    assert re.search(r"expires \d{4}-\d\d-\d\d\tjobs,recordings\tused ", line)
    secret = key.split("_", 3)[3]
    assert secret not in listed
    with engine.connect() as connection:
        rows = str(connection.execute(text("select * from service_keys")).all())
    assert secret not in rows


def test_two_keys_overlap_and_a_third_waits_for_one_to_go(
    gateway: str, command: Command, engine: Engine, service: str
) -> None:
    first, second = (make(engine, service, OF_JOBS, timedelta(days=1)).text for _ in range(2))
    third = command("make", service, "--scope", "jobs")
    assert (third.returncode, third.stdout) == (1, "")

    for key in (first, second):
        with system(gateway, key) as caller:
            assert caller.get("/v1/jobs").status_code == 200

    assert command("revoke", first.split("_")[2]).returncode == 0
    with system(gateway, first) as caller:
        assert caller.get("/v1/jobs").status_code == 401, "from the next request on"
    with system(gateway, second) as caller:
        assert caller.get("/v1/jobs").status_code == 200
    make(engine, service, OF_JOBS, timedelta(days=1))


def test_keys_made_at_once_are_still_two(engine: Engine, service: str) -> None:
    together = Barrier(4)

    def race() -> None:
        together.wait()
        with suppress(TooManyKeysError):
            make(engine, service, OF_JOBS, timedelta(days=1))

    threads = [Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with engine.connect() as connection:
        count = text("select count(*) from service_keys where service = :service")
        assert connection.scalar(count, {"service": service}) == MOST_LIVE_KEYS


@pytest.mark.parametrize("arguments", [("make", "A Clinic"), ("make", "x" * 61), ("revoke", "0" * 16)])
def test_what_cannot_be_is_refused(command: Command, engine: Engine, arguments: tuple[str, ...]) -> None:
    scope = ("--scope", "jobs") if arguments[0] == "make" else ()
    assert command(*arguments, *scope).returncode != 0


def test_systems_see_what_they_sent_and_nothing_else(gateway: str, ada: httpx.Client, engine: Engine) -> None:
    own = upload(ada).json()["id"]
    with (
        system(gateway, add_service_key(engine, "one")) as one,
        system(gateway, add_service_key(engine, "two")) as two,
    ):
        sent = upload(one).json()["id"]
        assert one.get(f"/v1/jobs/{sent}").status_code == 200
        for foreign in (own, sent):
            assert two.get(f"/v1/jobs/{foreign}").status_code == 404
    assert ada.get(f"/v1/jobs/{sent}").status_code == 404


def test_no_issuer_speaks_for_a_system(sign_in: Callable[..., httpx.Client]) -> None:
    assert sign_in("mindtrack-service:one", Role.SERVICE).get("/v1/jobs").status_code == 401


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(*arguments: Any) -> None:  # noqa: ANN401 - as the library calls it
        if arguments[2].startswith("SELECT"):
            statements.append(arguments[2])

    event.listen(engine, "before_cursor_execute", note)
    yield statements
    event.remove(engine, "before_cursor_execute", note)


async def test_made_up_keys_hardly_reach_the_database(
    database: DatabaseSettings, engine: Engine, service: str
) -> None:
    good = add_service_key(engine, service, KeyScope.JOBS)
    other = good[:-1] + ("A" if good[-1] != "A" else "B")
    asynchronous = async_engine(database, application_name="tests")
    seconds = 0.0
    keys = ServiceKeys(Sessions(asynchronous), clock=lambda: seconds)

    async def refused(text: str) -> bool:
        with pytest.raises(UnauthorizedError, match=r"^The access token is not valid\.$"):
            await keys.verify(text)
        return True

    with counted(asynchronous.sync_engine) as statements:
        for bad in ("mt_live_", f"{good}a", good.upper(), good.replace("mt_live", "mt_test"), f" {good}"):
            assert await refused(bad)
        assert statements == [], "its form tells"

        for _ in range(200):
            assert await refused(ServiceKey.generate().text)
            assert await refused(other)
        assert len(statements) == READS_AT_ONCE, "the digests, a few times"

        assert (await keys.verify(good)).scopes == {KeyScope.JOBS}
        seconds += READ_EVERY
        late = add_service_key(engine, service)
        assert (await keys.verify(late)).subject == f"mindtrack-service:{service}"
    await asynchronous.dispose()
