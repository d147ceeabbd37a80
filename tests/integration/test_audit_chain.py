"""What was written down of accesses is chained, and whoever changes it unseen by triggers is found."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import URL, Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from integration_support import execute_outside_transactions, settings_for
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_scheduler.audit.anchoring import anchor
from mindtrack_scheduler.audit.chain import Keys
from mindtrack_scheduler.audit.marking import note_restored
from mindtrack_scheduler.audit.sealing import seal
from mindtrack_scheduler.audit.verifying import Verdict, verify
from mindtrack_shared.db import migrate
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.ids import new_id
from mindtrack_shared.settings import DatabaseSettings, StorageSettings
from mindtrack_shared.storage import AnchorStore, StorageUnavailableError, open_anchors

KEYS = Keys({"one": bytes(range(32))})
CHAIN = ("access_events", "access_seals", "access_unsealed", "access_marks")
INSERT = text("""
insert into access_events (id, actor_id, actor_role, subject_id, grant_id, action, outcome, request_id)
values (:id, uuidv7(), 'clinician', uuidv7(), uuidv7(), 'getTrends', 'allowed', uuidv7())
""")


@pytest.fixture(scope="module")
def scratch(server_url: URL, database: DatabaseSettings) -> Iterator[Engine]:
    """A database of these tests' own: in the others', the chain only grows."""
    execute_outside_transactions(server_url, "create database chained template mindtrack_template")
    engine = sync_engine(settings_for(server_url.set(database="chained")), application_name="chained")
    yield engine
    engine.dispose()


@pytest.fixture
def chained(scratch: Engine) -> Iterator[Engine]:
    yield scratch
    with unguarded(scratch) as connection:
        connection.execute(text(f"truncate {', '.join(CHAIN)}"))
        connection.execute(text("alter table access_events drop column if exists remark"))
        connection.execute(
            text("drop table if exists pair, old_access_events, old_access_seals, old_access_unsealed")
        )


@pytest.fixture(params=["folder", "s3"])
def anchors_settings(
    request: pytest.FixtureRequest, tmp_path: Path, infrastructure: Infrastructure
) -> StorageSettings:
    if request.param == "folder":
        return StorageSettings(url=f"file://{tmp_path}/anchored")
    return infrastructure.settings(StorageSettings)


@pytest.fixture
def anchors(tmp_path: Path) -> AnchorStore:
    return open_anchors(StorageSettings(url="file:///unused"), f"file://{tmp_path}/anchors")


def write(engine: Engine, number: int = 1) -> list[UUID]:
    """Write events down, and return their ids in order."""
    ids = [new_id() for _ in range(number)]
    with engine.begin() as connection:
        connection.execute(INSERT, [{"id": each} for each in ids])
    return ids


def found(
    engine: Engine, anchors: AnchorStore, keys: Keys = KEYS, *, grace: float = 3600
) -> list[tuple[Verdict, str]]:
    """Return all that is not sound."""
    everything = verify(engine, keys, anchors.all(), grace=timedelta(seconds=grace))
    return [(verdict, about) for verdict, about in everything if verdict is not Verdict.SOUND]


@contextmanager
def unguarded(engine: Engine) -> Iterator[Connection]:
    """Act as who owns the database, and has no triggers in the way."""
    with engine.begin() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        yield connection


# --- what is honest -------------------------------------------------------------------------------------


def test_an_honest_chain_is_sound(chained: Engine, anchors: AnchorStore) -> None:
    write(chained, 25)
    assert seal(chained, KEYS, batch=10) == 25
    anchor(chained, anchors)
    write(chained, 3)
    assert seal(chained, KEYS) == 3
    assert seal(chained, KEYS) == 0
    write(chained, 2)  # not sealed yet, and no longer than a moment

    verdicts = [verdict for verdict, _ in verify(chained, KEYS, anchors.all())]
    assert verdicts == [Verdict.SOUND] * 28


def test_nothing_is_sound(chained: Engine, anchors: AnchorStore) -> None:
    assert anchor(chained, anchors) is None
    assert list(verify(chained, KEYS, anchors.all())) == []


def test_events_from_before_the_migration_are_sealed(chained: Engine) -> None:
    """As the previous release wrote them: without a trigger, and with no row that says that they wait."""
    migrate.downgrade(chained, "0016")
    ids = write(chained, 3)
    migrate.upgrade(chained)

    assert seal(chained, KEYS) == 3
    with chained.connect() as connection:
        assert list(connection.scalars(text("select event_id from access_seals order by seq"))) == ids


def test_keys_are_changed_and_former_ones_still_tell(chained: Engine, anchors: AnchorStore) -> None:
    both = Keys({"two": bytes(32), "one": bytes(range(32))})
    write(chained, 2)
    seal(chained, KEYS)
    write(chained, 2)
    seal(chained, both)
    anchor(chained, anchors)

    assert found(chained, anchors, both) == []
    assert found(chained, anchors, Keys({"two": bytes(32)})) == [
        (Verdict.KEY_UNKNOWN, "1 one"),
        (Verdict.KEY_UNKNOWN, "2 one"),
    ]
    assert [
        verdict for verdict, _ in found(chained, anchors, Keys({"two": bytes(32), "one": bytes(32)}))
    ] == [
        Verdict.ALTERED,
        Verdict.ALTERED,
    ]


def test_anchors_are_kept_wherever_recordings_can_be(
    chained: Engine, anchors_settings: StorageSettings
) -> None:
    store = open_anchors(anchors_settings, None)
    write(chained, 2)
    seal(chained, KEYS)
    began = datetime.now(UTC) - timedelta(seconds=2)  # a store tells whole seconds

    kept = anchor(chained, store)
    again = anchor(chained, store)

    assert kept is not None
    assert kept == again
    ((told, written),) = [each for each in store.all() if each[0].mac == kept.mac]
    assert told == kept
    assert began <= written <= datetime.now(UTC) + timedelta(seconds=2)


def test_without_a_place_for_anchors_there_is_no_verdict(chained: Engine, tmp_path: Path) -> None:
    settings = StorageSettings.model_validate(
        {
            "url": "s3://nobody",
            "endpoint": "http://127.0.0.1:9",
            "access_key_id": "a",
            "secret_access_key": "b",
        }
    )
    store = open_anchors(settings, None)
    write(chained)
    seal(chained, KEYS)

    with pytest.raises(StorageUnavailableError):
        anchor(chained, store)
    with pytest.raises(StorageUnavailableError):
        list(verify(chained, KEYS, store.all()))


# --- who adds while others seal -------------------------------------------------------------------------


def test_what_is_committed_late_is_not_skipped(chained: Engine, anchors: AnchorStore) -> None:
    first, second = new_id(), new_id()
    with chained.connect() as slow:
        slow.execute(INSERT, {"id": first})
        with chained.begin() as quick:
            quick.execute(INSERT, {"id": second})
        assert seal(chained, KEYS) == 1, "who is not done is not waited for"
        slow.commit()

    assert seal(chained, KEYS) == 1
    with chained.connect() as connection:
        sealed = list(connection.scalars(text("select event_id from access_seals order by seq")))
    assert sealed == [second, first]
    assert found(chained, anchors) == []


def test_what_is_rolled_back_leaves_no_link(chained: Engine, anchors: AnchorStore) -> None:
    with chained.connect() as connection:
        connection.execute(INSERT, {"id": new_id()})
        connection.rollback()

    assert seal(chained, KEYS) == 0
    assert found(chained, anchors, grace=0) == []


@pytest.mark.parametrize("seed", range(3))
def test_many_add_while_several_seal(chained: Engine, anchors: AnchorStore, seed: int) -> None:
    """Commits come in an order of their own, and some never."""
    writers, rounds = 6, 40
    adding = threading.Event()
    adding.set()
    kept: set[UUID] = set()

    def add(number: int) -> None:
        chance = random.Random(seed * 100 + number)
        for _ in range(rounds):
            ids = [new_id() for _ in range(chance.randint(1, 3))]
            with chained.connect() as connection:
                connection.execute(INSERT, [{"id": each} for each in ids])
                time.sleep(chance.choice((0, 0, 0.001, 0.02)))
                if chance.random() < 0.1:
                    connection.rollback()
                else:
                    connection.commit()
                    kept.update(ids)

    def keep_sealing() -> None:
        while adding.is_set():
            seal(chained, KEYS, batch=7)

    with ThreadPoolExecutor(writers + 2) as pool:
        sealers = [pool.submit(keep_sealing) for _ in range(2)]
        for done in [pool.submit(add, number) for number in range(writers)]:
            done.result()
        adding.clear()
        for done in sealers:
            done.result()
    seal(chained, KEYS)

    with chained.connect() as connection:
        sealed = list(connection.scalars(text("select event_id from access_seals")))
        assert connection.scalar(text("select count(*) from access_unsealed")) == 0
    assert sorted(sealed) == sorted(kept)
    anchor(chained, anchors)
    assert found(chained, anchors, grace=0) == []


# --- who tampers ----------------------------------------------------------------------------------------

ANCHORED, LAST = 12, 20


@pytest.fixture
def evidence(chained: Engine, anchors: AnchorStore) -> Engine:
    """Twenty links, of which twelve are anchored."""
    write(chained, ANCHORED)
    seal(chained, KEYS)
    anchor(chained, anchors)
    write(chained, LAST - ANCHORED)
    seal(chained, KEYS)
    return chained


NEW = UUID("019d0000-0000-7000-8000-000000000001")
FORGED = """
    insert into access_events (id, actor_id, actor_role, subject_id, grant_id, action, outcome)
    values (:new, uuidv7(), 'clinician', uuidv7(), uuidv7(), 'getTrends', 'allowed')
