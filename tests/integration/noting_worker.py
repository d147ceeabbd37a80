"""A worker that writes lines into files. Run by `test_consumer`.

With `--lose-ack`, its first acknowledgement fails as over a half-open connection.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from kombu.transport import redis as transport
from redis.exceptions import TimeoutError as NoAnswerError

from mindtrack_shared.observability.liveness import LifeSign
from mindtrack_shared.queue.celery import celery_app, run_worker
from mindtrack_shared.settings import QueueSettings

QUEUE, TASK = "noting", "integration.noting.note"
LOSE_ACK = "--lose-ack"


def main(*options: str) -> None:
    app = celery_app("noting", QueueSettings())
    app.conf.update(worker_concurrency=1, worker_pool_start_method="fork")
    app.task(name=TASK)(note)
    if LOSE_ACK in options:
        lose_first_ack()
    sys.exit(run_worker(app, [QUEUE], LifeSign(None)))


def lose_first_ack() -> None:
    acknowledge: Callable[..., None] = transport.QoS.ack
    failed: list[str] = []

    def fail_once(self: object, tag: str) -> None:
        if not failed:
            failed.append(tag)
            raise NoAnswerError("Timeout reading from socket")
        acknowledge(self, tag)

    transport.QoS.ack = fail_once  # type: ignore[method-assign]  # the fault, where kombu looks for it


def note(file: str, line: str) -> None:
    with Path(file).open("a", encoding="ascii") as opened:
        opened.write(f"{line}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
