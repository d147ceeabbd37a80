"""Uploads that are sent three times each over a network that resets connections, and how often each counts.

A proxy on loopback resets them at seeded points: before, during and after the request's body, and before the
answer's first byte. Half of the phones send an `Idempotency-Key`; one of five sends all three at once. Who
got no answer in the end goes on until there is one. Then scripted completions write the analyses, or with
--full the real worker. The ratio is uploads with one job and one analysis, which days counted once, over all
uploads: each must count, and none twice.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
import sys
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import httpx2
import numpy as np
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from bench.outcome import report, require
from bench.proxy import SEND_HEADER, Fate, Fault, Proxy
from bench.sides import Ratio, progress
from factories import TENSE, ScriptedAnalyzer, analysis
from faults_support import FaultyStack
from mindtrack_inference.runner import Runner
from mindtrack_inference.settings import InferenceSettings
from mindtrack_local.config import Service, StackConfig
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.db.models import AnalysisRecord, DayRollupRecord, Job
from mindtrack_shared.domain.jobs import JobStatus, Priority
from mindtrack_shared.observability.logging import configure_logging
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import SealedRecordings, open_keys
from mindtrack_shared.settings import (
    DatabaseSettings,
    JobSettings,
    KeySettings,
    LogSettings,
    QueueSettings,
    StorageSettings,
)
from mindtrack_shared.storage import open_store
from patience import eventually
from unit.inference.recordings import voice

TARGET = 1.0
UPLOADS, SENDS, SEED = 1000, 3, 11
PEOPLE = 20
#: Phones that are at it side by side.
PHONES = 8
#: Every so many, one whose three sends do not wait for each other.
HASTY = 5
SAMPLE_RATE = 16_000  # Hz
#: The model wants a window; a scripted one does not.
SECONDS, FULL_SECONDS = 0.25, 6.0
PATIENCE = 3600.0  # seconds
NAMESPACE = UUID("6f4a53a4-8f0e-5d0f-9d0e-0d6d9f9a3c11")


@dataclass
class Sent:
    """What phones saw."""

    answers: Counter[int] = field(default_factory=Counter)
    replays: int = 0
    resets: int = 0
    #: By upload: the jobs that its answers named.
    jobs: dict[int, set[str]] = field(default_factory=dict)


class Phones:
    """Send each of a number of uploads three times to `address`, as `token(person)`."""

    def __init__(self, address: str, token: Callable[[str], str], recording: Callable[[int], bytes]) -> None:
        self._address = address
        self._tokens = [token(f"person-{person}") for person in range(PEOPLE)]
        self._recording = recording
        self.sent = Sent()

    async def all(self, uploads: int) -> None:
        waiting = iter(range(uploads))

        async def phone() -> None:
            for upload in waiting:
                await self._upload(upload)

        # No connection is used twice: each is one send, with a fate of its own.
        limits = httpx2.Limits(max_keepalive_connections=0)
        async with httpx2.AsyncClient(timeout=60, limits=limits) as self._http, asyncio.TaskGroup() as phones:
            for _ in range(PHONES):
                phones.create_task(phone())

    async def _upload(self, upload: int) -> None:
        content = self._recording(upload)
        if upload % HASTY == 0:
            await asyncio.gather(*(self._send(upload, number, content) for number in range(SENDS)))
        else:
            for number in range(SENDS):
                await self._send(upload, number, content)
        further = SENDS
        while not self.sent.jobs.get(upload):
            await self._send(upload, further, content)
            further += 1

    async def _send(self, upload: int, number: int, content: bytes) -> None:
        headers = {
            "Authorization": f"Bearer {self._tokens[upload % PEOPLE]}",
            "Connection": "close",
            SEND_HEADER: f"{upload}.{number}",
        }
        if upload % 2:
            headers["Idempotency-Key"] = f'"{uuid5(NAMESPACE, str(upload))}"'
        file = {"file": ("log.wav", content, "audio/wav")}
        try:
            response = await self._http.post(f"{self._address}/v1/jobs", files=file, headers=headers)
        except httpx2.RequestError:
            self.sent.resets += 1
            return
        self.sent.answers[response.status_code] += 1
        if response.is_success:
            self.sent.replays += response.headers.get("Idempotency-Replayed") == "true"
            self.sent.jobs.setdefault(upload, set()).add(response.json()["id"])
        else:
            await asyncio.sleep(float(response.headers.get("Retry-After", "0")))


def fate(seed: int) -> Fate:
    """Reset two sends of three, at one of the four points; what is sent again and again comes through."""

    def decide(send: str) -> tuple[Fault | None, float]:
        chance = random.Random(f"{seed}/{send}")  # noqa: S311 - repeatable
        further = int(send.rpartition(".")[2]) >= 2 * SENDS
        fault = None if further else chance.choice((*Fault, None, None))
        return fault, chance.random()

    return decide


def recordings(seconds: float) -> Callable[[int], bytes]:
    """Return what makes the WAV of an upload: one voice, each time from another moment on."""
    spoken = np.int16(voice() * np.iinfo(np.int16).max)
    length = round(seconds * SAMPLE_RATE)

    def write(upload: int) -> bytes:
        file = io.BytesIO()
        with wave.open(file, "wb") as written:
            written.setnchannels(1)
            written.setsampwidth(2)
            written.setframerate(SAMPLE_RATE)
            written.writeframes(np.resize(np.roll(spoken, -upload * 97), length).tobytes())
        return file.getvalue()

    return write


async def send(address: str, token: Callable[[str], str], uploads: int, seconds: float) -> tuple[Sent, Proxy]:
    """Send all uploads through the proxy to the gateway at `address`."""
    port = urlsplit(address).port
    assert port is not None  # noqa: S101 - a gateway of ours has one
    proxy = Proxy(port, fate(SEED))
    async with proxy.listening() as nearer:
        phones = Phones(f"http://127.0.0.1:{nearer}", token, recordings(seconds))
        await phones.all(uploads)
    return phones.sent, proxy


def complete(engine: Engine, recordings: SealedRecordings, queue: QueueSettings) -> None:
    """Do what a worker would for every job that waits, with a model that always says the same."""
    analyzer = ScriptedAnalyzer(analysis(TENSE))
    with closing(Wakeups(queue)) as wakeups:
        runner = Runner(
            engine=engine,
            recordings=recordings,
            lanes=dict.fromkeys(Priority, analyzer),
            analyzer=analyzer,
            wakeups=wakeups,
            job_settings=JobSettings(),
            settings=InferenceSettings(),
            on_hang=lambda: None,
        )
        for job_id in waiting(engine):
            runner.drain(job_id)


def waiting(engine: Engine) -> Iterator[UUID]:
    """Yield a job that waits, until none does."""
    query = select(Job.id).where(Job.status == JobStatus.QUEUED).limit(1)
    while True:
        with Session(engine) as session:
            job_id = session.scalar(query)
        if job_id is None:
            return
        yield job_id


@dataclass(frozen=True, slots=True)
class History:
    """What the database holds in the end."""

    jobs: int
    analyses: int
    #: Analyses that may enter a day, and those that days have counted.
    countable: int
    counted: int

    @classmethod
    def of(cls, engine: Engine) -> History:
        countable = AnalysisRecord.indeterminate_reason.is_(None)
        with Session(engine) as session:
            return cls(
                jobs=session.scalar(select(func.count()).select_from(Job)) or 0,
                analyses=session.scalar(select(func.count()).select_from(AnalysisRecord)) or 0,
                countable=session.scalar(select(func.count()).select_from(AnalysisRecord).where(countable))
                or 0,
                counted=session.scalar(select(func.sum(DayRollupRecord.count))) or 0,
            )


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--uploads", type=int, default=UPLOADS, help=f"how many ({UPLOADS})")
    parser.add_argument("--full", action="store_true", help="have the real worker analyse them")
    return parser.parse_args()


def main() -> int:
    chosen = options()
    configure_logging(LogSettings(level="ERROR"), service="bench")
    uploads: int = chosen.uploads
    services: tuple[Service, ...] = ("gateway", "inference", "relay") if chosen.full else ("gateway",)
    with TemporaryDirectory() as folder:
        config = StackConfig(var=Path(folder) / "var", services=services)
        with FaultyStack(config) as stack:
            engine = sync_engine(stack.infrastructure.settings(DatabaseSettings), application_name="bench")
            began = time.perf_counter()
            seconds = FULL_SECONDS if chosen.full else SECONDS
            sent, proxy = asyncio.run(send(stack.base_url, stack.token, uploads, seconds))
            took = time.perf_counter() - began
            progress(f"{sum(proxy.done.values())} sends in {took:.0f} s")
            before = History.of(engine)
            require(before.jobs == uploads, f"{before.jobs} jobs for {uploads} uploads")
            require(
                all(len(found) == 1 for found in sent.jobs.values()), "one job in all answers of an upload"
            )
            if chosen.full:
                eventually(lambda: not any(waiting(engine)), within=PATIENCE, what="every job claimed")
                eventually(
                    lambda: all(job.status.is_terminal for job in stack.jobs()),
                    within=PATIENCE,
                    what="every job's end",
                )
            else:
                storage = stack.infrastructure.settings(StorageSettings)
                keys = open_keys(stack.infrastructure.settings(KeySettings), storage)
                complete(
                    engine,
                    SealedRecordings(open_store(storage), keys),
                    stack.infrastructure.settings(QueueSettings),
                )
            history = History.of(engine)
            objects = sum(path.is_file() for path in stack.infrastructure.recordings.rglob("*"))
            engine.dispose()
    require(history.counted == history.countable, f"{history.counted} counted by days, as often as analysed")
    once = min(history.jobs, history.analyses) / uploads
    report(
        "retry",
        Ratio(once, once, once),
        TARGET,
        ours="uploads with one job and one analysis",
        theirs=f"uploads, each sent {SENDS} times or more",
        rounds=1,
        threads=PHONES,
        details={
            "jobs": history.jobs,
            "analyses": history.analyses,
            "counted_by_days": history.counted,
            "objects": objects,
            "sends": sum(proxy.done.values()),
            "came_through": proxy.done[None],
            "resets": {fault.value: proxy.done[fault] for fault in Fault},
            "answers": {str(status): count for status, count in sorted(sent.answers.items())},
            "replays": sent.replays,
            "seconds": round(took, 1),
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
