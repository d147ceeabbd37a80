"""Buckets by a clock of ours: the ledger is a dictionary here, and Valkey in the integration tests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mindtrack_gateway import limits
from mindtrack_gateway.limits import (
    Bucket,
    Entry,
    Kind,
    LedgerAwayError,
    Limiter,
    Line,
    Policy,
    Scope,
    Uploads,
    Verdict,
    hash_key,
)
from mindtrack_gateway.problems import OverloadedError, TooManyUploadsError
from mindtrack_gateway.settings import LimitSettings
from mindtrack_shared.settings import QueueSettings


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class SharedLedger:
    """What several processes share, and what the script does."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.away = False
        self.calls = 0
        self.full: dict[bytes, float] = {}

    async def settle(self, entries: Sequence[Entry], *, within: float) -> list[Line]:  # noqa: ARG002
        self.calls += 1
        if self.away:
            raise LedgerAwayError("away")
        return [self._line(entry) for entry in entries]

    def _line(self, entry: Entry) -> Line:
        policy, now = entry.bucket.policy, self.clock()
        full = max(now, min(self.full.get(entry.bucket.key, now), now + policy.depth))
        full += entry.spent * policy.interval
        granted = policy.holds(full + entry.wanted * policy.interval - now)
        full += entry.wanted * policy.interval * granted
        self.full[entry.bucket.key] = full
        return Line(granted, full - now)

    async def close(self) -> None: ...


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> SharedLedger:
    return SharedLedger(clock)


def limiter(ledger: SharedLedger, **settings: object) -> Limiter:
    return Limiter(LimitSettings.model_validate(settings), ledger, key=b"secret", clock=ledger.clock)


async def charge(limiter: Limiter, kind: Kind, name: str = "ada", scope: Scope = Scope.SUBJECT) -> Verdict:
    bucket = limiter.bucket(kind, scope, name)
    assert bucket
    return limiter.decide(bucket) or await limiter.ask(bucket)


def test_a_full_bucket_is_a_burst_and_then_the_rate(clock: Clock) -> None:
    bucket = Bucket(b"", Policy("polls", rate=2, burst=3, credit=0))

    assert [bucket.take(clock()).allowed for _ in range(4)] == [True, True, True, False]
    clock.now += 0.49
    assert not bucket.take(clock()).allowed
    clock.now += 0.01
    assert bucket.take(clock()).allowed
    assert not bucket.take(clock()).allowed
    clock.now += 60
    assert [bucket.take(clock()).allowed for _ in range(4)] == [True, True, True, False]


def test_a_verdict_says_what_is_left_and_when_more_comes(clock: Clock) -> None:
    bucket = Bucket(b"", Policy("polls", rate=0.5, burst=2, credit=0))

    first, second, refused = (bucket.take(clock()) for _ in range(3))
    clock.now += 0.5
    later = bucket.take(clock())

    assert first.remaining == 1
    assert second.remaining == 0
    assert refused.remaining == 0
    assert [each.wait for each in (first, second, refused, later)] == pytest.approx([2, 2, 2, 1.5])
    assert later.told == b'"polls";r=0;t=2'
    assert later.policy.advertised == b'"polls";q=2;w=4'


def test_a_full_bucket_waits_for_nothing(clock: Clock) -> None:
    verdict = Bucket(b"", Policy("polls", rate=1, burst=5, credit=0)).peek(clock())

    assert verdict[1:] == (True, 5, 0.0)


@pytest.mark.parametrize("rate", [0.5, 20, 7, 1 / 3])
def test_no_schedule_gets_more_than_burst_and_rate(clock: Clock, rate: float) -> None:
    bucket = Bucket(b"", Policy("polls", rate=rate, burst=7, credit=0))
    began = clock.now

    taken = 0
    for _ in range(5000):
        taken += bucket.take(clock()).allowed
        clock.now += 0.013

    assert taken == pytest.approx(7 + rate * (clock.now - began), abs=1)


async def test_two_processes_share_the_uploads_exactly(ledger: SharedLedger) -> None:
    one, other = limiter(ledger, uploads_burst=5), limiter(ledger, uploads_burst=5)

    allowed = [(await charge(process, Kind.UPLOADS)).allowed for process in (one, other) * 5]

    assert allowed == [True] * 5 + [False] * 5


async def test_what_is_refused_here_is_not_asked_there(ledger: SharedLedger) -> None:
    process = limiter(ledger, uploads_burst=1)
    await charge(process, Kind.UPLOADS)
    calls = ledger.calls

    assert not (await charge(process, Kind.UPLOADS)).allowed
    assert ledger.calls == calls


async def test_polls_wait_for_nobody_until_their_credit_is_spent(ledger: SharedLedger) -> None:
    process = limiter(ledger, polls_burst=16)  # credit: 2

    await charge(process, Kind.POLLS)
    await charge(process, Kind.POLLS)
    assert ledger.calls == 0

    await charge(process, Kind.POLLS)
    assert ledger.calls == 1


async def test_processes_that_poll_are_never_ahead_by_more_than_their_credit(ledger: SharedLedger) -> None:
    processes = [limiter(ledger, polls_burst=16) for _ in range(4)]

    allowed = [(await charge(process, Kind.POLLS)).allowed for _ in range(40) for process in processes]

    assert 16 <= sum(allowed) <= 16 + 4 * 2


