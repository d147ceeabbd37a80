"""What it costs to wait for jobs: thousands of held requests on one process, beside polling once a second.

Clients wait for one job each with `Prefer: wait=30`, and ask again when an answer comes before the job has
ended. Jobs end at a steady pace, as workers end them: a commit, then a wake-up. `ratio` is requests per job
that ended over what polling once a second would have needed, 1 per second waited: less is better. Also told:
requests per job (at most 2), the 99th percentile from commit to answer (at most 100 ms), resident memory per
request that is held (at most 40 KiB), and connections to Valkey, which must not grow.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from uuid import UUID

import numpy as np
import psutil
import uvloop
from redis import Redis
from sqlalchemy import Engine, text

from bench.outcome import report, require
from bench.poll import OTHER_CORE, pin
from bench.sides import Ratio, progress, rounds_wanted
from factories import FAILED, RUNNING, add_job, add_user
from mindtrack_gateway.limits import CONNECTIONS
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.settings import DatabaseSettings, QueueSettings

WAITING = 5_000
#: Jobs that end per second: what a few dozen workers do.
PACE = 100
#: Seconds that a request is held for.
HELD = 30
#: Requests per second of connecting, so that the gateway is not measured while it accepts.
CONNECTING = 1_000
TARGETS = {"requests_per_job": 2.0, "p99_milliseconds": 100.0, "kibibytes_per_waiter": 40.0}


@dataclass
class Tally:
    """What clients saw."""

    requests: int = 0
    ended_at: dict[UUID, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Round:
    requests_per_job: float
    seconds_waited: float
    p99_milliseconds: float
    kibibytes_per_waiter: float
    valkey_connections: int


class Client(asyncio.Protocol):
    """Waits for one job over one connection."""

    def __init__(self, job_id: UUID, token: str, tally: Tally, over: asyncio.Event, jobs: int) -> None:
        lines = [
            f"GET /v1/jobs/{job_id} HTTP/1.1",
            "host: 127.0.0.1",
            f"authorization: Bearer {token}",
            f"prefer: wait={HELD}",
        ]
        self._request = "\r\n".join([*lines, "", ""]).encode()
        self._job_id, self._tally, self._over, self._jobs = job_id, tally, over, jobs
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def _ask(self) -> None:
        self._tally.requests += 1
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._received.endswith(b"}"):
            return
        answer, self._received = self._received, b""
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer[:200])
        if b'"status":"failed"' not in answer:
            self._ask()
            return
        self._tally.ended_at[self._job_id] = time.perf_counter()
        self._transport.close()
        if len(self._tally.ended_at) == self._jobs:
            self._over.set()


async def park(port: int, job_ids: Sequence[UUID], token: str, tally: Tally, over: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for first in range(0, len(job_ids), CONNECTING // 10):
        await asyncio.gather(
            *(
                loop.create_connection(
                    lambda job_id=job_id: Client(job_id, token, tally, over, len(job_ids)),  # type: ignore[misc]
                    "127.0.0.1",
                    port,
                )
                for job_id in job_ids[first : first + CONNECTING // 10]
            )
        )
        await asyncio.sleep(0.1)


def end(engine: Engine, job_id: UUID) -> float:
    """End a job as a worker does; return when it was committed."""
    with engine.begin() as connection:
        connection.execute(RUN, {"id": job_id})
        connection.execute(FAIL, {"id": job_id})
    return time.perf_counter()


RUN, FAIL = (text(f"update jobs set {to} where id = :id") for to in (RUNNING, FAILED))  # noqa: S608 - constants


def end_all(engine: Engine, wakeups: Wakeups, job_ids: Sequence[UUID]) -> Mapping[UUID, float]:
    """End jobs at a steady pace; return when each was committed."""
    started, committed = time.perf_counter(), {}
    for number, job_id in enumerate(job_ids):
        time.sleep(max(0.0, started + number / PACE - time.perf_counter()))
        committed[job_id] = end(engine, job_id)
        wakeups.job_finished(job_id)
    return committed


def measure(stack: Stack, engine: Engine, wakeups: Wakeups, token: str) -> Round:
    person = add_user(engine, "ada")
    job_ids = [add_job(engine, person) for _ in range(WAITING)]
    port = int(stack.base_url.rpartition(":")[2])
    gateway = psutil.Process(stack.process("gateway").pid)

    async def wait() -> tuple[Tally, Mapping[UUID, float], int, float, int]:
        tally, over = Tally(), asyncio.Event()
        before = gateway.memory_info().rss
        parked = time.perf_counter()
        await park(port, job_ids, token, tally, over)
        await asyncio.sleep(3)
        grown = gateway.memory_info().rss - before
        connections = valkey_connections(stack)
        committed = await asyncio.to_thread(end_all, engine, wakeups, job_ids)
        await asyncio.wait_for(over.wait(), 2 * HELD)
        return tally, committed, grown, parked, connections

    tally, committed, grown, parked, connections = uvloop.run(wait())
    late = np.array([tally.ended_at[job_id] - committed[job_id] for job_id in job_ids])
    return Round(
        requests_per_job=tally.requests / WAITING,
        seconds_waited=float(np.mean([tally.ended_at[job_id] - parked for job_id in job_ids])),
        p99_milliseconds=float(np.percentile(late, 99)) * 1000,
        kibibytes_per_waiter=grown / WAITING / 1024,
        valkey_connections=connections,
    )


def valkey_connections(stack: Stack) -> int:
    with Redis.from_url(stack.queue_url) as redis:
        return len(redis.client_list()) - 1  # without the one that asks


def main() -> int:
    rounds = rounds_wanted(__doc__, default=3)
    os.sched_setaffinity(0, {OTHER_CORE})
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a socket for each who waits, on both sides
    found: list[Round] = []
    with TemporaryDirectory() as folder, ExitStack() as running:
        config = StackConfig(
            var=Path(folder) / "var",
            services=("gateway",),
            durable=False,
        )
        stack = running.enter_context(Stack(config))
        pin(stack.process("gateway").pid)
        engine = sync_engine(stack.infrastructure.settings(DatabaseSettings), application_name="bench")
        wakeups = Wakeups(stack.infrastructure.settings(QueueSettings))
        idle = valkey_connections(stack)
        for number in range(rounds):
            found.append(measure(stack, engine, wakeups, stack.token("ada")))
            progress(f"round {number + 1}/{rounds}: {found[-1]}")
    require(
        all(each.valkey_connections <= idle + CONNECTIONS for each in found),
        "connections to Valkey are the limits' pool and one subscription, whoever waits",
    )
    ratios = [each.requests_per_job / each.seconds_waited for each in found]
    report(
        "wait",
        Ratio(float(np.median(ratios)), min(ratios), max(ratios)),
        TARGETS["requests_per_job"] / float(np.median([each.seconds_waited for each in found])),
        at_most=True,
        ours=f"requests per ended job, {WAITING} clients with Prefer: wait={HELD} on one process",
        theirs="the same, polling once a second",
        rounds=rounds,
        threads=1,
        details={
            "targets": {**TARGETS},
            "requests_per_job": [round(each.requests_per_job, 3) for each in found],
            "seconds_waited": [round(each.seconds_waited, 1) for each in found],
            "p99_milliseconds": [round(each.p99_milliseconds, 1) for each in found],
            # The first round's: later ones find memory that is there already.
            "kibibytes_per_waiter": [round(each.kibibytes_per_waiter, 1) for each in found],
            "valkey_connections": [each.valkey_connections for each in found],
            "valkey_connections_idle": idle,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
