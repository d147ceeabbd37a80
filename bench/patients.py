"""What it costs a clinician to see everybody: the first page of `GET /v1/patients`, 1,000 with status.

Two servers, each one uvicorn process on one core; on the other whoever asks, and Postgres, which keeps what
it commits. One asks at a time.
- the gateway: token, live grants, scopes, order, schemas, and a line for each person in `access_events`,
- the same rows fetched bare and sent as JSON, nothing decided and nothing written.
`ratio` is our time over theirs, at most 3. `lines_milliseconds` is what the lines are of it: their insertion
alone, with its commit.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import httpx2
from pydantic import JsonValue
from sqlalchemy import Engine, Executable, Select, text

from bench.outcome import report, require
from bench.poll import OTHER_CORE, pin, served
from bench.sides import in_turns, ratio, rounds_wanted
from factories import add_user
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack
from mindtrack_shared.db import patients
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.db.patients import Asked
from mindtrack_shared.domain.patients import Order, PatientSort
from mindtrack_shared.settings import DatabaseSettings

TARGET = 3.0
PATIENTS = 1000
PATH = f"/v1/patients?limit={PATIENTS}"
#: Of a side, in a round.
REQUESTS = 30
#: A statement's, in a round.
STATEMENTS = 10

#: Twice as many people as the clinician has patients, each with a standing, a fifth with an open alert, and
#: each with nine former grants for others.
PEOPLE = """
create temporary table people on commit drop as
select n, gen_random_uuid() as id from generate_series(1, 2000) n;
insert into users (id, subject) select id, 'person-' || n from people;
insert into standings (user_id, status, direction, seven_day_z, recording_days_7, recording_days_28, as_of,
    time_zone, last_recorded_at, evaluated_at, due_at, recent_at, recent)
select id, (array['below', 'within_range', 'within_range', 'no_status', 'above', 'well_above'])[1 + n % 6],
    (array['rising', 'falling', 'steady', 'unclear'])[1 + n % 4], sin(n), 3, 9, current_date, 'UTC',
    now() - make_interval(mins => n), now(), now() + interval '1 day', now(),
    (select array_agg(case when day % 3 < 2 then round(cast(sin(n + day) as numeric), 2) end order by day)
     from generate_series(1, 28) day)
from people;
insert into alerts (id, user_id, measure, opened_on, rule, rule_version, bundle_revision, reason)
select uuidv7(), id, 'stress_score', current_date, 'sustained_rise', '1', 'r1', '{}'
from people where n % 5 = 0;
insert into invitations (id, user_id, code_sha256, scopes, purpose, use_context, grant_days, created_at,
    expires_at, redeemed_at, redeemed_by)
select gen_random_uuid(), people.id, sha256(cast(people.n || '-' || turn as bytea)),
    array['alerts', 'trends'], 'Sessions', 'healthcare', 90, now(), now() + interval '1 day', now(),
    case when turn = 1 and people.n <= 1000 then cast(:clinician as uuid) else other.id end
from people cross join generate_series(1, 10) turn
join people other on other.n = 1 + (people.n + 37 * turn) % 2000;
insert into grants (id, user_id, clinician_id, invitation_id, scopes, purpose, use_context, expires_at,
    revoked_at, revoked_by)
select uuidv7(), user_id, redeemed_by, id, scopes, purpose, use_context, now() + interval '90 days',
    case when redeemed_by <> cast(:clinician as uuid) then now() end,
    case when redeemed_by <> cast(:clinician as uuid) then 'person' end
