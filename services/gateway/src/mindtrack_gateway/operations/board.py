"""Keeps what was last seen of every process, and looks again when somebody asks and it has been a while."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mindtrack_gateway.metrics import REGISTRY, update_backlog
from mindtrack_gateway.operations.exposition import Samples
from mindtrack_gateway.operations.scraping import Page, Place, Reason, Scraper
from mindtrack_gateway.operations.tally import Key, Tally, counted
from mindtrack_gateway.settings import OperationsSettings
from mindtrack_shared.db.fence import Sessions

#: As long as the alert looks back that says how long a lane takes to drain.
WINDOW = 600.0  # seconds
#: Whose name leads to it no more is shown as down for this long: somebody may be looking for it.
REMEMBERED = 600.0  # seconds
#: The service of gateways. Where it is among the targets, requests are counted over all of them.
GATEWAY = "gateway"


@dataclass(frozen=True, slots=True)
class Seen:
    """One process, as it was when it last answered."""

    place: Place
    #: None: it answered.
    reason: Reason | None
    #: What it told last; nothing if it never did.
    samples: Samples
    #: When that was.
    at: datetime | None = None
    #: The same by the clock that only goes forward.
    clock: float | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look found."""

    at: datetime
    #: When this process began to count.
    since: datetime
    #: Seconds that `rates` are of; None after the first look.
    window: float | None
    #: What this process itself tells of the database.
    backlog: Samples
    totals: Mapping[Key, float]
    #: Per second.
    rates: Mapping[Key, float]
    processes: tuple[Seen, ...]


class Board:
    """What operators see. Whoever asks, and however many: targets are asked once in an interval."""

    def __init__(
        self,
        settings: OperationsSettings,
        scraper: Scraper,
        own: Callable[[], Awaitable[Samples]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = settings.interval.total_seconds()
        self._counts_itself = all(target.service != GATEWAY for target in settings.targets)
        self._scraper = scraper
        self._own = own
        self._clock = clock
        self._looking = asyncio.Lock()
        self._seen: dict[Place, Seen] = {}
        self._tally = Tally(WINDOW)
        self._since = datetime.now(UTC)
        self._last: tuple[float, Sight] | None = None

    async def look(self) -> Sight:
        """Return what the last look found, or look again if that was too long ago."""
        async with self._looking:
            if self._last is None or self._clock() - self._last[0] >= self._interval:
                own, pages = await asyncio.gather(self._own(), self._scraper.ask())
                self._last = (self._clock(), self._take_in(own, pages))
            return self._last[1]

    def _take_in(self, own: Samples, pages: list[Page]) -> Sight:
        clock, at = self._clock(), datetime.now(UTC)
        if self._counts_itself:
            self._tally.add(None, counted(own))
        for page in pages:
            if page.samples is not None:
                self._tally.add(page.place, counted(page.samples))
        self._seen = self._processes(pages, clock, at)
        window, rates = self._tally.rates(clock)
        return Sight(
            at=at,
            since=self._since,
            window=window,
            backlog=own,
            totals=dict(self._tally.totals),
            rates=rates,
            processes=tuple(sorted(self._seen.values(), key=lambda seen: _order(seen.place))),
        )

    def _processes(self, pages: list[Page], clock: float, at: datetime) -> dict[Place, Seen]:
        now = {page.place: self._seen_again(page, clock, at) for page in pages}
        for place, seen in self._seen.items():
            if place in now or seen.clock is None:
                continue
            if clock - seen.clock < REMEMBERED:
                now[place] = replace(seen, reason=Reason.GONE)
            else:
                self._tally.forget(place)
        return now

    def _seen_again(self, page: Page, clock: float, at: datetime) -> Seen:
        if page.samples is not None:
            return Seen(page.place, None, page.samples, at, clock)
        before = self._seen.get(page.place, Seen(page.place, None, Samples()))
        return replace(before, reason=page.reason)

    async def aclose(self) -> None:
        await self._scraper.aclose()


def _order(place: Place) -> tuple[str, str]:
    return place.service, place.address


def build_board(settings: OperationsSettings, sessions: Sessions) -> Board:
    async def own() -> Samples:
        try:
            async with asyncio.timeout(settings.timeout.total_seconds()):
                await update_backlog(sessions)
        except TimeoutError:  # gauges are as old as nobody knows
            return Samples(family for family in REGISTRY.collect() if family.type != "gauge")
        return Samples(REGISTRY.collect())

    return Board(settings, Scraper(settings), own)