"""
MARKED = """
    insert into access_marks select uuidv7(), 'forgotten', now(), seq, mac, 'one', sha256('x')
    from access_seals where seq = 3
"""
COPIED = """
    insert into access_seals select 21, :new, sealed_at, key_id, mac from access_seals where seq = 20
"""

#: What somebody does, and what is found.
TAMPERING: dict[str, tuple[list[str], list[tuple[Verdict, str]]]] = {
    "an event is edited": (
        ["update access_events set outcome = 'refused' where id = :five"],
        [(Verdict.ALTERED, "5")],
    ),
    "it is said to be of another time": (
        ["update access_events set at = at + interval '1 microsecond' where id = :five"],
        [(Verdict.ALTERED, "5")],
    ),
    "a null becomes something": (
        [
            "alter table access_events add column remark text",
            "update access_events set remark = 'x' where id = :five",
        ],
        [(Verdict.ALTERED, "5")],
    ),
    "two events change places": (
        [
            "create table pair as select * from access_seals where seq in (5, 6)",
            "delete from access_seals where seq in (5, 6)",
            "insert into access_seals select 11 - seq, event_id, sealed_at, key_id, mac from pair",
        ],
        [(Verdict.ALTERED, "5"), (Verdict.ALTERED, "6"), (Verdict.ALTERED, "7")],
    ),
    "an event is deleted in the middle": (
        ["delete from access_events where id = :five"],
        [(Verdict.EVENT_MISSING, "5 {five}")],
    ),
    "and its link with it": (
        [
            "delete from access_events where id = :five",
            "delete from access_seals where seq = 5",
        ],
        [(Verdict.LINKS_MISSING, "5-5")],
    ),
    "and those behind it move up": (
        [
            "delete from access_events where id = :eighteen",
            "delete from access_seals where seq = 18",
            "update access_seals set seq = seq - 1 where seq > 18",
        ],
        [(Verdict.ALTERED, "18"), (Verdict.ALTERED, "19")],
    ),
    "the beginning is deleted": (
        [
            "delete from access_events where id in (select event_id from access_seals where seq < 4)",
            "delete from access_seals where seq < 4",
        ],
        [(Verdict.LINKS_MISSING, "1-3")],
    ),
    "an event is put in without a link": ([FORGED], [(Verdict.INSERTED, str(NEW))]),
    "with a link behind the last": (
        [
            FORGED,
            "insert into access_seals select 21, :new, now(), 'one', sha256('guessed')",
        ],
        [(Verdict.ALTERED, "21")],
    ),
    "with the MAC of another": (
        [
            FORGED,
            COPIED,
        ],
        [(Verdict.ALTERED, "21")],
    ),
    "the tail is cut": (
        [
            "delete from access_events where id in (select event_id from access_seals where seq > 10)",
            "delete from access_seals where seq > 10",
        ],
        [(Verdict.TAIL_MISSING, "11-12")],
    ),
    "all is gone": (
        ["delete from access_events", "delete from access_seals"],
        [(Verdict.TAIL_MISSING, "1-12")],
    ),
    "the beginning is said to be forgotten": (
        [
            MARKED,
            "delete from access_events where id in (select event_id from access_seals where seq < 4)",
            "delete from access_seals where seq < 3",
        ],
        [(Verdict.MARK_FORGED, "{mark}"), (Verdict.LINKS_MISSING, "1-2")],
    ),
    "what waits is taken out": (["insert into access_unsealed values (:new)"], [(Verdict.OVERDUE, str(NEW))]),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_found(evidence: Engine, anchors: AnchorStore, how: str) -> None:
    statements, expected = TAMPERING[how]
    with evidence.connect() as connection:
        sealed = list(connection.scalars(text("select event_id from access_seals order by seq")))
    names: dict[str, object] = {"five": sealed[4], "eighteen": sealed[17], "new": NEW}
    assert found(evidence, anchors) == []

    with unguarded(evidence) as connection:
        for statement in statements:
            connection.execute(text(statement), names)
        names["mark"] = connection.scalar(text("select id from access_marks"))

    assert found(evidence, anchors) == [(verdict, about.format(**names)) for verdict, about in expected]


def test_who_cuts_the_tail_and_has_it_sealed_anew_is_found(evidence: Engine, anchors: AnchorStore) -> None:
    with unguarded(evidence) as connection:
        connection.execute(
            text("delete from access_events where id in (select event_id from access_seals where seq > 10)")
        )
        connection.execute(text("delete from access_seals where seq > 10"))
    write(evidence, 5)
    seal(evidence, KEYS)

    assert found(evidence, anchors) == [(Verdict.REWRITTEN, "12")]


def test_what_never_got_an_anchor_is_told(evidence: Engine, anchors: AnchorStore) -> None:
    assert found(evidence, anchors, grace=0) == [(Verdict.NOT_ANCHORED, "13-20")]
    anchor(evidence, anchors)
    assert found(evidence, anchors, grace=0) == []


def test_what_waits_for_too_long_is_told(evidence: Engine, anchors: AnchorStore) -> None:
    anchor(evidence, anchors)
    (waiting,) = write(evidence)

    assert found(evidence, anchors, grace=0) == [(Verdict.OVERDUE, str(waiting))]


# --- backups --------------------------------------------------------------------------------------------


def back_up(engine: Engine) -> None:
    with engine.begin() as connection:
        for table in CHAIN[:3]:
            connection.execute(text(f"create table old_{table} as table {table}"))


def put_back(engine: Engine) -> None:
    with unguarded(engine) as connection:
        for table in CHAIN[:3]:
            connection.execute(text(f"delete from {table}"))  # noqa: S608 - constants
            connection.execute(text(f"insert into {table} table old_{table}"))


def test_an_older_state_is_found_until_somebody_says_that_it_was_restored(
    chained: Engine, anchors: AnchorStore
) -> None:
    write(chained, 5)
    seal(chained, KEYS)
    anchor(chained, anchors)
    back_up(chained)
    write(chained, 5)
    seal(chained, KEYS)
    anchor(chained, anchors)
    put_back(chained)

    assert found(chained, anchors) == [(Verdict.TAIL_MISSING, "6-10")]
    time.sleep(0.1)
    assert note_restored(chained, KEYS) == 5
    assert found(chained, anchors) == []

    # It excuses nothing that comes afterwards.
    write(chained, 4)
    seal(chained, KEYS)
    anchor(chained, anchors)
    assert found(chained, anchors) == []
    with unguarded(chained) as connection:
        connection.execute(text("delete from access_seals where seq > 7"))
        connection.execute(
            text("delete from access_events where id not in (select event_id from access_seals)")
        )
    assert found(chained, anchors) == [(Verdict.TAIL_MISSING, "8-9")]


def test_who_has_no_key_cannot_say_so(evidence: Engine, anchors: AnchorStore) -> None:
    with unguarded(evidence) as connection:
        connection.execute(text("delete from access_seals where seq > 10"))
        connection.execute(
            text("delete from access_events where id not in (select event_id from access_seals)")
        )
    note_restored(evidence, Keys({"one": bytes(32)}))

    assert [verdict for verdict, _ in found(evidence, anchors)] == [Verdict.MARK_FORGED, Verdict.TAIL_MISSING]


# --- triggers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["access_events", "access_seals", "access_marks"])
@pytest.mark.parametrize(
    "change",
    ["update {} set {} = {}", "delete from {}", "truncate {}", "truncate {}, users cascade"],
)
def test_nobody_changes_or_removes_anything(evidence: Engine, table: str, change: str) -> None:
    note_restored(evidence, KEYS)
    column = {"access_events": "outcome", "access_seals": "mac", "access_marks": "kind"}[table]
    statement = change.format(table, column, column)

    with pytest.raises(IntegrityError, match="only grows"), evidence.begin() as connection:
        connection.execute(text(statement))


@pytest.mark.parametrize("said", ["access_events", ""])
@pytest.mark.parametrize("age", ["5 years 11 months", "6 years 1 day"])
def test_retention_may_remove_what_is_six_years_old(chained: Engine, said: str, age: str) -> None:
    write(chained)
    with unguarded(chained) as connection:
        connection.execute(text("update access_events set at = now() - cast(:age as interval)"), {"age": age})

    def remove() -> None:
        with chained.begin() as connection:
            connection.execute(text("select set_config('mindtrack.retention', :said, true)"), {"said": said})
            connection.execute(text("delete from access_events"))

    if said and age.startswith("6"):
        remove()
    else:
        with pytest.raises(IntegrityError, match="only grows"):
            remove()


# --- the command ----------------------------------------------------------------------------------------


@pytest.fixture
def audit(
    chained: Engine, infrastructure: Infrastructure, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run `mindtrack-audit` with a key file, and return how it ended and what it said."""
    keys = tmp_path / "keys"
    keys.write_text(f"# made by hand\none {bytes(range(32)).hex()}\n")
    variables = infrastructure.environment.variables() | {
        "MINDTRACK_DATABASE_URL": chained.url.set(drivername="postgresql").render_as_string(False),
        "MINDTRACK_AUDIT_KEYS_FILE": str(keys),
        "MINDTRACK_AUDIT_ANCHORS_URL": f"file://{tmp_path}/anchors",
    }

    def run(*arguments: str, **others: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "mindtrack_scheduler.audit", *arguments]
        environment = os.environ | variables | others
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr.strip().splitlines()[-1]

    return run


def test_the_command_tells_what_it_found(
    evidence: Engine, audit: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    assert audit("verify") == (0, "", "20 links are sound; no findings")
    with unguarded(evidence) as connection:
        connection.execute(text("delete from access_seals where seq > 10"))
        connection.execute(
            text("delete from access_events where id not in (select event_id from access_seals)")
        )
    assert audit("verify") == (1, "tail-missing\t11-12\n", "10 links are sound; 1 findings")
    assert audit("restored") == (0, "", "the chain ends with link 10, by a restore")
    assert audit("verify")[0] == 0


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("MINDTRACK_AUDIT_KEYS_FILE", "", "MINDTRACK_AUDIT_KEYS_FILE is not set"),
        ("MINDTRACK_AUDIT_KEYS_FILE", "/nowhere", "/nowhere: FileNotFoundError"),
        ("MINDTRACK_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none", "not verified: OperationalError"),
    ],
)
def test_what_cannot_be_verified_is_no_verdict(
    evidence: Engine, audit: Callable[..., tuple[int, str, str]], variable: str, value: str, said: str
) -> None:
    assert audit("verify", **{variable: value}) == (2, "", said)
