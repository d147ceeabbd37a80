"""Trends over made-up histories: from the rows to the API's answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from factories import add_user, analysis
from integration_support import upload, work
from mindtrack_gateway import short_way
from mindtrack_gateway.trends import routes, telling
from mindtrack_local.histories import Pattern, Person, people
from mindtrack_local.seed import fill
from mindtrack_shared.db import day_values
from mindtrack_shared.domain.analysis import IndeterminateReason
from mindtrack_shared.domain.trends import HISTORY, Measure, report
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import SealedRecordings
from mindtrack_shared.storage import RecordingStore

Client = Callable[[str], httpx.Client]


def some(pattern: Pattern) -> Person:
    return next(person for person in people() if person.pattern is pattern)


@pytest.fixture
def rising(engine: Engine, store: RecordingStore) -> Person:
    person = some(Pattern.RISING)
    list(fill(engine, store, [person]))
    return person


def trend(client: httpx.Client, **asked: Any) -> Any:  # noqa: ANN401 - JSON
    answer = client.get("/v1/users/me/trends", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_trend_is_compressed_for_who_takes_it(sign_in: Client, rising: Person) -> None:
    person = sign_in(rising.subject)
    asked = {"days": 90}
    compressed = person.get("/v1/users/me/trends", params=asked, headers={"Accept-Encoding": "gzip"})
    plain = person.get("/v1/users/me/trends", params=asked, headers={"Accept-Encoding": "identity"})

    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert {"accept-encoding"} == {answer.headers["vary"].lower() for answer in (compressed, plain)}
    assert compressed.json() == plain.json()
    assert int(compressed.headers["content-length"]) < int(plain.headers["content-length"]) / 2


@pytest.mark.parametrize(
    "query",
    [
        *(
            "",
            "days=90",
            "days=731",
            "days=90&measure=f0_median_hz&measure=stress_score",
            "measure=stress_score",
        ),
        *("days=0", "days=732", "days=-7", "days=%2B7", "days=07", "days=seven", "days=", "days", "days=7;8"),
        *("days=7&days=8", "days=7&measure=", "measure=mood", "days=7&wanted=more", "days=%D9%A7", "%FF=1"),
        f"days={'7' * 5_000}",
        "&".join(["measure=stress_score"] * (len(Measure) + 1)),
    ],
)
def test_both_ways_answer_alike(
    sign_in: Client, rising: Person, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    """Ones own trend takes a short way, which is closed for the second answer."""
    person = sign_in(rising.subject)
    person.get("/v1/users/me/trends")
    short = person.get(f"/v1/users/me/trends?{query}")
    monkeypatch.setattr(short_way, "_caller", lambda *_: None)
    long = person.get(f"/v1/users/me/trends?{query}")

    changing = {"date", "x-request-id", "ratelimit"}
    assert short.status_code == long.status_code
    assert short.content == long.content
    assert {**short.headers, **dict.fromkeys(changing)} == {**long.headers, **dict.fromkeys(changing)}
    assert UUID(short.headers["x-request-id"]) != UUID(long.headers["x-request-id"])


def test_the_short_way_is_taken(sign_in: Client, rising: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    person = sign_in(rising.subject)
    trend(person)
    monkeypatch.setattr(routes, "trend_of", None)  # the long way's

    assert trend(person, days=90)["days"]
    with pytest.raises(AssertionError):
        trend(person, days="07")


#: What nobody expects goes the long way, which writes it down; that costs once more.
BROKEN = [(OperationalError("SELECT", None, Exception("gone")), 503), (ZeroDivisionError(), 200)]


@pytest.mark.parametrize(("error", "status"), BROKEN)
def test_what_breaks_on_the_short_way_is_told_like_anything_else(
    sign_in: Client, rising: Person, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    async def broken(*_: object) -> bytes:
        raise error

    person = sign_in(rising.subject)
    before = person.get("/v1/users/me/trends")
    monkeypatch.setattr(telling, "own_trend", broken)
    answer = person.get("/v1/users/me/trends")

    assert answer.status_code == status
    assert left(before) - left(answer) <= (1 if status == 503 else 2)
    assert answer.headers["x-request-id"] != before.headers["x-request-id"]
    if status == 503:
        assert answer.json()["type"] == "urn:mindtrack:problem:unavailable"
        assert answer.headers["retry-after"]


def left(answer: httpx.Response) -> int:
    """Requests that may follow at once."""
    found = re.search(r"r=(\d+)", answer.headers["ratelimit"])
    assert found is not None
    return int(found[1])


def test_a_trend_is_what_the_days_say(engine: Engine, client: Client, rising: Person) -> None:
    user_id = add_user(engine, rising.subject)
    found = trend(client(rising.subject), days=90)

    first_day, last_day = (date.fromisoformat(found[name]) for name in ("first_day", "last_day"))
    with Session(engine) as session:
        rows = session.execute(
            day_values.between(
                user_id, Measure.STRESS_SCORE, first_day=first_day - HISTORY, last_day=last_day
            )
        )
        wanted = report(
            [day_values.to_day_value(row) for row in rows],
            measure=Measure.STRESS_SCORE,
            first_day=first_day,
            last_day=last_day,
        )
    (measure,) = found["measures"]
    assert (measure["measure"], measure["unit"]) == ("stress_score", "1")
    assert measure["status"] == wanted.status
    assert measure["direction"] == wanted.direction == "rising"
    assert measure["calibration"]["complete"]
    assert measure["coverage"] == pytest.approx(wanted.coverage)
    assert [point["day"] for point in measure["points"]] == [str(point.day) for point in wanted.points]
    assert [point["z"] for point in measure["points"]] == [
        point.z if point.z is None else pytest.approx(point.z, abs=5e-3) for point in wanted.points
    ]
    assert measure["slope"]["low"] > 0
    assert measure["mann_kendall"]["p"] < 0.05
    assert sum(week["recordings"] for week in measure["weeks"]) == measure["recordings"] == found["count"]
    assert measure["bundle_revisions"] == ["made-up-1"]
    assert measure["method"]["parameters"]["weight"] == 0.2
    assert "not a diagnosis" in found["notice"]


def test_periods_of_different_lengths_tell_the_same_story(client: Client, rising: Person) -> None:
    person = client(rising.subject)
    week, quarter = (trend(person, days=days)["measures"][0] for days in (7, 90))

    assert week["points"] == quarter["points"][-len(week["points"]) :]
    assert week["status"] == quarter["status"]
    assert week["baseline"] == quarter["baseline"]


def test_every_measure_can_be_asked_for(client: Client, rising: Person) -> None:
    person = client(rising.subject)
    found = trend(person, days=30, measure=list(Measure))
    unknown = person.get("/v1/users/me/trends", params={"measure": "shoe_size"})

    assert [each["measure"] for each in found["measures"]] == list(Measure)
    pitch = next(each for each in found["measures"] if each["measure"] == "f0_median_hz")
    assert (pitch["unit"], pitch["recording_days"] > 0) == ("Hz", True)
    assert 60 < pitch["baseline"]["low"] < pitch["baseline"]["centre"] < 300
    latency = next(each for each in found["measures"] if each["measure"] == "response_latency_seconds")
    assert (latency["status"], latency["points"]) == ("calibrating", [])
    assert unknown.status_code == 422


def test_a_headset_is_compared_with_itself(engine: Engine, store: RecordingStore, client: Client) -> None:
    made_up = some(Pattern.DEVICE_CHANGE)
    list(fill(engine, store, [made_up]))
    person = client(made_up.subject)
    measure = trend(person, days=90)["measures"][0]

    assert measure["device_classes"] == ["built_in audio/mp4", "bluetooth audio/webm"]
    assert "device_change" in {caveat["code"] for caveat in measure["caveats"]}
    assert measure["status"] == "within_range", "scores moved with the device, the person did not"


def test_what_a_model_could_not_tell_is_told_of(
    ada: httpx.Client, engine: Engine, recordings: SealedRecordings, wakeups: Wakeups
) -> None:
    uncertain = analysis(reason=IndeterminateReason.UNCERTAIN)
    work(engine, recordings, wakeups, upload(ada).json()["id"], uncertain)

    measure = trend(ada)["measures"][0]

    codes = {caveat["code"] for caveat in measure["caveats"]}
    assert {"no_recordings", "indeterminate_excluded"} <= codes
    assert (measure["recordings"], measure["status"]) == (0, "calibrating")


def test_seeds_are_left_alone_when_they_are_there(
    engine: Engine, store: RecordingStore, rising: Person
) -> None:
    assert list(fill(engine, store, [rising])) == [(rising, 0)]


def test_seeds_hold_what_the_tables_hold(engine: Engine, rising: Person) -> None:
    with engine.connect() as connection:
        analysed = connection.scalar(text("select count(*) from analyses"))
        counted = connection.scalar(text("select sum(count) from day_rollups"))
        compared = connection.scalar(text("select sum(recordings) from day_values"))
        first, last = connection.execute(text("select min(day), max(day) from day_values")).one()

    assert analysed == counted == compared > 60
    assert last - first > timedelta(days=110)
