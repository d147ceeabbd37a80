"""What a trend of 90 days costs, with millions of analyses in the database.

- `trends`: reading the days of a trend where they are summed up, beside summing them up from the analyses
  (`ratio`, at most 1/20); told besides: the same over the round trip of `SELECT 1` (at most 2), with and
  without the way of the rows to us, and the 95th percentile of `GET /v1/users/me/trends?days=90` of one
  gateway process (at most 10 ms) where it has told that trend before, and where it has not.
- `growth`: that read with all analyses, beside a database with a hundredth of them (at most 1.3), in rounds
  of as many reads as there are people.

Each round asks for the same random people on all sides, over one connection per database, by prepared
statements. A trend of 90 days reads 160 more, from which it knows what is usual.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

import numpy as np
import psycopg
from pydantic import JsonValue
from sqlalchemy import Engine

from bench.outcome import report, require
from bench.sides import ROUNDS, Ratio, in_turns, progress, ratio
from bench.trend_rows import SUBJECT, fill
from mindtrack_local.config import StackConfig
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_local.stack import Stack
from mindtrack_shared.db import day_values, migrate
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.domain.trends import HISTORY, Measure
from mindtrack_shared.settings import DatabaseSettings

PEOPLE, ANALYSES, SMALLER = 2_000, 5_000_000, 100
TARGETS = {"trends": 1 / 20, "over_select_1": 2.0, "http_p95_milliseconds": 10.0, "growth": 1.3}
DAYS = 90
#: People per round on each side; people whose trend is asked for over HTTP, and how often again in all.
ASKED, FIRST, REQUESTS = 100, 100, 500

Rows: TypeAlias = list[tuple[Any, ...]]
Parameters: TypeAlias = Mapping[str, Any]

SELECT_1 = "select 1"
#: What `day_values` keeps, from the analyses. As a careful engineer would write it.
RAW = """
select r.recorded_on, a.bundle_revision, concat(coalesce(r.microphone, 'unknown'), ' ', r.content_type),
    count(*), sum(seconds), sum(seconds * ln(score / (1 - score))) / sum(seconds)
from analyses a
join jobs j on j.id = a.job_id
join recordings r on r.id = j.recording_id
cross join lateral (
    select (j.quality ->> 'speech_seconds')::float as seconds,
        least(greatest(a.stress_score, 0.01), 0.99) as score
) found
where a.user_id = %(user_id)s and a.recorded_at >= %(first_day)s and a.recorded_at < %(last_day)s + 1
    and a.indeterminate_reason is null and a.stress_score is not null
