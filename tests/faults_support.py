"""What the fault tests do to a running stack, and how they look at the truth in Postgres."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import numpy as np
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mindtrack_client import MindTrack
from mindtrack_local.config import StackConfig
from mindtrack_local.part import Part
from mindtrack_local.stack import Stack
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.db.models import AnalysisRecord, Job
from mindtrack_shared.domain.jobs import JobStatus
from mindtrack_shared.ids import new_id
from mindtrack_shared.settings import DatabaseSettings
from patience import eventually
from unit.inference.recordings import encode, voice

SAMPLE_RATE = 16_000  # Hz


class FaultyStack(Stack):
    def __init__(self, config: StackConfig) -> None:
        super().__init__(config)
        self._added: list[Part] = []

    def add_inference(self, name: str, overrides: Mapping[str, str] | None = None) -> Part:
        worker = super().add_inference(name, overrides)
        self._added.append(worker)
        return worker

    def dismiss_workers(self) -> None:
        """Stop all workers that were added."""
        while self._added:
            worker = self._added.pop()
            if worker.running:
                worker.resume()
                worker.stop()

    def client(self) -> MindTrack:
        return MindTrack(self.base_url, self.token("ada"))

    def broker(self) -> Redis:
        return Redis.from_url(self.queue_url)

    def begin_job(self, recording: Path) -> UUID:
        """Submit a recording and wait until a worker has claimed its job."""
        with self.client() as client:
            job_id = client.submit(recording).id
        eventually(lambda: self.job(job_id).status is JobStatus.RUNNING, what="a claim")
        return job_id

    def jobs(self) -> list[Job]:
        with self.session() as session:
            return list(session.scalars(select(Job).order_by(Job.id)))

    def job(self, job_id: UUID) -> Job:
        return next(job for job in self.jobs() if job.id == job_id)

    def analyses_per_job(self) -> dict[UUID, int]:
        with self.session() as session:
            counts = select(AnalysisRecord.job_id, func.count()).group_by(AnalysisRecord.job_id)
            return {row[0]: row[1] for row in session.execute(counts)}

    def succeeded(self, job_ids: Sequence[UUID]) -> bool:
        states = {job.id: job.status for job in self.jobs()}
        return all(states[job_id] is JobStatus.SUCCEEDED for job_id in job_ids)

    @contextmanager
    def session(self) -> Iterator[Session]:
        engine = sync_engine(self.infrastructure.settings(DatabaseSettings), application_name="faults")
        try:
            with Session(engine) as session:
                yield session
        finally:
            engine.dispose()


def another(recording: Path, folder: Path) -> Path:
    """Write a WAV or M4A that sounds the same. The same bytes again would be the same recording."""
    mark = new_id().bytes
    ignored = {  # a chunk, or a box, that readers skip
        ".wav": b"JUNK" + len(mark).to_bytes(4, "little") + mark,
        ".m4a": (8 + len(mark)).to_bytes(4, "big") + b"free" + mark,
    }
    path = folder / f"{recording.stem}-{mark.hex()}{recording.suffix}"
    path.write_bytes(recording.read_bytes() + ignored[recording.suffix])
    return path


def talking(path: Path, seconds: float) -> Path:
    """Write a recording of somebody who repeats themselves, long enough to be caught in the middle of."""
    path.write_bytes(encode(np.resize(voice(), round(seconds * SAMPLE_RATE))))
    return path
