"""What KEDA asks the database, word for word as in the manifests: one number, in proportion to the work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from deploy.manifests import kubectl, name_of, rendered
from factories import add_job, add_user
from mindtrack_shared.domain.jobs import Priority

pytestmark = pytest.mark.skipif(kubectl() is None, reason="kubectl, which renders, is not installed")

SCALER = "mindtrack_scaler"
#: Of a recording, at the 32 kbit/s that are assumed before anything was analysed.
SECONDS = 120
AUDIO = b"x" * SECONDS * 4000
LONG_AGO = timedelta(minutes=10)


@pytest.fixture
def scaler(engine: Engine) -> Iterator[Engine]:
    """The database for a role that may read the view and nothing else."""
    with engine.begin() as connection:
        connection.execute(text(f"create role {SCALER}"))
        connection.execute(text(f"grant select on drain_load to {SCALER}"))
    yield engine
    with engine.begin() as connection:
        connection.execute(text(f"drop owned by {SCALER}"))
        connection.execute(text(f"drop role {SCALER}"))


def load_per_second(engine: Engine, lane: Priority) -> float:
    """Ask as KEDA does, for the audio seconds to be worked off per second."""
    (scaled,) = [each for each in rendered("production") if name_of(each) == f"ScaledObject/inference-{lane}"]
    (trigger,) = scaled["spec"]["triggers"]
    with engine.connect() as connection:
        connection.execute(text(f"set role {SCALER}"))
        ((number,),) = connection.execute(text(trigger["metadata"]["query"])).all()
    assert isinstance(number, float)
    return number


def add(engine: Engine, lane: Priority, *, count: int, age: timedelta) -> None:
    user_id: UUID = add_user(engine)
    for _ in range(count):
        add_job(engine, user_id, audio=AUDIO, priority=lane, created_at=datetime.now(UTC) - age)


@pytest.mark.parametrize("lane", Priority)
def test_nothing_to_do_is_zero(scaler: Engine, lane: Priority) -> None:
    assert load_per_second(scaler, lane) == 0


@pytest.mark.parametrize(("lane", "seconds"), [(Priority.INTERACTIVE, 40), (Priority.BULK, 600)])
def test_a_backlog_counts_by_the_seconds_in_which_it_may_be_drained(
    scaler: Engine, lane: Priority, seconds: int
) -> None:
    (other,) = set(Priority) - {lane}
    add(scaler, other, count=5, age=LONG_AGO)

    for waiting in (2, 4):
        add(scaler, lane, count=2, age=LONG_AGO)
        assert load_per_second(scaler, lane) == pytest.approx(waiting * SECONDS / seconds)


def test_in_the_interactive_lane_what_arrives_counts_besides(scaler: Engine) -> None:
    for lane in Priority:
        add(scaler, lane, count=3, age=timedelta(0))

    assert load_per_second(scaler, Priority.INTERACTIVE) == pytest.approx(3 * SECONDS * (1 / 40 + 1 / 60))
    assert load_per_second(scaler, Priority.BULK) == pytest.approx(3 * SECONDS / 600)