async def test_settling_shares_what_was_spent_behind_the_requests(ledger: SharedLedger) -> None:
    one, other = limiter(ledger, polls_burst=80), limiter(ledger, polls_burst=80)
    for _ in range(9):
        await charge(one, Kind.POLLS)

    await one.settle_all()

    await charge(other, Kind.POLLS)
    await other.settle_all()
    assert (await charge(other, Kind.POLLS)).remaining == 80 - 9 - 2
    assert ledger.calls == 2, "and nobody waited"


async def test_without_the_ledger_each_process_counts_by_itself(ledger: SharedLedger) -> None:
    processes = [limiter(ledger, uploads_burst=3) for _ in range(2)]
    ledger.away = True

    allowed = [[(await charge(process, Kind.UPLOADS)).allowed for _ in range(5)] for process in processes]

    assert allowed == [[True] * 3 + [False] * 2] * 2
    assert ledger.calls == 2, "each asked once, and then left it alone"


async def test_when_it_is_back_it_hears_what_was_spent_meanwhile(ledger: SharedLedger) -> None:
    one, other = limiter(ledger, uploads_burst=5), limiter(ledger, uploads_burst=5)
    ledger.away = True
    for _ in range(3):
        await charge(one, Kind.UPLOADS)
    with pytest.raises(LedgerAwayError):
        await one.settle_all()

    ledger.away = False
    await one.settle_all()

    assert [(await charge(other, Kind.UPLOADS)).allowed for _ in range(3)] == [True, True, False]
    assert not (await charge(one, Kind.UPLOADS)).allowed


async def test_a_long_absence_leaves_no_debt(ledger: SharedLedger, clock: Clock) -> None:
    process = limiter(ledger)
    ledger.away = True
    for _ in range(1000):
        await charge(process, Kind.POLLS)
        clock.now += 0.1
    ledger.away = False

    await process.settle_all()

    assert (await charge(process, Kind.POLLS)).remaining >= 57


async def test_people_addresses_and_classes_do_not_share(ledger: SharedLedger) -> None:
    process = limiter(ledger, uploads_burst=1, address_factor=1)

    charges = [
        (Kind.UPLOADS, "ada", Scope.SUBJECT),
        (Kind.UPLOADS, "grace", Scope.SUBJECT),
        (Kind.UPLOADS, "ada", Scope.ADDRESS),
        (Kind.POLLS, "ada", Scope.SUBJECT),
    ]

    assert all([(await charge(process, *each)).allowed for each in charges])
    assert not any([(await charge(process, *each)).allowed for each in charges[:3]])


def test_nought_turns_a_limit_off(ledger: SharedLedger) -> None:
    off = limiter(ledger, polls_per_second=0)
    no_addresses = limiter(ledger, address_factor=0)

    assert off.bucket(Kind.POLLS, Scope.SUBJECT, "ada") is None
    assert off.bucket(Kind.POLLS, Scope.ADDRESS, "ada") is None
    assert off.bucket(Kind.OTHERS, Scope.SUBJECT, "ada")
    assert no_addresses.bucket(Kind.POLLS, Scope.ADDRESS, "ada") is None
    assert no_addresses.bucket(Kind.POLLS, Scope.SUBJECT, "ada")


def test_memory_is_bounded(ledger: SharedLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REMEMBERED", 10)
    process = limiter(ledger)

    for number in range(100):
        bucket = process.bucket(Kind.POLLS, Scope.ADDRESS, str(number))
        assert bucket
        process.decide(bucket)

    assert len(process._buckets) == 10
    assert len(process._dirty) <= 10


def test_keys_name_nobody(ledger: SharedLedger) -> None:
    bucket = limiter(ledger).bucket(Kind.POLLS, Scope.SUBJECT, "ada")

    assert bucket
    assert b"ada" not in bucket.key
    assert bucket.key.startswith(b"limit:polls:")


def test_the_hash_key_is_the_secret_or_else_the_queues() -> None:
    def key(secret: str | None, url: str) -> bytes:
        settings = LimitSettings.model_validate({"secret": secret})
        return hash_key(settings, QueueSettings.model_validate({"url": url}))

    assert key(None, "rediss://:a@x") != key(None, "rediss://:b@x")
    assert key("s" * 16, "rediss://:a@x") == key("s" * 16, "rediss://:b@x")
    assert key("s" * 16, "rediss://:a@x") != key("t" * 16, "rediss://:a@x")


def test_uploads_at_a_time() -> None:
    uploads = Uploads(most=3, most_of_one=2)
    uploads.enter("ada", 9)
    uploads.enter("ada", 9)

    with pytest.raises(TooManyUploadsError):
        uploads.enter("ada", 9)
    uploads.enter("grace", 9)
    with pytest.raises(OverloadedError):
        uploads.enter("grace", 9)
    uploads.leave("ada", 9)
    uploads.enter("ada", 9)
    for subject in ("ada", "ada", "grace"):
        uploads.leave(subject, 9)

    assert (uploads.total, uploads.bytes_held) == (0, 0)
    assert not uploads.by_subject


def test_uploads_share_their_memory_and_one_finds_some() -> None:
    uploads = Uploads(most=0, most_of_one=0, most_bytes=10)
    uploads.enter("ada", 12)
    with pytest.raises(OverloadedError):
        uploads.enter("grace", 1)
    uploads.leave("ada", 12)
    for size in (4, 6):
        uploads.enter("ada", size)
    with pytest.raises(OverloadedError):
        uploads.enter("grace", 1)
    uploads.enter("grace", 0)

    assert uploads.bytes_held == 10
