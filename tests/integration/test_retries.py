"""A network that resets connections, in a short form of `make bench-retry`."""

from __future__ import annotations

from pathlib import Path

from bench.proxy import Fault
from bench.retry import SECONDS, History, complete, send
from sqlalchemy import Engine

from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.sealing import SealedRecordings
from mindtrack_shared.settings import QueueSettings

UPLOADS = 50


async def test_whatever_the_network_does_each_recording_counts_once(
    gateway: str,
    infrastructure: Infrastructure,
    engine: Engine,
    recordings: SealedRecordings,
    queue: QueueSettings,
) -> None:
    before = objects(infrastructure)

    sent, proxy = await send(gateway, infrastructure.issuer.token, UPLOADS, SECONDS)
    complete(engine, recordings, queue)

    assert min(proxy.done[fault] for fault in Fault) > 0, "a point that was never tried proves nothing"
    assert all(len(found) == 1 for found in sent.jobs.values()), "an upload was told of two jobs"
    assert History.of(engine) == History(UPLOADS, UPLOADS, UPLOADS, UPLOADS)
    assert len(objects(infrastructure) - before) == UPLOADS


def objects(infrastructure: Infrastructure) -> set[Path]:
    return {path for path in infrastructure.recordings.rglob("*") if path.is_file()}
