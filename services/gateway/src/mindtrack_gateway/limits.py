"""Who may ask for how much: a token bucket per person and per address, for each class of requests.

A bucket is one number, the time at which it will be full again (GCRA). Valkey holds the number that all
gateways share; a process holds a copy of it and decides by that. What it has given away it tells Valkey
behind the request, for many buckets at once. It may be ahead by a bucket's `credit`; beyond it, and for
every upload, a request waits for Valkey's word: one round trip. Without Valkey the copy decides alone
(decision 22).

Valkey sees keyed hashes, never a subject or an address.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from mindtrack_gateway.problems import OverloadedError, TooManyUploadsError
from mindtrack_gateway.settings import LimitSettings
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.settings import QueueSettings

#: Buckets a process remembers. The oldest copy is forgotten first; Valkey has the original.
REMEMBERED = 50_000
#: How long spending gathers before Valkey is told.
GATHER = 0.02  # seconds
#: Buckets per call: a script keeps Valkey from everybody else.
TOGETHER = 200
#: How long to leave Valkey alone that went away.
LOOK_AGAIN = 1.0  # seconds
#: Nobody waits for a settlement behind the requests.
PATIENCE = 0.5  # seconds
CONNECTIONS = 16
#: Of rounding, in seconds.
TOLERANCE = 1e-6

#: Per key: seconds per token, seconds of a whole bucket, tokens already spent, tokens asked for.
#: Returns per key: whether they were granted, and in how many seconds the bucket will be full.
#: A time further ahead than a whole bucket is debt, or a clock set back; neither is held against anybody.
SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local answer = {}
for i, key in ipairs(KEYS) do
  local interval, depth = tonumber(ARGV[4 * i - 3]), tonumber(ARGV[4 * i - 2])
  local spent, wanted = tonumber(ARGV[4 * i - 1]), tonumber(ARGV[4 * i])
  local full = tonumber(redis.call('GET', key) or now)
  full = math.max(now, math.min(full, now + depth)) + spent * interval
  local granted = 0
  if full + wanted * interval <= now + depth + 0.000001 then
    full = full + wanted * interval
    granted = 1
  end
  if full > now then
    redis.call('SET', key, string.format('%.6f', full), 'PX', math.ceil((full - now) * 1000))
  end
  answer[2 * i - 1] = granted
  answer[2 * i] = string.format('%.6f', full - now)
end
return answer
"""
SCRIPT_SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class Kind(StrEnum):
    """Classes of requests, each with buckets of its own."""

    __hash__ = str.__hash__  # Enum's own is Python, and every request is looked up by it

    UPLOADS = "uploads"
    POLLS = "polls"
    #: To redeem a code: guesses are few.
    CODES = "codes"
    OTHERS = "others"


class Scope(StrEnum):
    """Whose bucket it is."""

    __hash__ = str.__hash__

    SUBJECT = "subject"
    ADDRESS = "address"


class Policy:
    """The size of a bucket, and how fast it fills.

    Args:
        name: in the RateLimit fields.
        rate: tokens per second.
        burst: tokens of a full bucket.
        credit: tokens a process may spend before Valkey knows of it.

    """

    __slots__ = ("advertised", "burst", "credit", "depth", "interval", "name")

    def __init__(self, name: str, *, rate: float, burst: int, credit: float) -> None:
        self.name = name
        self.burst = burst
        self.credit = credit
        self.interval = 1 / rate
        self.depth = burst * self.interval
        #: RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10): a full bucket, and how long it fills.
        self.advertised = f'"{name}";q={burst};w={max(1, math.ceil(self.depth))}'.encode()

    def holds(self, ahead: float) -> bool:
        """Whether a bucket that is full in `ahead` seconds has not been overdrawn."""
        return ahead <= self.depth + TOLERANCE


class Verdict(NamedTuple):
    policy: Policy
    allowed: bool
    remaining: int
    #: Seconds until a token is there (if none is), or until the next one comes; 0 when the bucket is full.
    wait: float

    @property
    def told(self) -> bytes:
        """The RateLimit field."""
        return f'"{self.policy.name}";r={self.remaining};t={math.ceil(self.wait)}'.encode()


class Bucket:
    """This process's copy of a bucket, by its own clock."""

    __slots__ = ("_full", "key", "policy", "unsettled")

    def __init__(self, key: bytes, policy: Policy) -> None:
        self.key = key
        self.policy = policy
        self._full = 0.0
        #: Tokens given away that Valkey has not heard of.
        self.unsettled = 0

    def peek(self, now: float) -> Verdict:
        """Say whether there is a token."""
        ahead = max(0.0, self._full - now)
        return self._verdict(ahead, allowed=self.policy.holds(ahead + self.policy.interval))

    def take(self, now: float) -> Verdict:
        """Take a token if there is one."""
        ahead = max(0.0, self._full - now)
        after = ahead + self.policy.interval
        if not self.policy.holds(after):
            return self._verdict(ahead, allowed=False)
        self._full = now + after
        self.unsettled += 1
        return self._verdict(after, allowed=True)

    def _verdict(self, ahead: float, *, allowed: bool) -> Verdict:
        policy = self.policy
        left = max(0, int((policy.depth - ahead + TOLERANCE) / policy.interval))
        wait = ahead - policy.depth + (left + 1) * policy.interval if ahead else 0.0
        return Verdict(policy, allowed, left, wait)

    def owed(self, now: float) -> int:
        """Hand over what is unsettled: no more than has not come back meanwhile."""
        ahead = max(0.0, self._full - now)
        owed = min(self.unsettled, math.ceil(ahead / self.policy.interval - TOLERANCE))
        self.unsettled = 0
        return owed

    def learn(self, now: float, ahead: float) -> None:
        """Take over what Valkey says: full in `ahead` seconds, but for what it has not heard of."""
        self._full = now + ahead + self.unsettled * self.policy.interval