group by 1, 2, 3 order by 1
"""


class Database:
    """A connection without frills, and the people there are."""

    def __init__(self, engine: Engine, settings: DatabaseSettings) -> None:
        url = settings.url.get_secret_value()
        self._connection = psycopg.connect(url.replace("postgresql+psycopg", "postgresql"), autocommit=True)
        self._connection.prepare_threshold = 0
        self._cursor = self._connection.cursor(binary=True)
        someone, some_day = UUID(int=0), date.min
        rolled_up = day_values.between(someone, Measure.STRESS_SCORE, first_day=some_day, last_day=some_day)
        self.rolled_up = str(rolled_up.compile(engine))
        self.people: list[UUID] = [row[0] for row in self.ask("select id from users order by subject", {})]

    def ask(self, query: str, parameters: Parameters) -> Rows:
        return self._cursor.execute(query, parameters).fetchall()

    def executing(self, query: str, parameters: Parameters) -> float:
        """Ask, and return the seconds that the database says it took."""
        (((plan,),),) = self.ask(f"explain (analyze, timing off, format json) {query}", parameters)
        return float(plan["Execution Time"]) / 1000

    def close(self) -> None:
        self._connection.close()


def main() -> int:
    arguments = _arguments()
    now = datetime.now(UTC)
    asked = {"first_day": now.date() - timedelta(days=DAYS - 1) - HISTORY, "last_day": now.date()}
    with TemporaryDirectory() as folder, ExitStack() as running:
        stack = running.enter_context(
            Stack(StackConfig(var=Path(folder) / "all", services=("gateway",), durable=False))
        )
        fewer = running.enter_context(Infrastructure(StackConfig(var=Path(folder) / "few", durable=False)))
        full = _database(stack.infrastructure, running, PEOPLE, arguments.analyses, now)
        small = _database(fewer, running, PEOPLE // SMALLER, arguments.analyses // SMALLER, now)
        chance = np.random.default_rng(0)

        for person in chance.choice(len(full.people), 20, replace=False):
            parameters = {**asked, "user_id": full.people[person]}
            kept, raw = (full.ask(query, parameters) for query in (full.rolled_up, RAW))
            same = [row[:4] for row in kept] == [row[:4] for row in raw] and np.allclose(
                [row[4:] for row in kept], [row[4:] for row in raw]
            )
            if not same or len(kept) < DAYS:
                require(False, "days that are kept are what the analyses come to")
        require(True, f"of 20 people, {len(kept)} days that are kept are what the analyses come to")

        def side(
            database: Database, query: str, parameters: Parameters, often: int = ASKED
        ) -> Callable[[int], float]:
            def ask(number: int) -> float:
                chosen = np.random.default_rng(number).choice(len(database.people), often)
                people = [database.people[each] for each in chosen]
                began = time.perf_counter()
                for person in people:
                    database.ask(query, {**parameters, "user_id": person} if parameters else {})
                return often / (time.perf_counter() - began)

            return ask

        rates = in_turns(
            {
                "rolled up": side(full, full.rolled_up, asked),
                "raw": side(full, RAW, asked),
                "select 1": side(full, SELECT_1, {}),
            },
            rounds=arguments.rounds,
        )
        grown = in_turns(
            {
                "rolled up": side(full, full.rolled_up, asked, often=len(full.people)),
                "rolled up, few": side(small, small.rolled_up, asked, often=len(full.people)),
            },
            rounds=arguments.rounds,
        )
        executing = [
            full.executing(full.rolled_up, {**asked, "user_id": full.people[person]})
            for person in chance.choice(len(full.people), ASKED)
        ]
        first, later = _http(stack, len(full.people))
    inverse = {name: [1 / value for value in values] for name, values in rates.items()}
    over_select_1 = ratio(inverse["rolled up"], inverse["select 1"])
    report(
        "trends",
        ratio(inverse["rolled up"], inverse["raw"]),
        TARGETS["trends"],
        at_most=True,
        ours=f"reading the days of a {DAYS}-day trend, seconds",
        theirs="summing them up from the analyses, seconds",
        rounds=arguments.rounds,
        threads=1,
        details={
            "analyses": arguments.analyses,
            "people": PEOPLE,
            "days_read": len(kept),
            "targets": {**TARGETS},
            "over_select_1": _told(over_select_1),
            "in_the_database_over_select_1": round(
                float(np.median(executing) / np.median(inverse["select 1"])), 2
            ),
            "microseconds": _microseconds(rates),
            "http_p95_milliseconds": _milliseconds(later, 95),
            "http_p50_milliseconds": _milliseconds(later, 50),
            "http_first_p95_milliseconds": _milliseconds(first, 95),
            "http_first_p50_milliseconds": _milliseconds(first, 50),
        },
    )
    report(
        "growth",
        ratio(grown["rolled up, few"], grown["rolled up"]),
        TARGETS["growth"],
        at_most=True,
        ours=f"that with {arguments.analyses:,} analyses, seconds",
        theirs=f"with {arguments.analyses // SMALLER:,}, seconds",
        rounds=arguments.rounds,
        threads=1,
        details={"people": [PEOPLE, PEOPLE // SMALLER], "microseconds": _microseconds(grown)},
    )
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds to measure ({ROUNDS})")
    parser.add_argument(
        "--analyses", type=int, default=ANALYSES, help=f"in the larger database ({ANALYSES:,}; 7 GB)"
    )
    return parser.parse_args()


def _database(
    servers: Infrastructure, running: ExitStack, people: int, analyses: int, now: datetime
) -> Database:
    settings = servers.settings(DatabaseSettings)
    engine = sync_engine(settings, application_name="bench")
    migrate.upgrade(engine)
    fill(engine, people=people, analyses=analyses, until=now)
    database = Database(engine, settings)
    running.callback(engine.dispose)
    running.callback(database.close)
    return database


def _http(stack: Stack, people: int) -> tuple[list[float], list[float]]:
    """Ask for random people's trends, one after the other; return seconds of first and of later requests.

    From the request to the last byte of its answer, by a client that does nothing else: one that follows
    redirects, keeps cookies and unpacks takes half as long as the gateway. A trend that was told before is
    told again from memory, once the database has said that nothing changed.
    """
    chance = np.random.default_rng(1)
    chosen = [SUBJECT.format(each) for each in chance.choice(people, FIRST, replace=False)]
    headers = [
        {"authorization": f"Bearer {stack.token(subject)}", "accept-encoding": "gzip"} for subject in chosen
    ]
    seconds = []
    with closing(HTTPConnection(urlsplit(stack.base_url).netloc)) as client:

        def get(path: str, number: int) -> tuple[int, bytes]:
            client.request("GET", path, headers=headers[number % FIRST])
            answer = client.getresponse()
            return answer.status, answer.read()

        for number in range(FIRST):  # the first time, people are looked up and tokens verified
            get("/v1/users/me/alerts", number)
        for number in range(FIRST + REQUESTS):
            began = time.perf_counter()
            status, told = get(f"/v1/users/me/trends?days={DAYS}", number)
            seconds.append(time.perf_counter() - began)
            points = (
                json.loads(gzip.decompress(told))["measures"][0]["points"] if status == HTTPStatus.OK else ()
            )
            if len(points) < DAYS - 1:
                require(False, "a trend has its days")
    first, later = seconds[:FIRST], seconds[FIRST:]
    for name, values in (("first", first), ("later", later)):
        progress(f"over HTTP, {name}: {np.percentile(values, [50, 95]) * 1000} ms")
    return first, later


def _milliseconds(seconds: Sequence[float], percentile: float) -> float:
    return round(float(np.percentile(seconds, percentile)) * 1000, 2)


def _microseconds(rates: Mapping[str, Sequence[float]]) -> dict[str, JsonValue]:
    return {name: [round(1e6 / rate) for rate in values] for name, values in rates.items()}


def _told(found: Ratio) -> list[JsonValue]:
    return [round(value, 2) for value in (found.median, found.low, found.high)]


if __name__ == "__main__":
    raise SystemExit(main())
