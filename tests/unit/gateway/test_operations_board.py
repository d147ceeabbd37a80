"""What operators see of processes that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mindtrack_gateway.operations.board import REMEMBERED, Board
from mindtrack_gateway.operations.exposition import Samples
from mindtrack_gateway.operations.schemas import OperationsView, seconds_to_drain
from mindtrack_gateway.operations.scraping import Page, Place, Reason, Scraper
from mindtrack_gateway.settings import OperationsSettings

OWN = """
mindtrack_jobs{status="queued",priority="interactive"} 3
mindtrack_jobs{status="running",priority="interactive"} 1
mindtrack_oldest_job_seconds{status="queued",priority="interactive"} 12.5
mindtrack_queue_audio_seconds{priority="interactive"} 40
mindtrack_queue_audio_seconds{priority="bulk"} 0
mindtrack_due_webhooks 2
mindtrack_oldest_due_webhook_seconds 9
mindtrack_unrung_jobs NaN
mindtrack_http_request_seconds_count{method="GET",route="/v1/jobs",status="200"} 10
"""
WORKER = """
mindtrack_worker_info{{bundle="demo",revision="r1",engine="openvino",precision="int8"}} 1
mindtrack_audio_seconds_total{{priority="interactive"}} {audio}
mindtrack_jobs_ended_total{{status="rejected",code="too_noisy"}} 2
"""
ONE = Place("inference", "10.0.0.1:9464")
TWO = Place("inference", "10.0.0.2:9464")
RELAY = Place("relay", "10.0.0.3:9464")


def samples(text: str) -> Samples:
    return Samples(text_string_to_metric_families(text))


def worker(place: Place, audio: float) -> Page:
    return Page(place, samples(WORKER.format(audio=audio)))


class Scripted(Scraper):
    """Finds what it was told to; the last for ever."""

    def __init__(self, *looks: Sequence[Page]) -> None:
        self.looks = list(looks)
        self.asked = 0

    async def ask(self) -> list[Page]:
        await asyncio.sleep(0)
        self.asked += 1
        return list(self.looks[min(self.asked, len(self.looks)) - 1])


class Installation:
    """A board, what it finds, and its clock."""

    def __init__(self, *looks: Sequence[Page], own: str = OWN, targets: tuple[str, ...] = ()) -> None:
        self.now = 0.0
        self.scraper = Scripted(*looks)
        self.board = Board(
            OperationsSettings.model_validate({"targets": targets, "interval": timedelta(seconds=3)}),
            self.scraper,
            self._own,
            clock=lambda: self.now,
        )
        self._told = samples(own)

    async def _own(self) -> Samples:
        return self._told

    async def after(self, seconds: float) -> OperationsView:
        self.now += seconds
        return OperationsView.of(await self.board.look())


async def test_a_first_look_tells_all_but_rates() -> None:
    seen = await Installation([worker(ONE, 100), worker(TWO, 20), Page(RELAY, samples(""))]).after(0)

    interactive, bulk = seen.lanes
    assert (interactive.priority, interactive.queued, interactive.running) == ("interactive", 3, 1)
    assert (interactive.oldest_queued_seconds, interactive.oldest_running_seconds) == (12.5, None)
    assert (interactive.audio_seconds, interactive.processed_audio_seconds) == (40, 120)
    assert (interactive.seconds_to_drain, bulk.seconds_to_drain) == (None, 0), "nothing takes no time"
    assert (seen.window_seconds, interactive.processed_audio_seconds_per_second) == (None, None)
    assert [(each.status, each.code, each.total) for each in seen.ended] == [("rejected", "too_noisy", 4)]
    assert [(each.status_class, each.total) for each in seen.requests] == [("2xx", 10)]
    assert (seen.backlogs.webhooks.waiting, seen.backlogs.webhooks.oldest_seconds) == (2, 9)
    assert seen.backlogs.unrung.waiting is None, "it is not known"
    assert [(each.target, each.engine, each.bundle) for each in seen.workers] == [
        ("10.0.0.1:9464", "openvino", "demo"),
        ("10.0.0.2:9464", "openvino", "demo"),
    ]
    assert [(each.service, each.up) for each in seen.processes] == [("relay", True)]


async def test_a_second_tells_how_long_it_takes_to_drain() -> None:
    installation = Installation([worker(ONE, 100), worker(TWO, 20)], [worker(ONE, 130), worker(TWO, 70)])
    await installation.after(0)
    seen = await installation.after(10)

    assert seen.window_seconds == 10
    assert seen.lanes[0].processed_audio_seconds_per_second == 8
    assert seen.lanes[0].seconds_to_drain == 5
    assert seen.ended[0].per_second == 0


async def test_a_worker_that_falls_silent_is_shown_as_it_was() -> None:
    installation = Installation(
        [worker(ONE, 100), worker(TWO, 20)],
        [worker(ONE, 130), Page(TWO, reason=Reason.UNREACHABLE)],
        [worker(ONE, 130), worker(TWO, 5)],
    )
    before = await installation.after(0)
    during = await installation.after(5)
    after = await installation.after(5)

    assert [each.up for each in before.workers] == [True, True]
    assert [(each.up, each.reason) for each in during.workers] == [(True, None), (False, "unreachable")]
    assert (during.workers[1].engine, during.workers[1].seen_at) == ("openvino", before.observed_at)
    assert during.lanes[0].processed_audio_seconds == 150, "what it did stays done"
    assert [each.up for each in after.workers] == [True, True]
    assert after.lanes[0].processed_audio_seconds == 155, "it began again from zero"


async def test_one_that_never_answered_is_shown_too() -> None:
    installation = Installation([Page(ONE, reason=Reason.SLOW)])
    for _ in range(2):
        (only,) = (await installation.after(5)).workers
        assert (only.up, only.reason, only.seen_at, only.engine) == (False, "slow", None, None)


async def test_one_whose_name_leads_to_it_no_more_is_remembered_for_a_while() -> None:
    absent = Page(Place("inference", "inference:9464"), reason=Reason.ABSENT)
    installation = Installation([worker(ONE, 100)], [absent])
    await installation.after(0)
    during = await installation.after(REMEMBERED - 1)
    after = await installation.after(REMEMBERED)

    assert [(each.target, each.reason) for each in during.workers] == [
        ("10.0.0.1:9464", "gone"),
        ("inference:9464", "absent"),
    ]
    assert [each.reason for each in after.workers] == ["absent"]


async def test_a_worker_that_starts_serves_nothing_yet() -> None:
    (only,) = (await Installation([Page(ONE, samples(""))]).after(0)).workers

    assert (only.up, only.engine, only.bundle) == (True, None, None)


async def test_children_that_serve_different_things_are_told_apart() -> None:
    two = WORKER.format(audio=1) + WORKER.format(audio=1).replace("int8", "float32").splitlines()[1] + "\n"

    seen = await Installation([Page(ONE, samples(two))]).after(0)

    assert [(each.target, each.precision) for each in seen.workers] == [
        ("10.0.0.1:9464", "int8"),
        ("10.0.0.1:9464", "float32"),
    ]


async def test_however_many_look_targets_are_asked_once() -> None:
    installation = Installation([worker(ONE, 100)])

    seen = await asyncio.gather(*(installation.after(0) for _ in range(20)))
    assert installation.scraper.asked == 1
    assert len({each.observed_at for each in seen}) == 1

    await installation.after(2.9)
    assert installation.scraper.asked == 1
    await installation.after(0.1)
    assert installation.scraper.asked == 2


async def test_where_gateways_are_targets_requests_are_all_of_theirs() -> None:
    line = 'mindtrack_http_request_seconds_count{method="GET",route="/v1/jobs",status="200"}'
    gateways = [Page(Place("gateway", f"10.0.1.{host}:8000"), samples(f"{line} {host}\n")) for host in (5, 6)]

    seen = await Installation(gateways, targets=("gateway=http://gateway:8000/metrics",)).after(0)

    assert [each.total for each in seen.requests] == [11]


@pytest.mark.parametrize(
    ("audio", "speed", "seconds"),
    [
        (0, None, 0),
        (0, 0, 0),
        (10, 0, None),
        (10, None, None),
        (None, 2, None),
        (None, None, None),
        (9, 2, 4.5),
    ],
)
def test_seconds_to_drain(audio: float | None, speed: float | None, seconds: float | None) -> None:
    assert seconds_to_drain(audio, speed) == seconds
