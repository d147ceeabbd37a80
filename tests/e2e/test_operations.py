"""Operators see queues and workers of real processes, and which of them are away."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mindtrack_client import JobStatus, MindTrack
from mindtrack_local.config import SERVICES, StackConfig
from mindtrack_local.stack import Stack
from patience import eventually
from samples import SAMPLES

#: Shorter than a crashed worker takes to come back.
LOOK = {"MINDTRACK_OPERATIONS_INTERVAL": "0.1"}
PERSON = "somebody-whom-no-operator-sees"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    config = StackConfig(
        var=tmp_path_factory.mktemp("watched"), durable=False, service_overrides={"gateway": LOOK}
    )
    with Stack(config) as running:
        yield running


def look(stack: Stack) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {stack.token('olga', 'operator')}"}
    answer = httpx2.get(f"{stack.base_url}/v1/operations", headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert PERSON not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    seen: dict[str, Any] = answer.json()
    return seen


def worker(stack: Stack) -> dict[str, Any]:
    (only,) = look(stack)["workers"]
    told: dict[str, Any] = only
    return told


def everybody_is_up(stack: Stack) -> bool:
    seen = look(stack)
    return all(each["up"] for each in seen["processes"] + seen["workers"]) and seen["workers"][0]["engine"]


def test_a_job_is_seen_where_it_is(watched: Stack, tmp_path: Path) -> None:
    eventually(partial(everybody_is_up, watched), what="everybody")
    before = look(watched)
    assert {each["service"] for each in before["processes"]} == {*SERVICES} - {"gateway", "inference"}
    assert before["backlogs"]["unrung"] == {"waiting": 0, "oldest_seconds": 0}

    torn = tmp_path / "torn.m4a"
    torn.write_bytes((SAMPLES / "day-2.m4a").read_bytes()[:20_000])
    with MindTrack(watched.base_url, watched.token(PERSON)) as client:
        good = client.submit(SAMPLES / "day-7.m4a", wait=True, timeout=60)
        bad = client.submit(torn, wait=True, timeout=60)
    assert (good.status, bad.status) == (JobStatus.SUCCEEDED, JobStatus.REJECTED)
    assert good.analysis is not None

    def counted() -> bool:  # whoever waits may hear of the commit before the worker has counted it
        return {("succeeded", "none"), ("rejected", "unreadable")} <= ended(look(watched)).keys()

    eventually(counted, what="both in the counts")
    after = look(watched)
    assert ended(after) == {("succeeded", "none"): 1, ("rejected", "unreadable"): 1}
    lane = after["lanes"][0]
    assert (lane["priority"], lane["queued"], lane["running"], lane["seconds_to_drain"]) == (
        "interactive",
        0,
        0,
        0,
    )
    rise = lane["processed_audio_seconds"] - before["lanes"][0]["processed_audio_seconds"]
    assert rise == pytest.approx(good.analysis.audio_seconds, abs=0.01)
    assert lane["processed_audio_seconds_per_second"] > 0
    assert after["counted_since"] == before["counted_since"]
    assert {each["status_class"] for each in after["requests"]} >= {"2xx"}


def ended(seen: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(each["status"], each["code"]): each["total"] for each in seen["ended"]}


def test_a_worker_that_is_killed_is_shown_as_down_until_it_is_back(watched: Stack) -> None:
    eventually(partial(everybody_is_up, watched), what="everybody")
    alive = worker(watched)

    watched.process("inference").kill()

    eventually(lambda: not worker(watched)["up"], what="a worker that is down")
    down = worker(watched)
    assert down["reason"] == "unreachable"
    assert (down["engine"], down["bundle"], down["target"]) == (
        alive["engine"],
        alive["bundle"],
        alive["target"],
    )
    assert down["seen_at"] >= alive["seen_at"]
    eventually(partial(everybody_is_up, watched), what="everybody again")


def test_one_that_is_stopped_is_away_and_the_rest_is_shown(watched: Stack) -> None:
    eventually(partial(everybody_is_up, watched), what="everybody")
    watched.process("relay").stop()
    try:
        eventually(lambda: away(look(watched)) == {"relay"}, what="a relay that is away")
        assert look(watched)["lanes"][0]["queued"] == 0
    finally:
        watched.process("relay").start()


def away(seen: dict[str, Any]) -> set[str]:
    return {each["service"] for each in seen["processes"] + seen["workers"] if not each["up"]}


def test_without_a_database_processes_are_shown_and_queues_are_not_known(watched: Stack) -> None:
    eventually(partial(everybody_is_up, watched), what="everybody")
    watched.process("postgres").pause()
    try:  # the first answer may be of the look before
        eventually(lambda: look(watched)["lanes"][0]["queued"] is None, what="a queue that is not known")
        seen = look(watched)
    finally:
        watched.process("postgres").resume()

    assert seen["lanes"][0]["queued"] is None
    assert seen["backlogs"]["webhooks"] == {"waiting": None, "oldest_seconds": None}
    assert [each["up"] for each in seen["workers"]] == [True]