from invitations;
insert into patient_labels (clinician_id, user_id, label)
select clinician_id, user_id, 'Room ' || row_number() over (order by id) from grants
where clinician_id = cast(:clinician as uuid);
"""
#: What the lines of one page are, without the page.
LINES = """
insert into access_events (id, at, actor_id, actor_role, subject_id, grant_id, action, outcome, request_id)
select uuidv7(), statement_timestamp(), clinician_id, 'clinician', user_id, id, 'listPatients', 'allowed', id
from grants where clinician_id = :clinician and revoked_at is null
"""


def main() -> int:
    rounds = rounds_wanted(__doc__, default=9)
    os.sched_setaffinity(0, {OTHER_CORE})
    with TemporaryDirectory() as folder, ExitStack() as running:
        stack = running.enter_context(Stack(StackConfig(var=Path(folder) / "var", services=("gateway",))))
        engine = sync_engine(stack.infrastructure.settings(DatabaseSettings), application_name="bench")
        clinician = add_user(engine, "florence")
        populate(engine, clinician)
        pin(stack.process("gateway").pid)
        variables = {**stack.environment, "BENCH_CLINICIAN": str(clinician)}
        bare = running.enter_context(served("bench.patients_sides:bare", variables))
        token = stack.token("florence", "clinician")
        own = running.enter_context(
            httpx2.Client(base_url=stack.base_url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
        )
        theirs = running.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{bare}", timeout=60))
        compare(own, theirs, engine, clinician)
        page = first_page(clinician)
        rates = in_turns(
            {
                "gateway": lambda _: requests_per_second(own),
                "bare": lambda _: requests_per_second(theirs),
                "statement": lambda _: per_second(engine, page, {}),
                "lines": lambda _: per_second(engine, text(LINES), {"clinician": clinician}),
            },
            rounds=rounds,
        )
        engine.dispose()
    milliseconds: dict[str, list[JsonValue]] = {
        side: [round(1000 / value, 2) for value in values] for side, values in rates.items()
    }
    lines = 1000 / median(rates["lines"])
    report(
        "patients",
        ratio(rates["bare"], rates["gateway"]),
        TARGET,
        at_most=True,
        ours=f"GET /v1/patients, {PATIENTS} of {PATIENTS}, with a line for each of them, s",
        theirs="the same rows fetched bare and sent as JSON, s",
        rounds=rounds,
        threads=1,
        details={
            "patients": PATIENTS,
            "milliseconds": {**milliseconds},
            "lines_milliseconds": round(lines, 2),
            "lines_share": round(lines * median(rates["gateway"]) / 1000, 2),
        },
    )
    return 0


def populate(engine: Engine, clinician: UUID) -> None:
    with engine.begin() as connection:
        for part in filter(str.strip, PEOPLE.split(";")):
            connection.execute(text(part), {"clinician": clinician} if ":clinician" in part else {})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))


def compare(own: httpx2.Client, theirs: httpx2.Client, engine: Engine, clinician: UUID) -> None:
    """Find the same on both sides, and as many lines as it should have made."""
    ours = own.get(PATH).raise_for_status().json()
    bare = theirs.get(PATH).raise_for_status().json()
    require(ours["next_cursor"] is None and len(ours["items"]) == PATIENTS, f"a page has {PATIENTS} patients")
    same = [told(item) for item in ours["items"]] == [told(item) for item in bare["items"]]
    require(same, "both tell the same")
    with engine.connect() as connection:
        query = "select count(subject_id), count(distinct subject_id) from access_events where actor_id = :id"
        lines = connection.execute(text(query), {"id": clinician}).one()
    require(tuple(lines) == (PATIENTS, PATIENTS), "each of them has a line")


def told(item: Mapping[str, object]) -> Mapping[str, object]:
    """Return an item with moments as one server writes them."""
    found: dict[str, object] = {}
    for name, value in item.items():
        found[name] = told(value) if isinstance(value, dict) else value
        if isinstance(value, str):
            found[name] = value.replace("Z", "+00:00")
    return found


def requests_per_second(client: httpx2.Client) -> float:
    started = time.perf_counter()
    for _ in range(REQUESTS):
        if not client.get(PATH).is_success:
            raise RuntimeError("not answered")
    return REQUESTS / (time.perf_counter() - started)


def first_page(clinician: UUID) -> Select[Any]:
    return patients.page(
        Asked(clinician, "listPatients", None),
        limit=PATIENTS,
        sort=PatientSort.STATUS,
        order=Order.DESCENDING,
    )


def per_second(engine: Engine, statement: Executable, asked: Mapping[str, object]) -> float:
    started = time.perf_counter()
    for _ in range(STATEMENTS):
        with engine.begin() as connection:
            found = connection.execute(statement, asked)
            if found.returns_rows:
                found.all()
    return STATEMENTS / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main())
