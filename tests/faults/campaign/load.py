"""People who send recordings, insist until each is promised, and look at what becomes of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus

import httpx2 as httpx
import numpy as np

from faults.campaign.journal import UNKNOWN, Accepted, Erased, Journal, Refused, Seen
from faults.campaign.rig import PATIENCE, Rig
from mindtrack_shared.domain.jobs import TERMINAL
from mindtrack_shared.ids import new_id
from unit.inference.recordings import encode, voice

SAMPLE_RATE = 16_000  # Hz
TYPE = {"Content-Type": "audio/wav"}
PROMISED = {HTTPStatus.ACCEPTED, HTTPStatus.OK}
ATTEMPT_TIMEOUT = 20.0  # seconds
LOOK_EVERY = 0.5  # seconds
LOOK_AT_MOST = 100  # ids of one request


@cache
def speech(seconds: float) -> bytes:
    """Return a WAV of somebody who repeats themselves."""
    return encode(np.resize(voice(), round(seconds * SAMPLE_RATE)))


def recording(seconds: float = 4.0) -> bytes:
    """Return a WAV like no other: the same bytes again would be the same recording."""
    mark = new_id().bytes
    return speech(seconds) + b"JUNK" + len(mark).to_bytes(4, "little") + mark


@dataclass
class Crowd:
    """Everybody who sends recordings while one fault is tried."""

    rig: Rig
    journal: Journal
    fault: str
    #: What they say about themselves, and nobody should find anywhere else.
    canary: str
    base_url: str = ""
    #: Jobs that they were promised, in order.
    jobs: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def subject(self) -> str:
        return f"person-{self.fault.lower()}"

    @contextmanager
    def client(self, subject: str | None = None) -> Iterator[httpx.Client]:
        token = self.rig.token(subject or self.subject)
        headers = {"Authorization": f"Bearer {token}"}
        base_url = self.base_url or self.rig.base_url
        with httpx.Client(base_url=base_url, headers=headers, timeout=ATTEMPT_TIMEOUT) as client:
            yield client

    def send(
        self, client: httpx.Client, content: bytes, key: str, *, priority: str = "interactive"
    ) -> httpx.Response | None:
        """Send a recording once, and write down what was answered; None for no answer."""
        began = time.monotonic()
        try:
            answer = client.post(
                "/v1/jobs",
                content=content,
                headers={**TYPE, "Idempotency-Key": key},
                params={"device": self.canary, "priority": priority},
            )
        except httpx.HTTPError:
            answer = None
        seconds = time.monotonic() - began
        if answer is not None and answer.status_code in PROMISED:
            job = answer.json()["id"]
            self.journal.write(
                Accepted(
                    at=time.time(),
                    fault=self.fault,
                    job=job,
                    key=key,
                    status=answer.status_code,
                    seconds=seconds,
                )
            )
            with self._lock:
                if job not in self.jobs:
                    self.jobs.append(job)
        else:
            self.journal.write(
                Refused(
                    at=time.time(),
                    fault=self.fault,
                    key=key,
                    status=0 if answer is None else answer.status_code,
                    retry_after=None if answer is None else answer.headers.get("Retry-After"),
                    seconds=seconds,
                )
            )
        return answer

    def insist(
        self, client: httpx.Client, content: bytes, *, within: float = PATIENCE, priority: str = "interactive"
    ) -> str:
        """Send a recording under one key until it is promised; return its job."""
        key, deadline = str(new_id()), time.monotonic() + within
        while True:
            answer = self.send(client, content, key, priority=priority)
            if answer is not None and answer.status_code in PROMISED:
                return str(answer.json()["id"])
            assert time.monotonic() < deadline, f"never promised; last: {answer and answer.text}"
            time.sleep(0.3)

    def send_many(self, count: int, *, seconds: float = 4.0, at_once: int = 8) -> list[str]:
        """Send that many recordings from several threads, and insist on each."""

        def some(share: int) -> list[str]:
            with self.client() as client:
                return [self.insist(client, recording(seconds)) for _ in range(share)]

        shares = [count // at_once + (index < count % at_once) for index in range(at_once)]
        with ThreadPoolExecutor(at_once) as threads:
            return [job for jobs in threads.map(some, shares) for job in jobs]

    @contextmanager
    def sending(self, *, per_second: float, seconds: float = 4.0, at_once: int = 2) -> Iterator[None]:
        """Keep sending for as long as the block runs."""
        over = threading.Event()

        def keep_on() -> None:
            with self.client() as client:
                while not over.is_set():
                    self.insist(client, recording(seconds))
                    over.wait(at_once / per_second)

        with ThreadPoolExecutor(at_once) as threads:
            senders = [threads.submit(keep_on) for _ in range(at_once)]
            try:
                yield
            finally:
                over.set()
            for sender in senders:
                sender.result()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look at every promised job now and then, and write down what is seen, until the block ends."""
        over = threading.Event()
        seen: dict[str, str] = {}

        def look() -> None:
            with self.client() as client:
                while not over.wait(LOOK_EVERY):
                    for ids in _portions(self._unended(seen)):
                        self._look_at(client, ids, seen)

        thread = threading.Thread(target=look, name="looking")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            with self.client() as client:  # once more at all, ended ones too
                for ids in _portions(list(self.jobs)):
                    self._look_at(client, ids, seen)

    def _unended(self, seen: dict[str, str]) -> list[str]:
        with self._lock:
            return [job for job in self.jobs if seen.get(job) not in TERMINAL]

    def _look_at(self, client: httpx.Client, ids: Sequence[str], seen: dict[str, str]) -> None:
        try:
            answer = client.post("/v1/jobs/status", json={"ids": ids})
        except httpx.HTTPError:
            return
        if answer.status_code != HTTPStatus.OK:
            return
        report = answer.json()
        told = {item["id"]: item["status"] for item in report["items"]}
        told |= dict.fromkeys(report["unknown"], UNKNOWN)
        for job, status in told.items():
            if seen.get(job) != status:
                seen[job] = status
                self.journal.write(Seen(at=time.time(), fault=self.fault, job=job, status=status))

    def erase(self, client: httpx.Client, job: str) -> None:
        client.delete(f"/v1/jobs/{job}").raise_for_status()
        self.journal.write(Erased(at=time.time(), fault=self.fault, job=job))

    def accepted(self) -> list[Accepted]:
        return [
            entry
            for entry in self.journal.entries
            if isinstance(entry, Accepted) and entry.fault == self.fault
        ]

    def refused(self) -> list[Refused]:
        return [
            entry
            for entry in self.journal.entries
            if isinstance(entry, Refused) and entry.fault == self.fault
        ]

    def unfinished(self) -> list[str]:
        """Promised jobs that have no end yet, by the tables; erased ones have one."""
        rows = self.rig.rows(
            "select id::text from jobs where id::text = any(:ids) and status in ('queued', 'running')",
            ids=list(self.jobs),
        )
        return [job for (job,) in rows]


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), LOOK_AT_MOST):
        yield ids[first : first + LOOK_AT_MOST]