class Entry(NamedTuple):
    """A line for the ledger."""

    bucket: Bucket
    spent: int
    wanted: int


class Line(NamedTuple):
    """And its answer."""

    granted: bool
    #: Seconds until the bucket is full.
    ahead: float


class LedgerAwayError(Exception):
    """The ledger does not answer in time, or cannot."""


class Ledger(Protocol):
    """Where processes share what they have given away."""

    async def settle(self, entries: Sequence[Entry], *, within: float) -> list[Line]:
        """Write down what was spent, and grant what is wanted, all or nothing.

        Raises:
            LedgerAwayError: there is no answer within so many seconds. Some of it may have been written.

        """
        ...

    async def close(self) -> None: ...


class ValkeyLedger:
    def __init__(self, queue: QueueSettings) -> None:
        # No retries, and no timeouts but ours: whoever waits here is a request.
        pool = BlockingConnectionPool.from_url(
            queue.url.get_secret_value(),
            max_connections=CONNECTIONS,
            timeout=None,
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis.from_pool(pool)

    async def settle(self, entries: Sequence[Entry], *, within: float) -> list[Line]:
        arguments: list[bytes | float] = [entry.bucket.key for entry in entries]
        for bucket, spent, wanted in entries:
            arguments += (bucket.policy.interval, bucket.policy.depth, spent, wanted)
        try:
            async with asyncio.timeout(within):
                answer = await self._run(len(entries), arguments)
        except (RedisError, OSError, TimeoutError) as error:
            raise LedgerAwayError(type(error).__name__) from error
        return [
            Line(bool(granted), float(ahead))
            for granted, ahead in zip(answer[::2], answer[1::2], strict=True)
        ]

    async def close(self) -> None:
        await self._redis.aclose()

    async def _run(self, keys: int, arguments: Sequence[bytes | float]) -> list[bytes]:
        try:
            answer: list[bytes] = await self._redis.evalsha(SCRIPT_SHA, keys, *arguments)
        except NoScriptError:
            answer = await self._redis.eval(SCRIPT, keys, *arguments)
        return answer


def policies(settings: LimitSettings) -> dict[tuple[Kind, Scope], Policy]:
    """Build what is limited."""
    chosen = {
        # Each upload, and each guess, is worth a round trip: their budgets are exact.
        Kind.UPLOADS: (settings.uploads_per_minute / 60, settings.uploads_burst, 0.0),
        Kind.POLLS: (settings.polls_per_second, settings.polls_burst, settings.polls_burst / 8),
        Kind.CODES: (settings.codes_per_minute / 60, settings.codes_burst, 0.0),
        Kind.OTHERS: (settings.others_per_second, settings.others_burst, settings.others_burst / 8),
    }
    found: dict[tuple[Kind, Scope], Policy] = {}
    for kind, (rate, burst, credit) in chosen.items():
        if rate:
            found[kind, Scope.SUBJECT] = Policy(kind, rate=rate, burst=burst, credit=credit)
        if rate and settings.address_factor:
            found[kind, Scope.ADDRESS] = Policy(
                f"{kind}-address",
                rate=rate * settings.address_factor,
                burst=max(1, round(burst * settings.address_factor)),
                credit=math.inf,  # before anybody is known, nothing is worth a round trip
            )
    return found


def hash_key(settings: LimitSettings, queue: QueueSettings) -> bytes:
    """Return the key under which names are hashed, the same in every gateway of a system."""
    secret = settings.secret or queue.url
    return hashlib.blake2b(secret.get_secret_value().encode(), person=b"mindtrack-limit").digest()


@dataclass(slots=True)
class Uploads:
    """How many uploads this process receives at the moment, and how much of them it holds. 0 is no cap."""

    most: int
    most_of_one: int
    most_bytes: int = 0
    by_subject: Counter[str] = field(default_factory=Counter)
    total: int = 0
    bytes_held: int = 0

    def enter(self, subject: str, size: int) -> None:
        """Count one more, of which so many bytes lie in memory at a time.

        Raises:
            TooManyUploadsError: the person has as many under way as they may.
            OverloadedError: the process has, or has no room for this one.

        """
        if self.most_of_one and self.by_subject[subject] >= self.most_of_one:
            raise TooManyUploadsError(f"Only {self.most_of_one} uploads may be under way at a time.")
        if (self.most and self.total >= self.most) or not self._has_room(size):
            raise OverloadedError("Too many uploads are under way. Please try again in a few seconds.")
        self.total += 1
        self.bytes_held += size
        self.by_subject[subject] += 1

    def _has_room(self, size: int) -> bool:
        """Say whether memory is left; whoever is alone finds some."""
        return not (self.most_bytes and self.total) or self.bytes_held + size <= self.most_bytes

    def leave(self, subject: str, size: int) -> None:
        self.total -= 1
        self.bytes_held -= size
        self.by_subject[subject] -= 1
        if not self.by_subject[subject]:
            del self.by_subject[subject]


class Limiter:
    """Decides, by this process's copies; keeps them and the ledger in step while `settling` runs."""

    def __init__(
        self,
        settings: LimitSettings,
        ledger: Ledger,
        *,
        key: bytes,
        prefix: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.uploads = Uploads(
            settings.concurrent_uploads,
            settings.concurrent_uploads_per_subject,
            settings.concurrent_upload_bytes,
        )
        self._policies = policies(settings)
        self._timeout = settings.valkey_timeout.total_seconds()
        self._ledger = ledger
        self._hash_key = key
        self._prefix = f"{prefix}limit:"
        self._clock = clock
        self._buckets: dict[tuple[Kind, Scope, str], Bucket] = {}
        self._dirty: set[Bucket] = set()
        self._work = asyncio.Event()
        self._alone = False

    def bucket(self, kind: Kind, scope: Scope, name: str) -> Bucket | None:
        """Return the copy of somebody's bucket; None if that is not limited."""
        found = self._buckets.get((kind, scope, name))
        if found is None:
            policy = self._policies.get((kind, scope))
            if policy is None:
                return None
            found = Bucket(self._key(kind, scope, name), policy)
            if len(self._buckets) >= REMEMBERED:
                self._dirty.discard(self._buckets.pop(next(iter(self._buckets))))
            self._buckets[kind, scope, name] = found
        return found

    def decide(self, bucket: Bucket) -> Verdict | None:
        """Take a token if this process may say so by itself; None if Valkey must be asked."""
        now = self._clock()
        if bucket.unsettled >= bucket.policy.credit and not self._alone:
            verdict = bucket.peek(now)
            return None if verdict.allowed else verdict
        verdict = bucket.take(now)
        if verdict.allowed:
            self._settle_later(bucket)
        return verdict

    async def ask(self, bucket: Bucket) -> Verdict:
        """Take a token by Valkey's word, or by our own if it does not answer."""
        spent = bucket.owed(self._clock())
        try:
            (line,) = await self._ledger.settle([Entry(bucket, spent, 1)], within=self._timeout)
        except LedgerAwayError as error:
            bucket.unsettled += spent
            self._go_alone(error)
            verdict = bucket.take(self._clock())
            self._settle_later(bucket)
            return verdict
        now = self._clock()
        bucket.learn(now, line.ahead)
        return bucket.peek(now)._replace(allowed=line.granted)

    @asynccontextmanager
    async def settling(self) -> AsyncIterator[None]:
        """Tell Valkey what was spent, for as long as the block runs."""
        task = asyncio.create_task(self._settle(), name="limits")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._ledger.close()

    async def _settle(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            await asyncio.sleep(GATHER)
            try:
                await self.settle_all()
            except LedgerAwayError as error:
                self._go_alone(error)
                self._work.set()
                await asyncio.sleep(LOOK_AGAIN)

    async def settle_all(self) -> None:
        """Settle what is unsettled.

        Raises:
            LedgerAwayError: Valkey is away; what it has not heard stays unsettled.

        """
        while self._dirty:
            buckets = [self._dirty.pop() for _ in range(min(TOGETHER, len(self._dirty)))]
            now = self._clock()
            entries = [Entry(bucket, bucket.owed(now), 0) for bucket in buckets]
            try:
                lines = await self._ledger.settle(entries, within=PATIENCE)
            except LedgerAwayError:
                for bucket, spent, _ in entries:
                    bucket.unsettled += spent
                    self._dirty.add(bucket)
                raise
            now = self._clock()
            for bucket, line in zip(buckets, lines, strict=True):
                bucket.learn(now, line.ahead)
        if self._alone:
            self._alone = False
            get_logger().info(events.LIMITS_SHARED)

    def _settle_later(self, bucket: Bucket) -> None:
        if not self._dirty:
            self._work.set()
        self._dirty.add(bucket)

    def _go_alone(self, error: LedgerAwayError) -> None:
        if not self._alone:
            self._alone = True
            get_logger().warning(events.LIMITS_ALONE, exc_info=error)
        self._work.set()  # looks again

    def _key(self, kind: Kind, scope: Scope, name: str) -> bytes:
        digest = hashlib.blake2b(f"{scope}\0{name}".encode(), digest_size=16, key=self._hash_key)
        return f"{self._prefix}{kind}:{digest.hexdigest()}".encode()
